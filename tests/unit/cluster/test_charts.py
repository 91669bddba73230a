"""Lines of the last hour as SVG paths."""

import pytest

from cluster.charts import HEIGHT, WIDTH, draw, thin


def test_it_draws_from_the_left_bottom_to_the_right_top() -> None:
    line = draw([(0, 0), (1, 100)], low=0, high=100, words="GPU busy")
    assert line is not None
    assert line.stroke == f"M0 {HEIGHT - 2}L{WIDTH} 2"
    assert line.fill == f"M0 {HEIGHT - 2}L{WIDTH} 2L{WIDTH} {HEIGHT}L0 {HEIGHT}Z"
    assert line.words == "GPU busy"


def test_a_gap_breaks_the_line_and_a_lone_point_is_left_out() -> None:
    points = [(0.0, 1.0), (0.1, 2.0), (0.2, None), (0.3, 3.0), (0.4, None), (0.5, 4.0), (0.6, 5.0)]
    line = draw(points, low=0, high=5, words="")
    assert line is not None
    assert line.stroke.count("M") == 2


def test_values_beyond_the_scale_stay_inside_the_picture() -> None:
    line = draw([(0, -50), (1, 500)], low=0, high=100, words="")
    assert line is not None
    assert line.stroke == f"M0 {HEIGHT - 2}L{WIDTH} 2"


@pytest.mark.parametrize("points", [[], [(0.5, 3.0)], [(0.1, None), (0.2, None)]])
def test_too_little_is_no_line(points: list[tuple[float, float | None]]) -> None:
    assert draw(points, low=0, high=None, words="") is None


def test_a_constant_value_is_a_flat_line_on_any_scale() -> None:
    line = draw([(0, 7), (1, 7)], low=None, high=None, words="")
    assert line is not None
    assert line.stroke == f"M0 {HEIGHT - 2}L{WIDTH} {HEIGHT - 2}"


def test_thinning_keeps_the_mean_of_a_bucket() -> None:
    assert thin([(0.05, 10), (0.15, 20), (0.95, 30)], buckets=4) == [(0.25, 15), (1.0, 30)]


def test_a_short_silence_is_bridged_and_a_long_one_is_a_gap() -> None:
    short = thin([(0.105, 1), (0.155, 2)], buckets=100)
    long = thin([(0.105, 1), (0.505, 2)], buckets=100)
    assert [value for _, value in short] == [1, 2]
    assert [value for _, value in long] == [1, None, 2]


def test_thinning_ignores_what_is_outside_or_not_known() -> None:
    assert thin([(-0.1, 1), (1.2, 2), (0.5, None)]) == []
