"""`make run` as a newcomer uses it: real processes, a data directory of its own, nothing left behind."""

import os
import signal
import socket
import stat
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.acceptance.installation import Installation, Run, events, until

pytestmark = pytest.mark.timeout(300)

MODEL_A = "qwen3.6-35b-a3b-nvfp4"
MODEL_B = "glm-4.7-flash-awq"
PHASES = ["preflight", "stopping", "launching", "loading", "verifying"]


@pytest.fixture(scope="module")
def installation(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    """Shared, because a person has one too: started, used, ended, started again."""
    made = Installation(tmp_path_factory.mktemp("newcomer"))
    yield made
    made.close()


@pytest.fixture(scope="module")
def run(installation: Installation) -> Iterator[Run]:
    running = installation.start()
    yield running
    if running.make.poll() is None:
        running.ctrl_c()


@pytest.fixture
def api(run: Run, installation: Installation) -> Iterator[httpx.Client]:
    with installation.api() as client:
        yield client


def swap(api: httpx.Client, model: str) -> int:
    """Ask for it and see it through; its number."""
    accepted = api.post("/api/swap", json={"model": model})
    assert accepted.status_code == 202, accepted.text
    number = int(accepted.json()["id"])
    until(lambda: api.get(f"/api/swap/{number}").json()["status"] == "ready", 90, f"swap {number} to {model} is ready")
    return number


def test_it_prints_the_address_the_sign_in_and_nothing_noisy(run: Run, installation: Installation) -> None:
    note = installation.first_run()
    assert run.text().splitlines() == [
        f"Spark Control is at http://127.0.0.1:{installation.port}",
        f"Sign in as admin with the password {note['password']}",
        f"The password and an API key are also in {installation.note}",
        "Ctrl-C ends it.",
    ]


def test_it_keeps_what_it_wrote_to_itself(run: Run, installation: Installation) -> None:
    assert stat.S_IMODE(installation.note.stat().st_mode) == 0o600
    assert stat.S_IMODE(installation.data.stat().st_mode) == 0o700
    assert set(installation.first_run()) == {"url", "user", "password", "api_key"}


def test_it_answers_to_the_printed_key_and_to_no_other(api: httpx.Client) -> None:
    slots = api.get("/api/slots").json()
    assert "main" in str(slots)
    assert api.get("/api/swap", headers={"Authorization": "Bearer spk_wrong"}).status_code == 401


def test_it_shows_two_sparks_and_ten_models(api: httpx.Client) -> None:
    sparks = api.get("/api/sparks").json()["results"]
    assert [spark["name"] for spark in sparks] == ["spark-1", "spark-2"]
    assert len(api.get("/api/models").json()["results"]) >= 10


def test_it_swaps_from_one_model_to_another(api: httpx.Client, run: Run) -> None:
    """The main job, over HTTP: phases in order on the stream, the new model served, the log stored."""
    swap(api, MODEL_A)
    number = int(api.post("/api/swap", json={"model": MODEL_B}).json()["id"])
    heard = list(events(api, f"/api/swap/{number}/stream"))
    phases = [data["phase"] for kind, data in heard if kind == "phase"]
    assert [phase for phase in phases if phase != "queued"] == PHASES
    assert heard[-1][0] == "end"
    assert heard[-1][1]["status"] == "ready"
    assert any(kind == "log" for kind, _ in heard)
    story = api.get(f"/api/swap/{number}").json()
    assert (story["status"], story["from_model"]) == ("ready", MODEL_A)
    assert served_by(api) == ["glm-4.7-flash"]  # its --served-model-name
    assert "Application startup complete" in api.get(f"/api/swap/{number}/log").text


def served_by(api: httpx.Client) -> list[str]:
    """What the simulated vLLM itself says."""
    slot = api.get("/api/slots/main").json()
    models = httpx.get(f"{slot['base_url']}/v1/models", timeout=10).json()
    return [model["id"] for model in models["data"]]


def test_it_says_in_one_sentence_that_the_port_is_taken(installation: Installation, run: Run, tmp_path: Path) -> None:
    said = installation.refused(SPARKCONTROL_DATA_DIR=str(tmp_path / "other"))
    assert f"Port {installation.port} on 127.0.0.1 is in use by another program." in said
    assert "Traceback" not in said


def test_it_says_in_one_sentence_that_it_already_runs(installation: Installation, run: Run) -> None:
    said = installation.refused(PORT=str(installation.port + 1))
    assert f"Spark Control already runs on {installation.data} (process {run.supervisor_pid()})." in said


def test_it_starts_the_web_process_again_when_it_dies(installation: Installation, run: Run, api: httpx.Client) -> None:
    """Calls made meanwhile wait; none is refused."""
    web = next(pid for pid, command in installation.processes().items() if "daphne" in command)
    os.kill(web, signal.SIGKILL)
    assert api.get("/api/slots", timeout=30).status_code == 200
    assert "web ended unexpectedly (SIGKILL); it is started again." in run.text()


def test_a_swap_survives_the_death_of_its_worker(installation: Installation, run: Run, api: httpx.Client) -> None:
    """Another takes over; the viewer hears each message once and in order."""
    number = int(api.post("/api/swap", json={"model": MODEL_A}).json()["id"])
    heard = []
    for kind, data in events(api, f"/api/swap/{number}/stream"):
        heard.append(data["seq"])
        if kind == "phase" and data["phase"] == "loading":
            worker = next(pid for pid, command in installation.processes().items() if "sparkcontrol.worker" in command)
            os.kill(worker, signal.SIGKILL)
    assert data["status"] == "ready"
    assert heard == list(range(1, len(heard) + 1))
    assert "worker ended unexpectedly (SIGKILL); it is started again." in run.text()


def test_ctrl_c_ends_everything(installation: Installation, run: Run) -> None:
    run.ctrl_c()
    assert "Traceback" not in run.text()
    assert installation.processes() == {}
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", installation.port))


def test_a_second_start_keeps_everything(installation: Installation) -> None:
    before = installation.note.read_text()
    again = installation.start()
    with installation.api() as api:
        assert len(api.get("/api/swap").json()["results"]) >= 2
        assert len(api.get("/api/sparks").json()["results"]) == 2
        swap(api, MODEL_A)
    assert installation.note.read_text() == before
    assert installation.first_run()["password"] not in again.text()
    again.ctrl_c()
    assert installation.processes() == {}


def test_killing_the_supervisor_leaves_nothing(installation: Installation) -> None:
    run = installation.start()
    assert len(installation.processes()) > 3
    os.kill(run.supervisor_pid(), signal.SIGKILL)
    until(lambda: installation.processes() == {}, 15, "nothing is left")


def test_killing_make_leaves_nothing(installation: Installation) -> None:
    run = installation.start()
    run.make.kill()
    until(lambda: installation.processes() == {}, 30, "nothing is left")


def test_it_ends_on_sigterm_too(installation: Installation) -> None:
    run = installation.start(SPARKS="real")
    os.kill(run.supervisor_pid(), signal.SIGTERM)
    run.make.wait(30)
    assert installation.processes() == {}


def test_without_simulated_sparks_it_leads_to_the_settings_page(tmp_path: Path) -> None:
    real = Installation(tmp_path)
    try:
        run = real.start(SPARKS="real")
        assert f"No Spark is known yet: open http://127.0.0.1:{real.port}/settings/ to add the first one." in run.text()
        assert not any("simulator" in command for command in real.processes().values())
        run.ctrl_c()
    finally:
        real.close()
