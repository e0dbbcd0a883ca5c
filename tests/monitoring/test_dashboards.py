"""The dashboards' JSON, without a Prometheus.

Covers: identities, places, datasource and variables; title, explanation and unit of each panel; the ConfigMaps.
Excludes: the queries' answers (test_real_faults.py). Grafana itself is not run: no package registry has it.
"""

import itertools
import json
import re
import subprocess
from pathlib import Path
from typing import Any, Final

import pytest
import yaml

from tests.support.cluster.assets import KUBECTL
from tests.support.dashboards.model import CRITICAL, FOLDER, NEUTRAL, OK, WARNING, Dashboard, Panel, Query, Row
from tests.support.manifests import K8S, needs_kubectl
from tests.support.prometheus import metric_names

DASHBOARDS: Final = {path.stem: json.loads(path.read_text()) for path in sorted(FOLDER.glob("*.json"))}

each_dashboard = pytest.mark.parametrize("dashboard", DASHBOARDS.values(), ids=DASHBOARDS)


def figures(dashboard: Any) -> list[Any]:
    """The panels, without the rows' headings."""
    return [panel for panel in dashboard["panels"] if panel["type"] != "row"]


def test_dashboards_have_identities_of_their_own() -> None:
    assert {dashboard["uid"] for dashboard in DASHBOARDS.values()} == {f"xds-ingress-{name}" for name in DASHBOARDS}


@each_dashboard
def test_panels_have_numbers_of_their_own_and_do_not_overlap(dashboard: Any) -> None:
    panels = dashboard["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    taken = [cell for panel in panels for cell in cells(panel["gridPos"])]
    assert len(set(taken)) == len(taken)
    assert max(column for column, _ in taken) == 23


def cells(place: dict[str, int]) -> set[tuple[int, int]]:
    columns, lines = range(place["x"], place["x"] + place["w"]), range(place["y"], place["y"] + place["h"])
    return set(itertools.product(columns, lines))


@each_dashboard
def test_a_panel_says_what_it_tells(dashboard: Any) -> None:
    titles = [panel["title"] for panel in figures(dashboard)]
    assert len(set(titles)) == len(titles)
    for panel in figures(dashboard):
        assert panel["description"].endswith("."), panel["title"]
        assert len(panel["description"]) > 10, panel["title"]
        assert panel["fieldConfig"]["defaults"]["unit"], panel["title"]
        assert all(target["legendFormat"] for target in panel["targets"]), panel["title"]


@each_dashboard
def test_runbooks_of_panels_are_those_of_alerts(dashboard: Any) -> None:
    rules = yaml.safe_load((FOLDER.parent / "rules.yaml").read_text())
    annotations = [rule.get("annotations", {}) for group in rules["groups"] for rule in group["rules"]]
    runbooks = {each["runbook_url"].replace("docs/runbooks", "${runbooks}") for each in annotations if each}
    linked = {link["url"] for panel in figures(dashboard) for link in panel["links"]}
    assert linked
    assert linked <= runbooks


@each_dashboard
def test_data_comes_from_the_chosen_source_and_installation(dashboard: Any) -> None:
    """A fixed datasource would bind a dashboard to the Grafana that it was made in."""
    sources = re.findall(r'"uid": "([^"]+)"', json.dumps(dashboard["panels"]) + json.dumps(dashboard["templating"]))
    assert set(sources) == {"${datasource}"}
    for panel in figures(dashboard):
        for target in panel["targets"]:
            metrics = len(re.findall(r"\b(?:xds_ingress|envoy)_\w+\{", target["expr"]))
            assert metrics, target["expr"]
            assert target["expr"].count('namespace=~"$installation"') == metrics, target["expr"]


@each_dashboard
def test_variables_of_queries_are_choices(dashboard: Any) -> None:
    choices = {variable["name"] for variable in dashboard["templating"]["list"]}
    used = set(re.findall(r"\$\{?(\w+)", json.dumps([dashboard["panels"], dashboard["annotations"]])))
    assert used - {"__rate_interval"} <= choices


def test_the_component_has_the_dashboards() -> None:
    component = yaml.safe_load((K8S / "monitoring" / "kustomization.yaml").read_text())
    assert "dashboards" in component["resources"]


@needs_kubectl
def test_config_maps_carry_the_label_that_grafana_looks_for() -> None:
    built = subprocess.run([KUBECTL, "kustomize", FOLDER], check=True, capture_output=True, text=True, timeout=60)
    maps = list(yaml.safe_load_all(built.stdout))
    assert {each["metadata"]["labels"]["grafana_dashboard"] for each in maps} == {"1"}
    held = {Path(name).stem: json.loads(text) for each in maps for name, text in each["data"].items()}
    assert held == DASHBOARDS
    # kubectl apply keeps a copy in an annotation, of at most 256 KiB.
    assert max(len(text) for each in maps for text in each["data"].values()) < 128 * 1024


def test_a_row_shares_its_width() -> None:
    panels = [Panel(title, "", [Query("a", "b")]) for title in "abc"]
    [_, *placed] = json.loads(Dashboard("n", "t", "d", [Row("r", panels)]).text())["panels"]
    assert [(each["gridPos"]["x"], each["gridPos"]["w"]) for each in placed] == [(0, 8), (8, 8), (16, 8)]


def test_thresholds_of_a_panel_begin_with_its_base() -> None:
    panel = Panel("p", "", [Query("a", "b")], kind="stat", base=CRITICAL, thresholds=[(1, WARNING), (2, OK)])
    [_, placed] = json.loads(Dashboard("n", "t", "d", [Row("r", [panel])]).text())["panels"]
    steps = placed["fieldConfig"]["defaults"]["thresholds"]["steps"]
    assert [(step["value"], step["color"]) for step in steps] == [(None, "red"), (1, "orange"), (2, "green")]
    assert NEUTRAL not in {step["color"] for step in steps}


@pytest.mark.parametrize(
    ("expression", "names"),
    [
        ('sum by (pod) (rate(envoy_a{code_class="xds_ingress_no"}[5m]))', {"envoy_a"}),
        ("up == 0 or absent(up)", {"up"}),
        ("ingress:envoy_ingress_errors:ratio_rate5m > 1", set()),
        ("xds_ingress_a > on (namespace, pod) group_left () kube_b", {"xds_ingress_a", "kube_b"}),
    ],
)
def test_names_of_metrics_in_an_expression(expression: str, names: set[str]) -> None:
    assert metric_names(expression) == names
