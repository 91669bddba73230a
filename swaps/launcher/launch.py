"""From a definition and a place to the commands that launch it on this launcher. Pure: the same input, the same plan.

The traps of launch-cluster.sh that shape this file are in spark-facts.md 1.2 to 1.7.
"""

import shlex
from dataclasses import dataclass

from cluster.ssh.command import Command, UnsafeWord
from swaps.catalog.argument_rules import (
    is_container_name,
    is_host,
    is_image_reference,
    is_launcher_dir,
    is_plain_word,
    is_port,
    is_slot_name,
    launcher_path,
    message_of,
)
from swaps.catalog.definition import Definition, validate
from swaps.catalog.launcher_options import image_in, pairs
from swaps.catalog.vllm_options import BACKEND, option_values, parallel_size, without_option
from swaps.launcher import node_scripts as scripts
from swaps.launcher.capabilities import Capabilities
from swaps.launcher.node_commands import fence_guard

DEFAULT_IMAGE = "vllm-node"  # launch-cluster.sh's own default
SWAP_LABEL = "sparkcontrol.swap"
FENCE_LABEL = "sparkcontrol.fence"
EXTRA_DOCKER_ARGS = "VLLM_SPARK_EXTRA_DOCKER_ARGS"

# Seconds the launcher may take: containers up, `sleep 2`, command dispatched. Measured launches take 3 to 10 s.
ONE_NODE_SECONDS = 60
MORE_NODES_SECONDS = 120
RAY_SECONDS = 90  # the launcher itself waits up to 60 s for Ray, then 5 s
MOD_SECONDS = 300  # a mod may install packages


class CannotLaunch(Exception):
    """This launcher or place cannot run this definition. `sentence` says why, `remedy` what to do."""

    def __init__(self, code: str, sentence: str, remedy: str) -> None:
        super().__init__(f"{sentence} {remedy}")
        self.code = code
        self.sentence = sentence
        self.remedy = remedy


@dataclass(frozen=True, slots=True)
class Node:
    """A Spark of the slot. `address` is what the launcher calls it by: the fabric IP, or the host of a lone Spark."""

    name: str
    address: str


@dataclass(frozen=True, slots=True)
class Placement:
    """Where it should run. `image` is the slot's default; blank image or launcher_dir mean the usual."""

    slot: str
    head: Node
    workers: tuple[Node, ...]
    port: int
    container: str
    launcher_dir: str
    image: str = ""


@dataclass(frozen=True, slots=True)
class LaunchPlan:
    """What to do: `steps` on the head in order, each within `step_seconds`; then vLLM loads by itself.

    `log_file` None: vLLM writes to `docker logs` of every node. Otherwise to this file on the head.
    """

    steps: tuple[Command, ...]
    vllm_argv: tuple[str, ...]
    expected_ids: tuple[str, ...]
    log_file: str | None
    notes: tuple[str, ...]
    nodes: tuple[Node, ...]
    image: str
    step_seconds: int
    main_process: bool = False  # vLLM is the container's first process: the container ends with it

    def display(self) -> tuple[str, ...]:
        """The calls of the launcher, or of docker, for people: without the guard around them."""
        return tuple(_shown(step) for step in self.steps)


def image_of(definition: Definition, placement: Placement) -> str:
    """The image that will run: the definition's, else the slot's, else the launcher's default."""
    return definition.image or image_in(definition.launcher_args) or placement.image or DEFAULT_IMAGE


def nodes_of(definition: Definition, placement: Placement) -> tuple[Node, ...]:
    """The Sparks used: the head and as many workers as the definition needs. Raises CannotLaunch."""
    nodes = (placement.head, *placement.workers)
    if definition.nodes > len(nodes):
        raise CannotLaunch(
            "too-few-sparks",
            f"{definition.label} needs {definition.nodes} Sparks, but slot {placement.slot} has {len(nodes)}.",
            "Choose a slot with more Sparks, or add workers to this one.",
        )
    return nodes[: definition.nodes]


def build_launch(
    definition: Definition, placement: Placement, capabilities: Capabilities, *, fence: int, swap_id: int
) -> LaunchPlan:
    """The plan, or CannotLaunch with a sentence and a remedy. `fence` guards every step on the head."""
    check_definition(definition)
    check_placement(placement)
    nodes = nodes_of(definition, placement)
    _check_launcher(definition, capabilities)
    plan = _Builder(definition, placement, capabilities, nodes, fence, swap_id).plan()
    check_size(plan)
    return plan


@dataclass(frozen=True, slots=True)
class _Builder:
    definition: Definition
    placement: Placement
    capabilities: Capabilities
    nodes: tuple[Node, ...]
    fence: int
    swap_id: int

    def plan(self) -> LaunchPlan:
        detached = self.capabilities.detached_exec
        return LaunchPlan(
            steps=(self._exec_step(),) if detached else (self._start_step(), self._foreground_step()),
            vllm_argv=self.vllm_argv(),
            expected_ids=self.definition.served_names(),
            log_file=None if detached else self._log_path("exec"),
            notes=self._notes(),
            nodes=self.nodes,
            image=image_of(self.definition, self.placement),
            step_seconds=self._seconds(),
        )

    def vllm_argv(self) -> tuple[str, ...]:
        """The program and its arguments. Ours come last: argparse takes the last of two."""
        args = self.definition.args
        if self._drops_backend:
            args = without_option(args, BACKEND)
        if self._adds_backend:
            args = (*args, BACKEND, "ray")
        if len(self.nodes) == 1 and not self.capabilities.solo and parallel_size(args) is None:
            args = (*args, "-tp", "1")
        place = ("--host", "0.0.0.0", "--port", str(self.placement.port))  # noqa: S104 - vLLM's, inside the LAN
        return ("vllm", "serve", self.definition.model_argument(), *args, *place)

    def _container_words(self) -> tuple[str, ...]:
        """vLLM's argv behind those settings that docker's unquoted arguments cannot carry."""
        quoted = [setting for setting in _settings(self.definition) if not is_plain_word(setting)]
        return ("env", *quoted, *self.vllm_argv()) if quoted else self.vllm_argv()

    @property
    def _plain(self) -> bool:
        return _fragile_word(self.definition) is None

    @property
    def _ray(self) -> bool:
        """Whether these nodes form a Ray cluster. Without Ray is the default wherever the launcher can."""
        if len(self.nodes) == 1 or not self.capabilities.no_ray:
            return len(self.nodes) > 1
        if "--ray" in self.definition.launcher_args:
            return True
        if "--no-ray" in self.definition.launcher_args or self.capabilities.ray_flag:
            return False
        asked = option_values(self.definition.args, BACKEND) == ("ray",)
        return asked or not (self._plain or self.capabilities.quoted_workers)

    @property
    def _drops_backend(self) -> bool:
        return not self._ray and bool(option_values(self.definition.args, BACKEND))

    @property
    def _adds_backend(self) -> bool:
        return self._ray and not option_values(self.definition.args, BACKEND)

    def _launcher_words(self) -> tuple[str, ...]:
        """Everything before the action: place, image, flags."""
        words = [launcher_path(self.placement.launcher_dir), "-d"]
        if len(self.nodes) == 1 and self.capabilities.solo:
            words.append("--solo")
        else:
            words += ["-n", ",".join(node.address for node in self.nodes)]
        words += ["--name", self.placement.container, "-t", image_of(self.definition, self.placement)]
        words += self._ray_words()
        for flag, value in pairs(self.definition.launcher_args):
            if flag not in ("-t", "--ray", "--no-ray") and not (flag == "-v" and not self.capabilities.volumes):
                words += [flag, value] if value else [flag]
        if self.capabilities.env_flag:
            words += [word for setting in self._plain_env() for word in ("-e", setting)]
        return (*words, *(word for mod in self.definition.mods for word in ("--apply-mod", mod)))

    def _ray_words(self) -> list[str]:
        if len(self.nodes) == 1:
            return []
        if self._ray:
            return ["--ray"] if self.capabilities.ray_flag else []
        return [] if self.capabilities.ray_flag else ["--no-ray"]

    def _plain_env(self) -> list[str]:
        return [setting for setting in _settings(self.definition) if is_plain_word(setting)]

    def _docker_words(self) -> tuple[str, ...]:
        """For docker run on every node. Each word is plain: the launcher expands them unquoted."""
        words = [f"--label={SWAP_LABEL}={self.swap_id}", f"--label={FENCE_LABEL}={self.fence}"]
        if self.definition.local_path:
            words += ["-v", f"{self.definition.local_path}:{self.definition.local_path}:ro"]
        if not self.capabilities.volumes:
            mounts = (value for flag, value in pairs(self.definition.launcher_args) if flag == "-v")
            words += [word for mount in mounts for word in ("-v", mount)]
        if not self.capabilities.env_flag:
            words += [word for setting in self._plain_env() for word in ("-e", setting)]
        return (*words, *self.definition.docker_args)

    def _exec_step(self) -> Command:
        return self._step(scripts.LAUNCH, "exec", (*self._launcher_words(), "exec", *self._container_words()))

    def _start_step(self) -> Command:
        return self._step(scripts.LAUNCH, "start", (*self._launcher_words(), "start"))

    def _foreground_step(self) -> Command:
        """The old exec keeps running as long as vLLM does; on a cluster that is already up it cleans nothing up."""
        words = self._container_words()
        if self.capabilities.joined_exec and not all(map(is_plain_word, words)):
            words = (shlex.join(words),)  # the launcher joins its words and gives the line to `bash -c`, once
        launcher = (word for word in self._launcher_words() if word != "-d")
        return self._step(scripts.LAUNCH_FOREGROUND, "exec", (*launcher, "exec", *words))

    def _step(self, script: str, name: str, words: tuple[str, ...]) -> Command:
        head = (self.placement.slot, str(self.swap_id), name, str(self._seconds()))
        command = Command.shell(script, *head, *words).with_env({EXTRA_DOCKER_ARGS: " ".join(self._docker_words())})
        return fence_guard(self.placement.slot, self.fence, command)

    def _log_path(self, name: str) -> str:
        return f"~/.spark-control/{self.placement.slot}/swap-{self.swap_id}-{name}.log"

    def _seconds(self) -> int:
        seconds = ONE_NODE_SECONDS if len(self.nodes) == 1 else MORE_NODES_SECONDS
        waits_for_ray = self._ray or not self.capabilities.solo  # the oldest launcher starts Ray on one Spark too
        return seconds + MOD_SECONDS * len(self.definition.mods) + (RAY_SECONDS if waits_for_ray else 0)

    def _notes(self) -> tuple[str, ...]:
        notes = []
        if self._drops_backend:
            notes.append(
                f"{BACKEND} was left out: this launch uses no Ray. Add --ray to the launcher arguments to use it."
            )
        if self._ray and self.capabilities.no_ray and "--ray" not in self.definition.launcher_args:
            notes.append(
                "This launcher breaks quoted words on a worker, so Ray is used. A launcher since May 2026 needs none."
            )
        if not self.capabilities.detached_exec:
            notes.append(
                "This launcher is from before March 2026: vLLM's output goes to a file on the head, not to docker logs."
            )
        return tuple(notes)


def check_definition(definition: Definition) -> None:
    problems = validate(definition)
    if problems:
        raise CannotLaunch(
            "invalid-definition",
            f"{definition.label or definition.key} cannot be launched: {problems[0].field}: {problems[0].message}",
            "Correct the model definition.",
        )


def check_placement(placement: Placement) -> None:
    sound = (
        ("slot", is_slot_name(placement.slot)),
        ("container", is_container_name(placement.container)),
        ("port", is_port(placement.port)),
        ("launcher_dir", not placement.launcher_dir or is_launcher_dir(placement.launcher_dir)),
        ("image", not placement.image or is_image_reference(placement.image)),
        ("host", all(is_host(node.address) for node in (placement.head, *placement.workers))),
    )
    for rule, holds in sound:
        if not holds:
            raise CannotLaunch(
                "invalid-slot",
                f"Slot {placement.slot[:40]!r} cannot be used: its {rule.replace('_', ' ')} {message_of(rule)}.",
                "Correct it in the slot's settings.",
            )


def _shown(step: Command) -> str:
    """argv is: slot, fence, then slot, swap, step name and seconds for the script, then the launcher's words."""
    settings = [f"{name}={shlex.quote(str(value))}" for name, value in step.env]
    return " ".join([*settings, *(_quoted(str(word)) for word in step.argv[6:])])


def _quoted(word: str) -> str:
    """As for a person's shell, which must still know the `~`."""
    return word if word.startswith("~/") and is_plain_word(word[2:]) else shlex.quote(word)


def check_size(plan: LaunchPlan) -> None:
    """The wire carries words of 4 KiB and commands of 100 KiB; joined forms can exceed that only here."""
    try:
        for step in plan.steps:
            step.wire()
    except UnsafeWord as error:
        raise CannotLaunch(
            "command-too-long",
            f"The launch command cannot be sent: {error}.",
            "Shorten the arguments, docker arguments or environment of the model definition.",
        ) from error


UPDATE = "Update the launcher on the Spark (git pull in its directory)."


def _check_launcher(definition: Definition, capabilities: Capabilities) -> None:
    if not capabilities.known:
        raise CannotLaunch(
            "launcher-unknown",
            "launch-cluster.sh did not print a usage text that Spark Control knows.",
            "Check the launcher directory of the slot, and that launch-cluster.sh --help works there.",
        )
    missing = [flag for flag in _flags_needed(definition) if not capabilities.knows(flag)]
    if missing:
        raise CannotLaunch(
            "launcher-too-old",
            f"This launcher does not know {', '.join(missing)}, which {definition.label} needs.",
            UPDATE,
        )
    _check_words(definition, capabilities)


def _flags_needed(definition: Definition) -> list[str]:
    """Flags without another way; -v, --ray and env settings can be given to old launchers in other forms."""
    flags = {flag for flag, _ in pairs(definition.launcher_args)} - {"-v", "--ray", "-t"}
    return sorted(flags | ({"--apply-mod"} if definition.mods else set()))


def _settings(definition: Definition) -> list[str]:
    return [f"{name}={value}" for name, value in definition.env]


def _fragile_word(definition: Definition) -> str | None:
    """The first word of the container's command that needs quoting."""
    words = (*definition.args, *_settings(definition))
    return next((word for word in words if not is_plain_word(word)), None)


def _check_words(definition: Definition, capabilities: Capabilities) -> None:
    """Refuse words that this launcher would take apart."""
    fragile = _fragile_word(definition)
    if fragile is None or capabilities.joined_exec:
        return
    if not capabilities.quoted_exec:
        sentence = f"This launcher (February or March 2026) may take the word {fragile[:80]!r} apart."
    elif "--no-ray" in definition.launcher_args and definition.nodes > 1 and not capabilities.quoted_workers:
        sentence = f"With --no-ray this launcher takes the word {fragile[:80]!r} apart on the worker."
    else:
        return
    raise CannotLaunch(
        "launcher-breaks-words", sentence, f"{UPDATE} Or write JSON as dotted options, such as --name.key=value."
    )
