"""Resources, differences, and new revisions, as messages of the debug API.

Rendering a large resource would delay the proxies. A thread renders, some resources at a time.
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from typing import Final, TypeVar

from xds.api.v1 import debug_pb2 as pb
from xds.server.debug import messages
from xds.server.debug.errors import (
    InvalidRequestError,
    NotReadyError,
    OutsideHistoryError,
    ShuttingDownError,
    TooSlowError,
)
from xds.server.debug.messages import WallClock
from xds.server.debug.rendering import Filter, UnknownTypeError
from xds.server.debug.revisions import FellBehindError, Revisions
from xds.server.debug.threads import InThread
from xds.snapshot.resource import Resource, ResourceType
from xds.snapshot.store import ResourceChange, Revision, Store, UnknownRevisionError, merged

RESOURCES_PER_MESSAGE: Final = 50
"""The most resources in a message."""

_Value = TypeVar("_Value", Resource, ResourceChange)
_Message = TypeVar("_Message", pb.Resource, pb.ResourceChange)


class Snapshots:
    """Answers from the snapshot and its history.

    Args:
        store: The snapshot.
        revisions: Publishes each revision that is committed to the store.
        in_thread: Renders.
        clock: Returns a converter of the store's times.
    """

    def __init__(self, store: Store, revisions: Revisions, in_thread: InThread, clock: Callable[[], WallClock]) -> None:
        self._store = store
        self._revisions = revisions
        self._run_in_thread = in_thread
        self._clock = clock

    def require_snapshot(self) -> None:
        if not self._store.revision:
            raise NotReadyError

    async def list(self, request: pb.ListResourcesRequest) -> AsyncIterator[pb.ListResourcesResponse]:
        chosen = _filter(request.filter)
        self.require_snapshot()
        snapshot, resources = messages.snapshot(self._store, self._clock()), list(self._selected(chosen))
        yield pb.ListResourcesResponse(snapshot=snapshot)
        async for rendered in self._rendered(messages.resource, resources, request.view):
            yield pb.ListResourcesResponse(resources=rendered)

    async def diff(self, request: pb.DiffSnapshotsRequest) -> AsyncIterator[pb.DiffSnapshotsResponse]:
        chosen = _filter(request.filter)
        self.require_snapshot()
        start, end = self._ends(request)
        if start > end:
            raise InvalidRequestError(f"revision {start} is later than revision {end}")
        try:
            revisions = self._store.between(start, end)
        except UnknownRevisionError as error:
            raise OutsideHistoryError(str(error)) from None
        yield pb.DiffSnapshotsResponse(start=self._revision(start), end=self._revision(end))
        changes = await self._run_in_thread(lambda: chosen.of(merged(revisions)))
        async for rendered in self._rendered(messages.change, changes, request.view):
            yield pb.DiffSnapshotsResponse(changes=rendered)

    async def watch(
        self, request: pb.WatchSnapshotRequest, subscribed: Callable[[], Awaitable[None]]
    ) -> AsyncIterator[pb.WatchSnapshotResponse]:
        """Runs until cancelled. `subscribed` is called once no later revision is missed."""
        chosen = _filter(request.filter)
        with self._revisions.subscribe() as subscription:
            await subscribed()
            try:
                async for revision in subscription:
                    if changes := chosen.of(revision.changes):
                        yield await self._watched(revision, changes, request.view)
            except FellBehindError:
                raise TooSlowError("the client was too slow and has missed revisions") from None
        raise ShuttingDownError

    async def revisions(self) -> pb.ListRevisionsResponse:
        history, at = self._store.history[::-1], self._clock()
        return await self._run_in_thread(
            lambda: pb.ListRevisionsResponse(revisions=[messages.revision_summary(each, at) for each in history])
        )

    def _selected(self, chosen: Filter) -> Iterator[Resource]:
        for type_ in ResourceType:
            for name, resource in sorted(self._store.resources(type_).items()):
                if chosen.matches(type_, name):
                    yield resource

    def _ends(self, request: pb.DiffSnapshotsRequest) -> tuple[int, int]:
        end = request.to_revision if request.HasField("to_revision") else self._store.revision
        return (request.from_revision if request.HasField("from_revision") else max(end - 1, 0)), end

    def _revision(self, number: int) -> pb.Revision:
        known = next((revision for revision in self._store.history if revision.number == number), None)
        return messages.revision(known, self._clock()) if known else pb.Revision(number=number)

    async def _rendered(
        self, render: Callable[..., _Message], values: Sequence[_Value], view: pb.ResourceView
    ) -> AsyncIterator[Sequence[_Message]]:
        """The messages of the values, in chunks."""
        for start in range(0, len(values), RESOURCES_PER_MESSAGE):
            yield await self._in_thread(render, values[start : start + RESOURCES_PER_MESSAGE], view)

    async def _watched(
        self, revision: Revision, changes: Sequence[ResourceChange], view: pb.ResourceView
    ) -> pb.WatchSnapshotResponse:
        rendered = await self._in_thread(messages.change, changes, view)
        return pb.WatchSnapshotResponse(revision=messages.revision(revision, self._clock()), changes=rendered)

    async def _in_thread(
        self, render: Callable[..., _Message], values: Sequence[_Value], view: pb.ResourceView
    ) -> Sequence[_Message]:
        full = view == pb.RESOURCE_VIEW_FULL
        return await self._run_in_thread(lambda: [render(value, full=full) for value in values])


def _filter(wanted: pb.ResourceFilter) -> Filter:
    try:
        return Filter.parse(wanted.types, wanted.names)
    except UnknownTypeError as error:
        raise InvalidRequestError(str(error)) from None
