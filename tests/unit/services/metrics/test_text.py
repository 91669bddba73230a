import math

import pytest

from services.metrics.text import Family, render
from tests.prometheus_lint import parse


def test_it_writes_what_prometheus_reads() -> None:
    gauge = Family("sparkcontrol_spark_memory_bytes", "gauge", "Memory, \\ and\nmore.")
    gauge.add(119.5e9, spark="spark-1")
    gauge.add(0.25, spark='od"d\\name\n')
    gauge.add(None, spark="spark-3")

    text = render([gauge])

    assert text.splitlines() == [
        r"# HELP sparkcontrol_spark_memory_bytes Memory, \\ and\nmore.",
        "# TYPE sparkcontrol_spark_memory_bytes gauge",
        'sparkcontrol_spark_memory_bytes{spark="spark-1"} 119500000000',
        'sparkcontrol_spark_memory_bytes{spark="od\\"d\\\\name\\n"} 0.25',
    ]
    assert parse(text)[1].labels == {"spark": 'od"d\\name\n'}


def test_the_buckets_of_a_histogram_add_up() -> None:
    took = Family("sparkcontrol_swap_seconds", "histogram", "How long.")
    took.add_histogram((1.0, 2.5), [3, 0, 2], 17.5, slot="main")

    samples = {(s.name, s.labels.get("le")): s.value for s in parse(render([took]))}

    assert samples["sparkcontrol_swap_seconds_bucket", "2.5"] == 3
    assert samples["sparkcontrol_swap_seconds_bucket", "+Inf"] == samples["sparkcontrol_swap_seconds_count", None] == 5
    assert samples["sparkcontrol_swap_seconds_sum", None] == 17.5


@pytest.mark.parametrize(("value", "text"), [(0.1, "0.1"), (3.0, "3"), (1e16, "1e+16"), (math.inf, "+Inf"), (-2, "-2")])
def test_numbers_are_exact(value: float, text: str) -> None:
    family = Family("sparkcontrol_x_seconds", "gauge", "x")
    family.add(value)
    assert family.samples == [f"sparkcontrol_x_seconds {text}"]
