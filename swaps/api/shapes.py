"""The shapes of answers, for /api/schema. The answers are made in documents.py; a test compares the two."""

from typing import Any

from rest_framework import serializers

from cluster.models import ForeignPolicy, Launcher
from cluster.slot_help import HELP
from swaps.api.drift_shape import DriftSerializer
from swaps.models import Operation, ServingState, Trigger
from swaps.states import Status

STATUSES = [str(status) for status in Status]


class DiagnosisSerializer(serializers.Serializer[Any]):
    code = serializers.CharField()
    sentence = serializers.CharField()
    remedy = serializers.CharField()
    evidence = serializers.CharField(help_text="The log line behind it.")


class CheckSerializer(serializers.Serializer[Any]):
    code = serializers.CharField()
    state = serializers.ChoiceField(choices=["ok", "warning", "blocks"])
    sentence = serializers.CharField()
    remedy = serializers.CharField()
    node = serializers.CharField()


class PhaseSerializer(serializers.Serializer[Any]):
    phase = serializers.CharField(help_text="One of the values of status.")
    label = serializers.CharField()  # type: ignore[assignment]
    state = serializers.ChoiceField(choices=["done", "current", "upcoming", "failed"])
    seconds = serializers.FloatField(allow_null=True)
    started_at = serializers.DateTimeField(allow_null=True)


class SwapSummarySerializer(serializers.Serializer[Any]):
    id = serializers.IntegerField()
    slot = serializers.CharField()
    operation = serializers.ChoiceField(choices=Operation.values)
    model = serializers.CharField(help_text="Key in the catalog; blank for a stop.")
    model_label = serializers.CharField()
    from_model = serializers.CharField(allow_null=True)
    status = serializers.ChoiceField(choices=STATUSES)
    percent = serializers.IntegerField()
    actor = serializers.CharField()
    trigger = serializers.ChoiceField(choices=Trigger.values)
    diagnosis = DiagnosisSerializer(allow_null=True)
    accepted_at = serializers.DateTimeField()
    started_at = serializers.DateTimeField(allow_null=True)
    ended_at = serializers.DateTimeField(allow_null=True)
    url = serializers.CharField()


class SwapSerializer(SwapSummarySerializer):
    phase = serializers.CharField(help_text="One of the values of status.")
    phase_label = serializers.CharField()
    detail = serializers.CharField()
    eta_seconds = serializers.IntegerField(allow_null=True, help_text="From past loads of the same model.")
    eta_text = serializers.CharField()
    slower_than_usual = serializers.BooleanField()
    elapsed_seconds = serializers.FloatField()
    phases = PhaseSerializer(many=True)
    checks = CheckSerializer(many=True)
    plan = serializers.ListField(child=serializers.CharField(), help_text="The commands, secrets masked.")
    result = serializers.DictField(allow_null=True, help_text="Of a warm-up: first_token_seconds and what else.")
    rollback = serializers.BooleanField()
    stop_foreign = serializers.BooleanField(help_text="Containers that others started may be stopped for it.")
    rolled_back_to = serializers.CharField(
        allow_null=True, help_text="The model that serves again, or the container of somebody else's that runs again."
    )
    lock = serializers.DictField(allow_null=True, help_text="holder and fence of the lock it was asked for under.")
    fence = serializers.IntegerField()
    cancel_requested_at = serializers.DateTimeField(allow_null=True)
    cancelled_by = serializers.CharField(allow_null=True)
    deadline_at = serializers.DateTimeField()
    retry_of = serializers.IntegerField(allow_null=True)
    last_seq = serializers.IntegerField(help_text="Of the newest message on the stream.")
    stream_url = serializers.CharField()
    log_url = serializers.CharField()


class ExaminationSerializer(serializers.Serializer[Any]):
    ok = serializers.BooleanField()
    model = serializers.CharField()
    slot = serializers.CharField()
    checks = CheckSerializer(many=True)
    plan = serializers.ListField(child=serializers.CharField())


class ServingSerializer(serializers.Serializer[Any]):
    state = serializers.ChoiceField(choices=ServingState.values)
    model = serializers.CharField(
        allow_null=True, help_text="Null while what serves is not known, or not in the catalog."
    )
    model_label = serializers.CharField(help_text="Of what was seen last, while it is not known.")
    served_ids = serializers.ListField(child=serializers.CharField())
    max_model_len = serializers.IntegerField(allow_null=True)
    since = serializers.DateTimeField(allow_null=True)
    checked_at = serializers.DateTimeField(allow_null=True)
    problem = serializers.CharField(help_text="Why it is not known, or does not serve.")
    wedged_since = serializers.DateTimeField(allow_null=True, help_text="Up and asked, and no token comes.")
    metrics = serializers.DictField()


class ActiveSwapSerializer(serializers.Serializer[Any]):
    id = serializers.IntegerField()
    operation = serializers.ChoiceField(choices=Operation.values)
    model = serializers.CharField()
    model_label = serializers.CharField()
    status = serializers.ChoiceField(choices=STATUSES)
    percent = serializers.IntegerField()
    actor = serializers.CharField()
    url = serializers.CharField()


class SlotSerializer(serializers.Serializer[Any]):
    name = serializers.CharField()
    label = serializers.CharField()  # type: ignore[assignment]
    is_default = serializers.BooleanField()
    head = serializers.CharField()
    workers = serializers.ListField(child=serializers.CharField())
    port = serializers.IntegerField()
    container = serializers.CharField()
    launcher = serializers.ChoiceField(choices=Launcher.values, help_text=HELP["launcher"])
    launcher_dir = serializers.CharField()
    image = serializers.CharField()
    memory_floor_gib = serializers.IntegerField(help_text=HELP["memory_floor_gib"])
    drop_caches = serializers.BooleanField(help_text=HELP["drop_caches"])
    foreign_gpu_users = serializers.ChoiceField(choices=ForeignPolicy.values, help_text=HELP["foreign_gpu_users"])
    relaunches_per_hour = serializers.IntegerField(help_text=HELP["relaunches_per_hour"])
    base_url = serializers.CharField(help_text="Where vLLM itself answers.")
    serving = ServingSerializer()
    drift = DriftSerializer(allow_null=True, help_text="What differs from what should be; POST adopt accepts it.")
    active_swap = ActiveSwapSerializer(allow_null=True)
    url = serializers.CharField()


class LockSerializer(serializers.Serializer[Any]):
    held = serializers.BooleanField()
    holder = serializers.CharField(allow_null=True, help_text="As they call themselves.")
    note = serializers.CharField(allow_null=True, help_text="What for.")
    purpose = serializers.CharField(allow_null=True, help_text="The same as note.")
    taken_by = serializers.CharField(allow_null=True, help_text="The key or person that took it.")
    held_by = serializers.CharField(allow_null=True, help_text="Holder and taken_by in words, as sentences say it.")
    acquired_at = serializers.DateTimeField(allow_null=True)
    renewed_at = serializers.DateTimeField(allow_null=True)
    expires_at = serializers.DateTimeField(allow_null=True)
    seconds_remaining = serializers.IntegerField(help_text="Count on your own clock from before you asked.")
    ttl_seconds = serializers.IntegerField(allow_null=True)
    server_time = serializers.DateTimeField(help_text="The database's clock, the only one that decides.")
    fence = serializers.IntegerField(help_text="Of the hold; it only ever grows.")
    slot = serializers.CharField()
    pinned_by = serializers.IntegerField(allow_null=True, help_text="The swap that keeps the slot.")
    active_swap = ActiveSwapSerializer(allow_null=True)
    idle_seconds = serializers.IntegerField(help_text="Held this long with no swap asked for.")
    idle_hint = serializers.CharField(allow_null=True, help_text="A sentence when it may have been forgotten.")


class GrantSerializer(LockSerializer):
    token = serializers.CharField(help_text="Keep it: it renews, releases and swaps. Shown here alone.")


class StatusSparkSerializer(serializers.Serializer[Any]):
    """The figures are null while the Spark does not answer."""

    name = serializers.CharField()
    enabled = serializers.BooleanField()
    state = serializers.CharField(help_text="new, up, down, refused or quarantined.")
    since = serializers.DateTimeField(allow_null=True, help_text="Of that state.")
    problem = serializers.CharField(help_text="Why it is not up, with the remedy.")
    probed_at = serializers.DateTimeField(allow_null=True, help_text="When it answered last.")
    rebooted_at = serializers.DateTimeField(allow_null=True, help_text="Its last restart, as far as it was seen.")
    gpu_busy_percent = serializers.FloatField(allow_null=True)
    gpu_temperature_c = serializers.FloatField(allow_null=True)
    gpu_power_watts = serializers.FloatField(allow_null=True)
    mem_available_bytes = serializers.IntegerField(allow_null=True)
    mem_total_bytes = serializers.IntegerField(allow_null=True)
    disk_free_bytes = serializers.IntegerField(allow_null=True)


class StatusSlotSerializer(serializers.Serializer[Any]):
    name = serializers.CharField()
    label = serializers.CharField()  # type: ignore[assignment]
    is_default = serializers.BooleanField()
    sparks = serializers.ListField(child=serializers.CharField(), help_text="Head first.")
    base_url = serializers.CharField()
    serving = ServingSerializer()
    drift = DriftSerializer(allow_null=True, help_text="What differs from what should be; POST adopt accepts it.")
    active_swap = ActiveSwapSerializer(allow_null=True)


class StatusSerializer(serializers.Serializer[Any]):
    version = serializers.CharField()
    server_time = serializers.DateTimeField()
    sparks = StatusSparkSerializer(many=True)
    slots = StatusSlotSerializer(many=True)


class ModelSerializer(serializers.Serializer[Any]):
    key = serializers.CharField()
    label = serializers.CharField()  # type: ignore[assignment]
    repo = serializers.CharField(allow_null=True)
    local_path = serializers.CharField(allow_null=True)
    args = serializers.ListField(child=serializers.CharField())
    env = serializers.DictField(child=serializers.CharField())
    nodes = serializers.IntegerField()
    launcher_args = serializers.ListField(child=serializers.CharField())
    docker_args = serializers.ListField(child=serializers.CharField())
    mods = serializers.ListField(child=serializers.CharField())
    image = serializers.CharField()
    expected_load_seconds = serializers.IntegerField(allow_null=True)
    notes = serializers.CharField()
    served_names = serializers.ListField(child=serializers.CharField())
    version = serializers.IntegerField(help_text="The ETag, without quotes.")
    created_at = serializers.DateTimeField()
    updated_at = serializers.DateTimeField()
    url = serializers.CharField()


class SkippedSerializer(serializers.Serializer[Any]):
    key = serializers.CharField()
    problems = serializers.ListField(child=serializers.CharField())


class RemarkSerializer(serializers.Serializer[Any]):
    key = serializers.CharField()
    message = serializers.CharField()


class ImportReportSerializer(serializers.Serializer[Any]):
    added = serializers.ListField(child=serializers.CharField())
    changed = serializers.ListField(child=serializers.CharField())
    unchanged = serializers.ListField(child=serializers.CharField())
    skipped = SkippedSerializer(many=True)
    remarks = RemarkSerializer(many=True)
