"""The Docker daemon of one simulated Spark: its containers and its images."""

from __future__ import annotations

import asyncio
import json
import os
import secrets
import signal
from pathlib import Path

from cluster.simulator.docker import settings
from cluster.simulator.docker.container import Container, Recipe
from cluster.simulator.docker.options import Options, environment, labels
from cluster.simulator.faults import Faults
from cluster.simulator.processes import Child, Processes

VLLM_ENTRYPOINT = ["vllm", "serve"]
ADJECTIVES = ("brave", "calm", "eager", "gentle", "keen", "quiet", "swift", "witty")
SURNAMES = ("curie", "hopper", "lovelace", "noether", "turing", "wozniak", "meitner", "franklin")


class DockerError(Exception):
    """An answer of the daemon other than success; the text is what docker prints."""

    def __init__(self, text: str, code: int = 1) -> None:
        super().__init__(text)
        self.code = code


class Daemon:
    """Containers of one Spark. `folder` is its short path, free of characters a shell would read."""

    def __init__(self, folder: str, address: str, processes: Processes, faults: Faults) -> None:
        self._folder = folder
        self._processes = processes
        self._base = {
            "PATH": f"{folder}/cbin:/usr/local/bin:/usr/bin:/bin",
            "LANG": "C.UTF-8",
            "SPARKSIM_DIR": folder,
            "SPARKSIM_ADDRESS": address,
            **{k: v for k, v in os.environ.items() if k in {"SPARKSIM_LOAD_SECONDS", "SPARKSIM_VLLM_VERSION"}},
        }
        self.faults = faults
        self.containers: dict[str, Container] = {}
        self._watchers: set[asyncio.Task[None]] = set()
        self._off = False

    def images(self) -> list[dict[str, str]]:
        """Images on this Spark; the image-missing fault hides one or all."""
        path = Path(self._folder, "images.json")
        images: list[dict[str, str]] = json.loads(path.read_text())
        missing = self.faults.value("image-missing")
        if missing is None:
            return images
        return [image for image in images if missing and plain_name(image["name"]) != plain_name(missing)]

    def image(self, reference: str) -> dict[str, str] | None:
        """The image by name, with or without :latest, or by id."""
        for image in self.images():
            bare = image["id"].removeprefix("sha256:")
            if plain_name(image["name"]) == plain_name(reference):
                return image
            if len(reference) >= 12 and bare.startswith(reference.removeprefix("sha256:")):
                return image
        return None

    def find(self, reference: str) -> Container:
        """A container by name, id or the start of its id. DockerError."""
        for container in self.containers.values():
            if container.recipe.name == reference.removeprefix("/"):
                return container
        matches = [c for c in self.containers.values() if reference and c.id.startswith(reference)]
        if len(matches) != 1:
            raise DockerError(f"Error response from daemon: No such container: {reference}")
        return matches[0]

    def recipe(self, options: Options, client: dict[str, str]) -> Recipe:
        """What `docker run` asks for. DockerError when the image is not there."""
        if not options.words:
            raise DockerError('docker: "docker run" requires at least 1 argument.', 125)
        reference, *words = options.words
        image = self.image(reference)
        if image is None:
            raise DockerError(_no_image(reference), 125)
        entrypoint = image_entrypoint(image["name"])
        if "entrypoint" in options.values:
            entrypoint = [options.last("entrypoint")] if options.last("entrypoint") else []
        return Recipe(
            name=options.last("name") or f"{secrets.choice(ADJECTIVES)}_{secrets.choice(SURNAMES)}",
            image=reference,
            image_id=image["id"],
            entrypoint=entrypoint,
            command=words or ([] if entrypoint else ["bash"]),
            env=environment(options, client),
            labels=labels(options),
            mounts=_mounts(options),
            auto_remove=options.has("rm"),
            restart=options.last("restart", "no"),
            network=options.last("network", "bridge"),
            privileged=options.has("privileged"),
            ipc=options.last("ipc", "private"),
            ports=options.every("publish"),
            workdir=options.last("workdir"),
            hostname=options.last("hostname"),
            host=settings.host_config(options),
            config=settings.config(options),
        )

    def refuse_taken(self, name: str, before: str = "", after: str = "", code: int = 1) -> None:
        """DockerError when a container has the name."""
        for other in self.containers.values():
            if other.recipe.name == name:
                raise DockerError(
                    f'{before}Error response from daemon: Conflict. The container name "/{name}" is already in use by '
                    f'container "{other.id}". You have to remove (or rename) that container to be able to reuse that '
                    f"name.{after}",
                    code,
                )

    def create(self, recipe: Recipe) -> Container:
        """A new container, not started. DockerError when the name is taken."""
        self.refuse_taken(recipe.name, "docker: ", "\n\nRun 'docker run --help' for more information", 125)
        container = Container(recipe, self._folder)
        self.containers[container.id] = container
        return container

    def start(self, container: Container) -> None:
        """Start PID 1. DockerError in runc's words."""
        try:
            container.start(self._processes, self._base)
        except OSError as error:
            self.remove(container)
            raise DockerError(_cannot_start(container.recipe.argv[0], error), _exec_code(error)) from error
        task = container.on_end(self._ended)
        self._watchers.add(task)
        task.add_done_callback(self._watchers.discard)

    def spawn(
        self, container: Container, argv: list[str], env: dict[str, str], workdir: str, stdio: tuple[int, int, int]
    ) -> Child:
        """One more process in a running container, as `docker exec` does. DockerError in runc's words."""
        if not container.running:
            raise DockerError(f"Error response from daemon: container {container.id} is not running")
        container.refresh_proc()
        words = [container.paths.rewrite(word) for word in argv]
        try:
            return container.spawn(self._processes, words, self._base, env, workdir or container.recipe.workdir, stdio)
        except OSError as error:
            reason = _exec_reason(argv[0], workdir, error)
            text = f"OCI runtime exec failed: exec failed: unable to start container process: {reason}"
            raise DockerError(text, _exec_code(error)) from error

    def remove(self, container: Container) -> None:
        """Forget a container that does not run."""
        self.containers.pop(container.id, None)
        container.forget()

    async def power_off(self) -> None:
        """The machine goes down: every container ends, whatever its restart policy."""
        self._off = True
        for container in list(self.containers.values()):
            if container.running and container.init:
                container.init.kill(signal.SIGKILL)
                await container.ended.wait()

    def power_on(self) -> None:
        """The machine is up again: the daemon starts what its restart policy brings back."""
        self._off = False
        for container in list(self.containers.values()):
            policy = container.recipe.restart
            wanted = policy == "always" or (policy == "unless-stopped" and not container.stop_asked)
            if wanted and not container.running:
                self.start(container)

    def _ended(self, container: Container) -> None:
        if container.recipe.auto_remove:
            self.remove(container)
        elif not self._off and self._comes_back(container):
            container.restarts += 1
            self.start(container)

    @staticmethod
    def _comes_back(container: Container) -> bool:
        policy = container.recipe.restart.partition(":")[0]
        if container.stop_asked or policy == "no":
            return False
        return policy != "on-failure" or container.code != 0


def plain_name(reference: str) -> str:
    """An image name with its tag: vllm-node is vllm-node:latest."""
    last = reference.rpartition("/")[2]
    return reference if ":" in last else reference + ":latest"


def image_entrypoint(name: str) -> list[str]:
    """The official vLLM images start the server; the others start what they are told."""
    return list(VLLM_ENTRYPOINT) if name.startswith("vllm/vllm-openai") else []


def _mounts(options: Options) -> list[tuple[str, str]]:
    mounts = []
    for entry in options.every("volume"):
        source, _, rest = entry.partition(":")
        if source.startswith("/"):
            mounts.append((source, rest.partition(":")[0] or source))
    for entry in options.every("mount"):
        fields = dict(part.partition("=")[::2] for part in entry.split(","))
        source = fields.get("source") or fields.get("src", "")
        target = fields.get("target") or fields.get("destination") or fields.get("dst", "")
        if source and target:
            mounts.append((source, target))
    return mounts


def _no_image(reference: str) -> str:
    repository = plain_name(reference).rpartition(":")[0]
    return (
        f"Unable to find image '{plain_name(reference)}' locally\n"
        f"docker: Error response from daemon: pull access denied for {repository}, repository does not exist "
        "or may require 'docker login': denied: requested access to the resource is denied\n\n"
        "Run 'docker run --help' for more information"
    )


def _exec_reason(program: str, workdir: str, error: OSError) -> str:
    if isinstance(error, FileNotFoundError) and error.filename and error.filename != program and workdir:
        return f'chdir to cwd ("{workdir}") set in config.json failed: no such file or directory: unknown'
    if isinstance(error, PermissionError):
        return f'exec: "{program}": permission denied: unknown'
    if "/" in program:
        return f'exec: "{program}": stat {program}: no such file or directory: unknown'
    return f'exec: "{program}": executable file not found in $PATH: unknown'


def _cannot_start(program: str, error: OSError) -> str:
    return (
        "docker: Error response from daemon: failed to create task for container: failed to create shim task: "
        "OCI runtime create failed: runc create failed: unable to start container process: "
        f"error during container init: {_exec_reason(program, '', error)}\n\n"
        "Run 'docker run --help' for more information"
    )


def _exec_code(error: OSError) -> int:
    return 126 if isinstance(error, PermissionError) else 127
