"""Protected hosts of one control plane and its proxies, with requests without right all the time."""

import asyncio
import collections
import contextlib
import ssl
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final

from tests.support.authority import Issued
from tests.support.envoy import Envoy, free_port, running_envoy
from tests.support.intruders import KINDS, MARK, PLAIN, Intruder, Intruders, Tally, ask, until
from tests.support.plane import Plane
from tests.support.protection import Protection, Way
from tests.support.protections import CA, FOREIGN_CA
from xds.kube.change import Applied, Change, Deleted
from xds.kube.objects import KubeObject
from xds.problems.problem import Key
from xds.resources.options import ProxyOptions
from xds.translate.options import TranslateOptions

WORKER_SECONDS: Final = 0.05
"""For Envoy's workers, which follow after Envoy's ACK."""

DWELL_SECONDS: Final = 0.1
"""Least time for requests without right in a way."""

LET_IN_SECONDS: Final = 15

CONNECTIONS: Final = 4
"""Of clients with right: the kernel spreads connections over the proxies."""


class Siege:
    """Control plane and proxies, which share one port for each listener.

    Args:
        folder: For certificates and configurations.
        translate: Of the control plane.
        proxy: Of the control plane.
    """

    def __init__(self, folder: Path, translate: TranslateOptions, proxy: ProxyOptions) -> None:
        self.tally = Tally()
        self.proxy = proxy
        self.port = free_port()
        self.folder = folder
        self._translate = translate
        self._objects: dict[tuple[type[KubeObject], Key], KubeObject] = {}
        self._envoys: list[Envoy] = []
        self.failures: list[str] = []
        self._with_right = client_context(folder / "right.pem", CA.issue(common_name="alice"))
        self.foreign = client_context(folder / "foreign.pem", FOREIGN_CA.issue(common_name="alice"))

    # Processes.

    @contextlib.asynccontextmanager
    async def plane(self, *, listed: bool = True) -> AsyncIterator[None]:
        """A control plane, which knows nothing before it has listed all objects."""
        made = Plane(listed=False, translate=self._translate, proxy=self.proxy, port=self.port)
        async with made as self._plane:
            if listed:
                self.list_all()
            yield

    def list_all(self, *, without: Iterable[KubeObject] = ()) -> None:
        """The control plane lists all objects, but for some that come later."""
        late = {(type(each), each.key) for each in without}
        self._plane.change(*(Applied(each) for name, each in self._objects.items() if name not in late))
        self._plane.list_all()

    @contextlib.asynccontextmanager
    async def envoy(self, node: str) -> AsyncIterator[Envoy]:
        """A proxy; `sotw` speaks the state-of-the-world variant."""
        async with running_envoy(f"127.0.0.1:{self.port}", self.folder, node=node, sotw=node == "sotw") as envoy:
            self._envoys.append(envoy)
            try:
                yield envoy
            finally:
                self._envoys.remove(envoy)

    # Objects.

    def know(self, *objects: KubeObject) -> None:
        """Objects that exist before the control plane lists."""
        self._objects.update(((type(each), each.key), each) for each in objects)

    def change(self, put: Sequence[KubeObject] = (), gone: Sequence[KubeObject] = ()) -> None:
        for each in gone:
            self._objects.pop((type(each), each.key), None)
        self.know(*put)
        changes: list[Change] = [*(Deleted(type(each), each.key) for each in gone), *map(Applied, put)]
        self._plane.change(*changes)

    async def settled(self) -> None:
        """Until all proxies have answered everything."""

        async def is_settled() -> bool:
            streams = [each.stream for each in self._plane.ads.proxies()]
            return len(streams) == len(self._envoys) and all(
                len(each.types) >= 4 and all(type_.settled for type_ in each.types) for each in streams
            )

        await until("proxies answer", is_settled)

    @property
    def rejections(self) -> list[str]:
        types = (each for status in self._plane.ads.proxies() for each in status.stream.types)
        return [each.last_rejection.message for each in types if each.last_rejection]

    # Requests.

    def surround(self, intruders: Intruders, protection: Protection) -> None:
        """Send intruders to the host, and to the one that the host may move to."""
        foreign = self.foreign if protection.takes_certificate else None
        for host in (protection.host, protection.elsewhere):
            intruders.send(Intruder(protection.name, host, protection.wrong, foreign))
        self.tally.hosts.add(protection.host)

    def watch(self, protections: Iterable[Protection], way: str) -> None:
        """From now on no request without right may pass."""
        self.tally.way.update((each.name, way) for each in protections)

    async def try_ways(self, tried: Sequence[tuple[Protection, Way]]) -> None:
        """Change the inputs in one batch, and note the requests that pass, or don't pass, afterwards."""
        for protection, way in tried:
            self._begin(protection, way)
        put = [each for _, way in tried for each in way.put]
        gone = [each for _, way in tried for each in way.gone]
        if put or gone:
            self.change(put, gone)
        for _, way in tried:
            if way.act:
                way.act()
        await self.settled()
        await asyncio.sleep(WORKER_SECONDS)
        await asyncio.gather(*(self._judge(*each) for each in tried))

    def _begin(self, protection: Protection, way: Way) -> None:
        if way.host:
            self.tally.hosts.add(way.host)
        else:
            self.tally.hosts.discard(protection.elsewhere)
        if way.opens:
            self.tally.way.pop(protection.name, None)
        elif protection.name in self.tally.way:  # protected before too: no gap is allowed
            self.watch([protection], way.name)

    async def _judge(self, protection: Protection, way: Way) -> None:
        name = protection.name
        if way.opens:
            await self.lets_in(protection, way, protection.wrong)
            return
        self.watch([protection], way.name)
        await asyncio.sleep(DWELL_SECONDS)

        async def is_tried() -> bool:
            answers = self.tally.answers(name, way.name)
            return all(answers[kind] for kind in (PLAIN if way.is_plain else KINDS))

        with self.noted(f"{name} isn't tried: {way.name}"):
            await until("answers", is_tried)
        right = protection.right if way.right is None else way.right
        if way.lets_in:
            await self.lets_in(protection, way, right)
        else:
            marked = {**right, MARK: f"{name}/{way.name}"}
            await asyncio.gather(*(self._ask(protection, way, marked) for _ in range(CONNECTIONS)))

    async def lets_in(self, protection: Protection, way: Way, headers: Mapping[str, str]) -> None:
        """Until several connections with these headers reach the backend."""

        async def is_let_in() -> bool:
            return all(await asyncio.gather(*(self._ask(protection, way, headers) for _ in range(CONNECTIONS))))

        with self.noted(f"{protection.name} lets nobody in: {way.name}"):
            await until("with right", is_let_in, LET_IN_SECONDS)

    @contextlib.contextmanager
    def noted(self, what: str) -> Iterator[None]:
        """Note a wait that is over, so that the other ways are tried too."""
        try:
            yield
        except TimeoutError:
            self.failures.append(what)

    async def _ask(self, protection: Protection, way: Way, headers: Mapping[str, str]) -> bool:
        """Whether the backend answers."""
        context = self._with_right if protection.takes_certificate else None
        reply = await ask(self.proxy, way.host or protection.host, headers, context)
        return reply is not None and "x-backend" in reply.headers

    def assert_closed(self) -> None:
        assert (dict(self.tally.passed), self.failures, self.rejections) == ({}, [], [])


def client_context(file: Path, issued: Issued) -> ssl.SSLContext:
    file.write_bytes(issued.certificate + issued.private_key)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.load_cert_chain(file)
    return context


def table(tally: Tally) -> str:
    """Requests without right by protection and way, with their statuses."""
    rows: dict[tuple[str, str], collections.Counter[int]] = collections.defaultdict(collections.Counter)
    for (protection, way, _, status), number in tally.tried.items():
        rows[protection, way][status] += number
    lines = ["| protection | way | tried | passed | answers |", "|---|---|---|---|---|"]
    for (protection, way), statuses in sorted(rows.items(), key=lambda row: row[0][0]):
        answers = ", ".join(f"{status}: {number}" for status, number in sorted(statuses.items()))
        passed = tally.passed[f"{protection}/{way}"]
        lines.append(f"| {protection} | {way} | {statuses.total()} | {passed} | {answers} |")
    total = sum(tally.tried.values())
    lines.append(
        f"| {len({of for of, _ in rows})} protections | {len(rows)} ways | {total} | {tally.passed.total()} | |"
    )
    return "\n".join(lines)
