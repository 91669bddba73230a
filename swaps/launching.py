"""Starting the launcher on the head, and finding out what came of it: its exit code proves nothing."""

from dataclasses import dataclass

from cluster.ssh.base import CommandResult
from cluster.ssh.command import Command
from swaps.catalog.definition import Definition
from swaps.drive import Drive
from swaps.failures import Cause, StepFailed
from swaps.launcher import node_commands
from swaps.launcher.launch import CannotLaunch, LaunchPlan
from swaps.launcher.node_reports import ContainerState, read_container_state
from swaps.logs.diagnosis import diagnose
from swaps.logs.following import NodeLine
from swaps.logs.masking import mask_secrets
from swaps.logs.splitting import clean_line
from swaps.planning import plan_launch
from swaps.site import Site

FENCE_SECONDS = 40.0  # raising it waits up to 20 s for a command that still runs
UP_LIMIT_SECONDS = 10.0
UP_LOOK_SECONDS = 0.25


@dataclass(frozen=True, slots=True)
class Launched:
    """`plan` masked; `lines` what the launcher printed. `log_file`: where an old launcher leaves vLLM's output."""

    plan: list[str]
    lines: tuple[NodeLine, ...]
    log_file: str | None


def raise_fence(site: Site, fence: int) -> None:
    """From now on the head refuses commands of every earlier driver."""
    _expect_fence(site, _try_fence(site, fence))


def seal(site: Site, fence: int) -> None:
    """As raise_fence; a launcher that still runs there is ended, because nobody wants what it starts any more."""
    result = _try_fence(site, fence)
    if result.exit_status == node_commands.LOCK_BUSY:
        site.on(site.head, node_commands.end_launcher(site.slot.name), timeout=20.0)
        result = _try_fence(site, fence)
    _expect_fence(site, result)


def await_turn(drive: Drive) -> None:
    """As raise_fence; a launcher that goes on without its driver or its link is waited for: what it starts is ours."""
    while (result := _try_fence(drive.site, drive.swap.fence)).exit_status == node_commands.LOCK_BUSY:
        drive.pulse()
        drive.progress(f"The launcher on {drive.site.head} still runs.")
    _expect_fence(drive.site, result)


def launch(drive: Drive, definition: Definition) -> Launched:
    """Launch, unless our container of this swap runs already: call await_turn before. Raises StepFailed when no
    container came up."""
    site, swap = drive.site, drive.swap
    try:
        plan = plan_launch(site, definition, fence=swap.fence, swap_id=swap.pk)
    except CannotLaunch as no:
        raise StepFailed(Cause(no.code, no.sentence, no.remedy)) from None
    display = list(plan.display())
    if not drive.cleared and container_of(site, site.head).swap_id == swap.pk:
        return Launched(display, _printed(site, swap.pk), plan.log_file)  # a driver before us came this far
    drive.cleared = False
    lines = tuple(line for step in plan.steps for line in _run(drive, step, plan))
    _see_it_up(drive, plan, lines)
    return Launched(display, lines, plan.log_file)


def _try_fence(site: Site, fence: int) -> CommandResult:
    return site.on(site.head, node_commands.raise_fence(site.slot.name, fence), timeout=FENCE_SECONDS)


def _expect_fence(site: Site, result: CommandResult) -> None:
    if not result.ok:
        raise StepFailed(_fence_trouble(site.head, result))


def container_of(site: Site, node: str) -> ContainerState:
    """The slot's container on that node. Raises StepFailed when docker cannot say."""
    result = site.on(node, node_commands.container_state(site.slot.container_name), timeout=20.0)
    try:
        return read_container_state(result.stdout)
    except ValueError:
        why = result.reason or result.text
        remedy = "See that the Spark and Docker on it answer."
        raise StepFailed(
            Cause("docker-unavailable", f"Docker on {node} does not say what runs: {why}", remedy)
        ) from None


def _run(drive: Drive, step: Command, plan: LaunchPlan) -> tuple[NodeLine, ...]:
    site = drive.site
    result = site.on(site.head, step, timeout=plan.step_seconds + 15.0)
    if result.exit_status is None:  # dropped: the launcher goes on in its own session, so read what it wrote
        await_turn(drive)
        return _printed(site, drive.swap.pk)
    lines = _as_lines(site.head, result.text)
    if not result.ok:
        raise StepFailed(_launcher_trouble(lines, result))
    return lines


def _see_it_up(drive: Drive, plan: LaunchPlan, lines: tuple[NodeLine, ...]) -> None:
    """On every node our container must run; the launcher says 0 even when docker run failed."""
    waited = 0.0
    names = tuple(node.name for node in plan.nodes)
    while True:
        states = drive.site.on_each(names, lambda node: container_of(drive.site, node))
        # A main process that ended at once leaves its container, whose log and exit code say why.
        missing = [
            node
            for node, state in states.items()
            if state.swap_id != drive.swap.pk or not (state.running or plan.main_process)
        ]
        if not missing:
            return
        if waited >= UP_LIMIT_SECONDS or drive.site.head in missing:
            raise StepFailed(_nothing_came_up(missing, lines))
        drive.wait(UP_LOOK_SECONDS)
        waited += UP_LOOK_SECONDS


def _nothing_came_up(missing: list[str], lines: tuple[NodeLine, ...]) -> Cause:
    found = diagnose([(line.node, line.text) for line in lines])
    if found:
        return Cause.of(found)
    where = " and ".join(missing)
    last = lines[-1].text if lines else "nothing"
    return Cause(
        "container-not-started",
        f"The launcher ended without an error, but no container runs on {where}.",
        "Read what the launcher printed at the end of the log.",
        last,
    )


def _launcher_trouble(lines: tuple[NodeLine, ...], result: CommandResult) -> Cause:
    if result.exit_status == node_commands.STALE_FENCE:
        return _fence_trouble("The head Spark", result)
    found = diagnose([(line.node, line.text) for line in lines])
    if found:
        return Cause.of(found)
    words = lines[-1].text if lines else "It printed nothing."
    remedy = "Run the command shown on the Spark by hand to see more."
    return Cause("launcher-failed", f"The launcher ended with exit code {result.exit_status}: {words}", remedy, words)


def _fence_trouble(node: str, result: CommandResult) -> Cause:
    if result.exit_status == node_commands.STALE_FENCE:
        return Cause(
            "stale-fence",
            f"{node} already obeys a newer driver: {result.stderr}",
            "If the database was restored from a backup, start the swap again; every try raises the fence.",
        )
    why = result.reason or result.stderr or result.stdout
    return Cause("spark-unreachable", f"{node} did not take the fence: {why}", "See that the Spark answers over SSH.")


def _printed(site: Site, swap_id: int) -> tuple[NodeLine, ...]:
    result = site.on(site.head, node_commands.launch_output(site.slot.name, swap_id), timeout=20.0)
    return _as_lines(site.head, result.text)


def _as_lines(node: str, text: str) -> tuple[NodeLine, ...]:
    cleaned = (mask_secrets(clean_line(line)) for line in text.splitlines())
    return tuple(NodeLine(node, "", line) for line in cleaned if line.strip())
