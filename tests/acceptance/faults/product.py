"""The product as it is distributed: web and workers as processes of their own, PostgreSQL, Redis, simulated Sparks.

Tests drive it over HTTP alone and read its rows; every part can be killed, frozen and started again by its role.
FAULTS_BROKER=folder runs it without Redis.
"""

import json
import os
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
from celery import Celery

from cluster.ssh.keys import new_private_key, public_key_line
from sparkcontrol import folder_broker
from tests.acceptance.faults.database import Postgres, postgres
from tests.acceptance.faults.parts import Part
from tests.acceptance.faults.sqlite import Sqlite
from tests.acceptance.installation import clean_environment, free_port
from tests.integration.services.webhooks.receiver import Receiver, receiver
from tests.lock_race.webs import manage
from tests.redis_server import RedisServer, redis_server
from tests.simulated_sparks import SimulatedSparks, own_first_address, simulated_sparks, until

TERMINAL = ("ready", "failed", "errored", "cancelled")
LIMIT_SECONDS = 150.0  # for what should take seconds: this machine may be busy with something else
PATIENCE_SECONDS = 60.0  # of a client that meets a part which is away
HEADER_CANARY = "header-canary-77aa01"
SINGLES = tuple(f"s{number}" for number in range(1, 8))
PAIR = "pair"
SPARKS = len(SINGLES) + 2
LOADS = {"quick": 0.3, "other": 0.3, "slow": 8.0}  # seconds, by model


@dataclass
class Product:
    """`url` is where the web process answers. `held` are tokens of locks a test took: canaries, too."""

    folder: Path
    environment: dict[str, str]
    database: Postgres | Sqlite
    redis: RedisServer | None
    sparks: SimulatedSparks
    inbox: Receiver
    own_key: str  # of the tests, for a look at a Spark
    ports: list[int]  # of the web processes; the first is asked
    places: tuple[str, ...] = (*SINGLES, PAIR)
    parts: dict[str, Part] = field(default_factory=dict)
    key: str = ""
    slots: dict[str, int] = field(default_factory=dict)  # name -> id
    held: list[str] = field(default_factory=list)

    @property
    def data(self) -> Path:
        return Path(self.environment["SPARKCONTROL_DATA_DIR"])

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.ports[0]}"

    @property
    def web(self) -> Part:
        return self.parts["web"]

    @property
    def worker(self) -> Part:
        return self.parts["worker"]

    def add_web(self, name: str = "web", port: int = 0) -> Part:
        argv = ["-m", "daphne", "-v", "0", "-b", "127.0.0.1", "-p", str(port or self.ports[0]), "--no-server-name"]
        return self._add(name, [*argv, "sparkcontrol.asgi:application"])

    def add_worker(self, name: str = "worker") -> Part:
        return self._add(name, ["-m", "sparkcontrol.worker"])

    def _add(self, name: str, argv: list[str]) -> Part:
        part = self.parts.setdefault(name, Part(name, argv, self.environment, self.folder / f"{name}.log"))
        part.start()
        return part

    def start_all(self) -> None:
        """Whatever a test left ended is started again."""
        for part in self.parts.values():
            if not part.is_running:
                part.start()
        self.wait_for_web()

    def wait_for_web(self) -> None:
        def answers() -> bool:
            try:
                return httpx.get(f"{self.url}/healthz", timeout=5).status_code == 200
            except httpx.HTTPError:
                return False

        until(answers, LIMIT_SECONDS, "the web process answers")

    # What a client does

    def once(self, method: str, path: str, body: Any = None, headers: dict[str, str] | None = None) -> httpx.Response:
        """One call, whatever comes of it. Raises httpx.HTTPError."""
        mine = {"Authorization": f"Bearer {self.key}", **(headers or {})}
        return httpx.request(method, f"{self.url}{path}", json=body, headers=mine, timeout=30)

    def patient(
        self, method: str, path: str, body: Any = None, headers: dict[str, str] | None = None
    ) -> httpx.Response:
        """As a sensible client calls: again while nobody answers or it is told to, with the same headers."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while True:
            try:
                answer = self.once(method, path, body, headers)
                if not is_for_now(answer):
                    return answer
                trouble = answer.text
            except httpx.TransportError as error:
                trouble = str(error)
                self.ports.append(self.ports.pop(0))  # the next one, where there are several
            assert time.monotonic() < deadline, f"{method} {path} found nobody: {trouble}"
            time.sleep(0.2)

    def call(self, method: str, path: str, body: Any = None, headers: dict[str, str] | None = None) -> Any:
        """`patient`, and it must be well in the end; the document."""
        answer = self.patient(method, path, body, headers)
        assert answer.status_code < 400, f"{method} {path}: {answer.status_code} {answer.text}"
        return answer.json() if answer.content else None

    def swap(self, slot: str, model: str, **more: Any) -> int:
        """Accepted; its id."""
        headers = more.pop("headers", None)
        return int(self.call("POST", "/api/swap", {"slot": slot, "model": model, **more}, headers)["id"])

    def document(self, swap: int) -> dict[str, Any]:
        return dict(self.call("GET", f"/api/swap/{swap}"))

    def serve(self, model: str, *slots: str) -> None:
        """Something to lose: the model serves on these slots. At once where it does so already."""
        swaps = [self.swap(slot, model) for slot in slots if self.serving(slot)["model_key"] != model]
        for swap in swaps:
            assert self.ended(swap)["status"] == "ready", self.document(swap)

    # What the rows say

    def rows(self, sql: str, *values: Any) -> list[dict[str, Any]]:
        return self.database.ask(sql, *values)

    def row(self, swap: int) -> dict[str, Any]:
        return self.rows("SELECT * FROM swaps_swap WHERE id = %s", swap)[0]

    def serving(self, slot: str) -> dict[str, Any]:
        """Once the slot was looked at for the first time."""
        asked = "SELECT * FROM swaps_serving WHERE slot_id = %s"
        until(lambda: self.rows(asked, self.slots[slot]), LIMIT_SECONDS, f"{slot} is looked at")
        return self.rows(asked, self.slots[slot])[0]

    def reached(self, swap: int, *statuses: str, seconds: float = LIMIT_SECONDS) -> dict[str, Any]:
        """The row, once it is in one of these or has ended."""
        wanted = {*statuses, *TERMINAL}
        until(lambda: self.row(swap)["status"] in wanted, seconds, f"swap {swap} is {' or '.join(statuses)}")
        return self.row(swap)

    def ended(self, swap: int, seconds: float = LIMIT_SECONDS) -> dict[str, Any]:
        return self.reached(swap, seconds=seconds)

    def ring(self, swap: int) -> None:
        """One more message that names the swap, as a broker delivers again what it thinks was lost."""
        with self.queue() as app:
            app.send_task("swaps.tasks.drive_swap", [swap], queue="swaps", ignore_result=True)

    @contextmanager
    def queue(self) -> Iterator[Celery]:
        folder_broker.register()
        app = Celery("tests", broker=self.redis.url if self.redis else "folder://localhost", set_as_current=False)
        app.conf.broker_transport_options = {} if self.redis else {"folder": str(self.data / "broker")}
        try:
            yield app
        finally:
            app.close()

    @property
    def server(self) -> Postgres:
        assert isinstance(self.database, Postgres)
        return self.database

    def held_at(self, slot: str, seconds: float = LIMIT_SECONDS) -> None:
        until(lambda: self.server.is_held(self.slots[slot]), seconds, f"{slot} stands at its point")

    # What is true on the Sparks

    def nodes(self, slot: str) -> tuple[str, ...]:
        """Names of its Sparks, head first."""
        if slot == PAIR:
            return tuple(spark["name"] for spark in self.sparks.sparks[-2:])
        return (self.sparks.sparks[SINGLES.index(slot)]["name"],)

    def host(self, slot: str) -> str:
        return next(str(s["host"]) for s in self.sparks.sparks if s["name"] == self.nodes(slot)[0])

    def launches(self, slot: str, swap: int) -> list[str]:
        """The fences of the containers that were started for the swap on the slot's head."""
        runs = [entry["argv"] for entry in self.sparks.journal(self.nodes(slot)[0], "docker")]
        started = [argv for argv in runs if argv[:1] == ["run"] and f"--label=sparkcontrol.swap={swap}" in argv]
        return [word.rpartition("=")[2] for argv in started for word in argv if "sparkcontrol.fence=" in word]

    def fault(self, slot: str, fault: str, value: str = "", *, on: bool = True) -> None:
        self.sparks.fault(self.nodes(slot)[0], fault, on=on, value=value)


@contextmanager
def running_product(folder: Path) -> Iterator[Product]:
    """Set up and serving on nothing: seven slots on a Spark each, one on two."""
    with ExitStack() as stack:
        own_key = new_private_key()
        place = own_first_address(60)
        public = public_key_line(own_key)
        sparks = stack.enter_context(simulated_sparks(folder / "sim", public, first_address=place, sparks=SPARKS))
        database = stack.enter_context(postgres())
        redis = None if os.environ.get("FAULTS_BROKER") == "folder" else stack.enter_context(redis_server())
        inbox = stack.enter_context(receiver())
        environment = environment_of(folder / "data", database.url, redis.url if redis else "")
        product = Product(folder, environment, database, redis, sparks, inbox, own_key, [free_port()])
        set_up(product, stack)
        database.install_holds()
        yield product


@contextmanager
def small_product(folder: Path, data: Path) -> Iterator[Product]:
    """On one machine: SQLite and a folder as queue, both in `data`, and one Spark."""
    with ExitStack() as stack:
        own_key = new_private_key()
        place, public = own_first_address(90), public_key_line(own_key)
        sparks = stack.enter_context(simulated_sparks(folder / "sim", public, first_address=place, sparks=1))
        inbox = stack.enter_context(receiver())
        database = Sqlite(data / "spark-control.sqlite3")
        environment = environment_of(data, "", "")
        product = Product(
            folder, environment, database, None, sparks, inbox, own_key, [free_port()], places=SINGLES[:1]
        )
        set_up(product, stack)
        yield product


def environment_of(data: Path, database_url: str, redis_url: str) -> dict[str, str]:
    own = {
        "SPARKCONTROL_DATA_DIR": str(data),
        "DATABASE_URL": database_url,
        "REDIS_URL": redis_url,
        "DATABASE_POOL_SIZE": "40",
        "SPARKCONTROL_WEBHOOK_NETWORKS": "private,127.0.0.0/8",
        "SPARKCONTROL_LOG_LEVEL": "INFO",
        "MALLOC_ARENA_MAX": "2",
        "PYTHONUNBUFFERED": "1",
    }
    return {**clean_environment(), **{name: value for name, value in own.items() if value}}


def set_up(product: Product, stack: ExitStack) -> None:
    product.data.mkdir(exist_ok=True)
    manage(product.environment, "bootstrap")
    product.key = json.loads((product.data / "first-run.json").read_text())["api_key"]
    for spark in product.sparks.sparks:
        let_in(Path(spark["home"]), (product.data / "install-key.pub").read_text())
    stack.callback(_end, product)
    product.add_web()
    product.wait_for_web()
    configure(product)
    product.add_worker()


def let_in(home: Path, key: str) -> None:
    with (home / ".ssh" / "authorized_keys").open("a") as file:
        file.write(key)


def configure(product: Product) -> None:
    for spark in product.sparks.sparks:
        body = {name: spark[name] for name in ("name", "host", "fabric_ip")}
        product.call("POST", "/api/sparks", {**body, "ssh_port": spark["port"], "ssh_user": spark["user"]})
        product.call("POST", f"/api/sparks/{spark['name']}/host-key", {"line": spark["host_key"]})
    for slot in product.places:
        head, *workers = product.nodes(slot)
        product.call("PUT", f"/api/slots/{slot}", {"head": head, "workers": workers})
    for key, seconds in LOADS.items():
        add_model(product, key, ["-tp", "1"], {"SPARKSIM_LOAD_SECONDS": str(seconds)})
    add_model(product, "big", ["-tp", "2"], {"SPARKSIM_LOAD_SECONDS": "0.5"}, nodes=2)
    headers = {"X-Canary": HEADER_CANARY}
    product.call("POST", "/api/webhooks", {"name": "inbox", "url": product.inbox.url, "headers": headers})
    product.slots = {row["name"]: row["id"] for row in product.rows("SELECT id, name FROM cluster_slot")}


def add_model(product: Product, key: str, args: Sequence[str], env: dict[str, str], nodes: int = 1) -> None:
    body = {"key": key, "repo": f"org/{key}", "args": list(args), "env": env, "nodes": nodes}
    product.call("POST", "/api/models", body)


def _end(product: Product) -> None:
    for part in product.parts.values():
        part.kill()


def is_for_now(answer: httpx.Response) -> bool:
    """A refusal that asks to be asked again."""
    in_use = answer.status_code == 409 and answer.json().get("code") == "idempotency-key-in-use"
    return answer.status_code == 503 or in_use


def timed(work: Callable[[], object]) -> float:
    """The seconds it took."""
    began = time.monotonic()
    work()
    return time.monotonic() - began
