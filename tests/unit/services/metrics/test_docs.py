"""docs/monitoring.md names the metrics there are, and its examples can be used as they are."""

import re
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parents[4]
PAGE = (ROOT / "docs" / "monitoring.md").read_text()
SOURCES = "".join(path.read_text() for path in sorted((ROOT / "services" / "metrics").glob("*.py")))


def made() -> dict[str, str]:
    found = dict(re.findall(r'Family\(\s*"(sparkcontrol_[a-z_]+)",\s*"([a-z]+)"', SOURCES))
    of_sparks = re.findall(r'^    \("([a-z_]+)", "', SOURCES, re.MULTILINE)
    return found | {f"sparkcontrol_spark_{name}": "gauge" for name in of_sparks}


def examples() -> list[dict[str, object]]:
    return [yaml.safe_load(text) for text in re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)]


def test_every_metric_is_documented_with_its_kind_and_no_other() -> None:
    documented = dict(re.findall(r"^\| `(sparkcontrol_[a-z_]+)` \| ([a-z]+) \|", PAGE, re.MULTILINE))
    assert documented == made() and len(documented) > 40


def test_the_alerts_are_about_metrics_there_are() -> None:
    scrape, alerts = examples()
    rules = alerts["groups"][0]["rules"]  # type: ignore[index]
    used = {name for rule in rules for name in re.findall(r"sparkcontrol_[a-z_]+", rule["expr"])}
    assert len(rules) >= 5 and used <= set(made())
    assert scrape["rule_files"] == ["spark-control-alerts.yml"]
