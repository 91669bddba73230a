"""The memory that is left on the nodes of a running load, as its story last told it."""

from swaps.models import Swap, SwapMessage


def told_of(swap: Swap) -> dict[str, int]:
    """The newest figures in bytes, by node; empty before the load."""
    said = swap.messages.filter(kind=SwapMessage.Kind.PROGRESS, data__has_key="memory").order_by("-seq")
    data = said.values_list("data", flat=True).first() or {}
    return dict(data.get("memory") or {})
