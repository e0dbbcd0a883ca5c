"""Writes the statuses of objects of the Gateway API while this process leads.

A status is read before each write, as other controllers write to the same object. All statuses are listed at the start
of a term and every RESYNC_SECONDS, in pages. A status that another writer changes is therefore corrected within
RESYNC_SECONDS, and no more often.

Changes within OBJECT_INTERVAL_SECONDS of a write are collected into the next write: the number of routes of a Gateway
changes with each route. Gateways and classes go before routes.
"""

import asyncio
import contextlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from heapq import heappop, heappush
from math import inf
from typing import Any, Final, NamedTuple

import structlog

from xds.kube.gateway_objects import (
    ROUTE_KINDS,
    BackendTLSPolicy,
    Gateway,
    GatewayClass,
    GatewayObject,
    ListenerSet,
    ParentReference,
)
from xds.kube.kinds import KINDS_BY_NAME
from xds.kube.state import KubeState
from xds.kubeapi.interface import Api, ApiUnavailable
from xds.kubeapi.outage import Outage, TemporaryFailure, check
from xds.kubeapi.paging import find_by_name, list_all
from xds.problems.problem import Key, ObjectRef
from xds.reporting.event_queue import RateLimit
from xds.reporting.failed_writes import FailedWrites
from xds.reporting.gateway_status import Document, status_patch
from xds.reporting.lease import Leadership, NotLeader, boot_time
from xds.reporting.outcome import Outcome, no_writes
from xds.translate.gateway.status import WantedStatus

RESYNC_SECONDS: Final = 600.0
OBJECT_INTERVAL_SECONDS: Final = 1.0
"""Between two writes of one status."""

# 100 writes at once, then 50 in a second.
WRITE_BURST: Final = 100
WRITE_INTERVAL_SECONDS: Final = 0.02

MAX_ATTEMPTS: Final = 4
"""Writes of a status that another controller changes at the same time, before the next object has its turn."""

STATUS_KINDS: Final[tuple[type[GatewayObject], ...]] = (
    GatewayClass,
    Gateway,
    ListenerSet,
    *ROUTE_KINDS,
    BackendTLSPolicy,
)

_FIRST: Final = frozenset((GatewayClass.kind, Gateway.kind, ListenerSet.kind))

_PERMISSIONS: Final = (
    "Give this service account list of the kinds of gateway.networking.k8s.io, and patch of their subresource `status`."
)

_log = structlog.get_logger()


class _Written(NamedTuple):
    """The status that an object has, as far as known.

    Attributes:
        uid: Of the object.
    """

    uid: str
    status: WantedStatus


@dataclass(slots=True)
class _Listing:
    """The list of a kind in a namespace.

    Attributes:
        namespace: Empty for all namespaces.
        due_at: Seconds of the clock of `boot_time`.
    """

    kind: type[GatewayObject]
    namespace: str
    due_at: float = -inf
    outage: Outage = field(init=False)

    def __post_init__(self) -> None:
        facts = {"namespace": self.namespace} if self.namespace else {}
        self.outage = Outage("gateway_status_list", _PERMISSIONS, collection=self.kind.plural, **facts)


class GatewayStatusWriter:
    """Keeps the statuses of the Gateway API in step with the translation.

    Args:
        api: For reading.
        leadership: For writing.
        wanted: The status of each object of ours.
        state: The objects of the cluster.
        namespaces: Where objects are read; none: in all namespaces.
        manager: The field manager: names the installation.
        is_ours: Whether an entry of an object under our controller name is of this installation.

    Attributes:
        failed_writes: Of statuses, by object.
        writes: Number of writes of statuses by outcome.
    """

    def __init__(
        self,
        api: Api,
        leadership: Leadership,
        wanted: Mapping[ObjectRef, WantedStatus],
        state: KubeState,
        namespaces: Iterable[str] = (),
        *,
        manager: str,
        is_ours: Callable[[Key, ParentReference], bool] = lambda _key, _parent: True,
    ) -> None:
        self._api = api
        self._leadership = leadership
        self._wanted = wanted
        self._state = state
        self._manager = manager
        self._is_ours = is_ours
        self.failed_writes: FailedWrites[ObjectRef] = FailedWrites("gateway_status", _PERMISSIONS)
        self.writes = no_writes()
        self._due_first: dict[ObjectRef, None] = {}
        self._due: dict[ObjectRef, None] = {}
        self._written: dict[ObjectRef, _Written] = {}
        self._listed: dict[ObjectRef, Document] = {}
        self._waiting: list[tuple[float, ObjectRef]] = []
        self._written_at: dict[ObjectRef, float] = {}
        self._limit = RateLimit(WRITE_BURST, WRITE_INTERVAL_SECONDS)
        self._wake = asyncio.Event()
        scopes = tuple(namespaces) or ("",)
        self._lists = [_Listing(kind, each) for kind in STATUS_KINDS for each in (scopes if kind.namespaced else ("",))]

    def note(self, about: ObjectRef) -> None:
        """Check the object soon: the object or its wanted status changed."""
        (self._due_first if about.kind in _FIRST else self._due)[about] = None
        self._wake.set()

    def remove(self, about: ObjectRef) -> None:
        """Forget an object that was deleted."""
        self._due.pop(about, None)
        self._due_first.pop(about, None)
        self._written.pop(about, None)
        self._written_at.pop(about, None)
        self._listed.pop(about, None)
        self.failed_writes.forget(about, about.namespace)

    async def run(self) -> None:
        """Write statuses, for ever. Cancellation ends the loop at once, perhaps within a request."""
        while True:
            await self._leadership.elected()
            self._forget_all()
            for about in self._wanted:
                self.note(about)
            try:
                with contextlib.suppress(NotLeader):
                    while True:
                        await self._round()
            finally:
                self.failed_writes.clear()

    def _forget_all(self) -> None:
        """Begin a term: another replica may have written since the last one."""
        for known in (self._due_first, self._due, self._written, self._listed, self._waiting, self._written_at):
            known.clear()
        for each in self._lists:
            each.due_at = -inf

    async def _round(self) -> None:
        if not self._leadership.is_leader():
            raise NotLeader
        self._wake.clear()
        for each in self._lists:
            if each.due_at <= boot_time() and self._state.all_of(each.kind):
                await self._list(each)
        while (about := self._next()) is not None:
            await self._update(about)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(max(0, self._due_at() - boot_time())):
                await self._wake.wait()

    def _due_at(self) -> float:
        """When the next list, retry or delayed write is due."""
        lists = (each.due_at for each in self._lists if self._state.all_of(each.kind))
        waiting = self._waiting[0][0] if self._waiting else inf
        return min(waiting, inf, *lists)

    def _next(self) -> ObjectRef | None:
        """The next object to check whose time has come."""
        now = boot_time()
        while self._waiting and self._waiting[0][0] <= now:
            self.note(heappop(self._waiting)[1])
        while (due := self._due_first or self._due) and (about := next(iter(due))):
            del due[about]
            due_at = max(
                self.failed_writes.due_at(about, about.namespace),
                self._written_at.get(about, -inf) + OBJECT_INTERVAL_SECONDS,
            )
            if due_at <= now:
                return about
            heappush(self._waiting, (due_at, about))
        return None

    async def _list(self, listing: _Listing) -> None:
        """Read all objects of a kind, and note each object whose status isn't as wanted."""
        listing.due_at = boot_time() + RESYNC_SECONDS
        try:
            async for found in list_all(self._api, listing.kind.collection(listing.namespace)):
                self._compare(listing.kind, found)
        except (ApiUnavailable, TemporaryFailure) as error:
            listing.due_at = boot_time() + listing.outage.failed(error)
        else:
            listing.outage.worked()

    def _compare(self, kind: type[GatewayObject], found: Document) -> None:
        metadata = found["metadata"]
        about = ObjectRef(kind.kind, metadata.get("namespace", ""), metadata["name"])
        wanted = self._wanted.get(about)
        if self._patch(about, found, wanted) is not None:
            self._written.pop(about, None)
            self._listed[about] = {"metadata": metadata, "status": found.get("status")}
            self.note(about)
        elif wanted is not None:
            self._written[about] = _Written(metadata["uid"], wanted)

    def _patch(self, about: ObjectRef, found: Document, wanted: WantedStatus | None) -> dict[str, Any] | None:
        at = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        return status_patch(found, wanted, at, lambda parent: self._is_ours(about.key, parent))

    async def _update(self, about: ObjectRef) -> None:
        """Bring the status of an object up to date. An object that keeps changing waits for its next turn."""
        if not self._leadership.is_leader():
            raise NotLeader
        known, wanted = self._state.find(about), self._wanted.get(about)
        if known is None or (wanted is not None and self._written.get(about) == (known.metadata.uid, wanted)):
            self.failed_writes.forget(about, about.namespace)
            return
        try:
            for _ in range(MAX_ATTEMPTS):
                found = self._listed.pop(about, None) or await self._read(about)
                if found is None or await self._write(about, found, self._wanted.get(about)):
                    break
            else:
                heappush(self._waiting, (boot_time() + OBJECT_INTERVAL_SECONDS, about))
        except (ApiUnavailable, TemporaryFailure) as error:
            self.writes[Outcome.FAILED] += 1
            self.failed_writes.failed(about, about.namespace, error, boot_time())
            self.note(about)
        else:
            self.failed_writes.worked(about, about.namespace)

    async def _read(self, about: ObjectRef) -> Document | None:
        return await find_by_name(self._api, KINDS_BY_NAME[about.kind].collection(about.namespace), about.name)

    async def _write(self, about: ObjectRef, found: Document, wanted: WantedStatus | None) -> bool:
        """Write the status, and return whether nothing is left to do: the status is as wanted, or was rejected."""
        body = self._patch(about, found, wanted)
        if body is None:
            self._note_written(about, found, wanted)
            return True
        await self._keep_the_rate()
        path = f"{KINDS_BY_NAME[about.kind].collection(about.namespace)}/{about.name}/status"
        status, answer = await self._leadership.write("PATCH", path, body, {"fieldManager": self._manager})
        check(status, answer)
        if status in (404, 409):
            self.writes[Outcome.CONFLICTED] += 1
            return False
        self._note_written(about, found, wanted)
        self._written_at[about] = boot_time()
        if status == 200:
            self.writes[Outcome.WRITTEN] += 1
            _log.debug("gateway_status_written", object=str(about), fields=sorted(body["status"]))
        else:
            self.writes[Outcome.REJECTED] += 1
            error = f"{status} {answer.get('message', '')}".strip()
            remedy = (
                "Correct the field that the message names: remove conditions of other controllers, or install the "
                "CustomResourceDefinitions of a supported version. The status is written again when it changes."
            )
            _log.warning("gateway_status_rejected", object=str(about), error=error, remedy=remedy)
        return True

    def _note_written(self, about: ObjectRef, found: Document, wanted: WantedStatus | None) -> None:
        if wanted is None:
            self._written.pop(about, None)
        else:
            self._written[about] = _Written(found["metadata"]["uid"], wanted)

    async def _keep_the_rate(self) -> None:
        await asyncio.sleep(max(0, self._limit.open_at() - boot_time()))
        self._limit.take(boot_time())
