"""The server of the page: read-only, server-rendered, on a port of its own."""

import asyncio
import hashlib
from collections.abc import Awaitable, Callable, Hashable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final
from urllib.parse import unquote

from aiohttp import web

from xds.api.v1 import debug_pb2 as pb
from xds.process.http_server import HttpServer
from xds.server.debug.errors import AnswerError, InvalidRequestError, NotFoundError, OutsideHistoryError
from xds.ui import guard, rendering
from xds.ui.answers import Answers, CostlyAnswers
from xds.ui.live import Live, word_of
from xds.ui.options import UiOptions
from xds.ui.page import Page, Query
from xds.ui.pages import (
    certificates,
    explain,
    gateways,
    ingress,
    ingresses,
    overview,
    ports,
    problems,
    proxies,
    replicas,
    revisions,
)
from xds.ui.visit import Visit

CONNECTION_SECONDS: Final = 10.0
"""Longest life of a connection, which has one request. A page takes less than a second, a costly question 2 s."""

MAX_CONNECTIONS: Final = 64
"""Most open connections, beside those of the live refresh."""

_STATIC: Final = {"page.css": "text/css", "page.js": "text/javascript", "icon.svg": "image/svg+xml"}

_Show = Callable[[Visit], Awaitable[Page]]

_PAGES: Final[dict[tuple[str, int], _Show]] = {
    ("", 0): overview.show,
    ("ingresses", 0): ingresses.show,
    ("ingresses", 2): ingress.show,
    ("ports", 0): ports.show,
    ("ports", 3): ports.show_object,
    ("gateways", 0): gateways.show,
    ("gateways", 2): gateways.show_object,
    ("gateways", 3): gateways.show_object,
    ("explain", 0): explain.show,
    ("problems", 0): problems.show,
    ("proxies", 0): proxies.show,
    ("revisions", 0): revisions.show,
    ("revisions", 1): revisions.show_one,
    ("certificates", 0): certificates.show,
    ("replicas", 0): replicas.show,
}
"""By the first segment of the path, and the number of further segments."""


class UiServer:
    """The page, from `start` to `stop`.

    Args:
        options: The address, and the names that are allowed in the Host header.
        answers: Answers the page's questions.
        costly: Answers those that may take long.
        look: Returns a value that differs after each visible change. Asked once a second, while a page is open.
        listen: The address of the control plane, for commands that the page shows.
    """

    def __init__(
        self,
        options: UiOptions,
        answers: Answers,
        costly: CostlyAnswers,
        look: Callable[[], Awaitable[Hashable]],
        listen: str = "127.0.0.1:18000",
    ) -> None:
        self._options = options
        self._answers = answers
        self._costly = costly
        self._listen = listen
        self._live = Live(look)
        self._status = pb.GetStatusResponse()
        self._status_mark: Hashable = None
        self._static, version = _static_files()
        self._templates = rendering.environment(version)
        # A thread of its own: pages wait for each other, not the proxies for a page.
        self._renderer = ThreadPoolExecutor(1, "page")
        self.http = HttpServer(
            self._answer,
            connection_seconds=CONNECTION_SECONDS,
            max_connections=MAX_CONNECTIONS,
            headers=guard.HEADERS,
        )

    async def start(self) -> int:
        """Bind, and return the port.

        Raises:
            OSError: the address can't be bound.
        """
        return await self.http.start(self._options.address)

    async def stop(self) -> None:
        self._live.stop()
        await self.http.stop()
        self._renderer.shutdown(wait=False, cancel_futures=True)

    async def _answer(self, request: web.BaseRequest) -> web.StreamResponse:
        rejection = guard.rejection(request, self._options.hosts)
        if rejection is not None:
            return rejection
        first, *names = [unquote(each) for each in request.rel_url.raw_path.removeprefix("/").split("/")]
        if first == "static" and len(names) == 1 and names[0] in self._static:
            return self._file(names[0])
        if first == "events" and not names:
            return await self._events(request)
        mark = await self._live.mark()  # before the page is made, which may be newer then, but is never older
        page = await self._page(first, tuple(names), Query(request.query))
        return await self._rendered(page, mark)

    async def _page(self, first: str, names: tuple[str, ...], query: Query) -> Page:
        show = _PAGES.get((first, len(names)))
        if show is None:
            return _error(404, "There is no such page", "Choose one of the pages above.")
        try:
            return await show(Visit(self._answers, query, names, self._costly, self._listen))
        except InvalidRequestError as error:
            return _error(400, "The question can't be answered", _sentence(error))
        except (NotFoundError, OutsideHistoryError) as error:
            return _error(404, "Not found", _sentence(error))
        except AnswerError as error:
            return _error(503, "No answer yet", _sentence(error))

    async def _rendered(self, page: Page, mark: Hashable) -> web.Response:
        if mark != self._status_mark:
            self._status, self._status_mark = await self._answers.get_status(pb.GetStatusRequest()), mark
        loop, status = asyncio.get_running_loop(), self._status
        html = await loop.run_in_executor(
            self._renderer, rendering.render, self._templates, page, status, word_of(mark)
        )
        headers = {"Retry-After": "2"} if page.status == 503 else None
        return web.Response(text=html, content_type="text/html", status=page.status, headers=headers)

    def _file(self, name: str) -> web.Response:
        # The address has the version of the files.
        headers = {"Cache-Control": "public, max-age=31536000, immutable"}
        return web.Response(body=self._static[name], content_type=_STATIC[name], charset="utf-8", headers=headers)

    async def _events(self, request: web.BaseRequest) -> web.StreamResponse:
        if self._live.full or request.method == "HEAD":
            return web.Response(status=503, text="503: too many windows are open; this one asks again\n")
        with self.http.kept(request):
            return await self._live.serve(request)


def _static_files() -> tuple[dict[str, bytes], str]:
    """The contents by name, and a version of all."""
    folder = Path(__file__).parent / "static"
    files = {name: (folder / name).read_bytes() for name in _STATIC}
    return files, hashlib.blake2b(b"".join(files.values()), digest_size=6).hexdigest()


def _sentence(error: AnswerError) -> str:
    text = str(error)
    return f"{text[:1].upper()}{text[1:]}."


def _error(status: int, heading: str, text: str) -> Page:
    return Page("error.html", heading, lambda: {"heading": heading, "text": text}, status=status)
