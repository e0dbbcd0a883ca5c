"""`make bench`: prints the figures that the documents quote, and writes build/bench.json.

Figures are measured on this machine in this run; figures of different runs don't compare. `make bench ONLY=fleet`
measures one group, `ONLY="fleet thousand"` two; `ONLY="fleet --alone"` leaves the peers out.
"""

import argparse
import asyncio
import json
import signal
import sys
import time
from collections.abc import AsyncIterator, Callable, Collection
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Any, Final

from rich.console import Console

from tests.bench import (
    authz,
    cluster,
    edit,
    endpoint_latency,
    filters,
    flat,
    fleet,
    gateway,
    imports,
    layer4,
    migrate,
    policies,
    programs,
    reconnect,
    rest,
    routing,
    scrape,
    sizing,
    slow,
    soak,
    stats,
    storm,
    thousand,
    under_routing,
)
from tests.bench.figures import Figure, table
from tests.bench.peers import CACHES
from tests.support.cluster import assets

REPORT: Final = Path("build/bench.json")


WIDTH: Final = 130


@dataclass(frozen=True, slots=True)
class Group:
    """Figures that are measured together. `missing`: why the machine can't measure them; empty if it can."""

    summary: str
    measure: Callable[[], AsyncIterator[Figure]]
    missing: Callable[[], str] = lambda: ""


def _groups(caches: Collection[str]) -> dict[str, Group]:
    """Every group by name; `caches` are go-control-plane's caches for the comparison."""
    return {
        "fleet": Group(_summary(fleet), partial(fleet.measure, caches), programs.missing),
        "flat": Group(_summary(flat), flat.measure, programs.missing),
        "edit": Group(_summary(edit), edit.measure, programs.missing),
        "authz": Group(_summary(authz), authz.measure),
        "filters": Group(_summary(filters), filters.measure),
        "policies": Group(_summary(policies), policies.measure, programs.missing),
        "gateway": Group(_summary(gateway), gateway.measure, programs.missing),
        "layer4": Group(_summary(layer4), layer4.measure),
        "imports": Group(_summary(imports), imports.measure),
        "migrate": Group(_summary(migrate), migrate.measure),
        "cluster": Group(_summary(cluster), cluster.measure, assets.missing),
        "soak": Group(_summary(soak), soak.measure, programs.missing),
        "routing": Group(_summary(routing), routing.measure, lambda: assets.missing() or programs.missing()),
        "scrape": Group(_summary(scrape), scrape.measure),
        "sizing": Group(_summary(sizing), sizing.measure),
        "slow": Group(_summary(slow), slow.measure, programs.missing),
        "rest": Group(
            _summary(rest),
            rest.measure,
            lambda: assets.missing() or programs.missing() or programs.missing_contour(),
        ),
        "stats": Group(_summary(stats), stats.measure),
        "storm": Group(_summary(storm), storm.measure, programs.missing),
        "reconnect": Group(_summary(reconnect), reconnect.measure, programs.missing),
        "endpoint_latency": Group(_summary(endpoint_latency), endpoint_latency.measure),
        "thousand": Group(_summary(thousand), thousand.measure),
        "under_routing": Group(_summary(under_routing), under_routing.measure),
    }


def main() -> None:
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # so that started processes are ended
    console = Console(width=WIDTH)
    arguments = _arguments()
    groups = _groups(() if arguments.alone else tuple(CACHES))
    if unknown := set(arguments.group) - set(groups):
        sys.exit(f"no benchmark {', '.join(sorted(unknown))}; there are {', '.join(groups)}")
    report: dict[str, Any] = {}
    failed: list[str] = []
    for name in arguments.group or groups:
        if reason := groups[name].missing():
            console.print(f"{name}: skipped: {reason}\n")
            continue
        try:
            report[name] = _measure(console, groups[name], f"make bench ONLY={name}")
        except Exception:  # noqa: BLE001 -- the figures of the others are worth having
            console.print_exception()
            failed.append(name)
        REPORT.parent.mkdir(exist_ok=True)
        REPORT.write_text(json.dumps(report, indent=2) + "\n")
    if failed:
        sys.exit(f"not measured: {', '.join(failed)}")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.bench")
    parser.add_argument("group", nargs="*", help="what to measure; nothing: all")
    parser.add_argument("--alone", action="store_true", help="without go-control-plane beside it")
    return parser.parse_args()


def _measure(console: Console, group: Group, command: str) -> dict[str, Any]:
    began = time.monotonic()
    figures = asyncio.run(_all(group.measure()))
    took = time.monotonic() - began
    console.print(f"{group.summary} {command} ({took:.0f} s)", table(figures), "", highlight=False)
    return {"command": command, "seconds": took, "figures": [figure.as_json() for figure in figures]}


async def _all(figures: AsyncIterator[Figure]) -> list[Figure]:
    return [figure async for figure in figures]


def _summary(module: ModuleType) -> str:
    return (module.__doc__ or "").splitlines()[0]


if __name__ == "__main__":
    main()
