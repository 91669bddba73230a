"""The corpus of start-up logs: what must be read in each, and what must never be taken for a failure."""

from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
import yaml

from swaps.logs.diagnosis import Diagnosis, diagnose
from swaps.logs.masking import mask_secrets
from swaps.logs.progress import STAGES, START, LoadState, observe
from swaps.logs.splitting import LineSplitter, clean_line

CORPUS = Path(__file__).parents[3] / "corpus" / "vllm"
HEAD = "spark-1"
EXPECTED: dict[str, dict[str, dict[str, Any]]] = yaml.safe_load((CORPUS / "expectations.yaml").read_text())
STARTS, FAILURES = EXPECTED["starts"], EXPECTED["failures"]
GOOD_STARTS = [name for name, wanted in STARTS.items() if wanted["percent"] == 100]


def read_log(path: Path) -> list[tuple[str, str]]:
    splitter = LineSplitter()
    node, lines = HEAD, []
    for text in splitter.feed(path.read_bytes().decode()) + splitter.flush():
        if text.startswith("@node "):
            node = text.removeprefix("@node ")
        else:
            lines.append((node, text))
    return lines


def read_start(name: str) -> list[tuple[str, str]]:
    return read_log(CORPUS / "starts" / f"{name}.log")


def read_failure(name: str) -> list[tuple[str, str]]:
    return read_log(CORPUS / "failures" / f"{name}.log")


HARMLESS = [text for _, text in read_log(CORPUS / "harmless.txt")]
NOISE = [text for _, text in read_log(CORPUS / "noise.txt")]


def vllm_spoke(name: str) -> bool:
    return any("pid=" in text for _, text in read_failure(name))


def states_of(lines: list[tuple[str, str]]) -> list[LoadState]:
    states = [START]
    for node, text in lines:
        if node == HEAD:
            states.append(observe(states[-1], text))
    return states


def found_in(name: str, before: list[str] = [], after: list[str] = []) -> Diagnosis | None:  # noqa: B006
    lines = [(HEAD, text) for text in before] + read_failure(name) + [(HEAD, text) for text in after]
    return diagnose(lines, exit_code=FAILURES[name].get("exit_code"))


def test_every_log_has_an_expectation_and_every_expectation_a_log() -> None:
    assert {path.stem for path in (CORPUS / "starts").glob("*.log")} == set(STARTS)
    assert {path.stem for path in (CORPUS / "failures").glob("*.log")} == set(FAILURES)


def test_it_covers_at_least_six_versions_of_vllm() -> None:
    versions = {
        wanted["facts"]["vllm_version"] for wanted in STARTS.values() if "vllm_version" in wanted.get("facts", {})
    }
    assert len(versions) >= 6


@pytest.mark.parametrize("name", STARTS)
def test_a_start_passes_its_stages_in_order(name: str) -> None:
    states = states_of(read_start(name))
    stages = list(dict.fromkeys(state.stage.value for state in states))
    assert stages == STARTS[name]["stages"]
    assert stages == sorted(stages, key=[stage.value for stage in STAGES].index)


@pytest.mark.parametrize("name", STARTS)
def test_a_start_ends_at_its_percent_and_never_goes_back(name: str) -> None:
    percents = [state.percent for state in states_of(read_start(name))]
    assert percents == sorted(percents)
    assert percents[-1] == STARTS[name]["percent"]


@pytest.mark.parametrize("name", STARTS)
def test_the_bars_of_a_start_are_read_as_printed(name: str) -> None:
    states = states_of(read_start(name))
    seen = [state.shards_percent for state in states if state.shards_percent is not None]
    assert max(seen, default=None) == STARTS[name]["max_shards_percent"]
    assert states[-1].shards_percent == STARTS[name]["shards_percent"]


@pytest.mark.parametrize("name", STARTS)
def test_the_numbers_of_a_start_are_found(name: str) -> None:
    last = states_of(read_start(name))[-1]
    facts = STARTS[name].get("facts", {})
    assert {key: asdict(last)[key] for key in facts} == facts
    assert last.startup_complete is (STARTS[name]["percent"] == 100)
    if "detail" in STARTS[name]:
        assert last.detail == STARTS[name]["detail"]


@pytest.mark.parametrize("name", STARTS)
def test_a_start_that_did_not_fail_has_no_diagnosis(name: str) -> None:
    assert diagnose(read_start(name)) is None


@pytest.mark.parametrize("name", FAILURES)
def test_a_failure_is_told_by_its_code_and_node(name: str) -> None:
    found = found_in(name)
    wanted = FAILURES[name]
    assert (found.code if found else None) == wanted["code"]
    if found:
        assert found.node == wanted["node"]


@pytest.mark.parametrize("name", [name for name in FAILURES if FAILURES[name]["code"]])
def test_a_failure_is_one_sentence_and_one_remedy_with_its_numbers(name: str) -> None:
    found = found_in(name)
    assert found is not None
    told = f"{found.sentence} {found.remedy}"
    assert [word for word in FAILURES[name].get("says", []) if word not in told] == []
    for text in (found.sentence, found.remedy):
        assert text.endswith(".") and not text.endswith("..")
        assert text[0].isupper() or text.startswith(("vLLM", "'", "--"))
        assert "\n" not in text and "!" not in text and len(text) < 420


@pytest.mark.parametrize("name", FAILURES)
def test_harmless_lines_around_a_failure_do_not_change_what_is_told(name: str) -> None:
    assert found_in(name, before=HARMLESS, after=HARMLESS) == found_in(name)


@pytest.mark.parametrize("name", [name for name in FAILURES if FAILURES[name]["code"] and vllm_spoke(name)])
def test_the_true_cause_wins_over_troubles_that_the_load_survived(name: str) -> None:
    found = found_in(name, before=NOISE)
    assert found is not None
    assert found.code == FAILURES[name]["code"]


@pytest.mark.parametrize("text", HARMLESS)
def test_a_harmless_line_is_no_failure(text: str) -> None:
    assert diagnose([(HEAD, text)]) is None


def test_there_are_plenty_of_harmless_lines() -> None:
    assert len(HARMLESS) >= 25


@pytest.mark.parametrize("name", GOOD_STARTS)
def test_troubles_before_a_good_start_are_no_failure(name: str) -> None:
    noise = [(HEAD, text) for text in HARMLESS + NOISE]
    assert diagnose(noise + read_start(name)) is None


@pytest.mark.parametrize("name", FAILURES)
def test_no_secret_of_the_corpus_reaches_a_diagnosis(name: str) -> None:
    found = found_in(name)
    assert "corpus_not_a_real_key" not in repr(found)
    assert "CORPUSnotARealToken" not in repr(found)


@pytest.mark.parametrize("path", sorted(CORPUS.rglob("*.log")), ids=lambda path: path.stem)
def test_masked_lines_hold_no_secret_and_are_read_the_same(path: Path) -> None:
    lines = read_log(path)
    masked = [(node, mask_secrets(clean_line(text))) for node, text in lines]
    assert not [text for _, text in masked if "corpus_not_a_real_key" in text or "CORPUSnotARealToken" in text]
    assert states_of(masked)[-1] == states_of(lines)[-1]
    assert diagnose(masked) == diagnose(lines)


@pytest.mark.parametrize("name", GOOD_STARTS)
def test_any_chunk_size_gives_the_same_lines(name: str) -> None:
    text = (CORPUS / "starts" / f"{name}.log").read_bytes().decode()
    whole = LineSplitter()
    expected = whole.feed(text) + whole.flush()
    for size in (1, 7, 64):
        splitter = LineSplitter()
        pieces = [line for at in range(0, len(text), size) for line in splitter.feed(text[at : at + size])]
        assert pieces + splitter.flush() == expected


@pytest.mark.parametrize("name", GOOD_STARTS)
def test_a_scrambled_start_degrades_and_never_fails(name: str) -> None:
    """Wording of a version nobody has seen: every word we search for is spelled another way."""
    scrambled = [
        (node, text.translate(str.maketrans("aeo", "eoa"))) for node, text in read_start(name) if "INFO" in text
    ]
    last = states_of(scrambled)[-1]
    assert last.stage.value in {"starting", "loading"}
    assert not last.startup_complete
    assert diagnose(scrambled) is None
