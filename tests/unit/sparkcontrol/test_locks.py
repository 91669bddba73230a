"""The two lock files agree, so that `make test` and `make run` can share one virtual environment."""

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
PIN = re.compile(r"^([A-Za-z0-9._-]+)(?:\[[^]]*\])?==([^ ;\\]+)(?=[^\n]*\\\n\s+--hash=sha256:)", re.MULTILINE)


def pins(name: str) -> set[tuple[str, str]]:
    """Every pin that has a hash. A package may be there twice, with versions for different Pythons."""
    return set(PIN.findall((ROOT / name).read_text()))


def test_the_development_lock_holds_every_production_pin() -> None:
    production = pins("requirements.txt")
    assert len(production) > 40
    assert production - pins("requirements-dev.txt") == set()


def test_every_pin_has_a_hash() -> None:
    for name in ("requirements.txt", "requirements-dev.txt"):
        lines = [line for line in (ROOT / name).read_text().splitlines() if re.match(r"[A-Za-z0-9]", line)]
        assert {line.split("==")[0].split("[")[0] for line in lines} == {package for package, _ in pins(name)}
