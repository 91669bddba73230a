# ruff: noqa: ARG002 - the admin fixes the signatures
"""The catalog, and what the swap machine wrote. A swap is asked for here through the same door as everywhere."""

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse

from cluster.admin import ReadOnly, SlotAdmin, SlotForm
from cluster.models import Slot
from cluster.pages import actor_of
from cluster.refusals import Refusal
from swaps import actions, heroes, slot_edits
from swaps.catalog.definition import validate
from swaps.models import ModelDefinition, Serving, Swap, SwapLock, Transition, Trigger
from swaps.slot_edits import Place

LIVES_BY = ("head", "port", "container")


def requester(request: HttpRequest) -> actions.Requester:
    return actions.Requester(actor_of(request), Trigger.ADMIN)


class GuardedSlotForm(SlotForm):
    def clean(self) -> dict[str, Any]:
        given = super().clean()
        if not self.errors and self.instance.pk:
            before = Slot.objects.with_sparks().get(pk=self.instance.pk)
            wanted = Place.of(Slot(**{name: given[name] for name in LIVES_BY}), list(given["worker_sparks"]))
            refusal = slot_edits.refusal_of(before, Place.of(before, before.sparks()[1:]), wanted)
            for problem in refusal.errors if refusal else []:
                self.add_error(problem["field"].replace("workers", "worker_sparks"), problem["message"])
            if refusal and not refusal.errors:
                self.add_error(None, refusal.detail)
        return given


@admin.register(Slot)
class GuardedSlotAdmin(SlotAdmin):
    form = GuardedSlotForm

    def changeform_view(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        """The form has looked; a swap that was accepted since is refused here."""
        try:
            return super().changeform_view(request, *args, **kwargs)
        except Refusal as refusal:
            self.message_user(request, refusal.detail, messages.ERROR)
            return redirect(request.path)

    def save_model(self, request: HttpRequest, obj: Slot, form: Any, change: bool) -> None:
        known = Slot.objects.with_sparks().get(pk=obj.pk) if change else None
        values = form.cleaned_data | {"workers": form.cleaned_data["worker_sparks"]}
        obj.pk = slot_edits.save_slot(slot=known, values=values, by=actor_of(request)).pk


class DefinitionForm(forms.ModelForm):  # type: ignore[type-arg]  # generic for the type checker only
    """Remembers which version the person looked at."""

    seen_version = forms.IntegerField(required=False, widget=forms.HiddenInput)

    class Meta:
        model = ModelDefinition
        exclude = ["version"]  # noqa: DJ006 - every other column is the person's

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["seen_version"].initial = self.instance.version

    def clean(self) -> dict[str, Any]:
        given = super().clean() or self.cleaned_data
        if self.errors:
            return given
        columns = {"key": self.instance.key} | given  # an existing key is shown, not sent
        columns.pop("seen_version")
        for problem in validate(ModelDefinition(**columns).as_definition()):
            self.add_error(problem.field if problem.field in self.fields else None, problem.message)
        return given


@admin.register(ModelDefinition)
class ModelDefinitionAdmin(admin.ModelAdmin):  # type: ignore[type-arg]  # generic for the type checker only
    form = DefinitionForm
    list_display = ["label", "key", "repo", "local_path", "nodes", "updated_at"]
    search_fields = ["label", "key", "repo", "local_path"]
    actions = ["swap_to_this"]

    def get_readonly_fields(self, request: HttpRequest, obj: ModelDefinition | None = None) -> list[str]:
        return ["key"] if obj else []

    @admin.action(description="Swap to this")
    def swap_to_this(self, request: HttpRequest, chosen: QuerySet[ModelDefinition]) -> HttpResponse | None:
        model = chosen.first()
        if model is None or chosen.count() != 1:
            self.message_user(request, "Choose exactly one model to swap to.", messages.WARNING)
            return None
        if request.POST.get("confirmed") != "yes":
            return self._ask(request, model)
        try:
            slot = actions.find_slot(request.POST.get("slot"))
            return redirect("swap", actions.request_swap(slot, model.key, requester(request)).pk)
        except Refusal as refusal:
            self.message_user(request, refusal.detail, messages.ERROR)
            return None

    def _ask(self, request: HttpRequest, model: ModelDefinition) -> HttpResponse:
        slots = [
            {
                "name": slot.name,
                "cost": " ".join(heroes.cost_of_stopping(slot, Serving.objects.filter(slot=slot).first())),
            }
            for slot in Slot.objects.with_sparks()
        ]
        context = {
            **self.admin_site.each_context(request),
            "model": model,
            "slots": slots,
            "title": f"Swap to {model.label}?",
        }
        return TemplateResponse(request, "admin/swap_to_this.html", context)

    def save_model(self, request: HttpRequest, obj: ModelDefinition, form: Any, change: bool) -> None:
        version = form.cleaned_data["seen_version"] if change else None
        try:
            obj.pk = actions.save_model(obj.as_definition(), requester(request), expected_version=version).pk
        except Refusal as refusal:
            self.message_user(request, refusal.detail, messages.ERROR)

    def delete_model(self, request: HttpRequest, obj: ModelDefinition) -> None:
        self.delete_queryset(request, ModelDefinition.objects.filter(pk=obj.pk))

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[ModelDefinition]) -> None:
        for model in queryset:
            try:
                actions.delete_model(model.key, requester(request), expected_version=None)
            except Refusal as refusal:
                self.message_user(request, refusal.detail, messages.ERROR)


class TransitionInline(admin.TabularInline):  # type: ignore[type-arg]  # generic for the type checker only
    model = Transition
    extra = 0
    can_delete = False

    def has_add_permission(self, request: HttpRequest, obj: Swap | None = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Swap | None = None) -> bool:
        return False


@admin.register(Swap)
class SwapAdmin(ReadOnly):
    list_display = ["id", "slot", "model_label", "status", "actor", "trigger", "accepted_at", "ended_at"]
    list_filter = ["status", "slot", "trigger"]
    list_select_related = ["slot"]
    search_fields = ["model_key", "model_label", "actor"]
    inlines = [TransitionInline]


@admin.register(Serving)
class ServingAdmin(ReadOnly):
    list_display = ["slot", "state", "model_label", "since", "checked_at"]
    list_select_related = ["slot"]


@admin.register(SwapLock)
class SwapLockAdmin(ReadOnly):
    list_display = ["slot", "fence", "active_swap"]
    list_select_related = ["slot", "active_swap"]
