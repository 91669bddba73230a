"""The page of promises names tests that exist."""

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
PAGE = (ROOT / "docs" / "reliability.md").read_text()
NAMED = re.findall(r"`(F|tests)(/[\w/]+\.py)::(\w+)(?:\[(\w+)\])?`", PAGE)


def test_it_names_tests_that_exist() -> None:
    missing = []
    for start, path, test, case in NAMED:
        file = ROOT / ("tests/acceptance/faults" if start == "F" else start) / path.lstrip("/")
        text = file.read_text() if file.is_file() else ""
        if f"def {test}(" not in text or (case and f"def {case}(" not in text):
            missing.append(f"{file.relative_to(ROOT)}::{test}[{case}]")
    assert missing == []


def test_it_names_every_test_of_a_fault() -> None:
    faults = ROOT / "tests" / "acceptance" / "faults"
    tests = {
        name for file in faults.glob("test_*.py") for name in re.findall(r"^def (test_\w+)\(", file.read_text(), re.M)
    }
    assert tests - {test for _, _, test, _ in NAMED} == set()
