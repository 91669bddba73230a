"""Foreign files in static/vendor are what their README says, and nothing else is there."""

import hashlib
from pathlib import Path

VENDOR = Path(__file__).resolve().parents[3] / "sparkcontrol" / "static" / "vendor"


def test_every_vendored_file_has_the_noted_checksum_version_and_licence() -> None:
    rows = [line.split("|")[1:-1] for line in (VENDOR / "README.md").read_text().splitlines() if ".js" in line]
    noted = {name.strip(): checksum.strip() for name, *_, checksum in rows}
    found = {
        path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in VENDOR.iterdir() if path.suffix != ".md"
    }
    assert noted == found
    assert all(len(row) == 6 and row[2].strip() and row[4].strip() for row in rows)
