"""Swaps as lines of a table."""

from collections.abc import Iterable
from dataclasses import dataclass

from cluster.badges import Badge
from swaps import badges, heroes
from swaps.models import Swap


@dataclass(frozen=True, slots=True)
class SwapRow:
    swap: Swap
    badge: Badge
    title: str
    took_seconds: float | None


def of_swaps(swaps: Iterable[Swap]) -> list[SwapRow]:
    return [SwapRow(swap, badges.of_swap(swap), heroes.title_of(swap), _took(swap)) for swap in swaps]


def _took(swap: Swap) -> float | None:
    return (swap.ended_at - swap.accepted_at).total_seconds() if swap.ended_at else None
