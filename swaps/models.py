"""What should run: the catalog, swaps and their story, the swap lock, and what each slot serves."""

from dataclasses import asdict
from datetime import datetime, timedelta
from typing import Any

from django.core.validators import MaxValueValidator, MinValueValidator, RegexValidator
from django.db import models
from django.db.models import F, Q

from cluster.models import Slot
from swaps.catalog.definition import Definition
from swaps.closed_rows import ClosedSlot as ClosedSlot
from swaps.querysets import SwapLockQuerySet, SwapQuerySet
from swaps.schedules.rows import Schedule as Schedule  # rooms of their own; here, so that Django finds them
from swaps.schedules.rows import ScheduleRun as ScheduleRun
from swaps.states import ACTIVE, LABELS, TERMINAL, Status

KEY = RegexValidator(
    r"\A[A-Za-z0-9](?:[A-Za-z0-9._-]{0,98}[A-Za-z0-9])?\Z",
    "Use letters, digits, dots, dashes and underscores, at most 100.",
)
STATUS_CHOICES = [(status.value, LABELS[status]) for status in Status]


class ModelDefinition(models.Model):
    """A catalog entry: everything needed to launch one model."""

    key = models.CharField(max_length=100, unique=True, validators=[KEY])
    label = models.CharField(max_length=120)
    repo = models.CharField(max_length=200, blank=True, help_text="Hugging Face id, such as openai/gpt-oss-120b.")
    local_path = models.CharField(max_length=1024, blank=True, help_text="Directory on the Sparks.")
    args = models.JSONField(default=list, blank=True, help_text="vLLM arguments, one word per item.")
    env = models.JSONField(default=dict, blank=True)
    nodes = models.PositiveSmallIntegerField(default=1, validators=[MinValueValidator(1), MaxValueValidator(8)])
    launcher_args = models.JSONField(default=list, blank=True)
    docker_args = models.JSONField(default=list, blank=True)
    mods = models.JSONField(default=list, blank=True)
    image = models.CharField(max_length=255, blank=True)
    expected_load_seconds = models.PositiveIntegerField(null=True, blank=True)
    notes = models.TextField(blank=True)
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)
    version = models.PositiveIntegerField(default=1, editable=False)  # the ETag

    class Meta:
        ordering = ["label"]
        constraints = [
            models.CheckConstraint(
                condition=(Q(repo="") & ~Q(local_path="")) | (~Q(repo="") & Q(local_path="")),
                name="exactly_one_of_repo_and_local_path",
                violation_error_message="Give exactly one of repo and local path.",
            )
        ]

    def __str__(self) -> str:
        return self.label

    def as_definition(self) -> Definition:
        return Definition(
            key=self.key,
            label=self.label,
            repo=self.repo or None,
            local_path=self.local_path or None,
            args=tuple(self.args),
            env=tuple(sorted(self.env.items())),
            nodes=self.nodes,
            launcher_args=tuple(self.launcher_args),
            docker_args=tuple(self.docker_args),
            mods=tuple(self.mods),
            image=self.image,
            expected_load_seconds=self.expected_load_seconds,
            notes=self.notes,
        )


def stored(definition: Definition) -> dict[str, Any]:
    """A definition as a swap keeps it: later edits of the catalog do not change a swap's story."""
    return asdict(definition)


def restored(data: dict[str, Any]) -> Definition:
    """What `stored` kept, after its way through JSON."""
    words = {name: tuple(data[name]) for name in ("args", "launcher_args", "docker_args", "mods")}
    env = tuple((name, value) for name, value in data["env"])
    return Definition(**{**data, **words, "env": env})


class Trigger(models.TextChoices):
    """Who asked."""

    DASHBOARD = "dashboard", "dashboard"
    API = "api", "API"
    ADMIN = "admin", "Django admin"
    COMMAND = "command", "command line"
    SCHEDULE = "schedule", "schedule"
    SYSTEM = "system", "Spark Control"


class Operation(models.TextChoices):
    SWAP = "swap", "swap"
    STOP = "stop", "stop"
    WARM = "warm", "warm"  # of what serves; changes no container


class Swap(models.Model):
    """One attempt to change what a slot serves. The row is the job; a queue message is only a nudge.

    Status moves only through machine.advance. Asking to stop is cancel_requested_at.
    """

    slot = models.ForeignKey(Slot, on_delete=models.PROTECT, related_name="swaps")
    operation = models.CharField(max_length=8, choices=Operation, default=Operation.SWAP)
    model_key = models.CharField(max_length=100, blank=True)
    model_label = models.CharField(max_length=120, blank=True)
    definition = models.JSONField(default=dict)  # Definition as it was when accepted
    from_model = models.CharField(max_length=100, blank=True)  # key of what served when accepted
    from_definition = models.JSONField(default=dict)  # what a rollback brings back
    nodes = models.PositiveSmallIntegerField(default=1)
    actor = models.CharField(max_length=80)
    trigger = models.CharField(max_length=12, choices=Trigger)
    holder = models.CharField(max_length=80, blank=True)  # of the lock it was asked for under; blank = none was held
    hold_fence = models.BigIntegerField(null=True)  # of that hold
    rollback = models.BooleanField(default=False)
    options = models.JSONField(default=dict)  # of a warm-up: kind, system, prompt
    result = models.JSONField(default=dict)  # of a warm-up: first_token_seconds, cached_tokens, ...

    status = models.CharField(max_length=14, choices=STATUS_CHOICES, default=Status.QUEUED)
    percent = models.PositiveSmallIntegerField(default=0)
    progress = models.CharField(max_length=200, blank=True)  # "Loading weights: 7 of 14 shards"
    checks = models.JSONField(default=list)  # preflight, as validate answers it
    plan = models.JSONField(default=list)  # masked commands, in order
    diagnosis_code = models.CharField(max_length=60, blank=True)
    diagnosis = models.TextField(blank=True)
    remedy = models.TextField(blank=True)
    evidence = models.TextField(blank=True)  # the log line behind the diagnosis, or our traceback
    rolled_back_to = models.CharField(max_length=100, blank=True)

    fence = models.BigIntegerField(default=0)  # of the driver that may act now
    owner = models.CharField(max_length=80, blank=True)
    lease_until = models.DateTimeField(null=True)
    enqueued_at = models.DateTimeField(null=True)
    attempts = models.PositiveSmallIntegerField(default=0)
    last_seq = models.PositiveIntegerField(default=0)  # of SwapMessage
    log_file = models.CharField(max_length=300, blank=True)  # of launchers that keep vLLM's output in a file
    log_cursors = models.JSONField(default=dict)  # node -> timestamp of the last log line read
    boot_ids = models.JSONField(default=dict)  # node -> boot id before the launch: another one means it restarted
    stop_foreign = models.BooleanField(default=False)  # consent to stop a container that is not ours
    replaced = models.TextField(blank=True)  # encrypted: `docker inspect` of such containers, for a rollback

    cancel_requested_at = models.DateTimeField(null=True)
    cancelled_by = models.CharField(max_length=80, blank=True)
    accepted_at = models.DateTimeField(auto_now_add=True)
    started_at = models.DateTimeField(null=True)
    ended_at = models.DateTimeField(null=True)
    deadline_at = models.DateTimeField()
    retry_of = models.ForeignKey("self", null=True, on_delete=models.SET_NULL, related_name="retries")

    objects = SwapQuerySet.as_manager()

    class Meta:
        ordering = ["-id"]
        constraints = [
            # The whole promise of one swap at a time rests on this line, not on careful code.
            models.UniqueConstraint(
                fields=["slot"], condition=Q(status__in=sorted(ACTIVE)), name="one_live_swap_per_slot"
            )
        ]
        indexes = [models.Index(fields=["model_key", "-id"], name="swap_model_newest")]  # remaining time

    def __str__(self) -> str:
        return f"swap {self.pk} of {self.slot} to {self.model_label or 'nothing'}"

    @property
    def state(self) -> Status:
        return Status(self.status)

    @property
    def is_active(self) -> bool:
        return self.state not in TERMINAL


class Transition(models.Model):
    """One recorded move of a swap."""

    swap = models.ForeignKey(Swap, on_delete=models.CASCADE, related_name="transitions")
    from_status = models.CharField(max_length=14, blank=True)
    to_status = models.CharField(max_length=14, choices=STATUS_CHOICES)
    at = models.DateTimeField()
    detail = models.TextField(blank=True)

    class Meta:
        ordering = ["id"]

    def __str__(self) -> str:
        return f"{self.from_status} to {self.to_status}"


class SwapMessage(models.Model):
    """One thing a viewer of a swap hears, in order: a phase, a progress, a log line, the end."""

    class Kind(models.TextChoices):
        PHASE = "phase"
        PROGRESS = "progress"
        LOG = "log"
        END = "end"

    swap = models.ForeignKey(Swap, on_delete=models.CASCADE, related_name="messages")
    seq = models.PositiveIntegerField()
    kind = models.CharField(max_length=8, choices=Kind)
    at = models.DateTimeField()
    data = models.JSONField()  # log: {node, text}; phase: {phase, detail}; progress: {percent, detail, eta_seconds}

    class Meta:
        ordering = ["seq"]
        constraints = [models.UniqueConstraint(fields=["swap", "seq"], name="seq_once_per_swap")]

    def __str__(self) -> str:
        return f"{self.swap_id}:{self.seq} {self.kind}"


class SwapLock(models.Model):
    """One row per slot, never deleted: deleting it would reset the fence, which only ever grows.

    It says who may change what the slot serves. What decides a verb of the lock is a column of this row, because
    one conditional UPDATE of this row decides it; the clock in it is the database's (cluster/clock.py).
    `active_swap` pins it: as long as that swap runs nobody else gets the lock, whatever `expires_at` says.
    """

    slot = models.OneToOneField(Slot, on_delete=models.PROTECT, related_name="lock")
    fence = models.BigIntegerField(default=0)  # the counter: every grant, every force and every driver raises it
    active_swap = models.OneToOneField(Swap, null=True, on_delete=models.SET_NULL, related_name="pinned_lock")
    grant_fence = models.BigIntegerField(default=0)  # of the hold; 0 = free
    holder = models.CharField(max_length=80, blank=True)  # as they call themselves; blank = free
    purpose = models.CharField(max_length=200, blank=True)
    token_hash = models.CharField(max_length=64, blank=True)  # SHA-256
    taken_by = models.CharField(max_length=80, blank=True)  # the actor, as the journal names them
    ttl = models.DurationField(default=timedelta)  # what a renewal gives again
    acquired_at = models.DateTimeField(null=True)
    renewed_at = models.DateTimeField(null=True)
    expires_at = models.DateTimeField(null=True)
    swap_count = models.PositiveIntegerField(default=0)  # swaps accepted in this hold
    delay_until = models.DateTimeField(null=True)  # after a force only `delay_for` may take it until then
    delay_for = models.CharField(max_length=80, blank=True)

    server_now: datetime  # the database's, in rows of with_server_time()
    objects = SwapLockQuerySet.as_manager()

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(holder="", token_hash="", grant_fence=0)
                | (
                    ~Q(holder="")
                    & ~Q(token_hash="")
                    & Q(grant_fence__gte=1, grant_fence__lte=F("fence"))
                    & Q(acquired_at__isnull=False, renewed_at__isnull=False, expires_at__isnull=False)
                ),
                name="lock_wholly_held_or_free",
            )
        ]

    def __str__(self) -> str:
        return f"lock of {self.slot}, fence {self.fence}"


class HoldEnd(models.TextChoices):
    RELEASED = "released", "released"
    EXPIRED = "expired", "expired"
    FORCED = "forced", "force-released"


class LockHold(models.Model):
    """The history of a lock: one row per hold, from its grant to its end."""

    lock = models.ForeignKey(SwapLock, on_delete=models.PROTECT, related_name="holds")
    fence = models.BigIntegerField()
    holder = models.CharField(max_length=80)
    purpose = models.CharField(max_length=200, blank=True)
    token_hash = models.CharField(max_length=64)
    taken_by = models.CharField(max_length=80)
    acquired_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True)
    end = models.CharField(max_length=8, choices=HoldEnd, blank=True)

    class Meta:
        ordering = ["-id"]
        constraints = [
            # Should the UPDATE above ever be wrong, these stop a second holder and a fence that was used before.
            models.UniqueConstraint(fields=["lock"], condition=Q(ended_at=None), name="one_open_hold_per_lock"),
            models.UniqueConstraint(fields=["lock", "fence"], name="fence_once_per_lock"),
        ]
        indexes = [models.Index(fields=["lock", "token_hash"], name="hold_by_token")]  # whose token was this

    def __str__(self) -> str:
        return f"{self.holder}, fence {self.fence}"


class ServingState(models.TextChoices):
    SERVING = "serving", "serving"
    IDLE = "idle", "nothing serving"
    STARTING = "starting", "starting"
    UNKNOWN = "unknown", "unknown"


class Serving(models.Model):
    """What a slot serves, as last seen. One row per slot."""

    slot = models.OneToOneField(Slot, on_delete=models.CASCADE, related_name="serving")
    state = models.CharField(max_length=10, choices=ServingState, default=ServingState.UNKNOWN)
    model_key = models.CharField(max_length=100, blank=True)  # blank while serving = not in the catalog
    model_label = models.CharField(max_length=200, blank=True)
    served_ids = models.JSONField(default=list)
    definition = models.JSONField(default=dict)
    max_model_len = models.PositiveIntegerField(null=True)
    since = models.DateTimeField(null=True)
    checked_at = models.DateTimeField(null=True)
    next_probe_at = models.DateTimeField(null=True)
    problem = models.TextField(blank=True)
    metrics = models.JSONField(default=dict)  # running, waiting, kv_cache_used, tokens_per_second
    believed = models.JSONField(default=dict)  # what the last swap made true: model_key, served_ids, swap
    drift = models.JSONField(default=dict)  # how what serves differs from that; empty = it does not
    watched = models.JSONField(default=dict)  # from look to look: late answers in a row, and counters that stand still
    wedged_since = models.DateTimeField(null=True)  # up, asked, and no token comes

    def __str__(self) -> str:
        return f"{self.slot}: {self.state} {self.model_label}"
