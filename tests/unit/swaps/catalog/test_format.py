"""The catalog file: read what people write, lose nothing, say what is wrong, and survive files made to hurt."""

import time
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from swaps.catalog.definition import Definition, validate
from swaps.catalog.format import Catalog, CatalogError, dump_catalog, load_catalog

FIXTURE = Path(__file__).parents[4] / "fixtures" / "models.yaml"


def one(text: str) -> Definition:
    catalog = load_catalog(text)
    assert catalog.skipped == ()
    (definition,) = catalog.definitions
    return definition


def fields(**entry: Any) -> Definition:
    return one(yaml.safe_dump({"k": {"repo": "org/m", **entry}}, sort_keys=False))


def problems(text: str) -> dict[str, str]:
    (entry,) = load_catalog(text).skipped
    return {problem.field: problem.message for problem in entry.problems}


# --- our own form ----------------------------------------------------------------------------------------------------


def test_the_shipped_catalog_is_whole() -> None:
    catalog = load_catalog(FIXTURE.read_text())
    assert len(catalog.definitions) >= 11
    assert catalog.skipped == ()
    assert catalog.remarks == ()


def test_the_gated_model_says_so() -> None:
    (llama,) = [
        d for d in load_catalog(FIXTURE.read_text()).definitions if d.repo == "meta-llama/Llama-3.3-70B-Instruct"
    ]
    assert "Gated" in llama.notes
    assert "licence" in llama.notes


def test_what_is_written_is_read_back_unchanged() -> None:
    definitions = load_catalog(FIXTURE.read_text()).definitions
    assert load_catalog(dump_catalog(definitions)) == Catalog(definitions)


def test_only_what_is_set_is_written() -> None:
    assert dump_catalog([Definition("k", "K", repo="org/m")]) == "k:\n  label: K\n  repo: org/m\n  nodes: 1\n"


def test_an_empty_catalog_is_no_error() -> None:
    for text in ("{}", "[]", "models: {}"):
        assert load_catalog(text) == Catalog(())
    assert load_catalog(dump_catalog([])) == Catalog(())


@pytest.mark.parametrize("text", ["", "# nothing\n", "---\n", "null"])
def test_a_file_that_holds_nothing_is_told(text: str) -> None:
    with pytest.raises(CatalogError, match="holds nothing"):
        load_catalog(text)


_WORD = st.text(st.characters(exclude_categories=("Cc", "Cs", "Zl", "Zp")), max_size=30)
_TRICKY = st.sampled_from(
    ["null", "~", "yes", "0.70", "1:30", "0x1F", "", " a ", "- x", "a: b", "#", "&a", "*a", "<<", "!!x", "|"]
)


@settings(max_examples=200, deadline=None)
@given(
    label=st.one_of(_WORD, _TRICKY),
    values=st.lists(st.one_of(_WORD, _TRICKY).filter(bool), max_size=6),
    env=st.dictionaries(st.sampled_from(["A", "B_C", "NO", "Y"]), st.one_of(_WORD, _TRICKY)),
    notes=st.text(st.characters(codec="utf-8"), max_size=60),
    nodes=st.sampled_from([1, 2]),
    seconds=st.one_of(st.none(), st.integers(1, 9999)),
)
def test_any_valid_definition_survives_the_file(
    label: str, values: list[str], env: dict[str, str], notes: str, nodes: int, seconds: int | None
) -> None:
    args = tuple(word for value in values for word in ("--x", value))
    definition = Definition(
        *("k", label, "org/m", None),
        args=(*args, f"-tp={nodes}"),
        env=tuple(env.items()),
        nodes=nodes,
        expected_load_seconds=seconds,
        notes=notes,
    )
    assume(not validate(definition))
    assert load_catalog(dump_catalog([definition])) == Catalog((definition,))


# --- how other people write it ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        "k: {repo: org/m}",
        "models: {k: {repo: org/m}}",
        "- {key: k, repo: org/m}",
        "- {id: k, repo: org/m}",
        "models: [{key: k, repo: org/m}]",
        "k: {model: org/m}",
        "k: {hf_repo: org/m, label: }",
    ],
)
def test_a_file_is_a_mapping_or_a_list_also_below_models(text: str) -> None:
    assert one(text) == Definition("k", "k", repo="org/m")


@pytest.mark.parametrize("name", ["args", "vllm_args", "extra_args", "vllm_extra_args"])
@pytest.mark.parametrize("value", [["--a", "1", "--b={x y}"], "--a 1 '--b={x y}'"])
def test_arguments_are_a_list_or_a_line_under_any_name(name: str, value: Any) -> None:
    assert fields(**{name: value}).args == ("--a", "1", "--b={x y}")


def test_numbers_and_words_like_yes_stay_as_written() -> None:
    text = (
        "k:\n  repo: org/m\n  args: [--u, 0.70, --len, 0x1F, --t, 1:30, --f, yes, --n, 1_000]\n  env: {A: 1, B: on}\n"
    )
    definition = one(text)
    assert definition.args == ("--u", "0.70", "--len", "0x1F", "--t", "1:30", "--f", "yes", "--n", "1_000")
    assert definition.env == (("A", "1"), ("B", "on"))


def test_environment_is_a_mapping_or_a_list_of_settings() -> None:
    assert fields(env={"A": "1"}).env == (("A", "1"),)
    assert fields(environment=["A=1=2", "B="]).env == (("A", "1=2"), ("B", ""))
    assert fields(env={"A": None}).env == (("A", ""),)


@pytest.mark.parametrize(
    ("entry", "nodes"),
    [
        ({"nodes": 2}, 2),
        ({"sparks": 2}, 2),
        ({"cluster": True}, 2),
        ({"mode": "cluster"}, 2),
        ({"solo": True}, 1),
        ({}, 1),
    ],
)
def test_the_number_of_sparks_has_many_spellings(entry: dict[str, Any], nodes: int) -> None:
    assert fields(args=["-tp", str(nodes)], **entry).nodes == nodes


def test_knobs_become_arguments_and_win_over_the_list() -> None:
    definition = fields(args=["--max-model-len", "1", "--x"], knobs={"max_model_len": 2, "enable_prefix_caching": True})
    assert definition.args == ("--x", "--max-model-len", "2", "--enable-prefix-caching")


def test_knobs_may_stand_beside_the_other_fields() -> None:
    assert fields(gpu_memory_utilization=0.7).args == ("--gpu-memory-utilization", "0.7")


def test_a_knob_that_is_off_is_left_out_and_told() -> None:
    catalog = load_catalog("k: {repo: org/m, knobs: {trust_remote_code: false}}")
    assert catalog.definitions[0].args == ()
    assert "trust_remote_code" in catalog.remarks[0].message


def test_host_and_port_are_left_to_the_slot_and_told() -> None:
    catalog = load_catalog("k: {repo: org/m, vllm_args: --host 0.0.0.0 --port 8000 --x}")
    assert catalog.definitions[0].args == ("--x",)
    assert [remark.message.split()[0] for remark in catalog.remarks] == ["--host", "--port"]


def test_a_field_nobody_knows_is_kept_in_the_notes_and_told() -> None:
    catalog = load_catalog("k: {repo: org/m, notes: mine, memory_hint: 70, tags: [a, b]}")
    (definition,) = catalog.definitions
    assert definition.notes == "mine\n(not used) memory_hint: 70\n(not used) tags: ['a', 'b']"
    assert len(catalog.remarks) == 2
    assert all("kept in the notes" in remark.message for remark in catalog.remarks)


def test_a_name_beside_a_label_is_kept() -> None:
    assert "name: other" in fields(label="L", name="other").notes


# --- what is wrong ---------------------------------------------------------------------------------------------------


def test_an_invalid_entry_is_skipped_and_the_others_are_read() -> None:
    catalog = load_catalog("a: {repo: org/m}\nb: {repo: nonsense}\nc: {local_path: /home/u/m}\n")
    assert [definition.key for definition in catalog.definitions] == ["a", "c"]
    assert [entry.key for entry in catalog.skipped] == ["b"]
    assert catalog.skipped[0].problems[0].field == "repo"


@pytest.mark.parametrize(
    ("text", "field"),
    [
        ("k: {}", "repo"),
        ("k: {repo: org/m, local_path: /home/u/m}", "repo"),
        ("k: {repo: org/m, model: org/n}", "repo"),
        ("k: {repo: [org/m]}", "repo"),
        ("k: {repo: org/m, args: {a: 1}}", "args"),
        ("k: {repo: org/m, args: [[a]]}", "args"),
        ("k: {repo: org/m, args: [null]}", "args"),
        ('k: {repo: org/m, args: "--x \'open"}', "args"),
        ("k: {repo: org/m, args: [a], vllm_args: [b]}", "args"),
        ("k: {repo: org/m, knobs: [a]}", "args"),
        ("k: {repo: org/m, knobs: {a: [1]}}", "args"),
        ("k: {repo: org/m, knobs: {'a b': 1}}", "args"),
        ("k: {repo: org/m, env: [A]}", "env"),
        ("k: {repo: org/m, env: {A: [1]}}", "env"),
        ("k: {repo: org/m, nodes: two}", "nodes"),
        ("k: {repo: org/m, nodes: -1}", "nodes"),
        ("k: {repo: org/m, nodes: 99}", "nodes"),
        ("k: {repo: org/m, expected_load_seconds: 1.5}", "expected_load_seconds"),
        ("k: {repo: org/m, mods: {a: b}}", "mods"),
        ("k: {repo: org/m, docker_args: --privileged}", "docker_args"),
        ("k: text", "entry"),
        ("k:", "entry"),
        ("- {repo: org/m}", "key"),
        ("- text", "entry"),
        ("'a b': {repo: org/m}", "key"),
    ],
)
def test_each_problem_names_the_field_and_the_remedy(text: str, field: str) -> None:
    found = problems(text)
    assert field in found
    assert all(message.endswith(".") for message in found.values())


def test_the_same_key_twice_in_a_list_skips_the_second() -> None:
    catalog = load_catalog("- {key: k, repo: org/m}\n- {key: k, repo: org/n}\n")
    assert [definition.repo for definition in catalog.definitions] == ["org/m"]
    assert catalog.skipped[0].problems[0].field == "key"


# --- files made to hurt ----------------------------------------------------------------------------------------------

LAUGHS = "a: &a [x,x,x,x,x,x,x,x,x]\n" + "".join(
    f"{b}: &{b} [{','.join([f'*{a}'] * 9)}]\n" for a, b in zip("abcdefgh", "bcdefghi", strict=True)
)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (LAUGHS, "alias"),
        ("a: &x {repo: org/m}\nb: *x\n", "alias"),
        ("a: &a [*a]", "alias"),
        ("base: &b {repo: org/m}\nk:\n  <<: *b\n", "alias"),
        ("k:\n  <<: {repo: org/m}\n", "merge key"),
        ("k: {repo: a/b, repo: c/d}", "repeats the key"),
        ("k: {repo: a/b}\nk: {repo: c/d}", "repeats the key"),
        ("? [a]\n: b", "as a key"),
        ("[" * 5000, "nested too deeply"),
        ("{a: " * 5000, "nested too deeply"),
        ("- " * 5000, "nested too deeply"),
        ("k: [", "not valid YAML"),
        ("k: {repo: org/m}\n---\nk: {repo: org/n}", "not valid YAML"),
        ("k:\n\t- x", "not valid YAML"),
        ("k: \x00", "character"),
        ("k: \ud800", "character"),
        ("text", "neither a mapping nor a list"),
        ("x: 1\n" * 60_000, "larger than"),
        ("".join(f"k{n}: {{}}\n" for n in range(1001)), "1001 entries"),
        ("k: !!python/object/apply:os.system ['touch pwned']", ""),
        ("k: !!binary aGk=", ""),
    ],
)
def test_it_says_what_is_wrong_and_where(text: str, words: str) -> None:
    started = time.monotonic()
    try:
        catalog = load_catalog(text)
    except CatalogError as error:
        assert words in str(error)
        assert str(error).endswith(".")
    else:
        assert words == ""
        assert catalog.definitions == ()
    assert time.monotonic() - started < 10
    assert not Path("pwned").exists()


def test_an_error_names_the_line() -> None:
    with pytest.raises(CatalogError, match="Line 3 "):
        load_catalog("a: {repo: org/m}\nb: {repo: org/m}\na: {repo: org/m}\n")


@settings(max_examples=300, deadline=None)
@given(st.text(st.sampled_from("ab:-[]{}#&*!|>'\"%@`,? \n\t\\~<0"), max_size=60))
def test_no_text_makes_it_fail_in_another_way(text: str) -> None:
    try:
        catalog = load_catalog(text)
    except CatalogError:
        return
    assert all(entry.problems for entry in catalog.skipped)
