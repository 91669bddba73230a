"""The steps of a swap. Each starts from what is true on the Sparks, so it may be begun twice."""

from django.db import transaction

from cluster.ssh.base import CommandResult
from cluster.vllm_probe import VllmReading
from swaps import (
    launching,
    memory_guard,
    memory_return,
    outsider_checks,
    page_cache,
    preflight,
    reboots,
    replacing,
    serving,
)
from swaps.catalog.definition import Definition
from swaps.checks import CheckState
from swaps.drive import Drive
from swaps.failures import Cause, StepFailed
from swaps.launcher import node_commands
from swaps.launcher.node_reports import GoneReport, read_gone
from swaps.loading import Loading
from swaps.logs.following import LogFollowers, LogSource
from swaps.memory_guard import MemoryWatch
from swaps.models import Operation, ServingState, SwapMessage, restored
from swaps.reboots import BootWatch, SparkRestarted
from swaps.states import Status

GRACE_SECONDS = 3  # vLLM gives its memory back within about a second of SIGTERM
STOP_LIMIT_SECONDS = 40.0
GONE_LIMIT_SECONDS = 60.0
GONE_LOOK_SECONDS = 0.1


def begin(drive: Drive) -> None:
    drive.advance(Status.WARMING if drive.swap.operation == Operation.WARM else Status.PREFLIGHT)


def check(drive: Drive) -> None:
    """Ask every node everything; the old model still serves."""
    if drive.swap.operation == Operation.STOP:
        replacing.refuse_without_consent(drive)
        drive.advance(Status.STOPPING)
        return
    verdict = preflight.run(drive.site, drive.target, stop_foreign=drive.swap.stop_foreign)
    checks = [c.as_dict() for c in verdict.checks]
    drive.say(checks=checks, plan=verdict.plan)
    blocking = next((c for c in verdict.checks if c.state is CheckState.BLOCKS), None)
    if blocking:
        raise StepFailed(Cause(blocking.code, blocking.sentence, blocking.remedy))
    drive.look_and_pulse()
    drive.advance(Status.STOPPING, detail=drive.swap.from_model)


def stop(drive: Drive) -> None:
    """End what runs in the slot's container, on all its nodes at once, and see that it is gone."""
    serving.mark(drive.swap, ServingState.STARTING)
    launching.seal(drive.site, drive.swap.fence)
    replacing.make_way(drive)
    stop_everywhere(drive)
    if drive.swap.operation == Operation.STOP:
        with transaction.atomic():
            serving.mark(drive.swap, ServingState.IDLE, believe=True)
            drive.advance(Status.READY, percent=100)
    else:
        memory_return.see_it_back(drive)
        page_cache.drop(drive)
        drive.advance(Status.LAUNCHING)


def launch(drive: Drive) -> None:
    """Start the launcher, unless a driver before us has done so already."""
    try:
        _launch_outlasting(drive)
    except SparkRestarted as restarted:
        reboots.launch_again(drive, restarted)
    else:
        drive.advance(Status.LOADING)


def load(drive: Drive) -> None:
    """Watch the launch until the model answers."""
    try:
        reading = _watch(drive, drive.target)
    except SparkRestarted as restarted:
        reboots.launch_again(drive, restarted)
        return
    drive.look_and_pulse()  # a cancellation of this very second still counts
    with transaction.atomic():
        serving.mark(drive.swap, ServingState.SERVING, drive.target, reading.model_ids, believe=True)
        drive.advance(Status.READY, percent=100, progress="")


def roll_back(drive: Drive) -> None:
    """Bring the model back that served before."""
    swap = drive.swap
    end = Status.FAILED if swap.diagnosis else Status.CANCELLED
    if swap.replaced:
        names = replacing.bring_back(drive)
        with transaction.atomic():
            replacing.tell_back(swap)
            drive.advance(end, rolled_back_to=names)
        return
    before = restored(swap.from_definition)
    _launch(drive, before)
    reading = _watch(drive, before)
    with transaction.atomic():
        serving.mark(drive.swap, ServingState.SERVING, before, reading.model_ids, believe=True)
        drive.advance(end, rolled_back_to=before.key)


def clean(drive: Drive) -> None:
    """After a failure: no container, no half-loaded model. Says so when it could not."""
    serving.mark(drive.swap, ServingState.STARTING)
    drive.outdate()  # or a launch that is still on its way would start a model after the swap was told to have failed
    drive.heeds_deadline = False  # a swap may be over because of it, and the Spark still wants to be left in order
    try:
        awake = reboots.awake(drive)
        if drive.site.head in awake:
            launching.seal(drive.site, drive.swap.fence)
        stop_everywhere(drive, awake)
        memory_guard.disarm(drive, awake)
    except StepFailed as trouble:
        drive.progress(f"Could not tidy up: {trouble.cause.sentence}"[:200])
        serving.mark(drive.swap, ServingState.UNKNOWN, problem=trouble.cause.sentence)
        return
    finally:
        drive.heeds_deadline = True
    serving.mark(drive.swap, ServingState.IDLE, believe=True)


def stop_everywhere(drive: Drive, awake: tuple[str, ...] | None = None) -> None:
    """`awake`: the nodes that answer, when some do not; whoever is silent is then named without a long wait."""
    site, container = drive.site, drive.site.slot.container_name
    command = node_commands.stop_container(container, grace_seconds=GRACE_SECONDS, only_own=True)
    names = site.names if awake is None else awake
    results = site.on_each(names, lambda node: site.on(node, command, timeout=STOP_LIMIT_SECONDS))
    for node in site.names:
        result = results.get(node, reboots.SILENT)
        if result.exit_status is None:
            _unknown(node, "stopping the container", result)
        if result.exit_status == node_commands.NOT_OURS:
            sentence = f"The container {container} on {node} was not started by Spark Control."
            raise StepFailed(Cause(outsider_checks.CODE, sentence, outsider_checks.CONSENT))
    _see_it_gone(drive)
    drive.cleared = True


def _see_it_gone(drive: Drive) -> None:
    """Exit codes prove nothing here: look at containers, processes and the port of every node."""
    site = drive.site
    command = node_commands.gone_check(site.slot.container_name, site.slot.vllm_port)
    waited = 0.0
    while True:
        results = site.on_each(site.names, lambda node: site.on(node, command, timeout=15.0))
        left = [_left(node, result) for node, result in results.items()]
        if not any(left):
            return
        if waited >= GONE_LIMIT_SECONDS:
            sentence = " ".join(filter(None, left))
            raise StepFailed(Cause("not-gone", sentence, "Stop it on the Spark, then ask again."))
        drive.wait(GONE_LOOK_SECONDS)
        waited += GONE_LOOK_SECONDS


def _left(node: str, result: CommandResult) -> str:
    if result.exit_status is None:
        _unknown(node, "looking whether the old model is gone", result)
    report = read_gone(result.stdout)
    return "" if report.gone else f"{node} still has {_what_is_left(report)}."


def _what_is_left(report: GoneReport) -> str:
    left = []
    if report.container_status != "absent":
        left.append(f"the container ({report.container_status})")
    if report.vllm_processes:
        left.append(f"{report.vllm_processes} vLLM processes")
    if report.port_listening is not False:
        left.append("a listener on the port")
    return ", ".join(left) or "something that cannot be named"


def _unknown(node: str, doing: str, result: CommandResult) -> None:
    raise StepFailed(
        Cause(
            "spark-unreachable",
            f"{node} stopped answering while {doing}: {result.reason}",
            f"See that {node} is up and reachable; what it serves is not known until then.",
        )
    )


def _launch_outlasting(drive: Drive) -> None:
    """Once more when a node was away for a while: the launch may have begun, and then it is found."""
    try:
        _launch(drive, drive.target)
    except StepFailed as failure:
        reboots.look_after_launch(drive, failure)
        drive.cleared = False
        _launch(drive, drive.target)


def _launch(drive: Drive, definition: Definition) -> None:
    reboots.record(drive, definition)
    if not drive.cleared:
        launching.await_turn(drive)
    memory_guard.arm(drive, definition)
    try:
        launched = launching.launch(drive, definition)
    except StepFailed as failure:
        raise memory_guard.explained(drive, definition, failure) from None
    lines = [(SwapMessage.Kind.LOG, {"node": line.node, "text": line.text}) for line in launched.lines]
    drive.say(*lines, plan=launched.plan, log_file=launched.log_file or "", log_cursors={})


def _watch(drive: Drive, definition: Definition) -> VllmReading:
    container = drive.site.slot.container_name
    source = LogSource(container, drive.swap.log_file or None)
    nodes = (drive.site.head,) if source.file else drive.site.names_for(definition)
    watch = BootWatch(drive.site, drive.swap.boot_ids)
    memory_guard.rearm(drive, definition)
    memory = MemoryWatch(drive, definition)
    with LogFollowers(drive.site, nodes, source, drive.swap.log_cursors) as followers, watch, memory:
        loading = Loading(drive, definition, definition.served_names(), followers, container, watch, memory)
        try:
            reading = loading.until_ready()
        except StepFailed as failure:
            loading.finish()
            told = watch.explained(drive, loading.with_last_words(failure))
            raise memory_guard.explained(drive, definition, told) from None
        loading.finish()
        drive.say(*((SwapMessage.Kind.LOG, line) for line in memory.summary()))
    memory_guard.disarm(drive, drive.site.names_for(definition))
    return reading
