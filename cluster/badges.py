"""A state as people see it: icon, word and tone, always together."""

from typing import NamedTuple

from cluster.models import Spark, SshState


class Badge(NamedTuple):
    """`icon` is a symbol of static/icons.svg; `tone` is good, info, warn, bad or mute."""

    icon: str
    word: str
    tone: str


_SSH = {
    SshState.NEW: Badge("question", "Not contacted yet", "mute"),
    SshState.UP: Badge("check", "Connected", "good"),
    SshState.DOWN: Badge("cross", "Not answering", "bad"),
    SshState.REFUSED: Badge("lock", "Sign-in refused", "bad"),
    SshState.QUARANTINED: Badge("alert", "Host key changed", "bad"),
}


def of_spark(spark: Spark) -> Badge:
    if not spark.enabled:
        return Badge("pause", "Switched off", "mute")
    return _SSH[SshState(spark.ssh_state)]
