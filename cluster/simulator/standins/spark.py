"""What a stand-in knows of the Spark it runs on."""

# Stand-ins import this and pathlib would cost them 10 ms of start-up each.

from __future__ import annotations

import json
import os

from cluster.simulator.faults import Faults

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def folder() -> str:
    """The Spark's short folder."""
    return os.environ["SPARKSIM_DIR"]


def path(*parts: str) -> str:
    return os.path.join(folder(), *parts)


def facts() -> dict[str, Any]:
    """Name, addresses, home, root and peers of the Spark."""
    with open(path("spark.json"), encoding="utf-8") as file:
        found: dict[str, Any] = json.load(file)
    return found


def faults() -> Faults:
    return Faults(path("faults"))


def in_container() -> bool:
    return "SPARKSIM_CONTAINER" in os.environ
