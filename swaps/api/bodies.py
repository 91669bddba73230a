"""What may be sent to the calls of `swaps`."""

from collections.abc import Mapping
from typing import Any

from rest_framework import serializers
from rest_framework.exceptions import ValidationError

from cluster.api.fields import Boolean, Integer, StrictSerializer, Text
from cluster.api.stream import MAX_WAIT_SECONDS
from cluster.models import ForeignPolicy, Launcher
from cluster.slot_help import HELP
from swaps.catalog.definition import MAX_NODES, Definition

STOP_FOREIGN = (
    "You agree to the stop of containers in the slot's way that neither Spark Control nor launch-cluster.sh started; "
    "they are started again when the swap is cancelled, or fails with rollback."
)
# Addresses of calls, which a catalog entry of the same key would hide behind.
RESERVED_KEYS = frozenset({"import", "export", "suggest"})


class SwapBody(StrictSerializer):
    model = Text(max_length=200, required=False, help_text="Key in the catalog. Required, under this name or an older.")
    key = Text(max_length=200, required=False, help_text="Older name of `model`.")
    model_key = Text(max_length=200, required=False, help_text="Older name of `model`.")
    slot = Text(max_length=40, allow_null=True, default=None, help_text="The default slot when not given.")
    lock_token = Text(max_length=200, allow_null=True, default=None, help_text="Of the swap lock, when you hold it.")
    rollback = Boolean(allow_null=True, default=None, help_text="Bring the last good model back when it fails.")
    dry_run = Boolean(default=False, help_text="Only the preflight and the plan; changes nothing.")
    wait = Integer(min_value=0, max_value=MAX_WAIT_SECONDS, default=0, help_text="Seconds to wait for the end.")
    deadline_seconds = Integer(allow_null=True, default=None, help_text="The swap fails when it takes longer.")
    stop_foreign = Boolean(default=False, help_text=STOP_FOREIGN)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        named = {attrs.pop(name) for name in ("model", "key", "model_key") if name in attrs}
        if not named:
            raise ValidationError({"model": ["Name the model: its key in the catalog."]})
        if len(named) > 1:
            raise ValidationError({"model": ["model, key and model_key name different models; send one of them."]})
        return {**attrs, "model": named.pop()}


class LockTokenBody(StrictSerializer):
    lock_token = Text(max_length=200, allow_null=True, default=None, help_text="Of the swap lock, when you hold it.")


class StopBody(LockTokenBody):
    stop_foreign = Boolean(default=False, help_text=STOP_FOREIGN)


class RetryBody(LockTokenBody):
    stop_foreign = Boolean(allow_null=True, default=None, help_text=f"{STOP_FOREIGN} As it was when not given.")


class ValidateBody(StrictSerializer):
    slot = Text(max_length=40, allow_null=True, default=None, help_text="The default slot when not given.")
    stop_foreign = Boolean(default=False, help_text=STOP_FOREIGN)


class SlotBody(StrictSerializer):
    label = Text(max_length=80, allow_blank=True, default="")  # type: ignore[assignment]
    head = Text(max_length=40, help_text="Name of the Spark where vLLM answers.")
    workers = serializers.ListField(child=Text(max_length=40), max_length=MAX_NODES - 1, default=list)
    port = Integer(min_value=1, max_value=65535, allow_null=True, default=None, help_text="Null means 8888.")
    container = Text(max_length=63, allow_blank=True, default="", help_text=HELP["container"])
    launcher = serializers.ChoiceField(
        choices=Launcher.values, default=Launcher.LAUNCH_CLUSTER, help_text=HELP["launcher"]
    )
    launcher_dir = Text(max_length=255, allow_blank=True, default="", help_text=HELP["launcher_dir"])
    image = Text(max_length=255, allow_blank=True, default="", help_text=HELP["image"])
    is_default = Boolean(required=False, help_text=HELP["is_default"])
    memory_floor_gib = Integer(min_value=0, max_value=64, default=6, help_text=HELP["memory_floor_gib"])
    drop_caches = Boolean(default=False, help_text=HELP["drop_caches"])
    foreign_gpu_users = serializers.ChoiceField(
        choices=ForeignPolicy.values, default=ForeignPolicy.WARN, help_text=HELP["foreign_gpu_users"]
    )
    relaunches_per_hour = Integer(min_value=0, max_value=12, default=0, help_text=HELP["relaunches_per_hour"])


class Words(serializers.ListField):
    """A list of strings."""

    child = Text(allow_blank=True)


class ModelBody(StrictSerializer):
    """A whole definition; what is wrong with its values the definition's own rules say."""

    label = Text(required=False, allow_blank=True, help_text="The key when not given.")  # type: ignore[assignment]
    repo = Text(allow_null=True, allow_blank=True, default=None, help_text="Hugging Face id. Exactly one of the two.")
    local_path = Text(allow_null=True, allow_blank=True, default=None, help_text="Directory on the Sparks.")
    args = Words(default=list, help_text="vLLM arguments, one word each.")
    env = serializers.DictField(child=Text(allow_blank=True), default=dict)
    nodes = Integer(min_value=1, max_value=MAX_NODES, default=1)
    launcher_args = Words(default=list)
    docker_args = Words(default=list)
    mods = Words(default=list)
    image = Text(allow_blank=True, default="")
    expected_load_seconds = Integer(min_value=1, max_value=86400, allow_null=True, default=None)
    notes = Text(allow_blank=True, default="")


class NewModelBody(ModelBody):
    key = Text(max_length=100)

    def validate_key(self, key: str) -> str:
        if key in RESERVED_KEYS:
            raise ValidationError("This word is the address of a call; choose another key.")
        return key


class CatalogBody(StrictSerializer):
    yaml = Text(help_text="The text of a models.yaml.")


def definition_from(values: Mapping[str, Any], key: str) -> Definition:
    lists = {name: tuple(values[name]) for name in ("args", "launcher_args", "docker_args", "mods")}
    return Definition(
        key=key,
        label=values.get("label") or key,
        repo=values["repo"] or None,
        local_path=values["local_path"] or None,
        env=tuple(sorted(values["env"].items())),
        nodes=values["nodes"],
        image=values["image"],
        expected_load_seconds=values["expected_load_seconds"],
        notes=values["notes"],
        **lists,
    )
