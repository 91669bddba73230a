"""The other launcher: vLLM as the main process of a detached `docker run`, on one Spark, with nothing to install there.

Same contract as launch.py: from a definition and a place to one fenced step. Pure. What docker does with it is in
docs/launchers.md and spark-facts.md section 8.
"""

import re
import shlex
from dataclasses import dataclass

from cluster.ssh.command import Command
from swaps.catalog.definition import Definition
from swaps.catalog.launcher_options import pairs
from swaps.catalog.vllm_options import BACKEND, option_values, without_option
from swaps.launcher import docker_scripts as scripts
from swaps.launcher.launch import (
    FENCE_LABEL,
    SWAP_LABEL,
    CannotLaunch,
    LaunchPlan,
    Placement,
    check_definition,
    check_placement,
    check_size,
    image_of,
)
from swaps.launcher.node_commands import fence_guard

SECONDS = 60  # `docker run -d` answers within a few; the weights are read afterwards
HF_CACHE = ("~/.cache/huggingface", "/root/.cache/huggingface")
# What vLLM compiles and would compile again at the next start: 10 to 45 minutes of a cold load (spark-facts.md 2.2).
COMPILE_CACHES = (".cache/vllm", ".cache/flashinfer", ".triton", ".tilelang")
# memlock and stack as NVIDIA's own containers ask for them, open files as the community launcher sets them.
ULIMITS = ("memlock=-1", "stack=67108864", "nofile=1048576")

# Flags of launch-cluster.sh that mean something to docker as well; `{}` is their value.
TRANSLATED = {
    "-v": ("-v", "{}"),
    "--shm-size-gb": ("--shm-size", "{}g"),
    "--mem-limit-gb": ("--memory", "{}g"),
    "--mem-swap-limit-gb": ("--memory-swap", "{}g"),
    "--pids-limit": ("--pids-limit", "{}"),
    "-j": ("-e", "MAX_JOBS={}"),
}
WITHOUT_EFFECT = frozenset({"-t", "--non-privileged"})  # the image is named anyway; nothing here is privileged

_SHELL = re.compile(r"(?:.*/)?(?:ba|da|z)?sh")
_SERVER_MODULE = "vllm.entrypoints.openai.api_server"


@dataclass(frozen=True, slots=True)
class Unsupported:
    """What a definition asks for and this launcher has not."""

    code: str
    sentence: str
    remedy: str


def unsupported(definition: Definition) -> list[Unsupported]:
    """Why `definition` can never be launched by docker run; needs no look at a Spark."""
    found = []
    if definition.nodes > 1:
        found.append(
            Unsupported(
                "docker-run-one-spark",
                f"{definition.label} needs {definition.nodes} Sparks, and docker run starts vLLM on one.",
                "Choose a slot whose launcher is launch_cluster, or change this slot's launcher.",
            )
        )
    if definition.mods:
        found.append(
            Unsupported(
                "docker-run-no-mods",
                f"{definition.label} has mods ({', '.join(definition.mods)}), which only launch-cluster.sh applies.",
                "Name an image that has them built in, or choose a slot whose launcher is launch_cluster.",
            )
        )
    return found


def build_docker_run(
    definition: Definition, placement: Placement, entrypoint: tuple[str, ...], *, fence: int, swap_id: int
) -> LaunchPlan:
    """The plan, or CannotLaunch. `entrypoint` is the image's, as `docker image inspect` tells it; () when none."""
    check_definition(definition)
    check_placement(placement)
    for problem in unsupported(definition):
        raise CannotLaunch(problem.code, problem.sentence, problem.remedy)
    vllm = _vllm_argv(definition, placement.port)
    words = (*_docker_words(definition, placement, fence, swap_id), *words_for(entrypoint, vllm))
    step = Command.shell(scripts.DOCKER_RUN, placement.slot, str(swap_id), "run", str(SECONDS), *words)
    plan = LaunchPlan(
        steps=(fence_guard(placement.slot, fence, step),),
        vllm_argv=vllm,
        expected_ids=definition.served_names(),
        log_file=None,
        notes=_notes(definition),
        nodes=(placement.head,),
        image=image_of(definition, placement),
        step_seconds=SECONDS,
        main_process=True,
    )
    check_size(plan)
    return plan


def words_for(entrypoint: tuple[str, ...], vllm: tuple[str, ...]) -> tuple[str, ...]:
    """What follows the image's name, so that `vllm` (`vllm serve MODEL ...`) runs whatever the image begins with.

    vllm/vllm-openai begins with `vllm serve`, older ones with its module, which takes the model as an option;
    nvcr.io/nvidia/vllm has a script that runs what follows; some images have a shell that wants one line.
    """
    if _SERVER_MODULE in entrypoint:
        return ("--model", *vllm[2:])
    if entrypoint[-1:] == ("serve",):
        return vllm[2:]
    if entrypoint and entrypoint[-1].rpartition("/")[2] == "vllm":
        return vllm[1:]
    if len(entrypoint) > 1 and _SHELL.fullmatch(entrypoint[0]) and entrypoint[-1].startswith("-"):
        return (f"exec {shlex.join(vllm)}",)
    return vllm


def _vllm_argv(definition: Definition, port: int) -> tuple[str, ...]:
    """Ours come last: argparse takes the last of two."""
    args = without_option(definition.args, BACKEND) if option_values(definition.args, BACKEND) else definition.args
    place = ("--host", "0.0.0.0", "--port", str(port))  # noqa: S104 - vLLM's, inside the LAN
    return ("vllm", "serve", definition.model_argument(), *args, *place)


def _docker_words(definition: Definition, placement: Placement, fence: int, swap_id: int) -> tuple[str, ...]:
    """`docker run` up to the image. Mounts first: the script resolves a `~/` in them on the Spark, and only there."""
    words = ["docker", "run", "-v", ":".join(HF_CACHE)]
    if "--no-cache-dirs" not in definition.launcher_args:
        words += [word for folder in COMPILE_CACHES for word in ("-v", f"~/{folder}:/root/{folder}")]
    if definition.local_path:
        words += ["-v", f"{definition.local_path}:{definition.local_path}:ro"]
    words += ["-d", "--pull=never", "--name", placement.container]
    words += ["--label", f"{SWAP_LABEL}={swap_id}", "--label", f"{FENCE_LABEL}={fence}", "--restart=no"]
    words += ["--gpus", "all", "--network", "host"]
    words += [f"--ulimit={limit}" for limit in ULIMITS]
    asked = (*_translated(definition), *definition.docker_args)
    if not any(word.partition("=")[0] == "--shm-size" for word in asked):
        words.append("--ipc=host")  # else the size of shared memory is the container's own
    settings = [word for name, value in definition.env for word in ("-e", f"{name}={value}")]
    return (*words, *asked, *settings, image_of(definition, placement))


def _translated(definition: Definition) -> list[str]:
    found = []
    for flag, value in pairs(definition.launcher_args):
        found += [part.format(value) for part in TRANSLATED.get(flag, ())]
    return found


def _notes(definition: Definition) -> tuple[str, ...]:
    meaningless = {flag for flag, _ in pairs(definition.launcher_args)} - TRANSLATED.keys() - WITHOUT_EFFECT
    meaningless -= {"--no-cache-dirs"}
    notes = [f"{flag} was left out: it belongs to launch-cluster.sh." for flag in sorted(meaningless)]
    if option_values(definition.args, BACKEND):
        notes.append(f"{BACKEND} was left out: one Spark needs none.")
    return tuple(notes)
