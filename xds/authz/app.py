"""`xds authz`: the gRPC service and the admin port in one event loop."""

import asyncio
import contextlib
import gc
import os
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import structlog
import uvloop

from xds import logs
from xds.address import HostPort, UnixPath
from xds.authz.answers import Answers
from xds.authz.authorizer import Authorizer
from xds.authz.http2 import GrpcConnection
from xds.authz.metrics import Figures
from xds.authz.overload_log import OverloadLog
from xds.authz.service import CheckService
from xds.authz.slow_checks import SlowChecks
from xds.authz.workers import WorkerError, Workers
from xds.process.admin import AdminServer
from xds.process.bind_failure import bind_failure
from xds.process.signals import stop_signal

SHUTDOWN_GRACE_SECONDS: Final = 5.0
"""Time for open checks to end when the server stops: the longest that Envoy waits for one."""

TRY_OUT_SECONDS: Final = 20.0
"""Time for the first worker to start."""

DRAIN_POLL_SECONDS: Final = 0.02

BACKLOG: Final = 1024

SOCKET_UMASK: Final = 0o177
"""Only the user of this process may connect."""

_RESTART_ONLY: Final = "there is nothing to reload; restart the server to change flags"

_log = structlog.get_logger()


class AuthzError(Exception):
    """The server can't start. The message is one line with the action to take."""


@dataclass(frozen=True, slots=True)
class AuthzSettings:
    """The flags.

    Attributes:
        max_hashes: Most hashes at once.
    """

    listen: HostPort | UnixPath
    admin: HostPort
    max_hashes: int
    log_level: str
    log_format: str


def run(settings: AuthzSettings) -> None:
    """Serve until SIGTERM, SIGINT or SIGQUIT.

    Raises:
        AuthzError: an address can't be bound, or hashes can't be computed.
    """
    logs.configure(settings.log_level, settings.log_format)
    with logs.uncaught(except_for=(AuthzError,)):
        uvloop.run(_serve(settings))


async def _serve(settings: AuthzSettings) -> None:
    stop = stop_signal(_RESTART_ONLY)
    figures, ready = Figures(), asyncio.Event()
    async with contextlib.AsyncExitStack() as stack:
        # First, so that probes get an answer until the last check has ended.
        await _start_admin(stack, settings.admin, figures, ready)
        authorizer = await _authorizer(stack, settings.max_hashes, figures)
        await _start_service(stack, settings.listen, CheckService(authorizer))
        gc.freeze()  # a full collection then takes a millisecond
        ready.set()
        stack.callback(ready.clear)
        _log.info("serving", address=str(settings.listen), max_hashes=settings.max_hashes)
        await stop.wait()
        _log.info("stopping")


async def _authorizer(stack: contextlib.AsyncExitStack, max_hashes: int, figures: Figures) -> Authorizer:
    workers, answers = Workers(), Answers(time.monotonic)
    slow = SlowChecks(max_hashes, workers, answers, figures, OverloadLog())
    stack.push_async_callback(slow.stop)
    try:
        await workers.try_out(TRY_OUT_SECONDS)
    except WorkerError as error:
        raise AuthzError(f"hashes can't be computed: {error}; its own error stands above; install xds anew") from None
    return Authorizer(answers, slow, figures)


async def _start_admin(
    stack: contextlib.AsyncExitStack, address: HostPort, figures: Figures, ready: asyncio.Event
) -> None:
    admin = AdminServer(figures.registry, ready.is_set, lambda: "the server starts or shuts down")
    try:
        port = await admin.start(address)
    except OSError as error:
        raise _unusable(address, "--admin", error) from None
    stack.push_async_callback(admin.stop)
    _log.info("admin_listening", address=str(HostPort(address.host, port)))


async def _start_service(stack: contextlib.AsyncExitStack, address: HostPort | UnixPath, service: CheckService) -> None:
    connections: set[GrpcConnection] = set()
    try:
        listener = await _listen(address, lambda: GrpcConnection(service.check, connections))
    except OSError as error:
        raise _unusable(address, "--listen", error) from None
    stack.push_async_callback(_drain, connections)
    stack.callback(listener.close)
    if isinstance(address, UnixPath) and not address.path.startswith("@"):
        stack.callback(Path(address.path).unlink, missing_ok=True)


async def _drain(connections: set[GrpcConnection]) -> None:
    """Let open checks end."""
    for each in list(connections):
        each.drain()
    deadline = time.monotonic() + SHUTDOWN_GRACE_SECONDS
    while connections and time.monotonic() < deadline:  # noqa: ASYNC110 - once, at the end
        await asyncio.sleep(DRAIN_POLL_SECONDS)
    for each in list(connections):
        each.abort()


async def _listen(address: HostPort | UnixPath, accept: Callable[[], GrpcConnection]) -> asyncio.Server:
    loop = asyncio.get_running_loop()
    if isinstance(address, HostPort):
        return await loop.create_server(accept, address.host, address.port, backlog=BACKLOG)
    bound = socket.socket(socket.AF_UNIX)
    try:
        _bind(bound, address)
    except BaseException:
        bound.close()
        raise
    return await loop.create_unix_server(accept, sock=bound, backlog=BACKLOG)


def _bind(bound: socket.socket, address: UnixPath) -> None:
    """Bind with the mode 0600, in place of a server that is gone.

    Raises:
        AuthzError: a server answers on the socket.
        OSError: the address can't be bound.
    """
    abstract, path = address.path.startswith("@"), Path(address.path)
    target = f"\0{address.path[1:]}" if abstract else address.path
    with socket.socket(socket.AF_UNIX) as probe, contextlib.suppress(OSError):
        probe.connect(target)
        raise AuthzError(f"can't listen on {address}: a server answers there; stop it, or choose another with --listen")
    if not abstract and path.is_socket():
        path.unlink()
    before = os.umask(SOCKET_UMASK)
    try:
        bound.bind(target)
    finally:
        os.umask(before)


def _unusable(address: HostPort | UnixPath, flag: str, error: Exception) -> AuthzError:
    return AuthzError(f"can't listen on {address}: {bind_failure(address, error)}; choose another with {flag}")
