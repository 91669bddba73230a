"""What `promtool check metrics` would say of a text, and its samples."""

import math
import re
from dataclasses import dataclass

NAME = re.compile(r"[a-z][a-z0-9_]*")
SAMPLE = re.compile(r"([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{(.*)\})? (\S+)")
LABEL = re.compile(r'([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\n]|\\["\\n])*)"(?:,|$)')
UNITS = ("seconds", "bytes", "celsius", "watts", "ratio", "total", "info")
NOT_BASE = (
    "milliseconds",
    "_ms",
    "percent",
    "minutes",
    "hours",
    "kilobytes",
    "megabytes",
    "mib",
    "gib",
    "_count",
    "_sum",
)


@dataclass(frozen=True)
class Sample:
    name: str
    labels: dict[str, str]
    value: float


def parse(text: str) -> list[Sample]:
    """The samples. Fails on what Prometheus would not read or promtool would complain about."""
    assert text.endswith("\n")
    kinds: dict[str, str] = {}
    helped: set[str] = set()
    samples: list[Sample] = []
    for line in text.splitlines():
        if line.startswith("# HELP "):
            _, _, name, words = line.split(" ", 3)
            assert name not in helped and words, line
            helped.add(name)
        elif line.startswith("# TYPE "):
            _, _, name, kind = line.split(" ")
            assert name in helped and name not in kinds, line
            kinds[name] = kind
        else:
            samples.append(sample(line, kinds))
    for name, kind in kinds.items():
        check_name(name, kind)
    assert len({(s.name, tuple(sorted(s.labels.items()))) for s in samples}) == len(samples), "a sample is told twice"
    check_histograms([s for s in samples if kinds.get(family(s.name, kinds)) == "histogram"])
    return samples


def sample(line: str, kinds: dict[str, str]) -> Sample:
    match = SAMPLE.fullmatch(line)
    assert match, line
    inside = match[2] or ""
    found = LABEL.findall(inside)
    assert "".join(m.group(0) for m in LABEL.finditer(inside)) == inside, line
    assert family(match[1], kinds) == list(kinds)[-1], f"{line}: not under its own TYPE"
    return Sample(match[1], {name: unescaped(text) for name, text in found}, float(match[3].replace("+Inf", "inf")))


def unescaped(text: str) -> str:
    return re.sub(r"\\(.)", lambda found: {"n": "\n"}.get(found[1], found[1]), text)


def family(name: str, kinds: dict[str, str]) -> str:
    base = re.sub(r"_(bucket|sum|count)$", "", name)
    return base if kinds.get(base) == "histogram" else name


def check_name(name: str, kind: str) -> None:
    assert NAME.fullmatch(name) and name.startswith("sparkcontrol_"), name
    assert kind in ("counter", "gauge", "histogram"), name
    assert name.endswith("_total") == (kind == "counter"), f"{name}: _total is for counters, and for all of them"
    assert not name.endswith(NOT_BASE), f"{name}: use base units"
    for unit in UNITS[:5]:
        assert unit not in name.split("_") or name.endswith((unit, f"{unit}_total")), f"{name}: its unit comes last"


def check_histograms(samples: list[Sample]) -> None:
    series: dict[tuple[str, tuple[tuple[str, str], ...]], dict[float, float]] = {}
    for one in samples:
        if one.name.endswith("_bucket"):
            rest = tuple(sorted((k, v) for k, v in one.labels.items() if k != "le"))
            series.setdefault((one.name[:-7], rest), {})[float(one.labels["le"].replace("+Inf", "inf"))] = one.value
    counts = {(s.name[:-6], tuple(sorted(s.labels.items()))): s.value for s in samples if s.name.endswith("_count")}
    for key, buckets in series.items():
        values = [buckets[bound] for bound in sorted(buckets)]
        assert values == sorted(values) and buckets[math.inf] == counts[key], key
    assert len(series) == len(counts)
