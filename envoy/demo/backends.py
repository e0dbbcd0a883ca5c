"""Echo backends: each has its own name and address, like a pod, and answers with a description of the request."""

import socket
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Final

from aiohttp import WSMsgType, web

import ports

HEADERS: Final = ("x-forwarded-for", "x-forwarded-proto", "x-request-id", "user-agent")
"""Headers that a proxy adds or changes."""

SERVICES: Final[Mapping[str, int]] = {"web": 4, "api": 3, "tenants": 2, "chat": 1, "fallback": 1}
"""The number of backends of each Service. The last backend of `web` comes and goes."""

GRACE: Final = 2.0
"""Seconds for open requests when a backend stops."""


@dataclass(frozen=True, slots=True)
class Place:
    """The name and the address of a backend."""

    name: str
    address: str
    port: int

    def __str__(self) -> str:
        return f"{self.address}:{self.port}"


class Backend:
    """An echo server that may start and stop repeatedly."""

    def __init__(self, place: Place) -> None:
        self.place = place
        self._runner: web.AppRunner | None = None

    async def start(self, bound: socket.socket | None = None) -> None:
        """Listen, on the bound socket if given."""
        application = web.Application()
        application.router.add_route("*", "/{path:.*}", _answer_as(self.place.name))
        self._runner = web.AppRunner(application, shutdown_timeout=GRACE, access_log=None)
        await self._runner.setup()
        place = self.place
        site = web.SockSite(self._runner, bound) if bound else web.TCPSite(self._runner, place.address, place.port)
        await site.start()

    async def stop(self) -> None:
        """Stop; open requests get GRACE seconds."""
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None


def _answer_as(name: str) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
    async def answer(request: web.Request) -> web.StreamResponse:
        if request.headers.get("upgrade", "").lower() == "websocket":
            return await _talk(name, request)
        headers = {each: request.headers[each] for each in HEADERS if each in request.headers}
        seen = {"backend": name, "method": request.method, "host": request.host, "path": request.path_qs}
        return web.json_response({**seen, "headers": headers})

    return answer


async def _talk(name: str, request: web.Request) -> web.WebSocketResponse:
    """Answer every message with the backend's name and the message."""
    conversation = web.WebSocketResponse()
    await conversation.prepare(request)
    async for message in conversation:
        if message.type is WSMsgType.TEXT:
            await conversation.send_str(f"{name}: {message.data}")
    return conversation


class Backends:
    """The backends, as a context manager that starts every backend except the spare, and stops the running ones."""

    def __init__(self) -> None:
        self._by_service: dict[str, list[Backend]] = {}

    async def __aenter__(self) -> "Backends":
        addresses = {
            service: [f"127.0.{network}.{host}" for host in range(1, count + 1)]
            for network, (service, count) in enumerate(SERVICES.items(), start=1)
        }
        sockets = iter(ports.bind_backends([address for each in addresses.values() for address in each]))
        for service, each in addresses.items():
            self._by_service[service] = [
                await _started(f"{service}-{number}", next(sockets)) for number in range(1, len(each) + 1)
            ]
        await self.spare.stop()
        return self

    async def __aexit__(self, *_: object) -> None:
        for backends in self._by_service.values():
            for backend in backends:
                await backend.stop()

    @property
    def spare(self) -> Backend:
        """The backend that a Service gains and loses."""
        return self._by_service["web"][-1]

    def places(self, service: str, *, spare: bool = False) -> list[Place]:
        """The places of a Service's backends, with or without the spare."""
        return [each.place for each in self._by_service[service] if spare or each is not self.spare]


async def _started(name: str, bound: socket.socket) -> Backend:
    address, port = bound.getsockname()
    backend = Backend(Place(name, address, port))
    await backend.start(bound)
    return backend
