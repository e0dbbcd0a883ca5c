"""Grafana's dashboard JSON from a short description: rows of panels, and their queries.

The JSON is of the classic schema, which every Grafana from 11.6 on imports; newer versions migrate a dashboard:
https://grafana.com/docs/grafana/latest/dashboards/build-dashboards/view-dashboard-json-model/
Every datasource is the variable `datasource`, and every query is narrowed to the variable `installation`.
"""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

Json = dict[str, Any]

FOLDER: Final = Path(__file__).parents[3] / "k8s" / "chart" / "xds-ingress" / "files" / "dashboards"

SCHEMA_VERSION: Final = 41
"""The version of Grafana 11.6 and 12."""

SOURCE: Final = {"type": "prometheus", "uid": "${datasource}"}

GRID_COLUMNS: Final = 24
"""The width of a dashboard in Grafana's units."""

OK, WARNING, CRITICAL, NEUTRAL = "green", "orange", "red", "blue"


@dataclass(frozen=True, slots=True)
class Query:
    """A PromQL expression, and the name of its series: `{{label}}` stands for a label's value."""

    expression: str
    legend: str


@dataclass(frozen=True, slots=True)
class Panel:
    """A figure.

    Attributes:
        tells: Meaning of the figure, and the remedy of a bad value.
        unit: Grafana's name of a unit.
        thresholds: Colours from a value on; the first colour is for lower values.
        words: Words in place of values, such as `up` for 1.
        runbooks: The pages of docs/runbooks that the panel links to.
        columns: Of a table: the labels shown, with their headings.
        stacked: Whether series are added up.
        width: 0 for an equal part of the row.
    """

    title: str
    tells: str
    queries: Sequence[Query]
    unit: str = "short"
    kind: str = "timeseries"
    thresholds: Sequence[tuple[float, str]] = ()
    base: str = OK
    words: Mapping[str, str] = field(default_factory=dict)
    runbooks: Sequence[str] = ()
    columns: Mapping[str, str] = field(default_factory=dict)
    stacked: bool = False
    width: int = 0
    minimum: float | None = 0
    maximum: float | None = None


@dataclass(frozen=True, slots=True)
class Row:
    """Panels side by side, under a question that they answer."""

    title: str
    panels: Sequence[Panel]
    height: int = 8


@dataclass(frozen=True, slots=True)
class Variable:
    """A choice above the dashboard, by default all values."""

    name: str
    label: str
    query: str


INSTALLATION: Final = Variable("installation", "Installation", "label_values(xds_ingress_build_info, namespace)")
"""The namespace of a control plane and its fleet: a Prometheus may scrape several."""


@dataclass(frozen=True, slots=True)
class Dashboard:
    """A dashboard, with the identity that Grafana keeps across imports."""

    name: str
    title: str
    tells: str
    rows: Sequence[Row]
    variables: Sequence[Variable] = (INSTALLATION,)

    @property
    def page(self) -> Path:
        return FOLDER / f"{self.name}.json"

    def text(self) -> str:
        return json.dumps(self._json(), indent=2) + "\n"

    def _json(self) -> Json:
        return {
            "uid": f"xds-ingress-{self.name}",
            "title": self.title,
            "description": self.tells,
            "tags": ["xds-ingress"],
            "schemaVersion": SCHEMA_VERSION,
            "editable": True,
            "graphTooltip": 1,
            "time": {"from": "now-1h", "to": "now"},
            "refresh": "30s",
            "timezone": "browser",
            "links": [_OTHERS],
            "annotations": {"list": [_ALERTS]},
            "templating": {"list": [_DATASOURCE, *map(_choice, self.variables), _RUNBOOKS]},
            "panels": list(_placed(self.rows)),
        }


_OTHERS: Final = {
    "type": "dashboards",
    "tags": ["xds-ingress"],
    "title": "xds-ingress",
    "asDropdown": False,
    "includeVars": True,
    "keepTime": True,
}

_ALERTS: Final = {
    "name": "Alerts",
    "datasource": SOURCE,
    "enable": True,
    "iconColor": "red",
    "expr": 'ALERTS{alertstate="firing", alertname=~"Xds.*", namespace=~"$installation"}',
    "titleFormat": "{{alertname}}",
    "textFormat": "{{pod}}",
    "step": "30s",
}

_DATASOURCE: Final = {"name": "datasource", "label": "Prometheus", "type": "datasource", "query": "prometheus"}

_RUNBOOKS: Final = {
    "name": "runbooks",
    "label": "Runbooks at",
    "type": "textbox",
    "query": "docs/runbooks",
    "current": {"text": "docs/runbooks", "value": "docs/runbooks"},
}
"""The address of docs/runbooks where your people read it."""


def _choice(variable: Variable) -> Json:
    return {
        "name": variable.name,
        "label": variable.label,
        "type": "query",
        "datasource": SOURCE,
        "query": {"query": variable.query, "refId": variable.name},
        "refresh": 2,  # when the time range changes: Ingresses come and go
        "sort": 1,
        "multi": True,
        "includeAll": True,
        "allValue": ".*",
        "current": {"text": ["All"], "value": ["$__all"]},
    }


def _placed(rows: Sequence[Row]) -> Iterator[Json]:
    """The panels with their places on the grid, and a heading for each row."""
    number = top = 0
    for row in rows:
        number += 1
        yield {
            "id": number,
            "type": "row",
            "title": row.title,
            "collapsed": False,
            "panels": [],
            "gridPos": _at(1, 24, 0, top),
        }
        top, left = top + 1, 0
        free = GRID_COLUMNS - sum(panel.width for panel in row.panels)
        share = free // max(1, sum(not panel.width for panel in row.panels))
        for panel in row.panels:
            number += 1
            width = panel.width or share
            yield {"id": number, "gridPos": _at(row.height, width, left, top), **_panel(panel)}
            left += width
        top += row.height


def _at(height: int, width: int, left: int, top: int) -> Json:
    return {"h": height, "w": width, "x": left, "y": top}


def _panel(panel: Panel) -> Json:
    return {
        "type": panel.kind,
        "title": panel.title,
        "description": panel.tells,
        "datasource": SOURCE,
        "links": [_runbook(name) for name in panel.runbooks],
        "targets": [_target(panel, number) for number in range(len(panel.queries))],
        "fieldConfig": {"defaults": _defaults(panel), "overrides": []},
        **_DRAWN[panel.kind](panel),
    }


def _runbook(name: str) -> Json:
    return {"title": f"Runbook {name}", "url": f"${{runbooks}}/{name}.md", "targetBlank": True}


def _target(panel: Panel, number: int) -> Json:
    query = panel.queries[number]
    now = panel.kind in {"table", "stat", "bargauge"}
    return {
        "refId": chr(ord("A") + number),
        "datasource": SOURCE,
        "expr": re.sub(r"\s+", " ", query.expression).strip(),
        "legendFormat": query.legend,
        "instant": now,
        "range": not now,
        "format": {"table": "table", "heatmap": "heatmap"}.get(panel.kind, "time_series"),
    }


def _defaults(panel: Panel) -> Json:
    by_threshold = panel.kind not in {"timeseries", "heatmap"}
    steps: list[Json] = [{"color": panel.base, "value": None}]
    steps += [{"color": colour, "value": value} for value, colour in panel.thresholds]
    options = {value: {"text": word, "index": index} for index, (value, word) in enumerate(panel.words.items())}
    limits = {"min": panel.minimum, "max": panel.maximum}
    return {
        "unit": panel.unit,
        "color": {"mode": "thresholds" if by_threshold else "palette-classic"},
        "thresholds": {"mode": "absolute", "steps": steps},
        "mappings": [{"type": "value", "options": options}] if options else [],
        **{name: limit for name, limit in limits.items() if limit is not None},
    } | ({"custom": _lines(panel)} if panel.kind == "timeseries" else {})


def _lines(panel: Panel) -> Json:
    return {
        "drawStyle": "line",
        "lineWidth": 1,
        "fillOpacity": 30 if panel.stacked else 8,
        "showPoints": "never",
        "spanNulls": False,
        "stacking": {"mode": "normal" if panel.stacked else "none", "group": "A"},
        "thresholdsStyle": {"mode": "dashed" if panel.thresholds else "off"},
    }


_LAST: Final = {"calcs": ["lastNotNull"], "fields": "", "values": False}


def _timeseries(panel: Panel) -> Json:
    legend = {"displayMode": "table", "placement": "bottom", "showLegend": True, "calcs": ["lastNotNull", "max"]}
    return {"options": {"legend": legend, "tooltip": {"mode": "multi", "sort": "desc"}}}


def _stat(panel: Panel) -> Json:
    text = "value_and_name" if "{{" in panel.queries[0].legend else "value"
    return {"options": {"reduceOptions": _LAST, "colorMode": "background", "graphMode": "none", "textMode": text}}


def _bars(panel: Panel) -> Json:
    return {
        "options": {"reduceOptions": _LAST, "orientation": "horizontal", "displayMode": "basic", "showUnfilled": True}
    }


def _heatmap(panel: Panel) -> Json:
    return {
        "options": {
            "calculate": False,
            "cellGap": 1,
            "color": {"mode": "scheme", "scheme": "Oranges", "scale": "exponential", "exponent": 0.5, "steps": 64},
            "filterValues": {"le": 1e-9},
            "yAxis": {"unit": panel.unit, "axisPlacement": "left"},
            "rowsFrame": {"layout": "auto"},
            "tooltip": {"mode": "single", "yHistogram": True},
            "legend": {"show": True},
        }
    }


def _timeline(panel: Panel) -> Json:
    return {"options": {"showValue": "never", "mergeValues": True, "rowHeight": 0.8, "legend": {"showLegend": True}}}


def _table(panel: Panel) -> Json:
    """Only the columns that are named, in their order, and the values behind; sorted by value."""
    values = "Value" if len(panel.queries) == 1 else "Value #A"
    order = {name: number for number, name in enumerate([*panel.columns, values])}
    headings = {**panel.columns, values: panel.queries[0].legend}
    for number, query in enumerate(panel.queries[1:], 1):
        headings[f"Value #{chr(ord('A') + number)}"] = query.legend
    kept = {"id": "filterFieldsByName", "options": {"include": {"names": list(headings)}}}
    named = {"id": "organize", "options": {"indexByName": order, "renameByName": headings}}
    merged = [{"id": "merge", "options": {}}] if len(panel.queries) > 1 else []
    sorting = {"sortBy": [{"displayName": panel.queries[0].legend, "desc": panel.base == OK}]}
    return {"transformations": [*merged, kept, named], "options": {"showHeader": True, **sorting}}


_DRAWN: Final = {
    "timeseries": _timeseries,
    "stat": _stat,
    "bargauge": _bars,
    "heatmap": _heatmap,
    "state-timeline": _timeline,
    "table": _table,
}
