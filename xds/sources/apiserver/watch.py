"""An endless watch: a list, then events, resumed at the last version when a connection ends.

The list comes as a stream (sendInitialEvents) from an API server that supports streams, else in pages.

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

STREAMED_LIST: Final = {"sendInitialEvents": "true", "resourceVersionMatch": "NotOlderThan"}
"""Makes a watch begin with a list: https://kubernetes.io/docs/reference/using-api/api-concepts/#streaming-lists"""

LIST_PAGE_OBJECTS: Final = 500
"""Objects in a page of a list, as in client-go."""

WATCH_SECONDS: Final = (240, 480)
"""A random time in this range ends each watch request, so that watches spread over the API server's replicas."""

LIST_IDLE_TIMEOUT_SECONDS: Final = 30.0
"""A list without a byte for so long has failed, like a watch so long past its end."""

MAX_RETRY_AFTER_SECONDS: Final = 30.0
"""The longest wait that an API server can demand."""

CATCH_UP_SECONDS: Final = 0.3
"""A resumed watch replays missed events first, without an end marker. It counts as caught up after this time."""

STEADY_CONNECTION_SECONDS: Final = 5.0
"""A connection that lasts so long worked: its end is no repetition of an earlier failure."""

_WATCH_TIMEOUT: Final = aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_TIMEOUT_SECONDS)
_PAGE_TIMEOUT: Final = aiohttp.ClientTimeout(
    total=None, sock_connect=CONNECT_TIMEOUT_SECONDS, sock_read=LIST_IDLE_TIMEOUT_SECONDS
)
FAILURES: Final = (ErrorStatus, ApiUnavailable, GarbledError, LineTooLongError)


class ExpiredError(Exception):
    """The watch can't resume at the last version."""


@dataclass(slots=True)
class WatchBatch:
    """Changes that arrived together.

    Attributes:
        read_at: Seconds of the event loop's clock.
        changes: In order.
        completes_list: Whether the changes complete a list.
    """

    read_at: float
    changes: list[Change] = field(default_factory=list)
    completes_list: bool = False


Deliver = Callable[[WatchBatch], Awaitable[None]]


class Watch:
    """Follows the objects of a scope.

    Args:
        scope: The kind and namespace to watch.
        client: The connection to the API server.
        tracker: Of the scope's objects; no other watch may feed it.
        outages: Where failures are reported.
        deliver: Receives each batch, and is awaited.
        forbidden: Is called at each 403.
    """

    def __init__(
        self,
        scope: Scope,
        client: ApiClient,
        tracker: ObjectTracker,
        outages: Outages,
        deliver: Deliver,
        *,
        forbidden: Callable[[], None] | None = None,
    ) -> None:
        self.scope = scope
        self._client = client
        self._tracker = tracker
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
        """End the present connection, and list again."""
        self._version = ""
        if self._round is not None and not self._round.expired():
            self._round.reschedule(0)

    async def run(self) -> None:
        """Watch for ever. Cancellation closes the connection."""
        while True:
            began = self._clock()
            error = await self._connect()
            if self._clock() - began > STEADY_CONNECTION_SECONDS:
                self._backoff.reset()
                if error is None:
                    continue
            await self._pause(error)

    async def _pause(self, error: Exception | None) -> None:
        if isinstance(error, ExpiredError):
            self._version = ""
            self._outages.expired(self.scope, error)
            if self._was_away:  # a restarted API server knows no old versions
                self._backoff.reset()
        elif error is not None:
            self._outages.failed(self.scope, error)
        self._was_away = isinstance(error, ApiUnavailable)
        if self._forbidden and isinstance(error, ErrorStatus) and error.status == 403:
            self._forbidden()
        wait = max(
            self._backoff.delay(),
            min(error.retry_after, LIST_IDLE_TIMEOUT_SECONDS) if isinstance(error, ErrorStatus) else 0,
        )
        if await self._outages.pause(self.scope, wait):
            self._backoff.reset()
            await asyncio.sleep(self._backoff.delay())

    async def _connect(self) -> Exception | None:
        """Follow for the life of one connection. Returns the failure; None at the regular end, or after `relist`."""
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
        """List, and watch from there."""
        if self._lists_stream:
            try:
                self._tracker.begin_list()
                return await self._watch(STREAMED_LIST)
            except ErrorStatus as error:
                if error.status not in (400, 422):
                    raise
                self._lists_stream = False  # too old an API server, or switched off
        await self._list_pages()
        return await self._follow()

    async def _follow(self) -> None:
        await self._watch({"resourceVersion": self._version}, resumed=True)

    # Watch requests

    async def _watch(self, params: Mapping[str, str], *, resumed: bool = False) -> None:
        lasts = random.randint(*WATCH_SECONDS)  # noqa: S311
        params = {**params, "watch": "true", "allowWatchBookmarks": "true", "timeoutSeconds": str(lasts)}
        lines = Lines()
        async with AsyncExitStack() as stack:
            response = await self._opened(stack, params)
            if resumed:
                timer = asyncio.get_running_loop().call_later(CATCH_UP_SECONDS, self._caught_up)
                stack.callback(timer.cancel)
            while piece := await self._read(response, lasts + LIST_IDLE_TIMEOUT_SECONDS):
                await self._take(lines.feed(piece))
        if not self._version:
            raise ApiUnavailable("the list broke off")

    async def _opened(self, stack: AsyncExitStack, params: Mapping[str, str]) -> aiohttp.ClientResponse:
        """Return the response as soon as its headers arrive, which may be long before the first event."""
        context = self._client.get(self.scope.path, self._selected(params), timeout=_WATCH_TIMEOUT)
        try:
            async with asyncio.timeout(LIST_IDLE_TIMEOUT_SECONDS):
                response = await stack.enter_async_context(context)
        except TimeoutError:
            raise ApiUnavailable(f"no answer for {LIST_IDLE_TIMEOUT_SECONDS:.0f} s") from None
        return response

    def _caught_up(self) -> None:
        self._outages.works(self.scope)
        self._outages.caught_up(self.scope)

    async def _read(self, response: aiohttp.ClientResponse, watch_timeout: float) -> bytes:
        """Return the next bytes; none at the end of the response."""
        listed = bool(self._version)
        timeout = watch_timeout if listed else LIST_IDLE_TIMEOUT_SECONDS
        try:
            async with asyncio.timeout(timeout):
                return await response.content.readany()
        except TimeoutError:
            self._lists_stream = listed  # some storage never reaches the end of a streamed list
            raise ApiUnavailable(f"nothing came for {timeout:.0f} s") from None

    async def _take(self, lines: Iterable[bytes]) -> None:
        """Deliver the events of the lines, up to the first error."""
        batch = WatchBatch(self._clock())
        error: Exception | None = None
        version = self._version
        for line in lines:
            try:
                event = event_of(self.scope.kind, line)
            except GarbledError as garbled:
                error = garbled
                break
            if isinstance(event, Failure):
                # Most often 410. Any other failure may be caused by the version, too.
                error = ExpiredError(f"{event.code} {event.reason}: {event.message}")
                break
            version = self._note(event, batch) or version
            # An event proves an API server; a login page or a proxy's placeholder answers 200 as well.
            self._outages.works(self.scope)
        if batch.completes_list or self._version:
            await self._deliver(batch)
            self._version = version
        if error is not None:
            raise error

    def _note(self, event: Found | Gone | Bookmark | None, batch: WatchBatch) -> str:
        """Put the changes that the event makes into the batch. Returns the event's version; empty for no event."""
        if event is None:
            return ""
        if isinstance(event, Bookmark):
            if event.initial:
                batch.changes += self._tracker.end_list(event.version)
                batch.completes_list = True
        else:
            batch.changes += self._tracker.apply(event)
        return event.version

    # Lists in pages

    async def _list_pages(self) -> None:
        """List in pages. If a continue token expires (410), list again without a limit."""
        try:
            await self._list_by(LIST_PAGE_OBJECTS)
        except ErrorStatus as error:
            if error.status != 410:
                raise
            await self._list_by(0)

    async def _list_by(self, limit: int) -> None:
        self._tracker.begin_list()
        read_at = self._clock()
        page = await self._page({"limit": str(limit)} if limit else {})
        version = page.version
        while page.next:
            self._note_page(page)
            page = await self._page({"limit": str(limit), "continue": page.next})
        self._note_page(page)
        await self._deliver(WatchBatch(read_at, self._tracker.end_list(version), completes_list=True))
        self._version = version

    async def _page(self, params: Mapping[str, str]) -> Page:
        async with self._client.get(self.scope.path, self._selected(params), timeout=_PAGE_TIMEOUT) as response:
            page = page_of(self.scope.kind, await response.read())
            self._outages.works(self.scope)
            return page

    def _note_page(self, page: Page) -> None:
        for each in page.items:
            self._tracker.apply(each)

    def _selected(self, params: Mapping[str, str]) -> dict[str, str]:
        return {**params, "fieldSelector": self.scope.selector} if self.scope.selector else dict(params)
