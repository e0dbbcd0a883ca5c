"""Prometheus and Alertmanager beside the demo, with the rules of the Helm chart and the routes of k8s/monitoring.

Prometheus scrapes every second, so that a change shows at once; in a cluster, 15 or 30 s are usual.
"""

import asyncio
import json
import runpy
import shutil
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any, Final, NoReturn

from aiohttp import ClientError

from folder import REPOSITORY
from ports import LOOPBACK
from processes import DemoError
from screen import Screen
from world import Ports, World

COPIED: Final = (
    REPOSITORY / "k8s" / "chart" / "xds-ingress" / "files" / "rules.yaml",
    REPOSITORY / "k8s" / "monitoring" / "alertmanager.yaml",
)

ELSEWHERE: Final = "DEMO_MONITORING=1 needs Debian's packages of both: run the demo without it on this system"

INTERVAL: Final = "1s"

PAUSE_SECONDS: Final = 0.2
"""Between two requests of the traffic that the figures show."""

# By path: tests/ is no package of the demo's path.
_program: Final = runpy.run_path(str(REPOSITORY / "tests" / "support" / "debian.py"))["program"]


def check_programs() -> None:
    """Look for the programs before anything is started.

    Raises:
        DemoError: a program is missing.
    """
    if missing := [name for name in ("prometheus", "prometheus-alertmanager") if not _program(name)]:
        remedy = "`make tools` fetches them from Debian's packages" if sys.platform == "linux" else ELSEWHERE
        raise DemoError(f"{' and '.join(missing)} not found: {remedy}")


class Monitoring:
    """The files and the commands of Prometheus and Alertmanager.

    Attributes:
        folder: Rules, configurations and targets. Prometheus watches the targets; for the rest, send SIGHUP.
    """

    def __init__(self, root: Path, ports: Ports) -> None:
        self.folder = root / "monitoring"
        self.prometheus = f"http://{LOOPBACK}:{ports.prometheus}"
        self.alertmanager = f"http://{LOOPBACK}:{ports.alertmanager}"
        self._ports = ports

    def write(self, envoys: list[str]) -> None:
        """Write all files; `envoys` are the names of the fleet."""
        self.folder.mkdir()
        for path in COPIED:
            shutil.copy(path, self.folder)
        self._write("prometheus.json", self._configuration())
        self._write("targets.json", list(self._targets(envoys)))

    def alertmanager_command(self) -> list[str | Path]:
        command: list[str | Path] = [_program("prometheus-alertmanager"), "--cluster.listen-address="]
        command += [f"--web.listen-address={self.alertmanager.removeprefix('http://')}"]
        command += [f"--config.file={self.folder / 'alertmanager.yaml'}", f"--storage.path={self.folder / 'silences'}"]
        return command

    def prometheus_command(self) -> list[str | Path]:
        program = Path(_program("prometheus"))
        assets = program.parents[1] / "share" / "prometheus" / "web"  # an unpacked package is not where Debian looks
        command: list[str | Path] = [program, f"--web.local-assets={assets}/"]
        command += [f"--web.listen-address={self.prometheus.removeprefix('http://')}"]
        command += [f"--config.file={self.folder / 'prometheus.json'}", f"--storage.tsdb.path={self.folder / 'data'}"]
        return command

    def invite(self, screen: Screen) -> None:
        screen.heading("Prometheus reads the control plane and the Envoys, with the rules of the Helm chart.")
        screen.note(f"Graphs, and the state of each alert: {self.prometheus}/alerts")
        screen.note(f"Alertmanager, with the routes of k8s/monitoring/alertmanager.yaml: {self.alertmanager}")
        screen.note("Grafana is not part of the demo: import k8s/chart/xds-ingress/files/dashboards/*.json into yours.")

    def _write(self, name: str, content: Any) -> None:
        (self.folder / name).write_text(json.dumps(content, indent=2), encoding="utf-8")

    def _configuration(self) -> dict[str, Any]:
        """In JSON, which is YAML."""
        alertmanager = {"targets": [self.alertmanager.removeprefix("http://")]}
        return {
            "global": {"scrape_interval": INTERVAL, "scrape_timeout": INTERVAL, "evaluation_interval": INTERVAL},
            "rule_files": ["rules.yaml"],
            "scrape_configs": [{"job_name": "demo", "file_sd_configs": [{"files": ["targets.json"]}]}],
            "alerting": {"alertmanagers": [{"static_configs": [alertmanager]}]},
        }

    def _targets(self, envoys: list[str]) -> Any:
        """Each process, with the labels of a Pod."""
        for number, plane in enumerate(self._ports.planes):
            yield _target("xds-ingress", plane.admin, "/metrics", f"xds-ingress-{number}")
        yield _target("xds-ingress-authz", self._ports.authz_admin, "/metrics", envoys[0])
        for name, port in zip(envoys, self._ports.stats, strict=True):
            yield _target("xds-ingress-envoy", port, "/stats/prometheus", name)


def _target(job: str, port: int, path: str, pod: str) -> dict[str, Any]:
    labels = {"job": job, "__metrics_path__": path, "namespace": "xds-ingress", "pod": pod}
    return {"targets": [f"{LOOPBACK}:{port}"], "labels": labels}


async def traffic(world: World) -> NoReturn:
    """Requests as long as the demo stays up: good ones, a redirect, and an unknown host."""
    urls = [world.url("shop.localhost"), world.url("shop.localhost", "/api/users"), world.url("acme.tenants.localhost")]
    urls += [
        world.url("secure.localhost", scheme="https"),
        world.url("secure.localhost"),
        world.url("nowhere.localhost"),
    ]
    while True:
        for url in (each for name in urls for each in world.at_each(name)):
            with suppress(OSError, ClientError):
                await world.client.get(url)
            await asyncio.sleep(PAUSE_SECONDS)
