"""One endless watch: a list, then what changes, and on from there when the connection ends.

The list comes as a stream (sendInitialEvents) where the API server does that, else in pages.

Source: https://kubernetes.io/docs/reference/using-api/api-concepts/#efficient-detection-of-changes
"""

import asyncio
import random
from collections.abc import Awaitable, Callable, Iterable, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from typing import Final

import aiohttp

from xds.kube.change import Change
from xds.kube.wire import Bookmark, Failure, Found, GarbledError, Gone, Page, event_of, page_of
from xds.kubeapi.backoff import Backoff
from xds.kubeapi.client import CONNECT_TIMEOUT_SECONDS, ApiClient, ErrorStatus
from xds.kubeapi.interface import ApiUnavailable
from xds.sources.apiserver.lines import Lines, LineTooLongError
from xds.sources.apiserver.outages import Outages
from xds.sources.apiserver.scope import Scope
from xds.sources.apiserver.tracker import ObjectTracker

STREAMED: Final = {"sendInitialEvents": "true", "resourceVersionMatch": "NotOlderThan"}
"""Makes a watch begin with a list: https://kubernetes.io/docs/reference/using-api/api-concepts/#streaming-lists"""

PAGE: Final = 500
"""Objects of a list that are asked for at a time, as by client-go."""

LASTS: Final = (240, 480)
"""Seconds after which the API server is to end a watch, at random in between: so streams spread over its replicas."""

PATIENCE: Final = 30.0
"""Seconds without a byte after which a list, or a watch past its end, is given up."""

SETTLE: Final = 0.3
"""Seconds after which a watch that goes on has what it missed: that comes first, but nothing says where it ends."""

STEADY: Final = 5.0
"""Seconds after which a connection did work: how it ends is not the last failure once more."""

_NO_TOTAL: Final = aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_TIMEOUT_SECONDS)
_SLOW: Final = aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_TIMEOUT_SECONDS, sock_read=PATIENCE)
FAILURES: Final = (ErrorStatus, ApiUnavailable, GarbledError, LineTooLongError)


class ExpiredError(Exception):
    """There is no going on from the version that was read last."""


@dataclass(slots=True)
class WatchBatch:
    """What was read at once. `read_at` is in seconds of the event loop's clock; `complete`: it completes a list."""

    read_at: float
    changes: list[Change] = field(default_factory=list)
    complete: bool = False


Deliver = Callable[[WatchBatch], Awaitable[None]]


class Watch:
    """Follows the objects of a scope.

    Args:
        known: What has been said of them; only this watch feeds it.
        deliver: Is given each piece of news, and waited for.
        forbidden: Is told each time that the API server says 403.
    """

    def __init__(
        self,
        scope: Scope,
        client: ApiClient,
        known: ObjectTracker,
        outages: Outages,
        deliver: Deliver,
        *,
        forbidden: Callable[[], None] | None = None,
    ) -> None:
        self.scope = scope
        self._client = client
        self._known = known
        self._outages = outages
        self._deliver = deliver
        self._forbidden = forbidden
        self._backoff = Backoff(random.random)
        self._clock = asyncio.get_running_loop().time
        self._version = ""
        self._lists_stream = True
        self._was_away = False
        self._round: asyncio.Timeout | None = None

    def relist(self) -> None:
        """List again, as soon as possible."""
        self._version = ""
        if self._round is not None and not self._round.expired():
            self._round.reschedule(0)

    async def run(self) -> None:
        """For ever. Cancellation closes the connection."""
        while True:
            began = self._clock()
            error = await self._connect()
            if self._clock() - began > STEADY:
                self._backoff.reset()
                if error is None:
                    continue
            await self._pause(error)

    async def _pause(self, error: Exception | None) -> None:
        if isinstance(error, ExpiredError):
            self._version = ""
            self._outages.expired(self.scope, error)
            if self._was_away:  # it is back, and a server that was restarted knows no old versions
                self._backoff.reset()
        elif error is not None:
            self._outages.failed(self.scope, error)
        self._was_away = isinstance(error, ApiUnavailable)
        if self._forbidden and isinstance(error, ErrorStatus) and error.status == 403:
            self._forbidden()
        wait = max(self._backoff.delay(), min(error.retry_after, PATIENCE) if isinstance(error, ErrorStatus) else 0)
        if await self._outages.pause(self.scope, wait):
            self._backoff.reset()
            await asyncio.sleep(self._backoff.delay())

    async def _connect(self) -> Exception | None:
        """Follows for as long as one connection lasts. Returns why it ended; None: it was time, or `relist` said so."""
        try:
            async with asyncio.timeout(None) as self._round:
                await (self._follow() if self._version else self._list())
        except TimeoutError:
            self._version = ""
        except ErrorStatus as error:
            return ExpiredError(error.message) if error.status == 410 else error
        except (*FAILURES, ExpiredError) as error:
            return error
        finally:
            self._round = None
        return None

    async def _list(self) -> None:
        """Lists, and follows from there."""
        if self._lists_stream:
            try:
                self._known.begin_list()
                return await self._watch(STREAMED)
            except ErrorStatus as error:
                if error.status not in (400, 422):
                    raise
                self._lists_stream = False  # the API server is too old, or has it switched off
        await self._list_pages()
        return await self._follow()

    async def _follow(self) -> None:
        await self._watch({"resourceVersion": self._version}, resumed=True)

    # A watch, which may begin with a list.

    async def _watch(self, params: Mapping[str, str], *, resumed: bool = False) -> None:
        lasts = random.randint(*LASTS)  # noqa: S311
        params = {**params, "watch": "true", "allowWatchBookmarks": "true", "timeoutSeconds": str(lasts)}
        lines = Lines()
        async with AsyncExitStack() as stack:
            response = await self._opened(stack, params)
            if resumed:
                settled = asyncio.get_running_loop().call_later(SETTLE, self._settled)
                stack.callback(settled.cancel)
            while piece := await self._read(response, lasts + PATIENCE):
                await self._take(lines.feed(piece))
        if not self._version:
            raise ApiUnavailable("the list broke off")

    async def _opened(self, stack: AsyncExitStack, params: Mapping[str, str]) -> aiohttp.ClientResponse:
        """The answer, once it begins, which is before there is anything to say."""
        context = self._client.get(self.scope.path, self._selected(params), timeout=_NO_TOTAL)
        try:
            async with asyncio.timeout(PATIENCE):
                response = await stack.enter_async_context(context)
        except TimeoutError:
            raise ApiUnavailable(f"no answer for {PATIENCE:.0f} s") from None
        return response

    def _settled(self) -> None:
        """Nothing was missed, as far as one can know: the protocol has no word for it."""
        self._outages.works(self.scope)
        self._outages.caught_up(self.scope)

    async def _read(self, response: aiohttp.ClientResponse, patience: float) -> bytes:
        """What comes next; nothing at the end."""
        listed = bool(self._version)
        try:
            async with asyncio.timeout(patience if listed else PATIENCE):
                return await response.content.readany()
        except TimeoutError:
            self._lists_stream = listed  # some storage never gets to the end of a streamed list
            raise ApiUnavailable(f"nothing came for {patience if listed else PATIENCE:.0f} s") from None

    async def _take(self, lines: Iterable[bytes]) -> None:
        """What comes before an error counts."""
        news = WatchBatch(self._clock())
        error: Exception | None = None
        version = self._version
        for line in lines:
            try:
                event = event_of(self.scope.kind, line)
            except GarbledError as garbled:
                error = garbled
                break
            if isinstance(event, Failure):
                # Most often 410. Whatever it is, it may be about the version that we go on from.
                error = ExpiredError(f"{event.code} {event.reason}: {event.message}")
                break
            version = self._note(event, news) or version
            # Not before: also a login page, or what stands in for the API server, answers 200.
            self._outages.works(self.scope)
        if news.complete or self._version:
            await self._deliver(news)
            self._version = version
        if error is not None:
            raise error

    def _note(self, event: Found | Gone | Bookmark | None, news: WatchBatch) -> str:
        """Returns the version that the event gets to; none, if one can't go on from there yet."""
        if event is None:
            return ""
        if isinstance(event, Bookmark):
            if event.initial:
                news.changes += self._known.end_list(event.version)
                news.complete = True
        else:
            news.changes += self._known.take(event)
        return event.version

    # A list in pages.

    async def _list_pages(self) -> None:
        """All pages; when they go out of date, all at once, which can't."""
        try:
            await self._list_by(PAGE)
        except ErrorStatus as error:
            if error.status != 410:
                raise
            await self._list_by(0)

    async def _list_by(self, limit: int) -> None:
        self._known.begin_list()
        read_at = self._clock()
        page = await self._page({"limit": str(limit)} if limit else {})
        version = page.version
        while page.next:
            self._note_page(page)
            page = await self._page({"limit": str(limit), "continue": page.next})
        self._note_page(page)
        await self._deliver(WatchBatch(read_at, self._known.end_list(version), complete=True))
        self._version = version

    async def _page(self, params: Mapping[str, str]) -> Page:
        async with self._client.get(self.scope.path, self._selected(params), timeout=_SLOW) as response:
            page = page_of(self.scope.kind, await response.read())
            self._outages.works(self.scope)
            return page

    def _note_page(self, page: Page) -> None:
        for each in page.items:
            self._known.take(each)

    def _selected(self, params: Mapping[str, str]) -> dict[str, str]:
        return {**params, "fieldSelector": self.scope.selector} if self.scope.selector else dict(params)
