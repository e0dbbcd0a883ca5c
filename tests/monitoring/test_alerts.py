"""The alert rules under real Prometheus code: `promtool check rules`, and a unit test for each alert.

A fault is injected into a healthy installation. One alert fires, at the time and with the labels and texts of the
table, and stops after the fault. Near misses and ordinary events fire nothing.
"""

import subprocess
from collections.abc import Iterable
from pathlib import Path

import pytest
import yaml

from tests.support.alert_cases import RULES, Case, alerts, cases, group_of, promtool_file, scenarios
from tests.support.debian import needs, program

pytestmark = [pytest.mark.monitoring, needs("promtool")]

CASES = cases()


def promtool(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [program("promtool"), *map(str, arguments)], check=False, capture_output=True, text=True, timeout=100
    )


def passes(tmp_path: Path, cases: Iterable[Case], rules: Path = RULES) -> str:
    """The words of `promtool test rules`; empty if all cases are as expected."""
    path = tmp_path / "cases.yaml"
    path.write_text(promtool_file(cases, rules))
    done = promtool("test", "rules", path)
    return "" if done.returncode == 0 else done.stdout + done.stderr


def test_the_rules_are_valid() -> None:
    done = promtool("check", "rules", "--lint=all", "--lint-fatal", RULES)
    assert done.returncode == 0, done.stdout + done.stderr


def test_each_alert_has_a_fault_and_a_near_miss() -> None:
    assert {case.alert for case in CASES if case.fires_at is not None} == set(alerts())
    assert {case.alert for case in CASES if case.fires_at is None} == set(alerts())


@pytest.mark.parametrize("case", [case for case in CASES if case.fires_at is not None], ids=lambda case: case.name)
def test_an_alert_fires_on_its_fault_alone_and_stops_afterwards(case: Case, tmp_path: Path) -> None:
    assert passes(tmp_path, [case]) == ""


@pytest.mark.parametrize("alert", alerts())
def test_an_alert_is_silent_on_near_misses(alert: str, tmp_path: Path) -> None:
    """With the rules of its group only, which takes a fifth of the time."""
    rules = tmp_path / "rules.yaml"
    rules.write_text(yaml.safe_dump({"groups": [group_of(alert)]}))
    near_misses = [case for case in CASES if case.alert == alert and case.fires_at is None]
    assert passes(tmp_path, near_misses, rules) == ""


@pytest.mark.parametrize("scenario", scenarios(), ids=lambda case: case.name)
def test_no_alert_fires_in(scenario: Case, tmp_path: Path) -> None:
    assert passes(tmp_path, [scenario]) == ""


def test_promtool_finds_a_wrong_expectation(tmp_path: Path) -> None:
    """So that the tests above can fail."""
    [case] = [case for case in CASES if case.name == "XdsNoLeader: the fault"]
    silent = Case(case.alert, "never fires", case.series, case.minutes)
    assert 'got: {alertname="XdsNoLeader"} 1' in passes(tmp_path, [silent])
