"""The demo: two simulated Sparks and the slot on them, as a person would have configured them on the settings page."""

import json
import time
from pathlib import Path
from typing import Any

from cluster import actions
from cluster.models import Slot, Spark
from cluster.refusals import Unavailable
from sparkcontrol import demo_homes

SLOT = "main"
LIMIT_SECONDS = 60.0


def wait_for_sparks(said: Path) -> list[dict[str, Any]]:
    """What the simulator says when its Sparks are up; it starts beside us. Raises Unavailable after a minute."""
    deadline = time.monotonic() + LIMIT_SECONDS
    while time.monotonic() < deadline:
        text = said.read_text() if said.exists() else ""
        if text.endswith("\n"):
            return list(json.loads(text)["sparks"])
        time.sleep(0.05)
    raise Unavailable("simulator-late", f"The simulated Sparks did not come up within {LIMIT_SECONDS:.0f} s.")


def add_simulated_sparks(described: list[dict[str, Any]], by: str) -> None:
    """Once, on an install that knows no Spark; afterwards only their addresses are kept up to date."""
    for entry in described:
        demo_homes.let_in(Path(entry["home"]), actions.public_key())
    if Spark.objects.exists():
        for entry in described:
            follow_address(entry, by)
        return
    sparks = [add_spark(entry, by) for entry in described]
    if sparks and not Slot.objects.exists():
        actions.save_slot(slot=None, values=slot_of(sparks), by=by)


def add_spark(entry: dict[str, Any], by: str) -> Spark:
    demo_homes.furnish(Path(entry["home"]), Path(entry["launcher_dir"]))
    spark = actions.save_spark(spark=None, values=values_of(entry), by=by)
    return actions.pin_host_key(spark, entry["host_key"], by)


def values_of(entry: dict[str, Any]) -> dict[str, object]:
    return {
        "name": entry["name"],
        "host": entry["host"],
        "ssh_port": entry["port"],
        "ssh_user": entry["user"],
        "fabric_ip": entry["fabric_ip"],
    }


def slot_of(sparks: list[Spark]) -> dict[str, object]:
    head, *workers = sparks
    return {"name": SLOT, "head": head.name, "workers": [spark.name for spark in workers], "is_default": True}


def follow_address(entry: dict[str, Any], by: str) -> None:
    """The host key tells that it is still the simulated Spark and not a real one that got its name."""
    spark = Spark.objects.filter(name=entry["name"], host_key=entry["host_key"]).first()
    wanted = values_of(entry)
    if spark and (spark.host, spark.ssh_port) != (wanted["host"], wanted["ssh_port"]):
        actions.save_spark(spark=spark, values=wanted, by=by)
