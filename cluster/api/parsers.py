"""The one way a JSON body comes in."""

from typing import IO, Any

from rest_framework.exceptions import ParseError
from rest_framework.parsers import BaseParser

from cluster.api.problems import TooLarge
from cluster.api.strict_json import BadJSON, parse

MAX_BODY_BYTES = 1024 * 1024


class StrictJSONParser(BaseParser):
    """Size is checked before anything is parsed. Raises TooLarge (413) and ParseError (400) naming the trouble."""

    media_type = "application/json"

    def parse(self, stream: IO[bytes], *_: Any, **__: Any) -> Any:
        raw = read_body(stream, MAX_BODY_BYTES)
        if not raw.strip():
            return {}
        try:
            return parse(raw)
        except BadJSON as error:
            raise ParseError(str(error), code="malformed-json") from None


class YAMLTextParser(BaseParser):
    """A YAML catalog as text; what it means is for the catalog to say."""

    media_type = "application/yaml"
    max_bytes = 256 * 1024

    def parse(self, stream: IO[bytes], *_: Any, **__: Any) -> str:  # type: ignore[override]
        try:
            return read_body(stream, self.max_bytes).decode("utf-8-sig")
        except UnicodeDecodeError as error:
            raise ParseError(f"The body is not UTF-8 at byte {error.start}.", code="malformed-yaml") from None


class TextYAMLParser(YAMLTextParser):
    media_type = "text/yaml"


class XYAMLParser(YAMLTextParser):
    media_type = "application/x-yaml"


def read_body(stream: IO[bytes], max_bytes: int) -> bytes:
    """At most `max_bytes`. Raises TooLarge."""
    raw = stream.read(max_bytes + 1)
    if len(raw) > max_bytes:
        raise TooLarge("too-large", f"The body is too large; send at most {max_bytes // 1024} KiB.")
    return raw
