"""Actors in words. Programs keep `user:ana` and `key:openclaw`, which tell them apart for sure; people read names."""

_KINDS = {"key": "API key", "command": "command line", "lan": "local network"}


def named(actor: str) -> str:
    """ "user:ana" -> "ana", "key:openclaw" -> "openclaw (API key)", "schedule:nightly" -> "nightly (schedule)"."""
    kind, _, name = actor.partition(":")
    if not name:
        return actor or "Spark Control"
    return name if kind == "user" else f"{name} ({_KINDS.get(kind, kind)})"


def signed(holder: str, taken_by: str) -> str:
    """A name somebody gave themselves, with who that is: "ana", "openclaw (API key)", "cron (API key nightly)"."""
    kind, _, name = taken_by.partition(":")
    if not name:
        return holder
    if name == holder:
        return named(taken_by)
    return f"{holder} ({name})" if kind == "user" else f"{holder} ({_KINDS.get(kind, kind)} {name})"
