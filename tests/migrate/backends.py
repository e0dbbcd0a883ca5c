"""Backends for every Service of the corpus: in HTTP/1.1, TLS or gRPC, and authorizers."""

import contextlib
import ssl
import tempfile
from collections.abc import AsyncIterator, Iterable, Mapping
from typing import Any, Final

import grpc
import grpc.aio
from aiohttp import web
from multidict import CIMultiDict

from tests.support.authority import Authority, Issued
from tests.support.objects import slice_of
from xds.kube.objects import EndpointSlice, KubeObject, Service

SPEAKS: Final = "speaks"
"""Label of a Service: https or grpc. Without the label, HTTP/1.1."""

ANSWERS: Final = "answers"
"""Label of a Service that answers as an authorizer: 202 to requests with X-Pass: yes, and 401 to others."""


class Backends:
    """One HTTP server with a port for each port of a Service, and gRPC servers.

    Attributes:
        received: The last request that each path of each host led to a backend, by method, host and path as sent.
    """

    def __init__(self, identity: Issued) -> None:
        self._names: dict[int, Service] = {}
        app = web.Application(client_max_size=2**30)
        app.router.add_route("*", "/{path:.*}", self._answer)
        self._runner = web.AppRunner(app, access_log=None, handle_signals=False, shutdown_timeout=0)
        self._tls = _context(identity)

    @contextlib.asynccontextmanager
    async def serving(self, services: Iterable[Service]) -> AsyncIterator[list[KubeObject]]:
        """Yields the EndpointSlices."""
        async with contextlib.AsyncExitStack() as stack:
            await self._runner.setup()
            stack.push_async_callback(self._runner.cleanup)
            yield [await self._serve(each, stack) for each in services]

    async def _serve(self, service: Service, stack: contextlib.AsyncExitStack) -> EndpointSlice:
        speaks = _label(service, SPEAKS)
        if speaks == "grpc":
            port = await _grpc(service.metadata.name, stack)
        elif (address := service.spec.cluster_ip or "").startswith("127."):
            port = await self._site(service, address, (service.spec.ports or ())[0].port)
        else:
            port = await self._site(service, "127.0.0.1", 0, self._tls if speaks == "https" else None)
        ports: list[int | str | dict[str, Any]] = [
            {"name": each.name or "", "port": port} for each in service.spec.ports or ()
        ]
        return slice_of(service.metadata.name, "127.0.0.1", ports=ports, ns=service.metadata.namespace)

    async def _site(self, service: Service, address: str, port: int, tls: ssl.SSLContext | None = None) -> int:
        await web.TCPSite(self._runner, address, port, ssl_context=tls).start()
        port = int(self._runner.addresses[-1][1])
        self._names[port] = service
        return port

    async def _answer(self, request: web.Request) -> web.Response:
        assert request.transport
        service = self._names[request.transport.get_extra_info("sockname")[1]]
        await request.read()
        headers = CIMultiDict({"x-backend": service.metadata.name, "x-seen-path": request.raw_path})
        headers.extend({f"x-seen-{name}": value for name, value in request.headers.items()})
        if not _label(service, ANSWERS):
            return web.Response(headers=headers)
        if request.headers.get("x-pass") == "yes":
            headers["x-auth-request-user"] = "amber"
            return web.Response(status=202, headers=headers)
        return web.Response(status=401, headers=headers)


def _label(service: Service, name: str) -> str:
    labels: Mapping[str, str] = service.metadata.labels or {}
    return labels.get(name, "")


def _context(identity: Issued) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    with tempfile.NamedTemporaryFile() as file:
        file.write(identity.certificate + identity.private_key)
        file.flush()
        context.load_cert_chain(file.name)
    return context


class _Calls(grpc.GenericRpcHandler):  # type: ignore[type-arg]  # generic in its stubs alone
    """Answers every call with no message, and with the name of the backend."""

    def __init__(self, name: str) -> None:
        self._name = name

    def service(self, handler_call_details: grpc.HandlerCallDetails) -> "grpc.RpcMethodHandler[bytes, bytes]":
        del handler_call_details
        return grpc.unary_unary_rpc_method_handler(self._answer)

    async def _answer(self, request: bytes, context: "grpc.aio.ServicerContext[bytes, bytes]") -> bytes:
        del request
        await context.send_initial_metadata((("x-backend", self._name),))
        return b""


async def _grpc(name: str, stack: contextlib.AsyncExitStack) -> int:
    server = grpc.aio.server()
    server.add_generic_rpc_handlers([_Calls(name)])
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    stack.push_async_callback(server.stop, 0)
    return port


def inner(authority: Authority) -> Issued:
    """The identity of backends that speak TLS."""
    return authority.issue("inner.backs.test")
