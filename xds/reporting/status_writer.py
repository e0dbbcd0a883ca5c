"""Writes `status.loadBalancer` of Ingresses while this process leads.

All statuses are listed at the start of a term and every RESYNC_SECONDS, in pages; in between, only an Ingress that is
new in our class is read. A status that another writer changes is therefore corrected within RESYNC_SECONDS, and no more
often.
"""

import asyncio
import contextlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from heapq import heappop, heappush
from math import inf
from typing import Any, Final

import structlog

from xds.kube.objects import Ingress, Service
from xds.kubeapi.interface import Api, ApiUnavailable
from xds.kubeapi.outage import Outage, TemporaryFailure, check
from xds.kubeapi.paging import find_by_name, list_all
from xds.problems.problem import Key, ObjectRef, Problem
from xds.problems.reasons import Reason
from xds.reporting.failed_writes import FailedWrites
from xds.reporting.lease import Leadership, NotLeader, boot_time
from xds.reporting.outcome import Outcome, no_writes
from xds.reporting.status import (
    FIELD_MANAGER,
    LoadBalancerAddresses,
    ObservedStatus,
    PublishOptions,
    ReadStatus,
    StatusQueue,
    WriteStatus,
    addresses_of_service,
    has_lost_load_balancer,
    status_patch,
)

RESYNC_SECONDS: Final = 600.0
SERVICE_POLL_SECONDS: Final = 10.0
"""Between two reads of the Service of --publish-service."""

MAX_STEPS: Final = 4
"""Requests for one Ingress that keeps changing, before the next Ingress has its turn."""

_PERMISSIONS: Final = "Give this service account patch of ingresses/status, and list of ingresses and services."

_log = structlog.get_logger()


@dataclass(slots=True)
class _Listing:
    """The list of the Ingresses in a namespace.

    Attributes:
        namespace: Empty for all namespaces.
        due_at: Seconds of the clock of `boot_time`.
    """

    namespace: str
    due_at: float = -inf
    outage: Outage = field(init=False)

    def __post_init__(self) -> None:
        facts = {"namespace": self.namespace} if self.namespace else {}
        self.outage = Outage("ingress_list", _PERMISSIONS, **facts)


class StatusWriter:
    """Keeps the statuses of Ingresses in step with the published addresses.

    Args:
        api: For reading.
        leadership: For writing.
        publish: The source of the addresses.
        uid: The uid of an Ingress in our class; None for any other name.
        namespaces: Where Ingresses are read; none: in all namespaces.
        manager: The field manager: names the installation.
        report: Receives the problems of the Service of --publish-service.

    Attributes:
        failed_writes: Of statuses, by Ingress.
        writes: Number of writes of statuses by outcome.
    """

    def __init__(
        self,
        api: Api,
        leadership: Leadership,
        publish: PublishOptions,
        uid: Callable[[Key], str | None],
        namespaces: Iterable[str] = (),
        *,
        manager: str = FIELD_MANAGER,
        report: Callable[[tuple[Problem, ...]], None] = lambda _: None,
    ) -> None:
        self._api = api
        self._leadership = leadership
        self._publish = publish
        self._uid = uid
        self._namespaces = tuple(namespaces)
        self._manager = manager
        self._queue = StatusQueue()
        self._report = report
        self.failed_writes: FailedWrites[Key] = FailedWrites("status", _PERMISSIONS)
        self.writes = no_writes()
        self._service_outage = Outage("publish_service", _PERMISSIONS)
        self._wake = asyncio.Event()
        self._lists = [_Listing(each) for each in self._namespaces or ("",)]
        self._retries: list[tuple[float, Key]] = []
        self._poll_service_at = -inf
        self._written: set[Key] = set()
        self._contended: set[Key] = set()
        self._problem: Problem | None = None

    @property
    def published(self) -> LoadBalancerAddresses | None:
        """The addresses to publish; None until they are known."""
        return self._queue.published

    def note(self, key: Key) -> None:
        """Check the Ingress soon: it appeared or changed."""
        self._queue.note(key)
        self._wake.set()

    def remove(self, key: Key) -> None:
        """Forget an Ingress that was deleted."""
        self._queue.remove(key)
        self._written.discard(key)
        self._contended.discard(key)
        self.failed_writes.forget(key, key.namespace)

    def note_all(self) -> None:
        """List all Ingresses soon: the set of Ingresses in our class may have changed."""
        for each in self._lists:
            each.due_at = -inf
        self._wake.set()

    async def run(self) -> None:
        """Write statuses, for ever. Cancellation ends the loop at once, perhaps within a request."""
        while True:
            await self._leadership.elected()
            self._queue.clear()
            self._retries.clear()
            self._written.clear()  # another replica of this installation may have written since
            self._poll_service_at = -inf
            self.note_all()
            try:
                with contextlib.suppress(NotLeader):
                    while True:
                        await self._round()
            finally:
                self.failed_writes.clear()
                self._report_problem(None)

    async def _round(self) -> None:
        if not self._leadership.is_leader():
            raise NotLeader
        self._wake.clear()
        await self._poll_service()
        if self._queue.published is not None:  # Ingresses are listed only when an address is known
            for each in self._lists:
                await self._list(each)
        while (key := self._next()) is not None:
            await self._update(key)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(max(0, self._due_at() - boot_time())):
                await self._wake.wait()

    def _due_at(self) -> float:
        """When the next poll, list or retry is due."""
        if self._queue.published is None:
            return self._poll_service_at
        retry_at = self._retries[0][0] if self._retries else inf
        return min(self._poll_service_at, retry_at, *(each.due_at for each in self._lists))

    def _next(self) -> Key | None:
        """The next Ingress to check: fresh ones first, then one whose last write failed and is due again."""
        while (key := self._queue.pop()) is not None:
            due_at = self.failed_writes.due_at(key, key.namespace)
            if due_at <= boot_time():
                return key
            heappush(self._retries, (due_at, key))
        while self._retries and self._retries[0][0] <= boot_time():
            _, key = heappop(self._retries)
            due_at = self.failed_writes.due_at(key, key.namespace)
            if due_at <= boot_time():
                return key
            heappush(self._retries, (due_at, key))
        return None

    # The published addresses

    async def _poll_service(self) -> None:
        """Read the addresses to publish, if due. Until they are known, statuses stay as they are."""
        if self._poll_service_at > boot_time():
            return
        self._poll_service_at = boot_time() + SERVICE_POLL_SECONDS if self._publish.service else inf
        try:
            addresses = await self._addresses()
        except (ApiUnavailable, TemporaryFailure) as error:
            self._poll_service_at = boot_time() + self._service_outage.failed(error)
            return
        self._service_outage.worked()
        if addresses is not None and addresses != self._queue.published:
            _log.info("publishing", addresses=[each.ip or each.hostname for each in addresses])
            self._queue.publish(addresses)

    async def _addresses(self) -> LoadBalancerAddresses | None:
        """The addresses to publish; None while the Service doesn't exist or has no address."""
        key = self._publish.service
        if key is None:
            return self._publish.addresses
        service = await find_by_name(self._api, Service.collection(key.namespace), key.name)
        found = () if service is None else addresses_of_service(service)
        is_kept = service is not None and has_lost_load_balancer(service) and bool(self._queue.published)
        if found and not is_kept:
            self._report_problem(None)
            return found
        state = "doesn't exist" if service is None else "has no address"
        self._report_problem(_without_address(key, state, self._queue.published))
        return None

    def _report_problem(self, problem: Problem | None) -> None:
        if problem != self._problem:
            self._problem = problem
            self._report(() if problem is None else (problem,))

    # The statuses

    async def _list(self, listing: "_Listing") -> None:
        """Read all Ingresses of a namespace, or of all namespaces, if due."""
        if listing.due_at > boot_time():
            return
        listing.due_at = boot_time() + RESYNC_SECONDS
        try:
            async for found in list_all(self._api, Ingress.collection(listing.namespace)):
                key = Key(found["metadata"]["namespace"], found["metadata"]["name"])
                self._queue.observe(key, ObservedStatus.parse(found, self._manager))
                self._queue.note(key)
        except (ApiUnavailable, TemporaryFailure) as error:
            listing.due_at = boot_time() + listing.outage.failed(error)
        else:
            listing.outage.worked()

    async def _update(self, key: Key) -> None:
        """Bring the status of an Ingress up to date. An Ingress that keeps changing is left to the next resync."""
        if not self._leadership.is_leader():
            raise NotLeader
        requests = 0
        try:
            while requests < MAX_STEPS and (step := self._queue.next_step(key, self._uid(key))) is not None:
                requests += 1
                if await self._take(step):
                    break
        except (ApiUnavailable, TemporaryFailure) as error:
            self.writes[Outcome.FAILED] += 1
            self.failed_writes.failed(key, key.namespace, error, boot_time())
            self._queue.note(key)
        else:
            if requests:
                self.failed_writes.worked(key, key.namespace)
            else:
                self.failed_writes.forget(key, key.namespace)

    async def _take(self, step: ReadStatus | WriteStatus) -> bool:
        """Take the step, and return whether nothing is left to do."""
        return await (self._observe(step.key) if isinstance(step, ReadStatus) else self._write(step))

    async def _observe(self, key: Key) -> bool:
        """Read the Ingress, and return whether it no longer exists."""
        found = await find_by_name(self._api, Ingress.collection(key.namespace), key.name)
        if found is None:
            self._queue.remove(key)
            return True
        self._queue.observe(key, ObservedStatus.parse(found, self._manager))
        return False

    async def _write(self, step: WriteStatus) -> bool:
        """Write the status, and return whether nothing is left to do."""
        key = step.key
        path = f"{Ingress.collection(key.namespace)}/{key.name}/status"
        self._warn_of_other_writers(step)
        body = status_patch(step.observed.version, step.addresses)
        status, found = await self._leadership.write("PATCH", path, body, {"fieldManager": self._manager})
        check(status, found)
        if status == 200:
            self._queue.observe(key, ObservedStatus.parse(found, self._manager))
            self._written.add(key)
            self.writes[Outcome.WRITTEN] += 1
            _log.info("status_written", ingress=str(key), addresses=[each.wire for each in step.addresses])
            return True
        if status in (404, 409):
            self.writes[Outcome.CONFLICTED] += 1
            return await self._observe(key)
        self._log_rejected(key, status, found)
        return True

    def _log_rejected(self, key: Key, status: int, found: dict[str, Any]) -> None:
        self.writes[Outcome.REJECTED] += 1
        error = f"{status} {found.get('message', '')}".strip()
        remedy = "Correct --publish-address or the Service; the status is written again at the next resync."
        _log.warning("status_rejected", ingress=str(key), error=error, remedy=remedy)

    def _warn_of_other_writers(self, step: WriteStatus) -> None:
        """Log once that another controller changed a status of ours.

        An installation in another namespace may have the same field manager, but not the same addresses.
        """
        key, observed = step.key, step.observed
        is_foreign = not observed.ours or not self._queue.has_published(observed.addresses)
        if observed.addresses and is_foreign and key in self._written and key not in self._contended:
            self._contended.add(key)
            remedy = (
                "Two controllers publish this Ingress: remove its class from one of them. "
                f"This one writes again every {RESYNC_SECONDS:.0f} s."
            )
            error = f"written by {', '.join(observed.writers) or 'an unknown writer'}"
            _log.warning("status_changed_by_another", ingress=str(key), error=error, remedy=remedy)


def _without_address(service: Key, state: str, published: LoadBalancerAddresses | None) -> Problem:
    reason = Reason.PUBLISH_ADDRESS_UNKNOWN
    kept = ", ".join(each.ip or each.hostname for each in published or ())
    effect = f"statuses keep the last known addresses: {kept}" if kept else "statuses stay as they are"
    message = f"The Service of --publish-service {state}; {effect}."
    return Problem(ObjectRef(Service.kind, *service), reason, message, reason.remedy)
