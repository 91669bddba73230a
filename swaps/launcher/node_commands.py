"""Every command that goes to a Spark besides the launch: data only, each safe to repeat, values never inside scripts.

Container name and port are always given; nothing here assumes vllm_node or 8888.
"""

from cluster.ssh.command import Command
from swaps.catalog.argument_rules import (
    is_absolute_path,
    is_container_name,
    is_image_reference,
    is_launcher_dir,
    is_mod_path,
    is_port,
    is_repo_id,
    is_slot_name,
    launcher_path,
    message_of,
)
from swaps.launcher import node_scripts as scripts
from swaps.launcher.node_reports import (
    ContainerState,
    GoneReport,
    PreflightFacts,
    read_container_state,
    read_gone,
    read_preflight,
    vllm_processes,
)
from swaps.launcher.preflight_script import PREFLIGHT

__all__ = [
    "LOCK_BUSY",
    "NOT_OURS",
    "STALE_FENCE",
    "ContainerState",
    "GoneReport",
    "PreflightFacts",
    "container_processes",
    "container_state",
    "end_launcher",
    "fence_guard",
    "follow_log_file",
    "follow_logs",
    "gone_check",
    "image_entrypoint",
    "image_id",
    "launch_output",
    "launcher_help",
    "log_file_tail",
    "log_tail",
    "preflight_facts",
    "raise_fence",
    "read_container_state",
    "read_fence",
    "read_gone",
    "read_preflight",
    "stop_container",
    "vllm_processes",
]

STATE_UNUSABLE = 73  # ~/.spark-control cannot be written, or is damaged
LOCK_BUSY = 74  # another command of the slot still runs on this Spark
STALE_FENCE = 75  # this Spark obeys a newer driver
NOT_OURS = 76  # stop_container met a container that others started
NO_DIRECTORY = 66  # the launcher's directory is missing


def fence_guard(slot: str, fence: int, command: Command) -> Command:
    """`command`, run only when `fence` is not below the Spark's own, which it raises; else exit STALE_FENCE.

    The slot's lock on the Spark is held until the command ends, so raise_fence also waits for it (up to 20 s).
    """
    _require(is_slot_name(slot), "slot")
    if fence < 0 or fence >= 2**63:
        raise ValueError("a fence is a whole number from 0 to 2**63 - 1")
    return Command(
        argv=(slot, str(fence), *command.argv),
        script=scripts.fenced(command.script),
        cwd=command.cwd,
        env=command.env,
    )


def raise_fence(slot: str, fence: int) -> Command:
    """Refuse every command with a lower fence from now on; prints the fence. Exit STALE_FENCE when already higher."""
    return fence_guard(slot, fence, Command.shell(scripts.RAISE_FENCE))


def end_launcher(slot: str) -> Command:
    """End a launcher that still runs for the slot, so that the lock it holds is free; exit 0 also when none does."""
    _require(is_slot_name(slot), "slot")
    return Command.shell(scripts.END_LAUNCHER, slot)


def read_fence(slot: str) -> Command:
    """Prints the Spark's fence of a slot; 0 when there never was one."""
    _require(is_slot_name(slot), "slot")
    return Command.shell(scripts.READ_FENCE, slot)


def stop_container(container: str, grace_seconds: int = 3, *, remove: bool = False, only_own: bool = False) -> Command:
    """Ask vLLM to end (at most `grace_seconds`), then stop the container; exit 0 also when there is none.

    A container with our label is also removed if it was started without --rm (some launchers do), another one only
    with `remove`: its owner may want to start it again. Takes about grace + 1 s at most with the usual launcher.
    `only_own`: exit NOT_OURS, with nothing stopped, at one that neither we nor the community launcher started.
    """
    _require(is_container_name(container), "container")
    if not 0 <= grace_seconds <= 600:
        raise ValueError("the grace is 0 to 600 seconds")
    what = ("remove" if remove else "keep", "own" if only_own else "any")
    return Command.shell(scripts.STOP_CONTAINER, container, str(grace_seconds), *what)


def container_state(container: str) -> Command:
    """One JSON line for read_container_state. Exit 1 when docker does not answer."""
    _require(is_container_name(container), "container")
    return Command.shell(scripts.CONTAINER_STATE, container)


def container_processes(container: str) -> Command:
    """`docker top`, for vllm_processes(). Exit 1 when the container does not run."""
    _require(is_container_name(container), "container")
    return Command.of("docker", "top", container)


def gone_check(container: str, port: int) -> Command:
    """For read_gone: is the container gone, its vLLM ended, the port free, and how much memory is there."""
    _require(is_container_name(container), "container")
    _require(is_port(port), "port")
    return Command.shell(scripts.GONE_CHECK, container, str(port))


def follow_logs(container: str, since: str | None = None) -> Command:
    """`docker logs -f` with docker's timestamps. `since` is one of those timestamps, to resume after a drop."""
    _require(is_container_name(container), "container")
    return Command.of("docker", "logs", "-f", "-t", *_since(since), container)


def log_tail(container: str, lines: int = 200) -> Command:
    """The last `lines` of the log, with docker's timestamps."""
    _require(is_container_name(container), "container")
    return Command.of("docker", "logs", "-t", "--tail", str(_line_count(lines)), container)


def follow_log_file(path: str, from_line: int = 1) -> Command:
    """Follow a LaunchPlan.log_file from a line on (1 = its beginning). The file may not exist yet."""
    _require(is_launcher_dir(path), "path")
    return Command.shell(scripts.FOLLOW_FILE, path, str(max(1, from_line)))


def log_file_tail(path: str, lines: int = 200) -> Command:
    """The last lines of a LaunchPlan.log_file; nothing when it does not exist."""
    _require(is_launcher_dir(path), "path")
    return Command.shell(scripts.FILE_TAIL, path, str(_line_count(lines)))


def launch_output(slot: str, swap_id: int) -> Command:
    """What the launcher printed for a swap, then `exit N` when it has ended: for a launch whose outcome is unknown."""
    _require(is_slot_name(slot), "slot")
    return Command.shell(scripts.LAUNCH_OUTPUT, slot, str(int(swap_id)))


def launcher_help(launcher_dir: str) -> Command:
    """The launcher's usage text, for read_capabilities. Exit 66 no directory, 127 no launcher in it."""
    _require(not launcher_dir or is_launcher_dir(launcher_dir), "launcher_dir")
    return Command.shell(scripts.LAUNCHER_HELP, launcher_path(launcher_dir))


def image_id(image: str) -> Command:
    """Prints the image's sha256 id; exit 1 when this Spark does not have it."""
    _require(is_image_reference(image), "image")
    return Command.of("docker", "image", "inspect", "--format", "{{.Id}}", image)


def image_entrypoint(image: str) -> Command:
    """Prints the JSON list of what the image begins with, or null; exit 1 when this Spark does not have it."""
    _require(is_image_reference(image), "image")
    return Command.of("docker", "image", "inspect", "--format", "{{json .Config.Entrypoint}}", image)


def preflight_facts(
    *,
    container: str,
    port: int,
    image: str,
    launcher_dir: str,
    slot: str,
    repo: str | None = None,
    local_path: str | None = None,
    mods: tuple[str, ...] = (),
) -> Command:
    """All that a preflight wants to know of one Spark, in one round trip, for read_preflight. Changes nothing."""
    _require(is_container_name(container), "container")
    _require(is_port(port), "port")
    _require(is_image_reference(image), "image")
    _require(not launcher_dir or is_launcher_dir(launcher_dir), "launcher_dir")
    _require(is_slot_name(slot), "slot")
    _require(repo is None or is_repo_id(repo), "repo")
    _require(local_path is None or is_absolute_path(local_path), "path")
    _require(all(is_mod_path(mod) for mod in mods), "mod")
    folder = f"models--{repo.replace('/', '--')}" if repo else ""
    launcher = launcher_path(launcher_dir)
    return Command.shell(PREFLIGHT, container, str(port), image, launcher, slot, folder, local_path or "", *mods)


def _since(since: str | None) -> tuple[str, ...]:
    if since is None:
        return ()
    if not scripts.TIMESTAMP.fullmatch(since):
        raise ValueError("since must be a timestamp of docker logs, such as 2026-11-20T10:00:00.123456789Z")
    return ("--since", since)


def _line_count(lines: int) -> int:
    return max(1, min(int(lines), 100_000))


def _require(sound: bool, rule: str) -> None:
    """The last check before the wire: these values were validated when they were saved."""
    if not sound:
        raise ValueError(f"unsafe value: it {message_of(rule)}")
