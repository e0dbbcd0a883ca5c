"""The table of metrics in docs/operations.md agrees with the metrics of the server.

Covers: names, labels, reasons of stuck proxies, types. Excludes: values (tests/controlplane/test_app.py).
"""

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from xds.authz.metrics import Figures
from xds.protocol.stuck import StuckReason
from xds.server import metrics
from xds.snapshot.resource import ResourceType

OPERATIONS: Final = (Path(__file__).parents[2] / "docs" / "operations.md").read_text()
ROW: Final = re.compile(r"^\| (`xds_ingress_.*?) \|(.*?)\|", re.MULTILINE)
"""The names and the labels in a row."""

PROCESS: Final = "xds_ingress_process_"
"""The prefix of the metrics that prometheus-client makes. The table has the ones of use."""

AUTHZ: Final = "xds_ingress_authz_"
"""The prefix of the metrics of `xds authz`."""

COUNTERS: Final = {"Counter", "CounterMetricFamily", "_tally"}


def documented() -> dict[str, set[str]]:
    """Labels by metric."""
    return {
        name: set(code(labels.partition(":")[0])) for names, labels in ROW.findall(OPERATIONS) for name in code(names)
    }


def code(cell: str) -> list[str]:
    return re.findall(r"`(\w+)`", cell)


def existing() -> dict[str, set[str]]:
    """Labels by metric, read from the calls that name a metric in xds/server/metrics.py."""
    return dict(_metrics(ast.parse(Path(metrics.__file__).read_text())))


def _metrics(module: ast.Module) -> Iterator[tuple[str, set[str]]]:
    for node in ast.walk(module):
        match node:
            case ast.Call(func=func, args=[ast.Constant(value=str(name)), *_]) if name.startswith("xds_ingress_"):
                called = func.attr if isinstance(func, ast.Attribute) else getattr(func, "id", "")
                labels = (ast.literal_eval(each.value) for each in node.keywords if each.arg == "labels")
                yield f"{name}_total" if called in COUNTERS else name, set(*labels) | _by_type(called)


def _by_type(called: str) -> set[str]:
    return {"type"} if called == "_tally" else set()


def test_the_table_has_each_metric_with_its_labels() -> None:
    own = {name: labels for name, labels in documented().items() if not name.startswith((PROCESS, AUTHZ))}
    assert own == existing()


def test_the_table_has_each_metric_of_authz() -> None:
    families = {f"{each.name}{'_total' * (each.type == 'counter')}" for each in Figures().registry.collect()}
    process = f"{AUTHZ}process_"
    table = {name for name in documented() if name.startswith(AUTHZ)}
    assert {name for name in table if not name.startswith(process)} == {
        name for name in families if not name.startswith(process)
    }
    assert {name for name in table if name.startswith(process)} <= families


def test_the_metrics_of_the_process_in_the_table_exist() -> None:
    samples = {sample.name for family in metrics.Metrics().registry.collect() for sample in family.samples}
    assert {name for name in documented() if name.startswith(PROCESS)} <= samples


def test_the_table_has_each_reason_of_stuck_proxies() -> None:
    cell = next(labels for names, labels in ROW.findall(OPERATIONS) if "proxies_stuck" in names)
    assert code(cell.partition(":")[2]) == [reason.replace(" ", "_") for reason in StuckReason]


def test_the_page_has_each_type() -> None:
    sentence = re.search(r"^`type` is (.*?)\.", OPERATIONS, re.MULTILINE)
    assert sentence is not None
    assert set(code(sentence[1])) == {type_.short for type_ in ResourceType}
