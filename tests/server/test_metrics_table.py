"""The tables of docs/metrics.md agree with live scrapes of `xds serve` and `xds authz`, and promtool accepts these.

Covers: names, types, labels, and the values of labels with a fixed set. Excludes: values (tests/controlplane), and the
metrics of Envoy and of `xds lint`.
"""

import re
import subprocess
from pathlib import Path
from typing import Final

import pytest
from prometheus_client import Metric
from prometheus_client.parser import text_string_to_metric_families

from tests.support.debian import needs, program
from tests.support.scrape import scrape_of_authz, scrape_of_serve
from xds.problems.reasons import Level, Reason

PAGE: Final = (Path(__file__).parents[2] / "docs" / "metrics.md").read_text()
ROW: Final = re.compile(r"^\| `(xds_ingress_\w+)` \| (\w+) \| (.*?) \|", re.MULTILINE)
LABEL: Final = re.compile(r"^\| `(\w+)` \| (`.*?)(?::.*)? \|$", re.MULTILINE)
FIXED: Final = re.compile(r"^`(\w+)`: (`.*)$")
"""A label with its values in the third column."""

AUTHZ: Final = "xds_ingress_authz_"
EMPTY: Final = {"xds_ingress_leader_info", "xds_ingress_certificate_not_after_timestamp_seconds"}
"""Without a holder and a Secret, these have no series. Their labels: test_reporting_figures, test_certificate_dates."""

Table = dict[str, tuple[str, frozenset[str]]]
"""Type and labels by name."""


def code(cell: str) -> list[str]:
    return re.findall(r"`(\w+)`", cell)


def documented() -> Table:
    rows = ((name, type_, cell) for name, type_, cell in ROW.findall(PAGE))
    return {name: (type_, frozenset(code(re.sub(r"(: |, without ).*", "", cell)))) for name, type_, cell in rows}


def existing(text: str) -> Table:
    families = {_name(each): each for each in text_string_to_metric_families(text)}
    return {name: (each.type, _labels(each)) for name, each in families.items()}


def _name(family: Metric) -> str:
    return f"{family.name}_total" if family.type == "counter" else family.name


def _labels(family: Metric) -> frozenset[str]:
    return frozenset(label for each in family.samples for label in each.labels) - {"le"}


def values(text: str, label: str, name: str = "") -> set[str]:
    """The values of a label, of a metric or of all."""
    families = (each for each in text_string_to_metric_families(text) if name in ("", _name(each)))
    return {each.labels[label] for family in families for each in family.samples if label in each.labels}


async def test_the_table_has_each_metric_of_serve_and_each_series_exists_from_the_start(tmp_path: Path) -> None:
    text = await scrape_of_serve(tmp_path)
    table = {name: row for name, row in documented().items() if not name.startswith(AUTHZ)}
    found = existing(text)
    assert {name for name in found if not found[name][1] and table[name][1]} == EMPTY
    assert found | {name: table[name] for name in EMPTY} == table
    for name, _, cell in ROW.findall(PAGE):
        if (fixed := FIXED.match(cell)) and not name.startswith(AUTHZ):
            assert set(code(fixed[2])) == values(text, fixed[1], name), name
    for label, listed in LABEL.findall(PAGE):
        assert set(code(listed)) == values(text, label), label
    problems = (each for each in text_string_to_metric_families(text) if each.name == "xds_ingress_problems")
    series = {(each.labels["reason"], each.labels["level"]) for family in problems for each in family.samples}
    assert series == {(reason.value, reason.level.value) for reason in Reason}
    assert {level for _, level in series} == set(Level)


async def test_the_table_has_each_metric_of_authz(tmp_path: Path) -> None:
    text = await scrape_of_authz(tmp_path)
    found = existing(text)
    assert found == {name: row for name, row in documented().items() if name.startswith(AUTHZ)}


@pytest.mark.monitoring
@needs("promtool")
async def test_promtool_accepts_the_metrics_of_serve_and_authz(tmp_path: Path) -> None:
    for text in (await scrape_of_serve(tmp_path), await scrape_of_authz(tmp_path)):
        command = [program("promtool"), "check", "metrics"]
        checked = subprocess.run(command, input=text, capture_output=True, text=True, timeout=60, check=False)  # noqa: ASYNC221
        assert (checked.returncode, checked.stdout, checked.stderr) == (0, "", "")
