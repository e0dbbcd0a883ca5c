"""Rules with shorter durations, for tests with a real Prometheus."""

import json

import pytest
import yaml

from tests.support.alert_cases import RULES
from tests.support.short_rules import shortened


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("rate(a[1h]) > 3600", "rate(a[15000ms]) > 3600"),
        ("rate(a[5m])", "rate(a[5000ms])"),  # 1250 ms would be less than two scrapes
        ("a offset 5m", "a offset 1250ms"),
        ("max_over_time(a[1d:10m] offset 1h)", "max_over_time(a[360000ms:2500ms] offset 15000ms)"),
        ("increase(a[1h30m:])", "increase(a[22500ms:])"),
        ("ingress:errors:ratio_rate5m > 14.4 * 0.001", "ingress:errors:ratio_rate5m > 14.4 * 0.001"),
    ],
)
def test_durations_of_an_expression_are_divided(before: str, after: str) -> None:
    rule = {"alert": "A", "expr": before, "for": "10m"}
    [group] = json.loads(shortened(json.dumps({"groups": [{"name": "g", "rules": [rule]}]})))["groups"]
    assert group["rules"] == [{"alert": "A", "expr": after, "for": "2500ms"}]


def test_the_rest_of_the_rules_stays() -> None:
    text = RULES.read_text()
    assert without_durations(json.loads(shortened(text))) == without_durations(yaml.safe_load(text))


def without_durations(document: dict[str, list[dict[str, list[dict[str, object]]]]]) -> list[dict[str, object]]:
    rules = [rule for group in document["groups"] for rule in group["rules"]]
    return [{name: value for name, value in rule.items() if name not in {"for", "expr"}} for rule in rules]
