"""What the steps of the tour work with: to do something, to ask, and to say what was found."""

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

ENOUGH, TOO_MANY = 6, 200
"""Requests of a probe: at least, and when it gives up on hearing from each Envoy."""


@dataclass(frozen=True, slots=True)
class Ports:
    """`http` and `https` are both Envoys' listeners', `envoys` their admin ports."""

    xds: int
    admin: int
    http: int
    https: int
    envoys: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Probe:
    """One URL, asked until each Envoy has answered."""

    answers: list[Answer]
    by_envoy: dict[str, int]

    @property
    def statuses(self) -> set[int]:
        return {answer.status for answer in self.answers}

    @property
    def backends(self) -> list[str]:
        return sorted({answer.backend for answer in self.answers if answer.backend})

    def __str__(self) -> str:
        who = ", ".join(f"{name} {count}" for name, count in self.by_envoy.items())
        statuses = Counter(answer.status for answer in self.answers)
        said = " ".join(self.backends) or "Envoy itself"
        return f"{', '.join(f'{count} x {status}' for status, count in statuses.items())} from {said} (by {who})"


@dataclass(slots=True)
class World:
    """`failed` holds what was not as it should be, in the step that runs."""

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
        return f"{ports.LOOPBACK}:{self.ports.xds}"

    def url(self, host: str, path: str = "/", scheme: str = "http") -> str:
        port = self.ports.https if scheme in {"https", "wss"} else self.ports.http
        return f"{scheme}://{host}:{port}{path}"

    def check(self, text: str, *, ok: bool) -> None:
        """Says what was found, and remembers what should not be."""
        self.screen.verdict(text, ok=ok)
        if not ok:
            self.failed.append(text)

    async def probe(self, url: str) -> Probe:
        """Each request is a new connection, and the kernel chooses the Envoy that gets it.

        Raises:
            DemoError: one of the Envoys was never chosen.
        """
        before = await self.fleet.requests()
        answers, by_envoy = list[Answer](), dict[str, int]()
        while len(answers) < TOO_MANY:
            answers.append(await self.client.get(url))
            if len(answers) >= ENOUGH:
                by_envoy = {name: now - before[name] for name, now in (await self.fleet.requests()).items()}
            if by_envoy and all(by_envoy.values()):
                return Probe(answers, by_envoy)
        raise DemoError(f"after {TOO_MANY} requests for {url} each Envoy had got so many: {by_envoy}")

    async def expect(self, url: str, service: str, why: str) -> Probe:
        """All answers to a URL are to come from the backends of one Service."""
        probe = await self._shown(url)
        ok = probe.statuses == {200} and all(answer.backend.startswith(f"{service}-") for answer in probe.answers)
        self.check(f"{why}: {probe}", ok=ok)
        return probe

    async def expect_status(self, url: str, status: int, why: str) -> Probe:
        """All answers to a URL are to be Envoy's own."""
        probe = await self._shown(url)
        self.check(f"{why}: {probe}", ok=probe.statuses == {status} and not probe.backends)
        return probe

    async def _shown(self, url: str) -> Probe:
        self.screen.note(url)
        self.screen.command(self.curl(url))
        return await self.probe(url)

    def curl(self, url: str) -> str:
        """A command for the same request, whatever the machine's DNS says of the host."""
        parts = urlsplit(url)
        if parts.scheme == "https":
            where = f"{parts.hostname}:{parts.port}:{ports.LOOPBACK}"
            return shlex.join(["curl", "--cacert", str(self.folder.authority), "--resolve", where, url])
        plain = f"http://{ports.LOOPBACK}:{parts.port}{url.removeprefix(f'http://{parts.netloc}')}"
        return shlex.join(["curl", "-H", f"Host: {parts.hostname}", plain])

    def xds_command(self, *arguments: str) -> list[str | Path]:
        return [BINARIES / "xds", *arguments, "--server", self.server, *self.protection.ask]

    async def xds(self, *arguments: str) -> str:
        """What a command of `xds` prints, which is shown. Its exit code has to be 0."""
        command = self.xds_command(*arguments)
        self.screen.command(shown(command))
        code, out, errors = await run(command, self.screen.columns)
        self.screen.output(out + errors)
        if code:
            self.check(f"xds {' '.join(arguments)} ended with code {code}", ok=False)
        return out

    async def proxies(self) -> dict[str, list[dict[str, Any]]]:
        """What each connected Envoy was sent and acknowledged, a value for each type of resource."""
        _, out, _ = await run(self.xds_command("proxies", "-o", "json"), self.screen.columns)
        return {proxy["node_id"]: proxy["types"] for proxy in json.loads(out)}
