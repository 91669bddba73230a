"""Which product a container is, by its name, image, command and labels (spark-facts 8). Pure."""

import re
from collections.abc import Mapping

# In order: the first that fits wins. A mirror or a tag may stand around the image name.
_BY_IMAGE = (
    ("nim", re.compile(r"(^|/)nvcr\.io/nim/|^nim/")),
    ("sglang", re.compile(r"sglang")),
    ("triton", re.compile(r"tritonserver")),
    ("tensorrt", re.compile(r"tensorrt-?llm|trt-?llm")),
    ("ollama", re.compile(r"(^|/)ollama(/ollama)?(:|@|$)")),
    ("comfyui", re.compile(r"comfy-?ui")),
    ("lmstudio", re.compile(r"lm-?studio")),
    ("llamacpp", re.compile(r"llama\.?-?cpp")),
    ("tgi", re.compile(r"text-generation-inference")),
    ("vllm", re.compile(r"vllm")),
)
_BY_NAME = (
    ("sparkrun", re.compile(r"sparkrun_.+")),
    ("ray", re.compile(r"node-\d+")),
    ("ollama", re.compile(r"ollama.*")),
    ("sglang", re.compile(r"sglang.*")),
    ("comfyui", re.compile(r"comfyui.*")),
    ("vllm", re.compile(r"vllm.*")),
)
_IDLE = re.compile(r"^\W*(sleep infinity|earlyoom\b)")


def kind_of(name: str, image: str, command: str, labels: Mapping[str, str]) -> str:
    """`launcher` is vLLM in the community launcher's idle container: that it is up says nothing about vLLM."""
    if any(label.startswith("sparkrun.") for label in labels):
        return "sparkrun"
    image = image.lower()
    kind = _first(_BY_NAME[:1], name) or _search(image) or _first(_BY_NAME, name.lower()) or "other"
    if kind == "vllm" and _IDLE.match(command):
        return "ray" if _first(_BY_NAME[1:2], name) else "launcher"
    return "ray" if kind == "vllm" and _first(_BY_NAME[1:2], name) else kind


def _search(image: str) -> str | None:
    return next((kind for kind, pattern in _BY_IMAGE if pattern.search(image)), None)


def _first(table: tuple[tuple[str, re.Pattern[str]], ...], name: str) -> str | None:
    return next((kind for kind, pattern in table if pattern.fullmatch(name)), None)
