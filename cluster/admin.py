# ruff: noqa: ARG002 - the admin fixes the signatures
"""Configure Sparks and slots. What machines write (events, readings, states) can be read here, not edited."""

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.db import models
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.html import format_html
from django.utils.safestring import SafeString

from cluster import actions, badges
from cluster.models import Event, Reading, Slot, Spark
from cluster.pages import actor_of
from cluster.refusals import Refusal
from cluster.slot_help import HELP
from cluster.slot_rules import slot_problems
from cluster.ssh.hostkeys import fingerprint

admin.site.site_header = admin.site.site_title = "Spark Control"
admin.site.index_title = "Configure"


class ReadOnly(admin.ModelAdmin):  # type: ignore[type-arg]  # generic for the type checker only
    """Rows that machines write."""

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: models.Model | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: models.Model | None = None) -> bool:
        return False


@admin.register(Spark)
class SparkAdmin(admin.ModelAdmin):  # type: ignore[type-arg]  # generic for the type checker only
    list_display = ["name", "host", "ssh_port", "ssh_user", "state", "enabled", "probed_at"]
    list_filter = ["ssh_state", "enabled"]
    search_fields = ["name", "host"]
    fields = [
        "name",
        "host",
        "ssh_port",
        "ssh_user",
        "fabric_ip",
        "enabled",
        "host_key_fingerprint",
        "state",
        "ssh_problem",
    ]
    readonly_fields = ["host_key_fingerprint", "state", "ssh_problem"]
    actions = ["test_connections"]

    @admin.display(description="SSH", ordering="ssh_state")
    def state(self, spark: Spark) -> str:
        return badges.of_spark(spark).word if spark.pk else "–"

    @admin.display(description="Host key")
    def host_key_fingerprint(self, spark: Spark) -> SafeString | str:
        if not spark.host_key:
            return "Not confirmed yet: save, then “Look at the host key”."
        return format_html("<code>{}</code>", fingerprint(spark.host_key))

    @admin.action(description="Test the connection of the chosen Sparks")
    def test_connections(self, request: HttpRequest, chosen: QuerySet[Spark]) -> None:
        for spark in chosen:
            told = actions.test_connection(spark)
            level = messages.SUCCESS if told.ok else messages.ERROR
            self.message_user(request, f"{spark.name}: {told.sentence} {told.remedy}".strip(), level)

    def save_model(self, request: HttpRequest, obj: Spark, form: Any, change: bool) -> None:
        known = Spark.objects.get(pk=obj.pk) if change else None
        obj.pk = actions.save_spark(spark=known, values=form.cleaned_data, by=actor_of(request)).pk

    def delete_model(self, request: HttpRequest, obj: Spark) -> None:
        actions.remove_spark(obj, actor_of(request))

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[Spark]) -> None:
        for spark in queryset:
            try:
                actions.remove_spark(spark, actor_of(request))
            except Refusal as refusal:
                self.message_user(request, refusal.detail, messages.ERROR)


class SlotForm(forms.ModelForm):  # type: ignore[type-arg]  # generic for the type checker only
    """The workers are chosen by name; their order is their rank."""

    worker_sparks = forms.ModelMultipleChoiceField(Spark.objects.all(), required=False)

    class Meta:
        model = Slot
        fields = [
            *("name", "label", "head", "port", "container", "launcher", "launcher_dir", "image", "is_default"),
            *("memory_floor_gib", "drop_caches", "foreign_gpu_users", "relaunches_per_hour"),
        ]
        help_texts = HELP

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if self.instance.pk:
            self.fields["worker_sparks"].initial = self.instance.sparks()[1:]

    def clean(self) -> dict[str, Any]:
        given = self.cleaned_data
        if "head" in given:
            described = Slot(**{name: given[name] for name in actions.SLOT_FIELDS if name in given}, head=given["head"])
            for problem in slot_problems(described, list(given.get("worker_sparks") or [])):
                self.add_error(problem["field"].replace("workers", "worker_sparks"), problem["message"])
        return given

    def _get_validation_exclusions(self) -> set[str]:
        """A new default slot takes the place of the old one, which the action sees to."""
        return {*super()._get_validation_exclusions(), "is_default"}  # type: ignore[misc]  # Django's own hook, not in its stubs


class SlotAdmin(admin.ModelAdmin):  # type: ignore[type-arg]  # generic for the type checker only
    """Registered by swaps, which knows when a slot is in use and how it is saved then."""

    form = SlotForm
    list_display = ["name", "head", "vllm_port", "container_name", "launcher", "memory_floor_gib", "is_default"]
    list_select_related = ["head"]


@admin.register(Event)
class EventAdmin(ReadOnly):
    list_display = ["at", "kind", "sentence", "slot", "spark", "actor"]
    list_filter = ["kind", "slot", "spark"]
    list_select_related = ["slot", "spark"]
    search_fields = ["sentence", "actor"]


@admin.register(Reading)
class ReadingAdmin(ReadOnly):
    list_display = ["at", "spark", "gpu_busy_percent", "mem_available_bytes", "gpu_temperature_c", "gpu_power_watts"]
    list_filter = ["spark"]
    list_select_related = ["spark"]
