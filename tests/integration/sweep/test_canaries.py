"""Secrets are put in everywhere they can be put in, and then looked for everywhere they must not be."""

import io
import json
import logging
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from django.contrib.auth.models import User
from django.contrib.sessions.models import Session
from django.core.management import call_command
from django.db.models import Model
from django.test import Client

from cluster import actions as cluster_actions
from cluster.models import Slot, Spark
from services.models import Delivery
from services.webhooks.dispatcher import Dispatcher
from sparkcontrol import logs
from sparkcontrol.backup import archive, dumping
from swaps import runner
from swaps.models import ModelDefinition, Swap, SwapMessage
from tests.simulated_sparks import SimulatedSparks, until

pytestmark = pytest.mark.django_db(transaction=True)

Api = Callable[..., httpx.Client]

HEADER = "canary-header-Qw3rTy77"
LOCK_TOKEN = "canary-lock-token-Zx9Cv8Bn7"
WEBHOOK_SECRET = "whsec_Y2FuYXJ5LXdlYmhvb2stc2VjcmV0LTAxMjM0NQ=="
PASSWORD = "canary-password-Lk2Jh3"
HUB_TOKEN = "hf_CanaryHubTokenAbCdEf123"
QUERY = "canary-in-the-query-1"


@pytest.fixture(params=logs.FORMATS)
def log(request: pytest.FixtureRequest) -> Iterator[io.StringIO]:
    """Everything that is logged at all, at the finest level, as the product's handler writes it."""
    text = io.StringIO()
    handler = logging.StreamHandler(text)
    handler.setFormatter(logs.configuration(request.param, "DEBUG", access=True)["formatters"][request.param]["()"]())
    root = logging.getLogger()
    level = root.level
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    yield text
    root.setLevel(level)
    root.removeHandler(handler)


@pytest.fixture
def private_key() -> str:
    key = Ed25519PrivateKey.generate()
    return key.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption()).decode()


def rows() -> dict[str, str]:
    """The plain text of every table; of sessions, too, which a backup leaves out."""
    found = {}
    every: list[type[Model]] = [*dumping.kept_models(), Session]
    for model in every:
        columns = [field.attname for field in model._meta.concrete_fields]
        values = list(model._base_manager.values_list(*columns))
        found[model._meta.label_lower] = json.dumps(values, default=str, ensure_ascii=False)
    return found


def opened(backup: Path) -> str:
    return "\n".join(json.dumps(row) for _, row in archive.records(backup))


def answered(api: httpx.Client, method: str, path: str, **more: Any) -> httpx.Response:
    answer = api.request(method, path, **more)
    assert answer.status_code < 500, answer.text
    return answer


def test_no_secret_is_anywhere(
    api: Api,
    slot: Slot,
    models: dict[str, ModelDefinition],
    sparks: SimulatedSparks,
    home: Path,
    private_key: str,
    log: io.StringIO,
    tmp_path: Path,
    settings: Any,
) -> None:
    settings.WEBHOOK_NETWORKS = ["private", "127.0.0.0/8"]
    admin = api("admin")
    bearer = admin.headers["Authorization"].removeprefix("Bearer ")
    key_lines = [line for line in private_key.splitlines() if not line.startswith("-----")]
    canaries = [HEADER, LOCK_TOKEN, WEBHOOK_SECRET, PASSWORD, HUB_TOKEN[3:], QUERY, bearer, *key_lines[1:3]]

    # In
    with (home / "spark-vllm-docker" / ".env").open("a") as env_file:
        env_file.write(f"\nCONTAINER_HF_TOKEN={HUB_TOKEN}\n")
    told = refused_model(admin)
    hook = {"name": "openclaw", "url": "http://127.0.0.1:9/hook", "secret": WEBHOOK_SECRET, "headers": {"X-K": HEADER}}
    told += [answered(admin, "POST", "/api/webhooks", json=hook, headers={"Idempotency-Key": "one"}).text]
    other = Spark.objects.create(name="spark-9", host="127.0.0.1", ssh_port=1, ssh_user="nvidia")
    cluster_actions.use_private_key(other, private_key, "user:ana")
    cluster_actions.probe(other)
    made = answered(admin, "POST", "/api/keys", json={"name": "n8n", "scopes": ["read"]}).json()["key"]
    canaries.append(made.split("_")[-1])
    sign_in()
    lock = {"holder": "n8n", "ttl_seconds": 300, "token": LOCK_TOKEN}
    answered(admin, "POST", "/api/swap/lock", json=lock)

    # A swap, its webhooks, and things that go wrong
    swap_id = answered(
        admin, "POST", f"/api/swap?key={QUERY}", json={"model": "small"}, headers={"Swap-Lock-Token": LOCK_TOKEN}
    ).json()["id"]
    runner.drive(swap_id)
    send_webhooks()
    answered(admin, "GET", f"/api/status?token={QUERY}")
    answered(admin, "DELETE", "/api/swap/lock", headers={"Swap-Lock-Token": "wrong-" + LOCK_TOKEN})
    logging.getLogger("swaps").error("went wrong with %s", {"private_key": private_key, "header": HEADER})
    call_command("backup", str(tmp_path / "it.backup"), "--keys", str(tmp_path / "keys"))

    # Out
    swap = Swap.objects.get(pk=swap_id)
    assert swap.status == "ready", swap.diagnosis
    assert SwapMessage.objects.filter(swap=swap, kind="log").exists()
    pages = ["/metrics", "/api/webhooks", "/api/keys", "/api/sparks", "/api/swap", f"/api/swap/{swap_id}"]
    pages += [f"/api/swap/{swap_id}/log", "/api/models", "/api/models/export", "/api/status", "/api/swap/lock"]
    places = {
        "the log": log.getvalue(),
        "the backup": (tmp_path / "it.backup").read_text(),
        "the opened backup": opened(tmp_path / "it.backup"),
        "answers to what was refused": "\n".join(told[:-1]),
        "the plan": json.dumps(swap.plan),
        **{f"the table {name}": text for name, text in rows().items()},
        **{f"GET {page}": answered(admin, "GET", page).text for page in pages},
    }
    shown = [f"{canary} in {place}" for place, text in places.items() for canary in canaries if canary in text]
    assert shown == []
    assert len(log.getvalue().splitlines()) > 50 and len(places) > 40, "there was something to look through"


def refused_model(admin: httpx.Client) -> list[str]:
    """A definition is shown on many pages and becomes a command line, so it takes no secrets, and repeats none."""
    bad: list[dict[str, Any]] = [
        {"env": {"HF_TOKEN": "anything"}},
        {"env": {"GREETING": HUB_TOKEN}},
        {"env": {"HTTPS_PROXY": f"http://me:{PASSWORD}@proxy.lan:3128"}},
        {"args": ["--api-key", PASSWORD]},
        {"args": ["-tp", "1", "--served-model-name", HUB_TOKEN]},
        {"docker_args": ["-e", f"GREETING={HUB_TOKEN}"]},
    ]
    answers = []
    for number, fields in enumerate(bad):
        body = {"key": f"bad-{number}", "label": "Bad", "repo": "org/bad", **fields}
        answer = answered(admin, "POST", "/api/models", json=body)
        assert answer.status_code == 400, fields
        answers.append(answer.text)
    return answers


def sign_in() -> None:
    User.objects.create_superuser("ana", password=PASSWORD)
    browser = Client()
    assert browser.post("/sign-in/", {"username": "ana", "password": PASSWORD}).status_code == 302
    browser.post("/sign-in/", {"username": "ana", "password": PASSWORD + "x"})


def send_webhooks() -> None:
    """Nothing listens there, which the delivery log tells."""
    motor = Dispatcher()
    try:
        motor.tick()
        until(lambda: Delivery.objects.filter(attempts__gt=0).exists(), 15, "an attempt")
    finally:
        motor.close()
        motor._threads.shutdown(wait=True)
