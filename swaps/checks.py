"""One answer of a preflight: what was looked at, and whether a swap may go on."""

from dataclasses import asdict, dataclass
from enum import StrEnum


class CheckState(StrEnum):
    OK = "ok"
    WARNING = "warning"
    BLOCKS = "blocks"


@dataclass(frozen=True, slots=True)
class Check:
    code: str
    state: CheckState
    sentence: str
    remedy: str = ""
    node: str = ""

    def as_dict(self) -> dict[str, str]:
        return {name: str(value) for name, value in asdict(self).items()}
