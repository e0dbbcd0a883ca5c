"""An endless watch: a list, then events, resumed at the last version when the API server ends the watch in order.

After any other end the watch lists anew, without a resourceVersion, which makes the list consistent. An API server that
was away may have come back with an etcd restored from an older copy. A version of before would then be in the future:
the watch would wait for that version, in silence.

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
import structlog

from xds.kube.change import Change
from xds.kube.wire import Bookmark, Event, Failure, GarbledError, Page, event_of, goes_back, page_of
from xds.kubeapi.backoff import Backoff
from xds.kubeapi.client import CONNECT_TIMEOUT_SECONDS, ApiClient, ErrorStatus
from xds.kubeapi.interface import ApiUnavailable
from xds.sources.apiserver.lines import Lines, LineTooLongError
from xds.sources.apiserver.observer import Observer
from xds.sources.apiserver.scope import Scope
from xds.sources.apiserver.tracker import ObjectTracker

STREAMED_LIST: Final = {"sendInitialEvents": "true", "resourceVersionMatch": "NotOlderThan"}
"""Makes a watch begin with a list: https://kubernetes.io/docs/reference/using-api/api-concepts/#streaming-lists"""

LIST_PAGE_OBJECTS: Final = 500
"""Objects in a page of a list, as in client-go."""

WATCH_SECONDS: Final = (240, 480)
"""A random time in this range ends each watch request, so that watches spread over the API server's replicas."""

LIST_IDLE_TIMEOUT_SECONDS: Final = 30.0
"""A list without a byte for so long has failed."""

WATCH_IDLE_TIMEOUT_SECONDS: Final = 90.0
"""A watch without a byte for so long has lost its API server, behind a TCP balancer for example: a bookmark comes each
minute. The watch then resumes on a new connection.

Source: https://github.com/kubernetes/kubernetes/blob/v1.34.0/staging/src/k8s.io/apiserver/pkg/storage/cacher/cacher.go#L72
"""

MIN_WATCH_SECONDS: Final = 0.5
"""The interval between the beginnings of watches that end in order."""

MAX_RETRY_AFTER_SECONDS: Final = 30.0
"""The longest wait that an API server can demand."""

CATCH_UP_SECONDS: Final = 0.3
"""A resumed watch replays missed events first, without an end marker. It counts as caught up after this time."""

STEADY_CONNECTION_SECONDS: Final = 5.0
"""A connection that lasts so long worked: its failure is no repetition of an earlier one."""

RESTORED_REMEDY: Final = "nothing to do: every object was compared anew; check that a restore was meant"

_WATCH_TIMEOUT: Final = aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_TIMEOUT_SECONDS)
_PAGE_TIMEOUT: Final = aiohttp.ClientTimeout(
    total=None, sock_connect=CONNECT_TIMEOUT_SECONDS, sock_read=LIST_IDLE_TIMEOUT_SECONDS
)
FAILURES: Final = (ErrorStatus, ApiUnavailable, GarbledError, LineTooLongError)

_log = structlog.get_logger()


class ExpiredError(Exception):
    """The watch can't resume at the last version."""


class SilentError(Exception):
    """No byte came for WATCH_IDLE_TIMEOUT_SECONDS."""


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
        observer: Hears of failures.
        deliver: Receives each batch, and is awaited.
        forbidden: Is called at each 403.
    """

    def __init__(
        self,
        scope: Scope,
        client: ApiClient,
        tracker: ObjectTracker,
        observer: Observer,
        deliver: Deliver,
        *,
        forbidden: Callable[[], None] | None = None,
    ) -> None:
        self.scope = scope
        self._client = client
        self._tracker = tracker
        self._observer = observer
        self._deliver = deliver
        self._forbidden = forbidden
        self._backoff = Backoff(random.random)
        self._clock = asyncio.get_running_loop().time
        self._version = ""
        self._must_list = True
        self._was_silent = False
        self._lists_stream = True
        self._round: asyncio.Timeout | None = None

    def relist(self) -> None:
        """End the present connection, and list anew."""
        self._must_list = True
        if self._round is not None and not self._round.expired():
            self._round.reschedule(0)

    def check(self, version: str) -> None:
        """List anew if the version, from another answer about the kind, is older than the version of the watch."""
        if not self._must_list and goes_back(self._version, version):
            self.relist()

    async def run(self) -> None:
        """Watch for ever. Cancellation closes the connection."""
        while True:
            began = self._clock()
            error = await self._connect()
            lasted = self._clock() - began
            if lasted > STEADY_CONNECTION_SECONDS:
                self._backoff.reset()
            if error is None:
                await asyncio.sleep(max(0.0, MIN_WATCH_SECONDS - lasted))
            else:
                await self._pause(error)

    async def _pause(self, error: Exception) -> None:
        if isinstance(error, ExpiredError):
            self._must_list = True
            self._observer.expired(self.scope, error)
        else:
            self._must_list |= _was_away(error)
            self._observer.failed(self.scope, error)
        wait = self._backoff.delay()
        if isinstance(error, ErrorStatus):
            wait = max(wait, min(error.retry_after, MAX_RETRY_AFTER_SECONDS))
            if self._forbidden and error.status == 403:
                self._forbidden()
        if await self._observer.pause(self.scope, wait):
            self._backoff.reset()
            await asyncio.sleep(self._backoff.delay())

    async def _connect(self) -> Exception | None:
        """Follow for the life of one connection.

        Returns:
            The failure. None after an end in order, for a watch to resume on a new connection, and after `relist`.
        """
        try:
            async with asyncio.timeout(None) as self._round:
                await (self._list() if self._must_list else self._follow())
        except TimeoutError:
            return None
        except SilentError:
            self._was_silent = True
        except ErrorStatus as error:
            return ExpiredError(error.message) if _is_expired(error) else error
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
        if self._was_silent:
            # A list is consistent: after a restore of etcd, its version is older than the version to resume at.
            page = await self._page({"limit": "1"}, new_connection=True)
            if goes_back(self._version, page.version):
                raise self._back_at(page.version)
            self._was_silent = False
        await self._watch({"resourceVersion": self._version}, resumed=True)

    def _back_at(self, version: str) -> ExpiredError:
        return ExpiredError(f"resourceVersion went back from {self._version} to {version}, as after a restore of etcd")

    # Watch requests

    async def _watch(self, params: Mapping[str, str], *, resumed: bool = False) -> None:
        lasts = random.randint(*WATCH_SECONDS)  # noqa: S311
        params = {**params, "watch": "true", "allowWatchBookmarks": "true", "timeoutSeconds": str(lasts)}
        lines = Lines()
        began, answered = self._clock(), False
        async with AsyncExitStack() as stack:
            response = await self._opened(stack, params)
            if resumed:
                timer = asyncio.get_running_loop().call_later(CATCH_UP_SECONDS, self._caught_up)
                stack.callback(timer.cancel)
            while piece := await self._read(response):
                answered = True
                await self._take(lines.feed(piece))
        if self._must_list:
            raise ApiUnavailable("the list broke off")
        if not answered and self._clock() - began < CATCH_UP_SECONDS:
            raise ApiUnavailable("the watch ended as soon as it began")

    async def _opened(self, stack: AsyncExitStack, params: Mapping[str, str]) -> aiohttp.ClientResponse:
        """Return the response as soon as its headers arrive, which may be long before the first event."""
        context = self._client.get(self.scope.path, self._selected(params), timeout=_WATCH_TIMEOUT, new_connection=True)
        try:
            async with asyncio.timeout(LIST_IDLE_TIMEOUT_SECONDS):
                response = await stack.enter_async_context(context)
        except TimeoutError:
            raise ApiUnavailable(f"no answer for {LIST_IDLE_TIMEOUT_SECONDS:.0f} s") from None
        return response

    def _caught_up(self) -> None:
        self._observer.works(self.scope)
        self._observer.caught_up(self.scope)

    async def _read(self, response: aiohttp.ClientResponse) -> bytes:
        """Return the next bytes; none at the end of the response."""
        timeout = LIST_IDLE_TIMEOUT_SECONDS if self._must_list else WATCH_IDLE_TIMEOUT_SECONDS
        try:
            async with asyncio.timeout(timeout):
                return await response.content.readany()
        except TimeoutError:
            if not self._must_list:
                raise SilentError from None
            self._lists_stream = False  # some storage never reaches the end of a streamed list
            raise ApiUnavailable(f"nothing came for {timeout:.0f} s") from None

    async def _take(self, lines: Iterable[bytes]) -> None:
        """Deliver the events of the lines, up to the first error."""
        batch = WatchBatch(self._clock())
        error: Exception | None = None
        for line in lines:
            try:
                event = event_of(self.scope.kind, line)
                self._note(event, batch)
            except (GarbledError, ExpiredError) as failure:
                error = failure
                break
            # An event proves an API server; a login page or a proxy's placeholder answers 200 as well.
            self._observer.works(self.scope)
        if not self._must_list:
            await self._deliver(batch)
        if error is not None:
            raise error

    def _note(self, event: Event | None, batch: WatchBatch) -> None:
        """Put the changes that the event makes into the batch.

        Raises:
            ExpiredError: the event is an error, or older than an earlier one.
        """
        if event is None:
            return
        if isinstance(event, Failure):
            # Most often 410. Any other failure may be caused by the version, too.
            raise ExpiredError(f"{event.code} {event.reason}: {event.message}")
        if not self._must_list and goes_back(self._version, event.version):
            raise self._back_at(event.version)
        if not isinstance(event, Bookmark):
            batch.changes += self._tracker.apply(event)
        elif event.initial:
            batch.changes += self._tracker.end_list(event.version)
            batch.completes_list = True
            self._listed_at(event.version)
        if not self._must_list:
            self._version = event.version or self._version

    def _listed_at(self, version: str) -> None:
        if goes_back(self._version, version):
            error = f"resourceVersion went back from {self._version} to {version}, as after a restore of etcd"
            _log.warning("resource_version_went_back", watch=str(self.scope), error=error, remedy=RESTORED_REMEDY)
        self._version, self._must_list, self._was_silent = version, False, False

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
        self._listed_at(version)
        await self._deliver(WatchBatch(read_at, self._tracker.end_list(version), completes_list=True))

    async def _page(self, params: Mapping[str, str], *, new_connection: bool = False) -> Page:
        selected = self._selected(params)
        async with self._client.get(
            self.scope.path, selected, timeout=_PAGE_TIMEOUT, new_connection=new_connection
        ) as response:
            page = page_of(self.scope.kind, await response.read())
            self._observer.works(self.scope)
            return page

    def _note_page(self, page: Page) -> None:
        for each in page.items:
            self._tracker.apply(each)

    def _selected(self, params: Mapping[str, str]) -> dict[str, str]:
        return {**params, "fieldSelector": self.scope.selector} if self.scope.selector else dict(params)


def _is_expired(error: ErrorStatus) -> bool:
    """Whether the API server doesn't know the version any longer, or not yet.

    Source: https://github.com/kubernetes/kubernetes/blob/v1.34.0/staging/src/k8s.io/apiserver/pkg/storage/errors.go#L173
    """
    return error.status == 410 or (error.status == 504 and "Too large resource version" in error.message)


def _was_away(error: Exception) -> bool:
    """Whether the API server may have come back as another one: a balancer answers for a dead API server with a 5xx."""
    return not isinstance(error, ErrorStatus) or error.status >= 500
