"""How a step ends early. These are words between steps and the runner, not errors of ours."""

from dataclasses import dataclass

from swaps.logs.diagnosis import Diagnosis


@dataclass(frozen=True, slots=True)
class Cause:
    """Why a swap failed, for people."""

    code: str
    sentence: str
    remedy: str = ""
    evidence: str = ""

    @classmethod
    def of(cls, diagnosis: Diagnosis) -> "Cause":
        where = f"On {diagnosis.node}: " if diagnosis.node else ""
        return cls(diagnosis.code, f"{where}{diagnosis.sentence}", diagnosis.remedy, diagnosis.evidence)


class StepFailed(Exception):
    """An expected failure."""

    def __init__(self, cause: Cause) -> None:
        super().__init__(cause.sentence)
        self.cause = cause


class CancelRequested(Exception):
    """Somebody asked this swap to stop."""


class Draining(Exception):
    """This process is going away; the swap goes on under the next driver."""


TOO_MANY_DRIVERS = Cause(
    "too-many-drivers",
    "The worker that drove this swap died again and again, so Spark Control gave it up.",
    "Look into the log of the worker for how it ended (out of memory, most often), then ask again.",
)
