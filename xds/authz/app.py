"""`xds authz`: the gRPC service and the admin port in one event loop."""

import asyncio
import contextlib
import gc
import os
import socket
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import grpc
import structlog
import uvloop

from xds import logs
from xds.address import HostPort, UnixPath
from xds.authz.answers import Answers
from xds.authz.authorizer import Authorizer
from xds.authz.metrics import Figures
from xds.authz.overload_log import OverloadLog
from xds.authz.service import handler
from xds.authz.slow_checks import SlowChecks
from xds.authz.workers import WorkerError, Workers
from xds.process.admin import AdminServer
from xds.process.bind_failure import bind_failure
from xds.process.signals import stop_signal

SHUTDOWN_GRACE_SECONDS: Final = 5.0
"""Time for open checks to end when the server stops: the longest that Envoy waits for one."""

TRY_OUT_SECONDS: Final = 20.0
"""Time for the first worker to start."""

MAX_CALLS: Final = 8_192
"""Most open checks. Envoy gets RESOURCE_EXHAUSTED for a further one, and answers 503."""

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
    uvloop.run(_serve(settings))


async def _serve(settings: AuthzSettings) -> None:
    stop = stop_signal(_RESTART_ONLY)
    figures, ready = Figures(), asyncio.Event()
    async with contextlib.AsyncExitStack() as stack:
        # First, so that probes get an answer until the last check has ended.
        await _start_admin(stack, settings.admin, figures, ready)
        authorizer = await _authorizer(stack, settings.max_hashes, figures)
        await _start_grpc(stack, settings.listen, authorizer)
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


async def _start_grpc(stack: contextlib.AsyncExitStack, address: HostPort | UnixPath, authorizer: Authorizer) -> None:
    # Without grpc.so_reuseport=0, two servers share a port in silence.
    server = grpc.aio.server(options=[("grpc.so_reuseport", 0)], maximum_concurrent_rpcs=MAX_CALLS)
    server.add_generic_rpc_handlers((handler(authorizer),))
    with _private(address):
        try:
            server.add_insecure_port(_target(address))
        except RuntimeError as error:
            raise _unusable(address, "--listen", error) from None
    await server.start()
    stack.push_async_callback(server.stop, SHUTDOWN_GRACE_SECONDS)


@contextlib.contextmanager
def _private(address: HostPort | UnixPath) -> Iterator[None]:
    """Bind with the mode 0600 for a socket; gRPC replaces the socket of a server that is gone.

    Raises:
        AuthzError: a server answers on the socket. gRPC would replace it, too.
    """
    if isinstance(address, UnixPath):
        path = f"\0{address.path[1:]}" if address.path.startswith("@") else address.path
        with socket.socket(socket.AF_UNIX) as probe, contextlib.suppress(OSError):
            probe.connect(path)
            raise AuthzError(
                f"can't listen on {address}: a server answers there; stop it, or choose another with --listen"
            )
    before = os.umask(SOCKET_UMASK)
    try:
        yield
    finally:
        os.umask(before)


def _target(address: HostPort | UnixPath) -> str:
    if isinstance(address, UnixPath) and address.path.startswith("@"):
        return f"unix-abstract:{address.path[1:]}"
    return str(address)


def _unusable(address: HostPort | UnixPath, flag: str, error: Exception) -> AuthzError:
    return AuthzError(f"can't listen on {address}: {bind_failure(address, error)}; choose another with {flag}")
