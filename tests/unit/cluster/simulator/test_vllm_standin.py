from __future__ import annotations

from pathlib import Path

import pytest

from cluster.simulator.standins.vllm_flags import FlagError, Flags, parse
from cluster.simulator.standins.vllm_model import Model, context_length, resolves, weights_gib, well_formed


def test_flags_are_read_in_every_form_people_write_them() -> None:
    flags = parse(
        ["--trust-remote-code", "org/m", "--mamba_ssm_cache_dtype", "float32", "-tp=2", "-cc.mode=3", "-O3",
         "--served-model-name", "a", "b", "--attention-config.backend", "x", "--speculative-config", '{"a": -1}',
         "--kv-cache-memory-bytes", "-1"], None)  # fmt: skip
    assert flags.model == "org/m" and flags.names() == ["a", "b"]
    assert flags.text("mamba-ssm-cache-dtype") == "float32" and flags.integer("tensor-parallel-size", 1) == 2
    assert flags.has("trust-remote-code") and flags.text("speculative-config") == '{"a": -1}'


@pytest.mark.parametrize(
    ("argv", "unknown", "words"),
    [
        (["m", "--nope", "--also=1"], None, "unrecognized arguments: --nope --also=1"),
        (["m", "extra"], None, "unrecognized arguments: extra"),
        (["m", "--port", "1"], "--port", "unrecognized arguments: --port"),
        (["m", "--port", "1"], "", "unrecognized arguments: --port"),
        (["m", "--port"], None, "argument --port: expected one argument"),
    ],
)
def test_argparse_complaints(argv: list[str], unknown: str | None, words: str) -> None:
    with pytest.raises(FlagError, match=words):
        parse(argv, unknown)


@pytest.mark.parametrize(
    ("name", "quantization", "gib"),
    [
        ("org/m-7B", "", 13.0), ("nvidia/Qwen3.6-35B-A3B-NVFP4", "", 18.3), ("openai/gpt-oss-120b", "mxfp4", 62.6),
        ("org/no-size", "", 30.0), ("org/x-1.5B-FP8", "", 1.5),
    ],
)  # fmt: skip
def test_the_size_is_guessed_from_the_name(name: str, quantization: str, gib: float) -> None:
    assert weights_gib(name, quantization) == pytest.approx(gib, rel=0.03)


def test_context_lengths() -> None:
    assert [context_length(t) for t in ("4096", "32k", "32K", "1M", "auto", "", "-1")] == [
        4096, 32000, 32768, 1048576, 131072, 131072, 131072,
    ]  # fmt: skip


def test_two_nodes_share_the_weights() -> None:
    flags = Flags()
    flags.model = "org/m-70B"
    assert Model(flags, 2).weights_gib == pytest.approx(Model(flags, 1).weights_gib / 2)


def test_a_local_model_must_lie_in_a_mount(tmp_path: Path) -> None:
    (tmp_path / "m").mkdir()
    here = str(tmp_path / "m")
    assert resolves(here, "", f"{tmp_path}:{tmp_path}") and resolves("/models/m", "", f"{tmp_path}:/models")
    assert not resolves(here, "", "") and not resolves(here + "2", "", f"{here}:{here}")


@pytest.mark.parametrize(
    ("name", "good"), [("org/m", True), ("gpt2", True), ("a/b/c", False), ("../x", False), ("a b", False)]
)
def test_repository_ids(name: str, good: bool) -> None:
    assert well_formed(name) is good
