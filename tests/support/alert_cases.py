"""Cases of alerts as tables, and the unit tests of promtool that they are turned into.

A table names series by metric, labels and Pod, and values by the minutes that they last:

    xds_ingress_source_up cp-1: 1 10m, 0 20m, 1         up, away for 20 minutes, up until the end
    xds_ingress_watch_relists_total{kind="Secret"} cp-*: +2 30m, +0       a counter, by its rise a minute
    up envoy-1: _ 5m, 1 10m, stale                      no sample; then 1; then the target is gone
    ... cp-1: now+5d                                    a point in time, seen from the first minute

Every case starts from the series of a healthy installation (`healthy.yaml`); its own series replace or join them.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatch
from pathlib import Path
from typing import Any, Final

import yaml

ROOT: Final = Path(__file__).parents[2]
RULES: Final = ROOT / "k8s" / "chart" / "xds-ingress" / "files" / "rules.yaml"
TABLES: Final = ROOT / "tests" / "monitoring" / "alerts"

Table = Mapping[str, Any]

_SERIES: Final = re.compile(r"(?P<metric>\w+)(?:\{(?P<labels>.*)\})? (?P<pod>[\w*-]+)")
_LABEL: Final = re.compile(r'(\w+)="([^"]*)"')
PODS: Final = {"cp-1": "0-", "cp-2": "0-", "envoy-1": "0-", "envoy-2": "0-"}
"""The Pods of a healthy installation, with the minutes in which each is there."""

_UNITS: Final = {"s": 1, "m": 60, "h": 3600, "d": 86400}


@dataclass(frozen=True, slots=True)
class Case:
    """A fault, or a near miss without a `fires_at`.

    Attributes:
        fires_at: Minute in which the alert fires; None: no alert fires in any minute.
        pending_until: Last minute without the alert.
        stops_at: First minute after the fault without the alert.
        labels: Of the alert, without its name.
        also: Other alerts that fire at `fires_at`, because the fault is theirs too.
        minutes: Length of the case.
        pods: Minutes in which each Pod is there, as `3-20`, or `3-` until the end.
    """

    alert: str
    name: str
    series: Mapping[str, str]
    minutes: int
    fires_at: int | None = None
    pending_until: int = 0
    stops_at: int = 0
    labels: Mapping[str, str] = field(default_factory=dict)
    annotations: Mapping[str, str] = field(default_factory=dict)
    also: tuple[str, ...] = ()
    pods: Mapping[str, str] = field(default_factory=lambda: PODS)


def groups() -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = yaml.safe_load(RULES.read_text())["groups"]
    return found


def alerts() -> dict[str, dict[str, Any]]:
    """The alerting rules by name."""
    return {rule["alert"]: rule for group in groups() for rule in group["rules"] if "alert" in rule}


def group_of(alert: str) -> dict[str, Any]:
    """The group of rules with an alert, and with the recording rules that the alert reads."""
    [group] = [group for group in groups() if any(rule.get("alert") == alert for rule in group["rules"])]
    return group


def page_of(alert: str) -> str:
    """The name of an alert's runbook: XdsNoLeader, xds-no-leader."""
    return re.sub(r"(?<!^)(?=[A-Z])", "-", alert).lower()


def cases() -> list[Case]:
    tables = [_table(path) for path in sorted(TABLES.glob("*.yaml"))]
    return [case for table in tables for name, entry in table.items() for case in _cases(name, entry)]


def _cases(name: str, entry: Table) -> Iterator[Case]:
    """The cases of an entry, whose name is the alert, or the alert and a variant of its fault."""
    alert = name.partition("/")[0]
    stops_at = int(entry["stops_at"])
    minutes = stops_at + 5
    yield Case(
        alert,
        f"{name}: the fault",
        entry["fault"],
        minutes,
        fires_at=int(entry["fires_at"]),
        pending_until=int(entry["pending_until"]),
        stops_at=stops_at,
        labels=entry.get("labels", {}),
        annotations={
            "summary": entry.get("summary", ""),
            "description": entry.get("description", ""),
            "runbook_url": f"docs/runbooks/{page_of(alert)}.md",
        },
        also=tuple(entry.get("also", ())),
    )
    for near_miss, series in entry["near_misses"].items():
        yield Case(alert, f"{name}: {near_miss}", series, minutes)


def scenarios() -> list[Case]:
    """Installations and events of a normal week, in which no alert fires."""
    table = _table(TABLES.parent / "silent.yaml")
    return [Case("", name, entry["series"], int(entry["minutes"]), pods=entry["pods"]) for name, entry in table.items()]


def _table(path: Path) -> Table:
    """A table in which every value is a text: else YAML reads `+5` as a number."""
    table: Table = yaml.load(path.read_text(), yaml.BaseLoader)
    return table


def promtool_test(case: Case) -> dict[str, Any]:
    """An entry of `tests` in a file of `promtool test rules`."""
    bases = ["healthy.yaml"]
    if not case.alert or any(name.startswith("envoy_ingress_") for name in case.series):
        bases.append("traffic.yaml")  # costs promtool half a second in each case
    series: dict[str, str] = {}
    for base in bases:
        series |= _expanded(_table(TABLES.parent / base), case, living=True)
    series |= _expanded(case.series, case, living=False)
    return {
        "name": case.name,
        "interval": "1m",
        "input_series": [{"series": name, "values": values} for name, values in series.items()],
        **(_fires(case) if case.fires_at is not None else _is_silent(case)),
    }


def promtool_file(cases: Iterable[Case], rule_file: Path) -> str:
    """The text of a file for `promtool test rules`."""
    tests = [promtool_test(case) for case in cases]
    content = {"rule_files": [str(rule_file)], "evaluation_interval": "1m", "tests": tests}
    return yaml.safe_dump(content, sort_keys=False, width=1000)


def _fires(case: Case) -> dict[str, Any]:
    expected = {"exp_labels": dict(case.labels), "exp_annotations": dict(case.annotations)}
    fires = sorted([case.alert, *case.also])
    return {
        "alert_rule_test": [
            {"alertname": case.alert, "eval_time": f"{minute}m", "exp_alerts": [expected] if firing else []}
            for minute, firing in ((case.pending_until, False), (case.fires_at, True), (case.stops_at, False))
        ],
        "promql_expr_test": [
            {
                "expr": 'group by (alertname) (ALERTS{alertstate="firing"})',
                "eval_time": f"{case.fires_at}m",
                "exp_samples": [{"labels": f'{{alertname="{alert}"}}', "value": 1} for alert in fires],
            }
        ],
    }


def _is_silent(case: Case) -> dict[str, Any]:
    expression = f'group by (alertname) (count_over_time(ALERTS{{alertstate="firing"}}[{case.minutes}m]))'
    return {"promql_expr_test": [{"expr": expression, "eval_time": f"{case.minutes}m", "exp_samples": []}]}


def _expanded(table: Mapping[str, str], case: Case, *, living: bool) -> dict[str, str]:
    """The values of promtool by series, with the labels that scraping adds.

    Args:
        living: Whether the series are there only in the minutes in which their Pod is.
    """
    found = {}
    for name, values in table.items():
        match = _SERIES.fullmatch(name)
        assert match, f"not a series: {name}"
        labels = dict(_LABEL.findall(match["labels"] or ""))
        pods = [pod for pod in case.pods if fnmatch(pod, match["pod"])]
        for pod in pods or ([] if living else [match["pod"]]):
            start, _, end = case.pods[pod].partition("-") if living else ("0", "-", "")
            samples = _samples(values, case.minutes - int(start))
            if end:
                samples = [*samples[: int(end) - int(start)], "stale"]
            series = _series(match["metric"], target(pod, match["metric"], labels) | labels)
            found[series] = " ".join(["_"] * int(start) + samples)
    return found


def target(pod: str, metric: str, labels: Mapping[str, str]) -> dict[str, str]:
    """The labels of a Pod's scrape target, as the PodMonitors make them."""
    number = pod.rpartition("-")[2]
    if pod.startswith("cp-"):
        job, container, address = "xds-ingress", "xds", f"10.0.0.{number}:18001"
    elif "authz" in metric or labels.get("job") == "xds-ingress-authz":
        job, container, address = "xds-ingress-authz", "authz", f"10.0.1.{number}:18003"
    else:
        job, container, address = "xds-ingress-envoy", "envoy", f"10.0.1.{number}:9902"
    return {"container": container, "instance": address, "job": job, "namespace": "xds-ingress", "pod": pod}


def _series(metric: str, labels: Mapping[str, str]) -> str:
    inside = ",".join(f'{name}="{value}"' for name, value in sorted(labels.items()))
    return f"{metric}{{{inside}}}"


def _samples(text: str, minutes: int) -> list[str]:
    """For minutes 0 to `minutes`."""
    samples: list[str] = []
    level = 0.0
    for phase in text.split(","):
        value, _, length = phase.strip().partition(" ")
        for _ in range(int(length.removesuffix("m")) if length else minutes + 1 - len(samples)):
            level = _next(value, level)
            samples.append(value if value in ("_", "stale") else f"{level:g}" if level < 1e6 else f"{level:.0f}")
    return samples[: minutes + 1]


def _next(value: str, level: float) -> float:
    if value in ("_", "stale"):
        return 0.0  # a counter begins anew
    if value.startswith("+"):
        return level + float(value)
    if match := re.fullmatch(r"now([+-]\d+)([smhd])", value):
        return float(match[1]) * _UNITS[match[2]]
    return float(value)
