"""Backends that answer with their name and the received request."""

import contextlib
import functools
from collections.abc import AsyncIterator

from aiohttp import WSMsgType, web


@contextlib.asynccontextmanager
async def echo(name: str, host: str = "127.0.0.1", port: int = 0) -> AsyncIterator[int]:
    """An HTTP/1.1 backend; yields its port, a free one unless given. The answer is JSON; a WebSocket gets its messages
    back.
    """
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", functools.partial(_answer, name))
    runner = web.AppRunner(app, access_log=None, handle_signals=False, shutdown_timeout=0)
    await runner.setup()
    try:
        await web.TCPSite(runner, host, port).start()
        yield int(runner.addresses[0][1])
    finally:
        await runner.cleanup()


async def _answer(name: str, request: web.Request) -> web.StreamResponse:
    if request.headers.get("Upgrade", "").lower() == "websocket":
        return await _websocket(request)
    said = {
        "backend": name,
        "host": request.headers.get("Host", ""),
        "path": request.raw_path,
        "headers": {key.lower(): value for key, value in request.headers.items()},
    }
    return web.json_response(said)


async def _websocket(request: web.Request) -> web.WebSocketResponse:
    socket = web.WebSocketResponse()
    await socket.prepare(request)
    async for message in socket:
        if message.type is WSMsgType.TEXT:
            await socket.send_str(message.data)
    return socket
