"""The Prometheus text format, version 0.0.4. Pure."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

MEDIA_TYPE = "text/plain; version=0.0.4; charset=utf-8"
Labels = Mapping[str, str]


@dataclass(slots=True)
class Family:
    """One metric with all its samples. `kind`: counter, gauge or histogram; its name ends in a base unit, or _total."""

    name: str
    kind: str
    help: str
    samples: list[str] = field(default_factory=list)

    def add(self, value: float | None, **labels: object) -> None:
        """One sample; what is not known is left out."""
        if value is not None:
            self.samples.append(_sample(self.name, labels, value))

    def add_histogram(self, bounds: Iterable[float], counts: Iterable[int], total: float, **labels: object) -> None:
        """`counts`: observations per bucket, one more than bounds, not yet added up. `total`: their sum."""
        so_far = 0
        for bound, count in zip((*bounds, math.inf), counts, strict=True):
            so_far += count
            self.samples.append(_sample(f"{self.name}_bucket", {**labels, "le": _number(bound)}, so_far))
        self.samples.append(_sample(f"{self.name}_sum", labels, total))
        self.samples.append(_sample(f"{self.name}_count", labels, so_far))

    def one_of(self, states: Iterable[str], current: str, **labels: object) -> None:
        """1 for the state it is in, 0 for every other."""
        for state in states:
            self.add(float(state == current), **labels, state=state)


def render(families: Iterable[Family]) -> str:
    lines: list[str] = []
    for family in families:
        lines += [f"# HELP {family.name} {_escaped(family.help)}", f"# TYPE {family.name} {family.kind}"]
        lines += family.samples
    return "\n".join(lines) + "\n"


def _sample(name: str, labels: Mapping[str, object], value: float) -> str:
    words = ",".join(f'{key}="{_escaped(str(text), quote=True)}"' for key, text in labels.items())
    return f"{name}{{{words}}} {_number(value)}" if words else f"{name} {_number(value)}"


def _number(value: float) -> str:
    if math.isinf(value):
        return "+Inf" if value > 0 else "-Inf"
    return str(int(value)) if float(value).is_integer() and abs(value) < 1e15 else repr(float(value))


def _escaped(text: str, *, quote: bool = False) -> str:
    plain = text.replace("\\", r"\\").replace("\n", r"\n")
    return plain.replace('"', r"\"") if quote else plain
