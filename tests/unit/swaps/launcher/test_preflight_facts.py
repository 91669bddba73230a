"""One round trip to a Spark, run by real bash: what is there, what is not, and what could not be told."""

import json
import os
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from swaps.launcher import node_commands
from swaps.launcher.node_commands import preflight_facts, raise_fence, read_preflight
from tests.unit.swaps.launcher.docker_stub import PORT, WILLING, Spark, stub_spark


@pytest.fixture
def spark(tmp_path: Path) -> Iterator[Spark]:
    with stub_spark(tmp_path) as made:
        yield made


@pytest.fixture
def launcher(spark: Spark) -> Path:
    directory = spark.home / "spark-vllm-docker"
    (directory / "mods/fix-a").mkdir(parents=True)
    (directory / "mods/fix-a/run.sh").touch()
    script = directory / "launch-cluster.sh"
    script.write_text("#!/bin/bash\necho 'Usage: x -n -t --name'\nexit 1\n")
    script.chmod(0o755)
    return directory


def facts_of(spark: Spark, **changes: object) -> node_commands.PreflightFacts:
    asked = {
        "container": "vllm_node",
        "port": PORT,
        "image": "vllm-node",
        "launcher_dir": "",
        "slot": "main",
        **changes,
    }
    done = spark.run(preflight_facts(**asked))  # type: ignore[arg-type]
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    facts = read_preflight(done.stdout)
    assert facts.unread == ()
    return facts


def test_help_is_asked_for_and_its_exit_status_1_is_no_failure(spark: Spark, launcher: Path) -> None:
    done = spark.run(node_commands.launcher_help(""))
    assert (done.returncode, done.stdout) == (0, "Usage: x -n -t --name\n")
    assert spark.run(node_commands.launcher_help(str(launcher))).returncode == 0
    assert spark.run(node_commands.launcher_help("~/elsewhere")).returncode == 66
    (launcher / "launch-cluster.sh").chmod(0o644)
    assert spark.run(node_commands.launcher_help("")).returncode == 127


def test_one_round_trip_answers_everything(spark: Spark, launcher: Path) -> None:
    (launcher / ".env").write_text("# CONTAINER_NAME=no\nCLUSTER_NODES=10.0.0.1\nCONTAINER_NAME='other'\n")
    box = spark.container("vllm_node", WILLING)
    state = {"exists": True, "name": "/vllm_node", "running": True, "labels": {"sparkcontrol.fence": "4"}}
    (box / "state.json").write_text(json.dumps(state))
    spark.run(raise_fence("main", 6))
    facts = facts_of(spark, mods=("mods/fix-a", "mods/absent"))
    assert facts.launcher == "present"
    assert facts.env_container == "other"
    assert facts.mods_absent == ("mods/absent",)
    assert (facts.docker, facts.image_id) == ("ok", "sha256:abc")
    assert facts.container is not None
    assert facts.container.fence == 4
    assert [user.name for user in facts.gpu_users if user.kind == "ollama"] == ["ollama"]
    assert facts.port_free is True
    assert facts.fence == 6
    assert facts.disk_free is not None
    assert facts.memory_total is not None
    assert facts.memory_available is not None
    assert facts.memory_available < facts.memory_total
    assert re.fullmatch(r"[0-9a-f-]{36}", facts.boot_id)
    assert facts.weights is None


def test_absence_is_told_apart_from_not_knowing(spark: Spark) -> None:
    facts = facts_of(spark, image="missing-image", repo="org/m")
    assert facts.launcher == "absent"
    assert facts.image_id == ""
    assert facts.container is not None
    assert not facts.container.exists
    assert facts.weights == "absent"
    (spark.docker / "down").touch()
    facts = facts_of(spark)
    assert facts.docker == "failed"
    assert "Cannot connect" in facts.docker_problem
    assert facts.image_id is None
    assert facts.container is None


def snapshot(spark: Spark, hub: str = ".cache/huggingface/hub") -> Path:
    model = spark.home / hub / "models--org--m"
    folder = model / "snapshots" / ("c" * 40)
    for directory in (folder, model / "refs", model / "blobs"):
        directory.mkdir(parents=True)
    (model / "refs/main").write_text("c" * 40)
    (folder / "config.json").write_text("{}")
    index = {"metadata": {"total_size": 6}, "weight_map": {"a": "model-1.safetensors", "b": "model-2.safetensors"}}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))
    for number in (1, 2):
        (model / f"blobs/{number}").write_text("abc")
        (folder / f"model-{number}.safetensors").symlink_to(f"../../blobs/{number}")
    return folder


def test_whole_weights_are_complete(spark: Spark) -> None:
    snapshot(spark)
    facts = facts_of(spark, repo="org/m")
    assert (facts.weights, facts.weights_bytes, facts.weights_files) == ("complete", 6, 2)
    assert not facts.weights_downloading


def test_a_dangling_shard_is_found_and_named(spark: Spark) -> None:
    folder = snapshot(spark)
    (folder / "../../blobs/2").resolve().unlink()
    facts = facts_of(spark, repo="org/m")
    assert (facts.weights, facts.weights_missing) == ("incomplete", "model-2.safetensors")


def test_a_shard_that_is_too_short_is_found(spark: Spark) -> None:
    folder = snapshot(spark)
    (folder / "model-2.safetensors").resolve().write_text("a")
    assert facts_of(spark, repo="org/m").weights == "incomplete"


def test_a_download_under_way_is_seen(spark: Spark) -> None:
    folder = snapshot(spark)
    os.utime(folder / "../../refs/main", (1, 1))
    (folder / "../../blobs/9.incomplete").write_text("a")
    assert facts_of(spark, repo="org/m").weights_downloading


def test_a_snapshot_without_index_needs_one_weight_file(spark: Spark) -> None:
    folder = snapshot(spark)
    (folder / "model.safetensors.index.json").unlink()
    assert facts_of(spark, repo="org/m").weights == "complete"
    for shard in folder.glob("*.safetensors"):
        shard.unlink()
    assert facts_of(spark, repo="org/m").weights == "incomplete"


def test_a_local_directory_is_looked_at_the_same_way(spark: Spark) -> None:
    folder = snapshot(spark)
    assert facts_of(spark, local_path=str(folder)).weights == "complete"
    assert facts_of(spark, local_path=str(folder / "none")).weights == "absent"


@pytest.mark.parametrize(
    "changes",
    [
        {"container": "-x"},
        {"container": "a b"},
        {"port": 0},
        {"port": 65536},
        {"image": "--help"},
        {"image": "A B"},
        {"launcher_dir": "../x"},
        {"launcher_dir": "~root/x"},
        {"repo": "-o/x"},
        {"repo": "org"},
        {"local_path": "rel"},
        {"local_path": "/a/../b"},
        {"mods": ("../m",)},
        {"mods": ("/m",)},
    ],
)
def test_values_that_were_never_validated_do_not_reach_the_wire(changes: dict[str, object]) -> None:
    asked = {"container": "c", "port": 1, "image": "i", "launcher_dir": "/l", "slot": "main", **changes}
    with pytest.raises(ValueError, match="unsafe value"):
        preflight_facts(**asked)  # type: ignore[arg-type]
