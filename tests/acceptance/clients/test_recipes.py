"""docs/clients.md, followed to the letter against a running product."""

import json
import signal
import subprocess
from pathlib import Path

import pytest

from tests.acceptance.clients.conftest import Product
from tests.acceptance.clients.recipes import PAGE, RECIPES, Shell
from tests.acceptance.installation import until
from tests.needs import require_program

pytestmark = pytest.mark.timeout(300)

GLM = "glm-4.7-flash-awq"
QWEN = "qwen3.6-35b-a3b-nvfp4"


@pytest.fixture
def configured(shell: Shell) -> Shell:
    assert shell.follow("curl-config").code == 0
    return shell


def with_model(shell: Shell) -> str:
    require_program("jq", "apt-get install jq")
    return str(shell.program("with-model", RECIPES["with-model"]))


def test_an_administrator_makes_a_key(product: Product, shell: Shell) -> None:
    admin_key = product.installation.first_run()["api_key"]
    made = shell.with_(ADMIN_KEY=admin_key).follow("make-key")
    assert made.code == 0
    assert made.document["key"].startswith("spk_")
    refused = shell.with_(ADMIN_KEY=shell.variables["SPARKCTL_KEY"]).follow("make-key")
    assert (refused.code, refused.document["code"]) == (22, "scope-missing")


def test_sparkctl_is_installed_in_three_lines(shell: Shell) -> None:
    done = shell.follow("install")
    assert (done.code, done.err) == (0, "")
    assert "main: " in done.out
    kept = shell.home / ".config" / "sparkctl.json"
    assert kept.stat().st_mode & 0o077 == 0


def test_the_key_of_curl_is_readable_by_its_owner_alone(configured: Shell) -> None:
    assert (configured.home / ".config" / "spark-control.curl").stat().st_mode & 0o077 == 0


def test_a_cron_line_asks_for_a_model(product: Product, configured: Shell) -> None:
    done = configured.follow("swap")
    assert done.code == 0
    assert done.document["model"] == GLM
    assert product.swaps()[0]["id"] == done.document["id"]


def test_a_swap_that_runs_makes_the_next_one_fail_with_409(configured: Shell) -> None:
    assert configured.follow("swap").code == 0
    refused = configured.follow("swap")
    assert (refused.code, refused.document["status"]) == (22, 409)
    assert "409" in refused.err


def test_a_lock_of_somebody_else_makes_it_fail_with_423_and_says_who(product: Product, configured: Shell) -> None:
    product.take()
    refused = configured.follow("swap")
    assert (refused.code, refused.document["status"]) == (22, 423)
    assert refused.document["detail"].startswith("somebody (")
    looked = configured.follow("look")
    assert looked.code == 0
    assert '"holder":"somebody"' in looked.out


def test_the_night_holds_the_gpu_loads_the_model_and_works(product: Product, shell: Shell) -> None:
    shell.follow("install")
    shell.program("evaluate", '#!/bin/sh\necho "evaluated with $(sparkctl lock show)"; exit 7\n')
    shell.program("nightly.sh", f"#!/bin/sh\n{RECIPES['nightly-with-sparkctl']}")
    done = shell.run("sparkctl", "lock", "run", "--purpose", "nightly evaluation", "--wait", "30", "--", "./nightly.sh")
    assert done.code == 7, done.err
    assert "is done after" in done.out and "for “nightly evaluation”" in done.out
    assert product.serves() == GLM
    assert product.lock()["held"] is False


def test_the_whole_round_with_curl_alone(product: Product, configured: Shell) -> None:
    script = with_model(configured)
    configured.program("work", '#!/bin/sh\necho "worked: $1"; exit 5\n')
    done = configured.run(script, QWEN, "./work", "hard")
    assert (done.code, done.out) == (5, "worked: hard\n"), done.err
    assert done.err == ""
    assert product.serves() == QWEN
    assert product.lock()["held"] is False


def test_the_whole_round_fails_without_a_trace_while_somebody_has_the_lock(product: Product, configured: Shell) -> None:
    token = product.take()
    script = with_model(configured)
    text = (configured.home / "with-model").read_text().replace('"wait": 30', '"wait": 1')
    configured.program("with-model", text)
    done = configured.run(script, GLM, "true")
    assert (done.code, done.out) == (22, "")
    assert json.loads(done.err.splitlines()[-1])["status"] == 409
    assert len(done.err.splitlines()) == 2  # curl's line and the refusal, and none of a release
    product.release(token)


def test_the_whole_round_tells_why_a_model_cannot_be_had_and_releases(product: Product, configured: Shell) -> None:
    done = configured.run(with_model(configured), "no-such-model", "true")
    assert done.code != 0
    assert "There is no model" in done.err
    assert product.lock()["held"] is False


def test_the_whole_round_releases_when_it_is_ended(product: Product, configured: Shell) -> None:
    command = [with_model(configured), QWEN, "sleep", "2"]
    with subprocess.Popen(command, cwd=configured.home, env=configured.environment()) as process:
        until(lambda: product.lock()["held"], 30, "it holds the lock")
        process.send_signal(signal.SIGTERM)
        assert process.wait(120) == 143
    assert product.lock()["held"] is False


def test_n8n_takes_swaps_waits_renews_and_releases(product: Product, shell: Shell) -> None:
    taken = shell.follow("n8n-take")
    assert taken.code == 0, taken.out
    holder = shell.with_(TOKEN=taken.document["token"])
    assert shell.with_(TOKEN="").follow("n8n-swap").document["status"] == 423
    swap = holder.follow("n8n-swap")
    assert swap.code == 0, swap.out
    waiting = holder.with_(SWAP=str(swap.document["id"]))
    until(lambda: waiting.follow("n8n-wait").document["status"] == "ready", 120, "the swap is ready")
    assert holder.follow("n8n-renew").code == 0
    assert holder.follow("n8n-release").code == 0
    lost = holder.follow("n8n-renew")
    assert (lost.code, lost.document["status"]) == (22, 412)


def test_a_schedule_of_ones_own_is_in_the_plan(product: Product, configured: Shell) -> None:
    assert configured.follow("announce").code == 0
    plan = product.api.get("/api/plan").json()
    assert "Nightly evaluation" in [entry["title"] for entry in plan["entries"]]


def test_too_many_requests_fail_too(configured: Shell, too_many: str) -> None:
    refused = configured.with_(SPARKCTL_URL=too_many).follow("swap")
    assert (refused.code, refused.document["status"]) == (22, 429)


def test_every_recipe_of_the_page_is_followed_here() -> None:
    own = Path(__file__).read_text().replace("'", '"')
    assert [name for name in RECIPES if f'"{name}"' not in own] == []
    assert PAGE.read_text().count("```sh") == len(RECIPES)
