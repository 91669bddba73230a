"""Who asks for something, and through which door."""

from dataclasses import dataclass

from swaps.models import Trigger


@dataclass(frozen=True, slots=True)
class Requester:
    """Who asks (such as "user:ana" or "key:openclaw") and through which door."""

    actor: str
    trigger: Trigger
