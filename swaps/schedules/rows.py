"""Rows of schedules. swaps.models imports them, so nothing here imports swaps.models."""

from datetime import UTC, datetime

from django.core.validators import RegexValidator
from django.db import models
from django.db.models import F, Q

from cluster.models import Slot
from swaps.schedules.arithmetic import Rule

OWNER = RegexValidator(
    r"\A[A-Za-z](?:[A-Za-z0-9._-]{0,38}[A-Za-z0-9_])?\Z",
    "Begin with a letter; use letters, digits, dots, dashes and underscores, at most 40.",
)
REF = RegexValidator(
    r"\A[A-Za-z0-9_](?:[A-Za-z0-9._-]{0,78}[A-Za-z0-9_])?\Z",
    "Use letters, digits, dots, dashes and underscores, at most 80.",
)
REFRESH_SECONDS = 24 * 3600
SHORTEST_REFRESH_SECONDS = 60


class ScheduleKind(models.TextChoices):
    """What comes due. All but the first are done by Spark Control itself."""

    EXTERNAL = "external", "external"
    SWAP = "swap", "swap"
    WARM = "warm", "warm"
    HEALTH_SWEEP = "health_sweep", "health sweep"


class ScheduleQuerySet(models.QuerySet["Schedule"]):
    def external(self) -> "ScheduleQuerySet":
        return self.filter(kind=ScheduleKind.EXTERNAL)

    def internal(self) -> "ScheduleQuerySet":
        return self.exclude(kind=ScheduleKind.EXTERNAL)

    def due(self, now: datetime) -> "ScheduleQuerySet":
        return self.internal().filter(enabled=True, next_fire_at__lte=now).order_by("next_fire_at", "pk")


class Schedule(models.Model):
    """A rule and what happens when it comes due: by somebody else (external), or by Spark Control."""

    kind = models.CharField(max_length=12, choices=ScheduleKind)
    owner = models.CharField(max_length=40, blank=True, validators=[OWNER])  # external: the scheduler; else blank
    ref = models.CharField(max_length=80, blank=True, validators=[REF])  # external: its own id; else blank
    title = models.CharField(max_length=200)
    registered_by = models.CharField(max_length=80)  # the actor who may change an external one
    slot = models.ForeignKey(Slot, null=True, on_delete=models.CASCADE, related_name="schedules")
    model = models.CharField(max_length=200, blank=True)  # catalog key; external: any name it goes by
    swaps_itself = models.BooleanField(default=False)  # external: it swaps to `model`, rather than needs it
    options = models.JSONField(default=dict)  # swap: rollback; warm: kind, prompt, system
    expected_seconds = models.PositiveIntegerField(null=True)

    cron = models.CharField(max_length=200, blank=True)
    interval_seconds = models.PositiveIntegerField(null=True)
    anchor = models.DateTimeField(null=True)  # an interval counts from here
    times = models.JSONField(default=list)  # ISO-8601 in UTC
    timezone = models.CharField(max_length=64, default="UTC")

    enabled = models.BooleanField(default=True)
    next_fire_at = models.DateTimeField(null=True)  # internal: the next one not handled yet; null when it has ended
    grace_seconds = models.PositiveIntegerField(default=300)
    give_up_after_seconds = models.PositiveIntegerField(null=True)  # null: a refused run is not tried again

    refresh_seconds = models.PositiveIntegerField(default=REFRESH_SECONDS)  # external
    refreshed_at = models.DateTimeField(null=True)  # external: last registered
    stale_at = models.DateTimeField(null=True)  # external: when its owner will have missed two refreshes
    stale_told_at = models.DateTimeField(null=True)

    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)
    version = models.PositiveIntegerField(default=1, editable=False)  # the ETag

    objects = ScheduleQuerySet.as_manager()

    class Meta:
        ordering = ["id"]
        constraints = [
            models.UniqueConstraint(
                fields=["owner", "ref"], condition=Q(kind=ScheduleKind.EXTERNAL), name="schedule_once_per_owner"
            ),
            models.CheckConstraint(
                condition=Q(kind=ScheduleKind.EXTERNAL, next_fire_at=None)
                | (~Q(kind=ScheduleKind.EXTERNAL) & Q(owner="", ref="")),
                name="external_schedules_are_only_shown",
            ),
        ]
        indexes = [  # the reconciler's question, every 2 s
            models.Index(fields=["next_fire_at"], condition=Q(enabled=True), name="schedule_due")
        ]

    def __str__(self) -> str:
        return self.title

    @property
    def is_external(self) -> bool:
        return self.kind == ScheduleKind.EXTERNAL

    @property
    def label(self) -> str:
        """How it is told apart in sentences and as an actor."""
        return f"{self.owner}/{self.ref}" if self.is_external else f"schedule:{self.pk}"

    @property
    def actor(self) -> str:
        """Under which name our own schedules ask, in the journal and in refusals."""
        return f"schedule:{self.title}"[:80]

    @property
    def url(self) -> str:
        return f"/api/schedules/{self.owner}/{self.ref}" if self.is_external else f"/api/schedules/{self.pk}"

    def rule(self) -> Rule:
        return Rule(
            cron=self.cron,
            interval_seconds=self.interval_seconds,
            anchor=self.anchor,
            times=tuple(datetime.fromisoformat(at) for at in self.times),
            timezone=self.timezone,
        )

    def is_stale(self, now: datetime) -> bool:
        """Its owner has missed two refreshes, so what it says may not be true any more."""
        return self.stale_at is not None and self.stale_at <= now


class RunState(models.TextChoices):
    WAITING = "waiting", "waiting"  # refused for now; tried again until give_up_at
    RUNNING = "running", "running"
    DONE = "done", "done"
    FAILED = "failed", "failed"
    REFUSED = "refused", "refused"  # somebody held the slot
    SKIPPED = "skipped", "skipped"  # nobody was there in time


OPEN_RUNS = (RunState.WAITING, RunState.RUNNING)


class ScheduleRun(models.Model):
    """One fire of an internal schedule. That there is one row for each is what makes it happen once.

    `asked_by`: the actor who ran it by hand; blank = it came due. A run by hand is no fire, so it takes none's place.
    """

    schedule = models.ForeignKey(Schedule, on_delete=models.CASCADE, related_name="runs")
    fire_at = models.DateTimeField()
    state = models.CharField(max_length=8, choices=RunState)
    asked_by = models.CharField(max_length=80, blank=True)
    swap = models.ForeignKey("swaps.Swap", null=True, on_delete=models.SET_NULL, related_name="schedule_runs")
    sentence = models.TextField(blank=True)
    missed = models.PositiveIntegerField(default=0)  # earlier fires that were passed over for this one
    attempts = models.PositiveSmallIntegerField(default=0)
    next_try_at = models.DateTimeField(null=True)
    give_up_at = models.DateTimeField(null=True)
    started_at = models.DateTimeField(null=True)
    ended_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ["-fire_at", "-id"]
        constraints = [
            models.UniqueConstraint(fields=["schedule", "fire_at"], condition=Q(asked_by=""), name="each_fire_once"),
            models.CheckConstraint(
                condition=Q(state__in=[*OPEN_RUNS], ended_at=None)
                | (~Q(state__in=[*OPEN_RUNS]) & Q(ended_at__isnull=False)),
                name="a_run_that_is_over_has_an_end",
            ),
        ]
        indexes = [models.Index(F("state"), condition=Q(ended_at=None), name="schedule_run_open")]

    def __str__(self) -> str:
        return f"{self.schedule} at {self.fire_at.astimezone(UTC):%Y-%m-%d %H:%M}"

    @property
    def actor(self) -> str:
        """Who asks for what it does."""
        return self.asked_by or self.schedule.actor
