"""The context of the tour's steps: requests, commands, and checks."""

import json
import shlex
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import ports
from backends import Backends
from client import Answer, Client
from envoys import Fleet
from folder import WorkingFolder
from processes import BINARIES, DemoError, run, shown
from protection import Protection
from screen import Screen

MIN_REQUESTS, MAX_REQUESTS = 6, 200
"""Requests of a probe."""


@dataclass(frozen=True, slots=True)
class PlanePorts:
    """The ports of a control plane.

    Attributes:
        http: Of the Envoys that ask this control plane, like `https`.
        ui: Of the page.
    """

    xds: int
    admin: int
    http: int
    https: int
    ui: int


@dataclass(frozen=True, slots=True)
class Ports:
    """The ports of the demo.

    Attributes:
        planes: Of each control plane. On Linux there is one: both Envoys listen on its ports, and the kernel spreads
            connections. Elsewhere a port has one listener, so each Envoy has a control plane with other ports.
        authz: The port at which both Envoys ask `xds authz`.
        authz_admin: The admin port of `xds authz`.
        envoys: The admin ports of the Envoys; `stats` are the ports that Prometheus reads.
    """

    planes: tuple[PlanePorts, ...]
    authz: int
    authz_admin: int
    prometheus: int
    alertmanager: int
    envoys: tuple[int, ...]
    stats: tuple[int, ...]

    def plane_of(self, envoy: int) -> PlanePorts:
        """The control plane of an Envoy by its place in the fleet."""
        return self.planes[envoy % len(self.planes)]


@dataclass(frozen=True, slots=True)
class Probe:
    """Answers to one URL, with requests until each Envoy has answered."""

    answers: list[Answer]
    by_envoy: dict[str, int]

    @property
    def statuses(self) -> set[int]:
        return {answer.status for answer in self.answers}

    @property
    def backends(self) -> list[str]:
        return sorted({answer.backend for answer in self.answers if answer.backend})

    def __str__(self) -> str:
        envoys = ", ".join(f"{name} {count}" for name, count in self.by_envoy.items())
        statuses = Counter(answer.status for answer in self.answers)
        said = " ".join(self.backends) or "Envoy itself"
        return f"{', '.join(f'{count} x {status}' for status, count in statuses.items())} from {said} (by {envoys})"


@dataclass(slots=True)
class World:
    """The running demo.

    Attributes:
        failed: Failed checks of the current step.
    """

    screen: Screen
    ports: Ports
    folder: WorkingFolder
    backends: Backends
    fleet: Fleet
    client: Client
    protection: Protection
    failed: list[str] = field(default_factory=list)

    @property
    def server(self) -> str:
        """The first control plane."""
        return f"{ports.LOOPBACK}:{self.ports.planes[0].xds}"

    @property
    def page(self) -> str:
        """The address of the control plane's page."""
        return f"http://{ports.LOOPBACK}:{self.ports.planes[0].ui}/"

    def url(self, host: str, path: str = "/", scheme: str = "http") -> str:
        """A URL at the first Envoy, or at both, if they share their ports."""
        first = self.ports.planes[0]
        return f"{scheme}://{host}:{first.https if scheme in {'https', 'wss'} else first.http}{path}"

    def at_each(self, url: str) -> list[str]:
        """A URL of `url`, at each port for its scheme."""
        parts = urlsplit(url)
        found = [each.https if parts.scheme == "https" else each.http for each in self.ports.planes]
        return [url.replace(parts.netloc, f"{parts.hostname}:{port}", 1) for port in found]

    def check(self, text: str, *, ok: bool) -> None:
        """Print the result of a check, and note a failure."""
        self.screen.verdict(text, ok=ok)
        if not ok:
            self.failed.append(text)

    async def probe(self, url: str) -> Probe:
        """Send requests on new connections, to each port in turn. Of a shared port, the kernel chooses the Envoy.

        Raises:
            DemoError: an Envoy got no request.
        """
        before, urls = await self.fleet.requests(), self.at_each(url)
        answers, by_envoy = list[Answer](), dict[str, int]()
        while len(answers) < MAX_REQUESTS:
            answers.append(await self.client.get(urls[len(answers) % len(urls)]))
            if len(answers) >= MIN_REQUESTS:
                by_envoy = {name: now - before[name] for name, now in (await self.fleet.requests()).items()}
            if by_envoy and all(by_envoy.values()):
                return Probe(answers, by_envoy)
        raise DemoError(f"after {MAX_REQUESTS} requests for {url} the Envoys had these counts: {by_envoy}")

    async def expect(self, url: str, service: str, why: str) -> Probe:
        """Check that all answers to a URL come from the backends of one Service."""
        probe = await self._shown(url)
        ok = probe.statuses == {200} and all(answer.backend.startswith(f"{service}-") for answer in probe.answers)
        self.check(f"{why}: {probe}", ok=ok)
        return probe

    async def expect_status(self, url: str, status: int, why: str) -> Probe:
        """Check that all answers to a URL come from Envoy itself, with this status."""
        probe = await self._shown(url)
        self.check(f"{why}: {probe}", ok=probe.statuses == {status} and not probe.backends)
        return probe

    async def _shown(self, url: str) -> Probe:
        self.screen.note(url)
        self.screen.command(self.curl(url))
        return await self.probe(url)

    def curl(self, url: str) -> str:
        """A curl command for the request, independent of DNS."""
        parts = urlsplit(url)
        if parts.scheme == "https":
            where = f"{parts.hostname}:{parts.port}:{ports.LOOPBACK}"
            return shlex.join(["curl", "--cacert", str(self.folder.authority), "--resolve", where, url])
        plain = f"http://{ports.LOOPBACK}:{parts.port}{url.removeprefix(f'http://{parts.netloc}')}"
        return shlex.join(["curl", "-H", f"Host: {parts.hostname}", plain])

    def xds_command(self, *arguments: str) -> list[str | Path]:
        replicas = ["--all-replicas"] if arguments[0] == "proxies" and len(self.ports.planes) > 1 else []
        return [BINARIES / "xds", *arguments, *replicas, "--server", self.server, *self.protection.ask]

    async def xds(self, *arguments: str) -> str:
        """Run and print a command of `xds` that asks the server, and return its output."""
        return await self._run(self.xds_command(*arguments), 0)

    async def lint(self) -> str:
        """Run and print `xds lint` on the manifests, which have problems, and return its output."""
        return await self._run(self.lint_command(), 1)

    def lint_command(self) -> list[str | Path]:
        return [BINARIES / "xds", "lint", self.folder.manifests, "--redirect-https"]

    async def _run(self, command: list[str | Path], expected: int) -> str:
        self.screen.command(shown(command))
        code, out, errors = await run(command, self.screen.columns)
        self.screen.output(out + errors)
        if code != expected:
            self.check(f"xds {command[1]} ended with code {code}", ok=False)
        return out

    async def proxies(self) -> dict[str, list[dict[str, Any]]]:
        """The resource types of each connected Envoy, from `xds proxies -o json`."""
        _, out, _ = await run(self.xds_command("proxies", "-o", "json"), self.screen.columns)
        return {proxy["node_id"]: proxy["types"] for proxy in json.loads(out)}
