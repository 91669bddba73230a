"""Which swaps the history shows, read from the address of the page."""

from urllib.parse import urlencode

from django.http import QueryDict

from cluster.models import Slot
from swaps.models import STATUS_CHOICES, ModelDefinition
from swaps.querysets import SwapQuerySet

FIELDS = ("model", "slot", "status", "actor")


class SwapFilter:
    """Unknown values match nothing rather than everything."""

    def __init__(self, given: QueryDict) -> None:
        self.values = {name: given.get(name, "").strip() for name in FIELDS}
        before = given.get("before", "")
        self.before = int(before) if before.isdecimal() and len(before) < 18 else None

    @property
    def is_set(self) -> bool:
        return any(self.values.values())

    def apply(self, swaps: SwapQuerySet) -> SwapQuerySet:
        fields = {"model": "model_key", "slot": "slot__name", "status": "status", "actor": "actor__icontains"}
        chosen = {fields[name]: value for name, value in self.values.items() if value}
        found = swaps.filter(**chosen).order_by("-id")
        return found.filter(pk__lt=self.before) if self.before else found

    def older_than(self, swap_id: int) -> str:
        """The query of the next page."""
        return "?" + urlencode({name: value for name, value in self.values.items() if value} | {"before": swap_id})

    def statuses(self) -> list[tuple[str, str]]:
        return [(str(value), label) for value, label in STATUS_CHOICES]

    def slots(self) -> list[str]:
        return list(Slot.objects.values_list("name", flat=True))

    def models(self) -> list[ModelDefinition]:
        return list(ModelDefinition.objects.all())
