"""`python -m tests.support.panels PROMETHEUS FOLDER`: pictures of the dashboards, from a running Prometheus.

Drawn are the queries, legends, units, thresholds and columns of panels; the look is not Grafana's. The
pages are plain HTML; Chromium (`make tools`) turns each into a PNG.
"""

import html
import json
import re
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from playwright.sync_api import sync_playwright

from tests.support.dashboards.model import FOLDER
from tests.support.debian import program
from tests.support.prometheus import Prometheus, Series

Json = dict[str, Any]

SPAN_SECONDS: Final = 60
"""The time range of graphs: the demo is young."""

CHOICES: Final = {"installation": ".*", "ingress_namespace": ".*", "ingress": ".*", "__rate_interval": "10s"}
"""Values of a dashboard's variables."""

COLOURS: Final = ("#7eb26d", "#eab839", "#6ed0e0", "#ef843c", "#e24d42", "#1f78c1", "#ba43a9", "#705da0", "#508642")
SHADES: Final = {"green": "#299c46", "orange": "#d98d25", "red": "#c4162a", "blue": "#3274d9"}

_UNITS: Final[Mapping[str, Sequence[tuple[float, str]]]] = {
    "s": ((86400, " d"), (3600, " h"), (60, " min"), (1, " s"), (1e-3, " ms"), (0, " µs")),
    "ms": ((60000, " min"), (1000, " s"), (0, " ms")),
    "bytes": ((2**30, " GiB"), (2**20, " MiB"), (2**10, " KiB"), (0, " B")),
    "Bps": ((1e6, " MB/s"), (1e3, " kB/s"), (0, " B/s")),
    "percentunit": ((0, " %"),),
    "reqps": ((0, " req/s"),),
    "cps": ((0, " c/s"),),
    "short": ((1e9, " B"), (1e6, " Mil"), (1e4, " K"), (0, "")),
}

STYLE: Final = """
body{background:#111217;color:#ccccdc;font:12px sans-serif;width:1600px;margin:8px}
h1{font-size:18px} h2{font-size:14px;grid-column:1/-1;margin:6px 0 0}
.grid{display:grid;grid-template-columns:repeat(24,1fr);gap:6px}
.panel{background:#181b1f;border:1px solid #2c3235;padding:6px;overflow:hidden;box-sizing:border-box}
.panel b{display:block;margin-bottom:4px} .empty{color:#f2495c}
.stat{font-size:30px;text-align:center;color:#fff;padding:14px 0}
table{width:100%;border-collapse:collapse} td,th{text-align:left;padding:1px 4px;border-bottom:1px solid #2c3235}
.legend{font-size:11px;line-height:14px} .bar{height:12px;display:inline-block} svg{width:100%;display:block}
"""


def filled(expression: str) -> str:
    """An expression with values in place of variables."""
    for name, value in sorted(CHOICES.items(), reverse=True):
        expression = expression.replace(f"${name}", value)
    return expression


def queries(dashboard: Json) -> Iterator[tuple[str, Json, Json]]:
    """Each query of a dashboard, as the title of its panel, the panel, and the target."""
    for panel in dashboard["panels"]:
        for target in panel.get("targets", ()):
            yield panel["title"], panel, target


def shown(value: float, unit: str) -> str:
    """A value with its unit, as Grafana shortens it."""
    if value != value:
        return "NaN"
    if unit == "hex":
        return f"{int(value):x}"
    value = value * 100 if unit == "percentunit" else value
    size, name = next((step for step in _UNITS[unit] if abs(value) >= step[0]), _UNITS[unit][-1])
    return f"{value / (size or (1e-6 if name == ' µs' else 1)):.3g}{name}"


def page(dashboard: Json, prometheus: Prometheus) -> str:
    parts = [f"<!doctype html><meta charset=utf-8><style>{STYLE}</style><h1>{html.escape(dashboard['title'])}</h1>"]
    parts.append(f"<p>{html.escape(dashboard['description'])}</p><div class=grid>")
    for panel in dashboard["panels"]:
        if panel["type"] == "row":
            parts.append(f"<h2>{html.escape(panel['title'])}</h2>")
            continue
        place = panel["gridPos"]
        size = f"grid-column:span {place['w']};min-height:{place['h'] * 26}px"
        parts.append(f"<div class=panel style='{size}' title='{html.escape(panel['description'])}'>")
        parts.append(f"<b>{html.escape(panel['title'])}</b>{_drawn(panel, prometheus)}</div>")
    return "".join([*parts, "</div>"])


def _drawn(panel: Json, prometheus: Prometheus) -> str:
    found: list[tuple[str, Series]] = []
    end = time.time()
    for target in panel["targets"]:
        if target["instant"]:
            answer = prometheus.query(filled(target["expr"]))
        else:
            answer = prometheus.query_range(filled(target["expr"]), end - SPAN_SECONDS, end, 1)
        found += [(_legend(target, each["metric"]), each) for each in answer]
    if not found:
        return "<div class=empty>No data</div>"
    return {
        "timeseries": _lines,
        "stat": _stat,
        "bargauge": _bars,
        "heatmap": _heatmap,
        "state-timeline": _timeline,
        "table": _table,
    }[panel["type"]](panel, found)


def _legend(target: Json, metric: Mapping[str, str]) -> str:
    return re.sub(r"\{\{\s*(\w+)\s*\}\}", lambda found: metric.get(found[1], ""), target["legendFormat"])


def _defaults(panel: Json) -> Json:
    return dict(panel["fieldConfig"]["defaults"])


def _shade(panel: Json, value: float) -> str:
    steps = _defaults(panel)["thresholds"]["steps"]
    return SHADES[[step["color"] for step in steps if step["value"] is None or value >= step["value"]][-1]]


def _word(panel: Json, value: float) -> str:
    words = [each["options"] for each in _defaults(panel)["mappings"]]
    return str(words[0][f"{value:g}"]["text"]) if words else shown(value, _defaults(panel)["unit"])


def _stat(panel: Json, found: Sequence[tuple[str, Series]]) -> str:
    value = float(found[0][1]["value"][1])
    return f"<div class=stat style='background:{_shade(panel, value)}'>{_word(panel, value)}</div>"


def _bars(panel: Json, found: Sequence[tuple[str, Series]]) -> str:
    values = [(name, float(series["value"][1])) for name, series in found]
    most = max((value for _, value in values), default=0) or 1
    bars = []
    for name, value in values:
        style = f"width:{max(0, 100 * value / most):.0f}%;background:{_shade(panel, value)}"
        label = html.escape(name) or "(no name)"
        bars.append(f"<div>{label}: {_word(panel, value)}</div><span class=bar style='{style}'></span>")
    return "".join(bars)


def _table(panel: Json, found: Sequence[tuple[str, Series]]) -> str:
    [headings] = [each["options"]["renameByName"] for each in panel["transformations"] if each["id"] == "organize"]
    columns = [name for name in headings if not name.startswith("Value")]
    head = "".join(f"<th>{html.escape(name)}</th>" for name in headings.values())
    rows = []
    for _, series in found:
        value = float(series["value"][1])
        cells = "".join(f"<td>{html.escape(series['metric'].get(name, '?'))}</td>" for name in columns)
        rows.append(f"<tr>{cells}<td style='color:{_shade(panel, value)}'>{_word(panel, value)}</td></tr>")
    return f"<table><tr>{head}</tr>{''.join(rows)}</table>"


def _points(series: Series) -> list[tuple[float, float]]:
    return [(at, float(value)) for at, value in series["values"] if value not in {"NaN", "+Inf"}]


def _lines(panel: Json, found: Sequence[tuple[str, Series]]) -> str:
    drawn = [(name, _points(series)) for name, series in found]
    most = max((value for _, points in drawn for _, value in points), default=0) or 1
    end = max((points[-1][0] for _, points in drawn if points), default=0)
    paths, legends = [], []
    for number, (name, points) in enumerate(drawn):
        colour = COLOURS[number % len(COLOURS)]
        line = " ".join(
            f"{300 * (1 - (end - at) / SPAN_SECONDS):.1f},{98 - 94 * value / most:.1f}" for at, value in points
        )
        paths.append(f"<polyline fill=none stroke='{colour}' points='{line}' vector-effect=non-scaling-stroke />")
        last = _word(panel, points[-1][1]) if points else "NaN"
        legends.append(f"<span style='color:{colour}'>&#9644; {html.escape(name) or '(no name)'} {last}</span>")
    top = f"<div style='color:#888'>{shown(most, _defaults(panel)['unit'])}</div>"
    height = panel["gridPos"]["h"] * 26 - 70
    graph = f"<svg viewBox='0 0 300 100' preserveAspectRatio=none height={height}>{''.join(paths)}</svg>"
    return f"{top}{graph}<div class=legend>{' &nbsp; '.join(legends)}</div>"


def _heatmap(panel: Json, found: Sequence[tuple[str, Series]]) -> str:
    rows = sorted(
        ((float(series["metric"]["le"]), dict(_points(series))) for _, series in found), key=lambda row: row[0]
    )
    times = sorted({at for _, row in rows for at in row})
    cells, below = [], dict.fromkeys(times, 0.0)
    most = max((max(row.values(), default=0) for _, row in rows), default=0) or 1
    for height, (_, row) in enumerate(rows):
        for at in times:
            count = row.get(at, 0) - below[at]
            if count > 0:
                left = SPAN_SECONDS - (times[-1] - at)
                place = f"x={left:.1f} y={len(rows) - 1 - height} width=1 height=.9"
                cells.append(f"<rect {place} fill='#ff9830' opacity='{0.2 + 0.8 * count / most:.2f}'/>")
            below[at] = row.get(at, 0)
    labels = " &middot; ".join(shown(limit, _defaults(panel)["unit"]) for limit, _ in rows if limit != float("inf"))
    height = panel["gridPos"]["h"] * 26 - 70
    box = f"viewBox='0 0 {SPAN_SECONDS + 1} {len(rows)}' preserveAspectRatio=none height={height}"
    return f"<svg {box}>{''.join(cells)}</svg><div class=legend>rows from below: {labels}</div>"


def _timeline(panel: Json, found: Sequence[tuple[str, Series]]) -> str:
    bars = []
    end = max(_points(series)[-1][0] for _, series in found)
    for name, series in found:
        points = _points(series)
        cells = "".join(
            f"<rect x={SPAN_SECONDS - (end - at):.1f} width=1.1 height=1 fill='{_shade(panel, value)}'/>"
            for at, value in points
        )
        svg = f"<svg viewBox='0 0 {SPAN_SECONDS + 1} 1' preserveAspectRatio=none height=14>{cells}</svg>"
        bars.append(f"<div>{html.escape(name)}: {_word(panel, points[-1][1])}{svg}</div>")
    return "".join(bars)


def main(url: str, folder: Path) -> None:
    prometheus = Prometheus(url)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program("chromium"), args=["--no-sandbox"])
        for path in sorted(FOLDER.glob("*.json")):
            document = folder / f"{path.stem}.html"
            document.write_text(page(json.loads(path.read_text()), prometheus), encoding="utf-8")
            tab = browser.new_page(viewport={"width": 1620, "height": 900})
            tab.goto(document.as_uri())
            tab.screenshot(path=folder / f"{path.stem}.png", full_page=True)
            print(folder / f"{path.stem}.png")
        browser.close()


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
