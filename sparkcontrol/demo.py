"""The demo: two simulated Sparks and the slot on them, as a person would have configured them on the settings page."""

import json
from pathlib import Path
from typing import Any

from cluster import actions
from cluster.models import Slot, Spark
from sparkcontrol import demo_homes

SLOT = "main"


def add_simulated_sparks(topology: Path, by: str) -> None:
    """Once, on an install that knows no Spark; afterwards only their addresses are kept up to date."""
    described = read_topology(topology)
    for entry in described:
        demo_homes.let_in(Path(entry["home"]), actions.public_key())
    if Spark.objects.exists():
        for entry in described:
            follow_address(entry, by)
        return
    sparks = [add_spark(entry, by) for entry in described]
    if sparks and not Slot.objects.exists():
        actions.save_slot(slot=None, values=slot_of(sparks), by=by)


def read_topology(topology: Path) -> list[dict[str, Any]]:
    try:
        return list(json.loads(topology.read_text())["sparks"])
    except FileNotFoundError:
        return []


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
