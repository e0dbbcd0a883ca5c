"""Starts the control plane and the fleet, with commands that a user can copy."""

import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from aiohttp import ClientSession

from envoys import Envoy, Fleet, listens
from folder import WorkingFolder
from monitoring import Monitoring
from ports import LOOPBACK, RANGE, free_ports, has_loopback_network
from processes import BINARIES, Children, DemoError, run, shown
from protection import Protection
from screen import Screen
from waiting import first, until
from world import PlanePorts, Ports

VARIANTS: Final = {"envoy-1": [], "envoy-2": ["--sotw"]}
"""The fleet: one Envoy for each variant of the protocol."""

MAX_MEMORY_BYTES: Final = 2**29
"""The limit of an Envoy that Prometheus reads: without a limit, Envoy has no metric of the share in use."""

READY_TIMEOUT_SECONDS = 30.0

READY_POLL_SECONDS = 0.02


def choose_ports() -> Ports:
    count, planes = len(VARIANTS), 1 if has_loopback_network() else len(VARIANTS)
    found = iter(free_ports(4 + 2 * count + 5 * planes))
    authz, authz_admin, prometheus, alertmanager = (next(found) for _ in range(4))
    envoys, stats = (tuple(next(found) for _ in range(count)) for _ in range(2))
    of_planes = tuple(PlanePorts(*(next(found) for _ in range(5))) for _ in range(planes))
    return Ports(of_planes, authz, authz_admin, prometheus, alertmanager, envoys, stats)


@dataclass(frozen=True, slots=True)
class Launch:
    """Starts processes as `children`, and prints the command of each."""

    screen: Screen
    children: Children
    folder: WorkingFolder
    ports: Ports
    session: ClientSession
    protection: Protection
    monitoring: Monitoring | None

    async def control_planes(self) -> None:
        for number, ports in enumerate(self.ports.planes, 1):
            await self._control_plane("xds" if len(self.ports.planes) == 1 else f"xds-{number}", ports)

    async def _control_plane(self, name: str, ports: PlanePorts) -> None:
        command: list[str | Path] = [BINARIES / "xds", "serve", "--from", self.folder.manifests]
        command += ["--listen", _xds(ports), "--admin", f"{LOOPBACK}:{ports.admin}", "--listener-address", LOOPBACK]
        command += ["--http-port", str(ports.http), "--https-port", str(ports.https), "--redirect-https"]
        command += ["--ui", f"{LOOPBACK}:{ports.ui}", "--authz", self._authz, *self.protection.serve]
        command += [part for each in self.ports.planes if each != ports for part in ("--peers", _xds(each))]
        claimable = f"{RANGE.start}-{RANGE.stop - 1}=default"
        command += ["--traffic-metrics", "--expose-ports", claimable] if self.monitoring else []
        self.screen.command(shown(command))
        await self.children.start(name, *command)
        await self._ready(name, f"http://{LOOPBACK}:{ports.admin}/readyz")

    async def authorizer(self) -> None:
        """Start `xds authz`, which both Envoys ask, as they run on one machine."""
        admin = f"{LOOPBACK}:{self.ports.authz_admin}"
        command: list[str | Path] = [BINARIES / "xds", "authz", "--listen", self._authz, "--admin", admin]
        self.screen.command(shown(command))
        await self.children.start("authz", *command)
        await self._ready("authz", f"http://{admin}/readyz")

    async def monitor(self) -> None:
        """Start Prometheus and Alertmanager, if the demo has them."""
        if self.monitoring is None:
            return
        self.monitoring.write(list(VARIANTS))
        for name, command, url in (
            ("alertmanager", self.monitoring.alertmanager_command(), self.monitoring.alertmanager),
            ("prometheus", self.monitoring.prometheus_command(), self.monitoring.prometheus),
        ):
            self.screen.command(shown(command))
            await self.children.start(name, *command)
            await self._ready(name, f"{url}/-/ready")
            self.screen.note(f"{name}: {url}")

    async def fleet(self) -> Fleet:
        """Start the Envoys, and wait until their listeners are bound."""
        envoys = []
        for number, (name, admin, stats) in enumerate(zip(VARIANTS, self.ports.envoys, self.ports.stats, strict=True)):
            ports = self.ports.plane_of(number)
            envoy = Envoy(name, admin, ports.http, ports.https, self.session)
            await self._envoy(envoy, await self._bootstrap(envoy, stats, _xds(ports)))
            envoys.append(envoy)
        for envoy in envoys:
            await self._ready(envoy.name, f"{envoy.admin}/ready")
        fleet = Fleet(envoys)
        try:
            await fleet.all(listens)
        except TimeoutError as error:
            raise DemoError(f"no listeners: {error}") from None
        return fleet

    @property
    def _authz(self) -> str:
        """A port: the path of a socket in a folder of a long name is longer than the kernel takes."""
        return f"{LOOPBACK}:{self.ports.authz}"

    async def _bootstrap(self, envoy: Envoy, stats: int, xds: str) -> Path:
        bootstrap = self.folder.root / f"{envoy.name}.yaml"
        command: list[str | Path] = [BINARIES / "xds", "bootstrap", "--xds", xds, "--node-id", envoy.name]
        command += ["--admin-port", str(envoy.admin_port), *VARIANTS[envoy.name]]
        if self.monitoring:
            command += ["--stats-port", str(stats), "--max-memory", str(MAX_MEMORY_BYTES)]
        command += self.protection.bootstrap(envoy.name)
        self.screen.command(f"{shown(command)} > {shlex.quote(str(bootstrap))}")
        code, out, errors = await run(command, self.screen.columns)
        if code:
            raise DemoError(f"{shown(command)} ended with code {code}: {errors.strip()}")
        bootstrap.write_text(out, encoding="utf-8")
        return bootstrap

    async def _envoy(self, envoy: Envoy, bootstrap: Path) -> None:
        """Start an Envoy. With hot restart, an Envoy would take another one for its predecessor."""
        command: list[str | Path] = [BINARIES / "envoy", "-c", bootstrap, "--disable-hot-restart", "--concurrency", "1"]
        command += [
            "--file-flush-interval-msec",
            "100",
        ]  # of the access log; the default of 10 s is too slow for a demo
        self.screen.command(shown(command))
        await self.children.start(envoy.name, *command, output=f"{envoy.name}.access.log")

    async def _ready(self, name: str, url: str) -> None:
        async def answers() -> bool:
            async with self.session.get(url) as response:
                return response.status == 200

        try:
            await first(self.children.first_death(), until(answers, READY_TIMEOUT_SECONDS, READY_POLL_SECONDS))
        except TimeoutError:
            raise DemoError(f"{name} was not ready after {READY_TIMEOUT_SECONDS:.0f} s: {url}") from None


def _xds(ports: PlanePorts) -> str:
    return f"{LOOPBACK}:{ports.xds}"
