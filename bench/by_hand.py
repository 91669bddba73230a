"""The same swap the way a person does it: the launcher over ssh, then a look at /health once a second."""

import io
import shlex
import time
from pathlib import Path
from typing import Any

import httpx
import paramiko

HEALTH_EVERY_SECONDS = 1.0
LOAD_LIMIT_SECONDS = 300.0


class Person:
    """Someone with a terminal open on a Spark. Their connection stands already, which is in their favour."""

    def __init__(self, spark: dict[str, Any]) -> None:
        key = paramiko.RSAKey.generate(2048)
        authorized = Path(spark["home"]) / ".ssh" / "authorized_keys"
        with authorized.open("a") as file:
            file.write(f"{key.get_name()} {key.get_base64()} by-hand\n")
        kind, host_key = spark["host_key"].split()[:2]
        self.health = f"http://{spark['host']}:8888/health"
        self.ssh = paramiko.SSHClient()
        name = f"[{spark['host']}]:{spark['port']}"
        self.ssh.get_host_keys().load(str(known_hosts(Path(spark["home"]), f"{name} {kind} {host_key}")))
        self.ssh.connect(spark["host"], spark["port"], spark["user"], pkey=key, allow_agent=False, look_for_keys=False)

    def __enter__(self) -> "Person":
        return self

    def __exit__(self, *_: object) -> None:
        self.ssh.close()

    def run(self, command: str) -> str:
        """One command line in the launcher's directory, to its end."""
        _, out, err = self.ssh.exec_command(f"cd spark-vllm-docker && {command}")
        words = io.StringIO()
        words.write(out.read().decode(errors="replace"))
        words.write(err.read().decode(errors="replace"))
        if out.channel.recv_exit_status():
            raise SystemExit(f"By hand, {command} failed: {words.getvalue()}")
        return words.getvalue()

    def stop(self, *, solo: bool) -> float:
        """Seconds of `launch-cluster.sh stop`."""
        began = time.monotonic()
        self.run(f"./launch-cluster.sh {'--solo ' if solo else ''}stop")
        return time.monotonic() - began

    def start(self, definition: dict[str, Any], *, solo: bool) -> None:
        model = definition.get("repo") or definition.get("local_path")
        words = ["vllm", "serve", str(model), "--host", "0.0.0.0", "--port", "8888", *map(str, definition["args"])]
        options = ["--solo"] if solo else []
        self.run(shlex.join(["./launch-cluster.sh", *options, "-d", "exec", *words]))

    def wait_until_healthy(self) -> None:
        """Look, and when it is not up yet, look again a second later."""
        deadline = time.monotonic() + LOAD_LIMIT_SECONDS
        while not self.is_healthy():
            if time.monotonic() > deadline:
                raise SystemExit("By hand, the model never became healthy.")
            time.sleep(HEALTH_EVERY_SECONDS)

    def is_healthy(self) -> bool:
        try:
            return httpx.get(self.health, timeout=5).status_code == 200
        except httpx.HTTPError:
            return False

    def swap(self, definition: dict[str, Any]) -> float:
        """Seconds from the first key press to a healthy answer."""
        began = time.monotonic()
        self.stop(solo=True)
        self.start(definition, solo=True)
        self.wait_until_healthy()
        return time.monotonic() - began


def known_hosts(home: Path, line: str) -> Path:
    path = home.parent / "by-hand-known-hosts"
    path.write_text(line + "\n")
    return path
