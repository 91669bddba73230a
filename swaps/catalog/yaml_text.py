"""YAML as plain data: dicts, lists and the scalars exactly as written, so that 0.70 stays "0.70" and `yes` stays "yes".

Nothing is constructed. Aliases are refused (a few lines of them expand to gigabytes), as are duplicate keys (the last
would silently win), deep nesting and big files.
"""

from typing import Any

import yaml

MAX_BYTES = 256 * 1024
_NULL = "tag:yaml.org,2002:null"


class CatalogError(ValueError):
    """The file cannot be read at all; the message says where and the remedy."""


class _Loader(yaml.SafeLoader):
    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        if self.check_event(yaml.AliasEvent):
            event = self.peek_event()  # type: ignore[no-untyped-call]
            raise CatalogError(f"Line {event.start_mark.line + 1} uses an alias (*name). Write the text out instead.")
        node: yaml.Node | None = super().compose_node(parent, index)
        return node


def read_yaml(text: str) -> Any:
    """The one document in `text` as dict, list, str or None. Raises CatalogError."""
    if len(text.encode(errors="surrogatepass")) > MAX_BYTES:
        raise CatalogError(f"The file is larger than {MAX_BYTES // 1024} KiB. Split it.")
    try:
        node = yaml.compose(text, Loader=_Loader)
        return None if node is None else _plain(node)
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise CatalogError(f"Line {line} is not valid YAML: {error.problem}. Correct it there.") from error
    except yaml.YAMLError as error:
        raise CatalogError("The file holds a character YAML does not allow. Save it as plain UTF-8 text.") from error
    except RecursionError:
        raise CatalogError("The file is nested too deeply. A catalog needs four levels.") from None


def _plain(node: yaml.Node) -> Any:
    if isinstance(node, yaml.MappingNode):
        return _mapping(node)
    if isinstance(node, yaml.SequenceNode):
        return [_plain(item) for item in node.value]
    return None if node.tag == _NULL else node.value


def _mapping(node: yaml.MappingNode) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key_node, value_node in node.value:
        line = key_node.start_mark.line + 1
        if not isinstance(key_node, yaml.ScalarNode):
            raise CatalogError(f"Line {line} has a list or mapping as a key. Use plain text.")
        if key_node.value == "<<":
            raise CatalogError(f"Line {line} uses a merge key (<<). Write the fields out instead.")
        if key_node.value in found:
            raise CatalogError(f"Line {line} repeats the key {key_node.value[:60]!r}. Keep one of them.")
        found[key_node.value] = _plain(value_node)
    return found
