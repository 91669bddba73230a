"""Sparks in the API: what may be sent, and the shape of what comes back."""

from datetime import UTC, datetime
from typing import Any

from rest_framework import serializers

from cluster.api.fields import Boolean, Integer, StrictSerializer, Text
from cluster.models import HOST, NAME, UNIX_USER, Spark
from cluster.ssh.hostkeys import fingerprint


def moment(at: datetime | None) -> str | None:
    """UTC ISO-8601 with offset."""
    return at.astimezone(UTC).isoformat() if at else None


class SparkBody(StrictSerializer):
    host = Text(max_length=253, validators=[HOST], help_text="Management address: name or IP.")
    ssh_port = Integer(min_value=1, max_value=65535, default=22)
    ssh_user = Text(max_length=32, validators=[UNIX_USER])
    fabric_ip = Text(max_length=45, allow_null=True, allow_blank=True, default=None)
    enabled = Boolean(default=True)


class NewSparkBody(SparkBody):
    name = Text(max_length=40, validators=[NAME])


class HostKeyBody(StrictSerializer):
    line = Text(max_length=4096, help_text="The public key line to trust, as offered.")


class HostKeySerializer(serializers.Serializer[Any]):
    line = serializers.CharField()
    fingerprint = serializers.CharField(help_text="As `ssh-keygen -lf` prints it.")
    algorithm = serializers.CharField()


class HostKeyOfferSerializer(serializers.Serializer[Any]):
    offered = HostKeySerializer()
    pinned = HostKeySerializer(allow_null=True)
    matches = serializers.BooleanField(help_text="The offered key is the pinned one.")


class SparkSerializer(serializers.Serializer[Any]):
    name = serializers.CharField()
    host = serializers.CharField()
    ssh_port = serializers.IntegerField()
    ssh_user = serializers.CharField()
    fabric_ip = serializers.CharField(allow_null=True)
    enabled = serializers.BooleanField()
    host_key_fingerprint = serializers.CharField(allow_null=True)
    own_private_key = serializers.BooleanField(help_text="Reached with a key of its own; the key is never shown.")
    state = serializers.ChoiceField(choices=["new", "up", "down", "refused", "quarantined"])
    state_since = serializers.DateTimeField(allow_null=True)
    problem = serializers.CharField(help_text="A sentence with the remedy; blank while all is well.")
    probed_at = serializers.DateTimeField(allow_null=True)
    idle_available_bytes = serializers.IntegerField(
        allow_null=True, help_text="Memory available with nothing on the GPU; null: not seen since it started."
    )
    memory_missing_bytes = serializers.IntegerField(
        allow_null=True, help_text="Of that, what did not come back when a model ended; null: nothing."
    )
    rebooted_at = serializers.DateTimeField(allow_null=True, help_text="Its last restart, as far as it was seen.")
    reading = serializers.DictField(help_text="What the last probe saw; empty before the first one.")
    url = serializers.CharField()


def spark_document(spark: Spark) -> dict[str, Any]:
    return {
        "name": spark.name,
        "host": spark.host,
        "ssh_port": spark.ssh_port,
        "ssh_user": spark.ssh_user,
        "fabric_ip": spark.fabric_ip,
        "enabled": spark.enabled,
        "host_key_fingerprint": fingerprint(spark.host_key) if spark.host_key else None,
        "own_private_key": bool(spark.own_private_key),
        "state": spark.ssh_state,
        "state_since": moment(spark.ssh_state_since),
        "problem": spark.ssh_problem,
        "probed_at": moment(spark.probed_at),
        "idle_available_bytes": spark.idle_available_bytes,
        "memory_missing_bytes": spark.memory_missing_bytes,
        "rebooted_at": moment(spark.rebooted_at),
        "reading": spark.reading,
        "url": f"/api/sparks/{spark.name}",
    }


def host_key_document(line: str) -> dict[str, str]:
    return {"line": line, "fingerprint": fingerprint(line), "algorithm": line.split()[0]}
