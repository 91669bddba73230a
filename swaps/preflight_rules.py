"""From what the nodes answered to checks with a sentence and a remedy. Pure."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from swaps.catalog.definition import Definition
from swaps.checks import Check, CheckState
from swaps.foreign import foreign_checks
from swaps.launcher.node_reports import PreflightFacts
from swaps.launcher.outsiders import in_the_way
from swaps.outsider_checks import outsider_checks

LEAST_DISK_BYTES = 5 * 1024**3  # compile caches and logs of one load
GIB = 1024**3
LAUNCHER_DEFAULT_CONTAINER = "vllm_node"

OK, WARNING, BLOCKS = CheckState.OK, CheckState.WARNING, CheckState.BLOCKS


@dataclass(frozen=True, slots=True)
class Terms:
    """How the slot launches, and what whoever asks has agreed to."""

    docker_run: bool = False
    port: int | None = None
    stop_foreign: bool = False
    refuse_foreign: bool = False  # others on the GPU end the swap


def judge(
    facts: Mapping[str, PreflightFacts],
    silent: Mapping[str, str],
    definition: Definition,
    container: str,
    image: str,
    terms: Terms = Terms(),
) -> list[Check]:
    """All checks, in the order a person would look. `facts`: head first; `silent`: why a node did not answer."""
    checks = [_silent(node, reason) for node, reason in silent.items()]
    for position, (node, fact) in enumerate(facts.items()):
        checks += _node(node, fact, definition, container, image, terms, is_head=position == 0)
    return [*checks, *_images_equal(facts, image)]


def _silent(node: str, reason: str) -> Check:
    remedy = "Check that the Spark is on and reachable, then ask again; nothing was changed."
    return Check("spark-unreachable", BLOCKS, f"{node} does not answer. {reason}".strip(), remedy, node)


def _node(
    node: str,
    fact: PreflightFacts,
    definition: Definition,
    container: str,
    image: str,
    terms: Terms,
    *,
    is_head: bool,
) -> Iterator[Check]:
    if is_head and not terms.docker_run:
        yield _launcher(node, fact)
        yield from _env_file(node, fact, container)
        yield from _mods(node, fact)
    yield _docker(node, fact)
    yield from _image(node, fact, image)
    if terms.docker_run:
        yield from _gpu_runtime(node, fact)
    port = terms.port if is_head else None
    yield from outsider_checks(node, fact.boxes, container, port, consent=terms.stop_foreign)
    yield from _port(node, fact, is_head, container, port)
    yield from _weights(node, fact, definition)
    yield from _disk(node, fact)
    yield from _neighbours(node, fact, container, port, refuse=terms.refuse_foreign)


def _launcher(node: str, fact: PreflightFacts) -> Check:
    if fact.launcher == "present":
        return Check("launcher", OK, "The launcher is there.", node=node)
    remedy = "Clone the launcher on the Spark, or correct the launcher directory in the slot's settings."
    if fact.launcher == "not-executable":
        remedy = "Run chmod +x on launch-cluster.sh."
    word = "is not executable" if fact.launcher == "not-executable" else "was not found"
    return Check("launcher-missing", BLOCKS, f"launch-cluster.sh {word} on {node}.", remedy, node)


def _env_file(node: str, fact: PreflightFacts, container: str) -> Iterator[Check]:
    """The launcher's .env silently replaces its default container name, and then nobody finds the container."""
    named = fact.env_container
    if named and named != container and container == LAUNCHER_DEFAULT_CONTAINER:
        sentence = f"The launcher's .env on {node} names the container {named}, the slot names {container}."
        remedy = f"Set the slot's container to {named}, or take CONTAINER_NAME out of the .env file."
        yield Check("container-name-differs", BLOCKS, sentence, remedy, node)


def _mods(node: str, fact: PreflightFacts) -> Iterator[Check]:
    for mod in fact.mods_absent:
        sentence = f"The mod {mod} is not in the launcher's directory on {node}."
        yield Check("mod-missing", BLOCKS, sentence, "Update the launcher there, or take the mod out.", node)


def _docker(node: str, fact: PreflightFacts) -> Check:
    if fact.docker == "ok":
        return Check("docker", OK, "Docker answers.", node=node)
    said = f" It said: {fact.docker_problem}" if fact.docker_problem else ""
    denied = "permission denied" in fact.docker_problem
    remedy = "Add the login user to the docker group and sign in anew." if denied else "Start Docker on the Spark."
    return Check("docker-unavailable", BLOCKS, f"Docker does not answer on {node}.{said}", remedy, node)


def _image(node: str, fact: PreflightFacts, image: str) -> Iterator[Check]:
    if fact.docker != "ok":
        return
    if fact.image_id == "":
        remedy = f"Build or pull {image} on {node}, or choose another image."
        yield Check("image-missing", BLOCKS, f"The image {image} is not on {node}.", remedy, node)
    elif fact.image_id:
        yield Check("image", OK, f"The image {image} is there.", node=node)


def _images_equal(facts: Mapping[str, PreflightFacts], image: str) -> Iterator[Check]:
    ids = {fact.image_id for fact in facts.values() if fact.image_id}
    if len(ids) > 1:
        sentence = f"The image {image} differs between {' and '.join(facts)}."
        yield Check("image-mismatch", BLOCKS, sentence, "Build it once and copy it to the other Spark.")


def _gpu_runtime(node: str, fact: PreflightFacts) -> Iterator[Check]:
    """The community launcher fails in its own words; docker run would only after the old model has ended."""
    if fact.gpu_runtime == "no":
        remedy = "Install the NVIDIA Container Toolkit there and restart Docker."
        yield Check("gpu-runtime-missing", BLOCKS, f"Docker on {node} cannot give a container the GPU.", remedy, node)


def _port(node: str, fact: PreflightFacts, is_head: bool, container: str, port: int | None) -> Iterator[Check]:
    ours_runs = fact.container is not None and fact.container.running
    if is_head and fact.port_free is False and not ours_runs and not in_the_way(fact.boxes, container, port):
        sentence = f"The port is taken on {node} by another program: {fact.port_holder}."
        yield Check("port-in-use", BLOCKS, sentence, "Stop that program, or give the slot another port.", node)


def _weights(node: str, fact: PreflightFacts, definition: Definition) -> Iterator[Check]:
    name = definition.model_argument()
    if fact.weights == "complete":
        yield Check("weights", OK, f"The weights of {name} are complete.", node=node)
    elif fact.weights == "absent" and definition.local_path:
        remedy = f"Copy the model to {definition.local_path} on {node}, or correct the path."
        yield Check("weights-missing", BLOCKS, f"{definition.local_path} does not exist on {node}.", remedy, node)
    elif fact.weights_downloading:
        sentence = f"The weights of {name} are being downloaded on {node} at this moment."
        yield Check("weights-downloading", BLOCKS, sentence, "Wait until the download is complete.", node)
    elif fact.weights is not None:
        what = f"lack {fact.weights_missing}" if fact.weights_missing else "are not on disk"
        sentence = f"The weights of {name} {what} on {node}; vLLM will download them, which can take long."
        yield Check("weights-missing", WARNING, sentence, "Download them before the swap.", node)


def _disk(node: str, fact: PreflightFacts) -> Iterator[Check]:
    if fact.disk_free is not None and fact.disk_free < LEAST_DISK_BYTES:
        sentence = f"{node} has {fact.disk_free / GIB:.1f} GiB of disk left."
        yield Check("disk-full", BLOCKS, sentence, "Free at least 5 GiB there: compile caches and logs need it.", node)


def _neighbours(node: str, fact: PreflightFacts, container: str, port: int | None, *, refuse: bool) -> Iterator[Check]:
    stopped = {outsider.box.name for outsider in in_the_way(fact.boxes, container, port)}
    yield from foreign_checks(node, fact.gpu_users, container, stopped, refuse=refuse)
