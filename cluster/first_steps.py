"""The way from a fresh install to a slot that can serve, as steps that are done or not."""

from dataclasses import dataclass

from cluster import actions, badges
from cluster.models import Slot, Spark, SshState


@dataclass(frozen=True, slots=True)
class SparkLine:
    spark: Spark
    badge: badges.Badge
    trusted: bool


@dataclass(frozen=True, slots=True)
class FirstSteps:
    public_key: str
    install_command: str
    sparks: list[SparkLine]
    slots: list[Slot]

    @property
    def sparks_done(self) -> bool:
        return bool(self.sparks)

    @property
    def connected(self) -> bool:
        return bool(self.sparks) and all(line.spark.ssh_state == SshState.UP for line in self.sparks)

    @property
    def slot_done(self) -> bool:
        return bool(self.slots)


def look() -> FirstSteps:
    key = actions.public_key()
    lines = [SparkLine(spark, badges.of_spark(spark), bool(spark.host_key)) for spark in Spark.objects.all()]
    command = f"mkdir -p -m 700 ~/.ssh && echo '{key}' >> ~/.ssh/authorized_keys && chmod 600 ~/.ssh/authorized_keys"
    return FirstSteps(key, command, lines, list(Slot.objects.with_sparks()))
