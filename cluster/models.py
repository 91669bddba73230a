"""What is true of machines: Sparks, the slots on them, readings, and the journal of events."""

from typing import Any

from django.core.validators import MaxValueValidator, MinValueValidator, RegexValidator
from django.db import models
from django.db.models import Q

from cluster import encryption
from cluster.chores import Chore as Chore  # a room of its own; here, so that Django finds it
from cluster.querysets import EventQuerySet, SlotQuerySet, SparkQuerySet
from cluster.ssh.base import Address

DEFAULT_VLLM_PORT = 8888
DEFAULT_CONTAINER = "vllm_node"
DEFAULT_LAUNCHER_DIR = "~/spark-vllm-docker"

NAME = RegexValidator(
    r"\A[a-z0-9](?:[a-z0-9-]{0,38}[a-z0-9])?\Z", "Use lower-case letters, digits and dashes, at most 40."
)
HOST = RegexValidator(
    r"\A[A-Za-z0-9](?:[A-Za-z0-9._:-]{0,251}[A-Za-z0-9])?\Z",
    "Write a host name or an IP address, such as 192.168.1.20.",
)
UNIX_USER = RegexValidator(r"\A[a-z_][a-z0-9_-]{0,31}\Z", "Write the login name on the Spark, such as nvidia.")
PORT = [MinValueValidator(1), MaxValueValidator(65535)]


class SshState(models.TextChoices):
    NEW = "new", "not contacted yet"
    UP = "up", "connected"
    DOWN = "down", "not answering"
    REFUSED = "refused", "sign-in refused"
    QUARANTINED = "quarantined", "host key changed"


class Spark(models.Model):
    """One DGX Spark and how we reach it."""

    name = models.CharField(max_length=40, unique=True, validators=[NAME])
    host = models.CharField(max_length=253, validators=[HOST], help_text="Management address: name or IP.")
    ssh_port = models.PositiveIntegerField("SSH port", default=22, validators=PORT)
    ssh_user = models.CharField("SSH user", max_length=32, validators=[UNIX_USER])
    fabric_ip = models.GenericIPAddressField(
        "fabric IP", null=True, blank=True, help_text="Address on the ConnectX cable; needed for models on two Sparks."
    )
    host_key = models.TextField("pinned host key", blank=True, editable=False)
    own_private_key = models.TextField(blank=True, editable=False)  # encrypted; blank = Spark Control's own key
    enabled = models.BooleanField(default=True)

    ssh_state = models.CharField(max_length=12, choices=SshState, default=SshState.NEW, editable=False)
    ssh_state_since = models.DateTimeField(null=True, editable=False)
    ssh_problem = models.TextField(blank=True, editable=False)  # a sentence with the remedy
    probed_at = models.DateTimeField(null=True, editable=False)
    next_probe_at = models.DateTimeField(null=True, editable=False)
    reading = models.JSONField(default=dict, editable=False)  # HostReading.as_dict() of probed_at
    rebooted_at = models.DateTimeField(null=True, editable=False)  # as far as we saw it restart
    idle_available_bytes = models.BigIntegerField(null=True, editable=False)  # memory available with nothing on the GPU
    memory_missing_bytes = models.BigIntegerField(null=True, editable=False)  # of that, since a model ended; null: none

    objects = SparkQuerySet.as_manager()

    class Meta:
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name

    @property
    def private_key_context(self) -> str:
        return f"spark:{self.pk}:private_key"

    def address(self, install_key: str) -> Address:
        key = self.own_private_key
        private = encryption.decrypt(key, context=self.private_key_context) if key else install_key
        return Address(self.name, self.host, self.ssh_port, self.ssh_user, self.host_key, private)


class Launcher(models.TextChoices):
    LAUNCH_CLUSTER = "launch_cluster", "community launcher (launch-cluster.sh)"
    DOCKER_RUN = "docker_run", "docker run (vLLM is the container's main process)"


class ForeignPolicy(models.TextChoices):
    """What a swap does about others that use the GPU."""

    WARN = "warn", "name them and go on"
    REFUSE = "refuse", "refuse the swap"


class Slot(models.Model):
    """One place where one vLLM runs: a head Spark and, for models on several Sparks, its workers."""

    name = models.CharField(max_length=40, unique=True, validators=[NAME])
    label = models.CharField(max_length=80, blank=True)
    head = models.ForeignKey(Spark, on_delete=models.PROTECT, related_name="head_of")
    workers = models.ManyToManyField(Spark, through="SlotWorker", related_name="worker_of", blank=True)
    port = models.PositiveIntegerField(null=True, blank=True, validators=PORT, help_text="Blank means 8888.")
    container = models.CharField(max_length=64, blank=True, help_text="Blank means vllm_node.")
    launcher = models.CharField(max_length=20, choices=Launcher, default=Launcher.LAUNCH_CLUSTER)
    launcher_dir = models.CharField(max_length=255, blank=True, help_text="Blank means ~/spark-vllm-docker.")
    image = models.CharField(max_length=255, blank=True, help_text="Blank means the launcher's own default.")
    is_default = models.BooleanField(default=False, help_text="Calls that name no slot mean this one.")
    memory_floor_gib = models.PositiveSmallIntegerField(
        "memory floor (GiB)",
        default=6,
        validators=[MaxValueValidator(64)],
        help_text="A load is stopped when a Spark has less memory available than this. 0 turns the guard off.",
    )
    drop_caches = models.BooleanField(
        "drop page cache before a load", default=False, help_text="Needs a sudoers line on the Sparks."
    )
    foreign_gpu_users = models.CharField(
        "others on the GPU", max_length=8, choices=ForeignPolicy, default=ForeignPolicy.WARN
    )
    relaunches_per_hour = models.PositiveSmallIntegerField(
        "automatic relaunches per hour",
        default=0,
        validators=[MaxValueValidator(12)],
        help_text="Of a model that is up but makes no tokens. 0: only say so.",
    )

    objects = SlotQuerySet.as_manager()

    class Meta:
        ordering = ["-is_default", "name"]
        constraints = [
            models.UniqueConstraint(fields=["is_default"], condition=Q(is_default=True), name="one_default_slot")
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def vllm_port(self) -> int:
        return self.port or DEFAULT_VLLM_PORT

    @property
    def container_name(self) -> str:
        return self.container or DEFAULT_CONTAINER

    @property
    def base_url(self) -> str:
        """Where applications reach vLLM itself, without a trailing slash."""
        host = f"[{self.head.host}]" if ":" in self.head.host else self.head.host
        return f"http://{host}:{self.vllm_port}"

    def sparks(self) -> list[Spark]:
        """Head first, then the workers by rank."""
        return [self.head, *(seat.spark for seat in self.seats.all())]


class SlotWorker(models.Model):
    slot = models.ForeignKey(Slot, on_delete=models.CASCADE, related_name="seats")
    spark = models.ForeignKey(Spark, on_delete=models.PROTECT)
    rank = models.PositiveSmallIntegerField(default=1, validators=[MinValueValidator(1)])

    class Meta:
        ordering = ["rank"]
        constraints = [
            models.UniqueConstraint(fields=["slot", "spark"], name="spark_once_per_slot"),
            models.UniqueConstraint(fields=["slot", "rank"], name="rank_once_per_slot"),
        ]

    def __str__(self) -> str:
        return f"{self.spark} as worker {self.rank} of {self.slot}"


class Reading(models.Model):
    """One line of a Spark's history, kept for the one-hour charts; the newest one is also on the Spark."""

    spark = models.ForeignKey(Spark, on_delete=models.CASCADE, related_name="readings")
    at = models.DateTimeField()
    gpu_busy_percent = models.FloatField(null=True)
    mem_available_bytes = models.BigIntegerField(null=True)
    gpu_temperature_c = models.FloatField(null=True)
    gpu_power_watts = models.FloatField(null=True)
    disk_free_bytes = models.BigIntegerField(null=True)

    class Meta:
        indexes = [models.Index(fields=["spark", "-at"], name="reading_spark_at")]  # charts, pruning

    def __str__(self) -> str:
        return f"{self.spark} at {self.at:%H:%M:%S}"


class Event(models.Model):
    """A fact, written in the same transaction as the change it tells. Never changed afterwards, but for one mark."""

    at = models.DateTimeField(auto_now_add=True)
    kind = models.CharField(max_length=40)  # dotted words: swap.phase, spark.down
    slot = models.ForeignKey(Slot, null=True, on_delete=models.SET_NULL, related_name="events")
    spark = models.ForeignKey(Spark, null=True, on_delete=models.SET_NULL, related_name="events")
    actor = models.CharField(max_length=80, blank=True)
    sentence = models.TextField()  # for people
    data = models.JSONField(default=dict)  # for programs; never a secret
    fanned_out_at = models.DateTimeField(null=True, editable=False)  # the webhook outbox has seen it

    objects = EventQuerySet.as_manager()

    class Meta:
        ordering = ["-id"]
        indexes = [
            models.Index(fields=["id"], condition=Q(fanned_out_at=None), name="event_not_fanned_out"),  # the outbox
            models.Index(fields=["at"], name="event_at"),  # how far back the event stream goes
        ]

    def __str__(self) -> str:
        return f"{self.kind}: {self.sentence}"


class InstallKey(models.Model):
    """Spark Control's own SSH key pair, one row: people put the public half on their Sparks."""

    private_key = models.TextField()  # encrypted
    public_key = models.TextField()
    made_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [models.CheckConstraint(condition=Q(pk=1), name="one_install_key")]

    def __str__(self) -> str:
        return self.public_key

    def save(self, *args: Any, **kwargs: Any) -> None:
        self.pk = 1
        super().save(*args, **kwargs)


class IdempotentCall(models.Model):
    """A mutating API call made under an Idempotency-Key, and its answer once there is one. Kept for 24 h."""

    caller = models.CharField(max_length=120)
    method = models.CharField(max_length=8)
    path = models.CharField(max_length=500)
    key = models.CharField(max_length=255)
    fingerprint = models.CharField(max_length=64)  # SHA-256 of query and body
    claim = models.CharField(max_length=32)  # of the process that answers it
    claimed_until = models.DateTimeField()  # a call that is not answered by then is nobody's any more
    answered_at = models.DateTimeField(null=True)
    answer = models.TextField(blank=True)  # encrypted: it may show a secret, such as a new key
    created_at = models.DateTimeField(auto_now_add=True, db_index=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["caller", "method", "path", "key"], name="idempotency_key_once_per_call")
        ]

    def __str__(self) -> str:
        return f"{self.method} {self.path} by {self.caller}"


class Lookout(models.Model):
    """A task worker that looks around by itself, one row for each process. Kept for a day after its last look."""

    name = models.CharField(max_length=80, unique=True)  # host:pid
    queues = models.CharField(max_length=200)
    started_at = models.DateTimeField(auto_now_add=True)
    looked_at = models.DateTimeField(db_index=True)

    def __str__(self) -> str:
        return self.name
