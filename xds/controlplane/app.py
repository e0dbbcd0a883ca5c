"""`xds serve`: source, pipeline and servers in one event loop."""

import asyncio
import contextlib
import socket
import sys
import time
from collections.abc import Callable
from functools import partial
from typing import Final

import grpc
import structlog
import uvloop

from xds import logs
from xds.address import HostPort, UnixPath, is_local, parse
from xds.controlplane import descriptors, gc_tuning
from xds.controlplane.diagnostics import process_facts
from xds.controlplane.page import start_page
from xds.controlplane.pipeline import Pipeline
from xds.controlplane.problem_log import ProblemLog
from xds.controlplane.revision_log import RevisionLog
from xds.controlplane.settings import ClusterSource, Settings
from xds.controlplane.worker import Logs, Worker
from xds.controlplane.write_back import write_back
from xds.kube.delayed_deletions import DELETION_GRACE_SECONDS
from xds.kube.source import Source, SourceError
from xds.kube.state import KubeState
from xds.problems.problem import Problem
from xds.process.admin import AdminServer
from xds.process.bind_failure import bind_failure
from xds.process.signals import stop_signal
from xds.reporting.reporter import Reporter
from xds.server.ads import GRPC_SERVER_OPTIONS, AdsService
from xds.server.debug.answers import Answers, LiveState
from xds.server.debug.operators import OperatorsOnly
from xds.server.debug.peers import ReplicaPeers
from xds.server.debug.revisions import Revisions
from xds.server.debug.service import DebugService, Health, add_debug
from xds.server.metrics.certificates import ServedCertificateCollector, TlsCollector
from xds.server.metrics.metrics import Metrics
from xds.server.metrics.problems import IngressCollector, ProblemCollector
from xds.server.metrics.process import LogCollector
from xds.server.metrics.proxies import ProxyCollector
from xds.server.metrics.reporting import ReportingCollector
from xds.server.metrics.snapshot import SnapshotCollector
from xds.server.metrics.source import SourceCollector, WatchCollector
from xds.server.tls import ServerTls, TlsError, TlsFiles, must_name_the_node
from xds.sources.apiserver.source import ApiServer
from xds.sources.folder.source import Folder

SHUTDOWN_GRACE_SECONDS: Final = 2.0
"""Time for open streams to end when the server stops."""

THREAD_SWITCH_SECONDS: Final = 0.0002
"""Python's switch interval between the thread that reads manifests and the event loop. A thread needs such a switch
after each wait, even for a file's stat: ten times for a small file.
"""

PLAINTEXT_DANGER: Final = (
    "private keys cross the network unprotected, and any client that reaches this address gets them"
)

PLAINTEXT_REMEDY: Final = "use --tls-cert, --tls-key and --tls-client-ca instead of --allow-plaintext"

_log = structlog.get_logger()


class ServeError(Exception):
    """The server can't start. The message is one line with the action to take."""


def run(settings: Settings) -> None:
    """Serve until SIGTERM, SIGINT or SIGQUIT.

    Raises:
        ServeError: an address can't be bound.
        SourceError: the source can't be read.
    """
    if isinstance(settings.source, ClusterSource) and settings.source.access.kubeconfig is not None:
        settings.source.access.namespace()  # a kubeconfig with a fault is found before anything is started
    log = logs.configure(settings.log_level, settings.log_format)
    sys.setswitchinterval(THREAD_SWITCH_SECONDS)
    gc_tuning.begin_loading()
    with logs.uncaught(except_for=(ServeError, SourceError)):
        uvloop.run(_until_signal(settings, lambda: log.dropped))


async def _until_signal(settings: Settings, log_lines_dropped: Callable[[], int]) -> None:
    stop = stop_signal()
    server = asyncio.create_task(ControlPlane(settings, log_lines_dropped).serve())
    server.add_done_callback(lambda _: stop.set())
    await stop.wait()
    server.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await server


class ControlPlane:
    """One process: a source, a pipeline, and the servers of the snapshot.

    Args:
        log_lines_dropped: Number of log lines dropped so far, for the metrics.
        deletion_grace_seconds: How long deletions wait for a re-creation.
    """

    def __init__(
        self,
        settings: Settings,
        log_lines_dropped: Callable[[], int] = int,
        *,
        deletion_grace_seconds: float = DELETION_GRACE_SECONDS,
    ) -> None:
        self._settings = settings
        self._source = source = _source(settings)
        self._pipeline = _pipeline(settings, deletion_grace_seconds)
        self._clock = time.monotonic  # uvloop's own clock counts whole milliseconds
        self._metrics = Metrics()
        authorize = (partial(must_name_the_node, operators=settings.operators),) if settings.tls else ()
        store, streams = self._pipeline.store, self._metrics.streams
        self._ads = AdsService(store, streams, self._clock, *authorize, vhds=settings.proxy.vhds)
        self._revisions = Revisions()
        self._logs = Logs(ProblemLog(), RevisionLog(self._ads.convergence.take_slowest))
        self._worker = Worker(
            self._pipeline,
            self._ads,
            self._revisions,
            self._logs,
            clock=self._clock,
            note_routing=self._metrics.routing.observe,
        )
        self._reporter: Reporter | None = None
        self._stopping = False
        self._descriptor_limit = descriptors.raise_limit()
        if isinstance(source, ApiServer):
            source.take_at_once = self._worker.work_at_once
        self._register_collectors(log_lines_dropped)

    def _register_collectors(self, log_lines_dropped: Callable[[], int]) -> None:
        pipeline, register = self._pipeline, self._metrics.registry.register
        register(ProxyCollector(self._ads))
        register(SnapshotCollector(pipeline.store, lambda: self._worker.committed_at))
        register(ProblemCollector(lambda: pipeline.problem_reasons, lambda: pipeline.state.held))
        traffic = pipeline.traffic
        register(ServedCertificateCollector(lambda: traffic.certificates, lambda: traffic.certificate_expiry))
        register(SourceCollector(self._source.is_current, lambda: pipeline.state.counts))
        register(LogCollector(log_lines_dropped))
        if isinstance(self._source, ApiServer):
            register(WatchCollector(self._source))
            register(ReportingCollector(lambda: self._reporter.figures if self._reporter else None))

    async def serve(self) -> None:
        """Serve until cancelled. Then /readyz turns 503 first, and open streams get SHUTDOWN_GRACE_SECONDS to end.

        Raises:
            ServeError, SourceError: as in `run`.
        """
        async with contextlib.AsyncExitStack() as stack:
            await self._start_admin(stack)  # first, so that probes get an answer until the last stream has ended
            reporter = await stack.enter_async_context(
                write_back(self._settings, self._pipeline, self._report_publishing)
            )
            self._reporter = reporter
            health = await self._start_grpc(stack, reporter)
            await self._start_page(stack)
            stack.push_async_callback(self._become_unready, health)
            await self._follow(health, reporter)

    async def _follow(self, health: Health, reporter: Reporter | None) -> None:
        """Run all tasks until one ends. Reading goes on during work, so that urgent changes are found in time.

        Raises:
            SourceError: the source can't be read.
        """
        work = (
            self._read_source(),
            self._worker.run(health, reporter),
            self._report_rejections(),
            self._logs.problems.run(),
            self._logs.revisions.run(),
            self._ads.watchdog.run(),
            self._answers.overview.run(),
            descriptors.watch(self._descriptor_limit),
            self._metrics.loop_delay.run(),
        )
        tasks = [asyncio.create_task(each) for each in work]
        try:
            ended, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in ended:
                task.result()
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _read_source(self) -> None:
        async with contextlib.aclosing(self._source.batches()) as batches:
            async for batch in batches:
                self._worker.put(batch)

    async def _report_rejections(self) -> None:
        while True:
            self._pipeline.report_rejections(await self._ads.rejection_reports())
            self._pipeline.report_rejecting_proxies(self._ads.rejecting_nodes)
            self._pipeline.report_unsupported(self._ads.unsupported.current)
            self._worker.notify()

    def _report_publishing(self, problems: tuple[Problem, ...]) -> None:
        self._pipeline.report_publishing(problems)
        self._worker.notify()

    def _live_state(self, tls: ServerTls | None, reporter: Reporter | None) -> LiveState:
        reader, ads = self._pipeline.state_reader, self._ads
        facts = process_facts(self._settings, self._source, self._metrics.registry, tls, reporter)
        peers = ReplicaPeers(self._settings.peers, facts.id, tls)
        return LiveState(reader, ads.proxies, ads.proxy_figures, ads.deliveries, self._revisions, facts, peers)

    async def _start_grpc(self, stack: contextlib.AsyncExitStack, reporter: Reporter | None) -> Health:
        operators = self._settings.operators
        interceptors = (OperatorsOnly(operators),) if operators else ()
        max_connections = descriptors.max_connections(self._descriptor_limit)
        limit = ("grpc.max_allowed_incoming_connections", max_connections)
        server = grpc.aio.server(interceptors=interceptors, options=(*GRPC_SERVER_OPTIONS, limit))
        self._ads.register(server)
        tls = _tls(self._settings.tls)
        answers = self._answers = Answers(self._live_state(tls, reporter))
        self._metrics.registry.register(IngressCollector(lambda: answers.overview.counts.by_acceptance))
        stack.callback(answers.close)
        health = await add_debug(server, DebugService(answers))
        address = self._listening = _bind(server, self._settings.listen, tls)
        await server.start()
        stack.push_async_callback(server.stop, SHUTDOWN_GRACE_SECONDS)
        if tls is not None:
            self._metrics.registry.register(TlsCollector(tls.handshakes.failed, tls.not_after))
            tls.handshakes.follow(int(address.rpartition(":")[2]) if not address.startswith("unix:") else 0)
            stack.callback(tls.handshakes.stop)
            reloading = asyncio.create_task(tls.keep_reloading())
            stack.callback(reloading.cancel)
        _log.info("serving", address=address, source=str(self._settings.source), tls=tls is not None)
        return health

    async def _start_page(self, stack: contextlib.AsyncExitStack) -> None:
        options = self._settings.ui
        if options is not None:
            try:
                await start_page(options, self._answers, self._ads.proxy_figures, self._listening, stack)
            except OSError as error:
                raise _unusable(options.address, "--ui", error) from None

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
        self._answers.close()
        self._ads.close()


def _source(settings: Settings) -> Source:
    if isinstance(settings.source, ClusterSource):
        options = settings.translate
        return ApiServer(
            settings.source.access,
            settings.source.namespaces,
            options.default_tls_secret,
            annotated=options.annotated,
            config_maps=options.config_maps,
            config_references=options.config_references,
            owns_class=options.gateway.owns_class,
        )
    return Folder(settings.source)


def _pipeline(settings: Settings, deletion_grace_seconds: float) -> Pipeline:
    state = KubeState(
        settings.classes,
        claim_classless=not isinstance(settings.source, ClusterSource),  # no other controller reads a folder
        default_tls_secret=settings.translate.default_tls_secret,
        default_service=settings.translate.default_service,
        config_maps=settings.translate.config_maps,
        config_references=settings.translate.config_references,
        config_asked=settings.translate.config_asked,
        annotated=settings.translate.annotated,
    )
    return Pipeline(state, settings.translate, settings.proxy, deletion_grace_seconds=deletion_grace_seconds)


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
        _check_unused(address)
        target = f"unix-abstract:{address.path[1:]}" if address.path.startswith("@") else str(address)
    else:
        target = str(address)
    try:
        port = server.add_secure_port(target, tls.credentials()) if tls else server.add_insecure_port(target)
    except RuntimeError as error:
        raise _unusable(address, "--listen", error) from None
    bound = str(HostPort(address.host, port)) if isinstance(address, HostPort) else str(address)
    if tls is None and not is_local(address):
        _log.warning("plaintext_listener", address=bound, error=PLAINTEXT_DANGER, remedy=PLAINTEXT_REMEDY)
    return bound


def _check_unused(address: UnixPath) -> None:
    """Raise a ServeError if a server answers on the socket. gRPC takes over the socket of a live server, too."""
    path = f"\0{address.path[1:]}" if address.path.startswith("@") else address.path
    with socket.socket(socket.AF_UNIX) as probe, contextlib.suppress(OSError):
        probe.connect(path)
        raise ServeError(f"can't listen on {address}: a server answers there; stop it, or choose another with --listen")


def _unusable(address: HostPort | UnixPath, flag: str, error: Exception) -> ServeError:
    return ServeError(f"can't listen on {address}: {bind_failure(address, error)}; choose another with {flag}")
