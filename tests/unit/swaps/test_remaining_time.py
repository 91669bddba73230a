import pytest
from hypothesis import given
from hypothesis import strategies as st

from swaps.remaining_time import PastLoad, Remaining, estimate


def past(*seconds: float) -> list[PastLoad]:
    return [PastLoad(value) for value in seconds]


def test_nothing_known_is_no_estimate() -> None:
    assert estimate([], 5.0, None, None) is None
    assert estimate([], 5.0, 4, None) is None


def test_past_loads_give_their_median() -> None:
    assert estimate(past(100, 300, 110, 105, 95), 20.0, None, 999.0) == Remaining(85, "from 5 loads", False)


def test_one_past_load_is_told_in_the_singular() -> None:
    found = estimate(past(100), 0.0, None, None)
    assert found is not None and found.basis == "from 1 load"


def test_only_the_newest_loads_count() -> None:
    assert estimate(past(*[60] * 7, *[900] * 20), 0.0, None, None) == Remaining(60, "from 7 loads", False)


def test_without_loads_the_catalog_speaks() -> None:
    assert estimate([], 30.0, None, 240.0) == Remaining(210, "from the catalog's expected load time", False)


def test_without_both_the_bar_speaks() -> None:
    assert estimate([], 60.0, 40, None) == Remaining(90, "from the progress so far", False)


def test_the_bar_is_not_trusted_at_its_very_start() -> None:
    assert estimate(past(200), 60.0, 9, None) == Remaining(140, "from 1 load", False)


def test_the_further_the_bar_the_more_it_counts() -> None:
    half, most = estimate(past(100), 100.0, 50, None), estimate(past(100), 100.0, 90, None)
    assert half == Remaining(50, "from 1 load", True)
    assert most is not None and most.seconds <= 12


def test_a_load_that_runs_late_says_so_and_is_never_negative() -> None:
    assert estimate(past(100), 500.0, None, None) == Remaining(0, "from 1 load", True)


def test_a_finished_load_has_nothing_left() -> None:
    found = estimate(past(100), 40.0, 100, None)
    assert found is not None and found.seconds == 0


def test_measured_stages_translate_the_bar_into_time() -> None:
    """A model that compiles for nine minutes after one minute of loading is not 70 percent done by then."""
    slow_compile = PastLoad(600, {"loading": 60.0, "compiling": 540.0})
    with_stages, without = estimate([slow_compile], 60.0, 70, None), estimate(past(600), 60.0, 70, None)
    assert with_stages is not None and without is not None
    assert with_stages.seconds == 540
    assert without.seconds < 200


def test_stages_measured_as_nothing_are_ignored() -> None:
    assert estimate([PastLoad(100, {"loading": 0.0})], 50.0, 50, None) == estimate(past(100), 50.0, 50, None)


@pytest.mark.parametrize("bad", [0.0, -5.0, float("nan"), float("inf")])
def test_senseless_figures_are_ignored(bad: float) -> None:
    assert estimate(past(bad, 100), 10.0, None, bad) == Remaining(90, "from 1 load", False)
    assert estimate([], bad, None, 100.0) == Remaining(100, "from the catalog's expected load time", False)
    assert estimate([], 10.0, None, bad) is None


seconds = st.floats(allow_nan=True, allow_infinity=True)
stages = st.dictionaries(st.sampled_from(["loading", "compiling", "serving", "nonsense"]), seconds)
loads = st.lists(st.builds(PastLoad, seconds, st.none() | stages), max_size=9)


@given(loads, seconds, st.none() | st.integers(-10, 200), st.none() | seconds)
def test_an_estimate_is_never_negative(
    past_loads: list[PastLoad], elapsed: float, percent: int | None, expected: float | None
) -> None:
    found = estimate(past_loads, elapsed, percent, expected)
    assert found is None or found.seconds >= 0
