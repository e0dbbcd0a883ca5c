"""`xds serve`: the source, the pipeline and the servers, wired together in one event loop."""

import asyncio
import contextlib
import signal
import socket
import sys
import time
from typing import Final

import grpc
import structlog
import uvloop

from xds import logs
from xds.address import HostPort, UnixPath, is_local, parse
from xds.controlplane import gc_tuning as garbage
from xds.controlplane.pipeline import Pipeline
from xds.controlplane.problem_log import ProblemLog
from xds.controlplane.reporting import reporting
from xds.controlplane.settings import ClusterSource, Settings
from xds.kube.source import Source
from xds.kube.state import KubeState
from xds.reporting.reporter import Reporter
from xds.server.admin import AdminServer
from xds.server.ads import OPTIONS, AdsService
from xds.server.debug.explain import Explaining
from xds.server.debug.revisions import Revisions
from xds.server.debug.service import DebugService, Health, add_debug
from xds.server.metrics import Metrics, StateCollector
from xds.server.tls import ServerTls, TlsError, TlsFiles, must_name_the_node
from xds.snapshot.store import Revision
from xds.sources.apiserver.source import ApiServer
from xds.sources.folder.source import Folder

GRACE: Final = 2.0
"""Seconds that open streams get to end when the server stops."""

URGENT: Final = 0.01
"""Seconds after which endpoints that are built are told, if more are to be built."""

ROUTING: Final = 0.002
"""Seconds that routing is worked on at a time. What arrives meanwhile takes several turns of the event loop from a
socket to the pipeline, and as many to the proxies, and each of them may find routing at work.
"""

PAUSE: Final = 0.001
"""Seconds without work after each ROUTING. Those who send and receive for gRPC are threads; on two processors, one that
the kernel had put behind the event loop's waited for the end of routing when that didn't sleep.
"""

SWITCH: Final = 0.0002
"""Seconds after which the thread that reads manifests and the event loop let each other go on. Who has waited, be it
for a file's stat, has to ask for that: ten times for a small file.
"""

MANY: Final = 1000
"""Changes, made without a rest in between, that are worth setting aside."""

PLAINTEXT_REMEDY: Final = (
    "private keys cross the network unprotected, and anyone who gets here is given them: use --tls-cert, --tls-key and "
    "--tls-client-ca instead of --allow-plaintext"
)

_log = structlog.get_logger()


class ServeError(Exception):
    """The server can't do its work. The message is one line and says what to do."""


def run(settings: Settings) -> None:
    """Serve until SIGTERM or SIGINT.

    Raises:
        ServeError: an address can't be bound.
        SourceError: the source can't be read at all.
    """
    logs.configure(settings.log_level, settings.log_format)
    sys.setswitchinterval(SWITCH)
    garbage.begin_loading()
    uvloop.run(_until_signal(settings))


async def _until_signal(settings: Settings) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    server = asyncio.create_task(ControlPlane(settings).serve())
    server.add_done_callback(lambda _: stop.set())
    await stop.wait()
    server.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await server


class ControlPlane:
    """One process: a source that is followed, a pipeline, and the servers that tell of it."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._source = _source(settings)
        self._pipeline = _pipeline(settings)
        self._clock = time.monotonic  # the loop's, but that counts whole milliseconds
        self._metrics = Metrics()
        authorize = (must_name_the_node,) if settings.tls else ()
        self._ads = AdsService(self._pipeline.store, self._metrics, self._clock, *authorize, vhds=settings.proxy.vhds)
        self._revisions = Revisions()
        self._news = ProblemLog()
        self._work_waits = asyncio.Event()
        self._fresh = 0
        self._stopping = False
        self._metrics.registry.register(
            StateCollector(
                self._pipeline.store,
                lambda: self._pipeline.problem_reasons,
                lambda: self._ads.connected,
                self._ads.watchdog.counts,
            )
        )

    async def serve(self) -> None:
        """Serve until cancelled; then readiness goes first, and open streams get GRACE to end.

        Raises:
            ServeError, SourceError: as in `run`.
        """
        async with contextlib.AsyncExitStack() as stack:
            await self._start_admin(stack)  # first, so that probes are answered until the last stream has ended
            reporter = await stack.enter_async_context(reporting(self._settings, self._pipeline))
            health = await self._start_grpc(stack)
            stack.push_async_callback(self._become_unready, health)
            await self._follow(health, reporter)

    async def _follow(self, health: Health, reporter: Reporter | None) -> None:
        """Reads while it works, or what is urgent would be found too late.

        Raises:
            SourceError: as in `run`.
        """
        work = (self._read(), self._work(health, reporter), self._listen(), self._news.run(), self._ads.watchdog.run())
        tasks = [asyncio.create_task(each) for each in work]
        try:
            ended, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in ended:
                task.result()
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _read(self) -> None:
        async with contextlib.aclosing(self._source.batches()) as batches:
            async for batch in batches:
                self._pipeline.take(batch)
                self._work_waits.set()

    async def _listen(self) -> None:
        """To what proxies refuse, for ever."""
        while True:
            self._pipeline.complain(await self._ads.complaints())
            self._work_waits.set()

    async def _work(self, health: Health, reporter: Reporter | None) -> None:
        """The one writer, for ever."""
        left = False
        while True:
            if not self._pipeline.busy:
                self._set_aside()
                await self._work_waits.wait()
            if not left:
                await self._ads.pace.wait(hurry=lambda: self._pipeline.routes)
            self._work_waits.clear()
            progress = self._pipeline.work(self._clock, urgent=URGENT, routing=ROUTING)
            left = self._pipeline.busy
            if progress.revision is not None:
                await self._publish(progress.revision, health)
            news = self._pipeline.take_news()
            self._news.put(news)
            if reporter is not None and self._pipeline.ready:
                reporter.note(progress.changes, news.appeared, news.solved)
            await self._pause()

    async def _pause(self) -> None:
        """For everyone else: the source's sockets, the streams."""
        pausing = self._pipeline.ready and self._pipeline.busy
        if self._pipeline.ready:
            garbage.set_threshold(routing=pausing)
        await asyncio.sleep(PAUSE if pausing else 0)

    def _set_aside(self) -> None:
        """What was made since there was last nothing to do, if that is much."""
        if self._fresh >= MANY:
            garbage.set_aside()
        self._fresh = 0

    async def _publish(self, revision: Revision, health: Health) -> None:
        self._ads.publish(revision)
        self._revisions.publish(revision)
        _log.info("revision_committed", number=revision.number, resources=len(revision.changes))
        if revision.number == 1:
            garbage.end_loading()
            await health.set_serving(True)
        self._fresh += len(revision.changes)

    async def _start_grpc(self, stack: contextlib.AsyncExitStack) -> Health:
        server = grpc.aio.server(options=OPTIONS)
        self._ads.register(server)
        explaining = Explaining(self._pipeline.witness, self._ads.deliveries)
        debug = DebugService(
            self._pipeline.store, lambda: self._pipeline.problems, self._ads.proxies, self._revisions, explaining
        )
        stack.callback(debug.close)
        health = await add_debug(server, debug)
        tls = _tls(self._settings.tls)
        address = _bind(server, self._settings.listen, tls)
        await server.start()
        stack.push_async_callback(server.stop, GRACE)
        if tls is not None:
            following = asyncio.create_task(tls.follow())
            stack.callback(following.cancel)
        _log.info("serving", address=address, source=str(self._settings.source), tls=tls is not None)
        return health

    async def _start_admin(self, stack: contextlib.AsyncExitStack) -> None:
        admin = AdminServer(self._metrics.registry, self._is_ready, self._source.waiting_for)
        address = _address(self._settings.admin, "--admin")
        if isinstance(address, UnixPath):
            raise ServeError(f"--admin {address} is a unix socket; probes need HOST:PORT")
        try:
            port = await admin.start(address)
        except OSError as error:
            raise _unusable(address, "--admin", error) from None
        stack.push_async_callback(admin.stop)
        _log.info("admin_listening", address=str(HostPort(address.host, port)))

    def _is_ready(self) -> bool:
        return self._pipeline.ready and not self._stopping

    async def _become_unready(self, health: Health) -> None:
        self._stopping = True
        await health.set_serving(False)
        _log.info("stopping", proxies=self._ads.connected)
        self._revisions.close()
        self._ads.close()


def _source(settings: Settings) -> Source:
    if isinstance(settings.source, ClusterSource):
        return ApiServer(settings.source.access, settings.source.namespaces, settings.translate.default_tls_secret)
    return Folder(settings.source)


def _pipeline(settings: Settings) -> Pipeline:
    state = KubeState(
        settings.ingress_class,
        claim_classless=not isinstance(settings.source, ClusterSource),  # a folder is all ours
        default_tls_secret=settings.translate.default_tls_secret,
    )
    return Pipeline(state, settings.translate, settings.proxy)


def _address(text: str, flag: str) -> HostPort | UnixPath:
    try:
        return parse(text)
    except ValueError as error:
        raise ServeError(f"{flag}: {error}") from None


def _tls(files: TlsFiles | None) -> ServerTls | None:
    try:
        return None if files is None else ServerTls.load(files)
    except TlsError as error:
        raise ServeError(f"{error}; correct it, and start again") from None


def _bind(server: grpc.aio.Server, text: str, tls: ServerTls | None) -> str:
    address = _address(text, "--listen")
    if isinstance(address, UnixPath):
        _refuse_if_alive(address)
        target = f"unix-abstract:{address.path[1:]}" if address.path.startswith("@") else str(address)
    else:
        target = str(address)
    try:
        port = server.add_secure_port(target, tls.credentials()) if tls else server.add_insecure_port(target)
    except RuntimeError as error:
        raise _unusable(address, "--listen", error) from None
    bound = str(HostPort(address.host, port)) if isinstance(address, HostPort) else str(address)
    if tls is None and not is_local(address):
        _log.warning("plaintext_listener", address=bound, remedy=PLAINTEXT_REMEDY)
    return bound


def _refuse_if_alive(address: UnixPath) -> None:
    """What gRPC does not: it takes a path over, be the socket there a dead server's or a living one's."""
    path = f"\0{address.path[1:]}" if address.path.startswith("@") else address.path
    with socket.socket(socket.AF_UNIX) as probe, contextlib.suppress(OSError):
        probe.connect(path)
        raise ServeError(f"can't listen on {address}: a server answers there; stop it, or choose another with --listen")


def _unusable(address: HostPort | UnixPath, flag: str, error: Exception) -> ServeError:
    reason = getattr(error, "strerror", None) or "it is in use, or nothing that this machine can listen on"
    return ServeError(f"can't listen on {address}: {reason}; choose another with {flag}")
