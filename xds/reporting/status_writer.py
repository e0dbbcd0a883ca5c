"""Writes `status.loadBalancer` of Ingresses while this process leads.

All statuses are listed at the start of a term and every RESYNC_SECONDS, in pages; in between, only an Ingress that is
new in our class is read. A status that another writer changes is therefore corrected within RESYNC_SECONDS, and no more
often.
"""

import asyncio
import contextlib
from collections.abc import Callable, Iterable
from math import inf
from typing import Any, Final

import structlog

from xds.kube.objects import Ingress, Service
from xds.kubeapi.interface import Api, ApiUnavailable
from xds.kubeapi.outage import Outage, TemporaryFailure, check
from xds.kubeapi.paging import find_by_name, list_all
from xds.problems.problem import Key
from xds.reporting.lease import Leadership, NotLeader, boot_time
from xds.reporting.status import (
    FIELD_MANAGER,
    LoadBalancerAddresses,
    ObservedStatus,
    PublishOptions,
    ReadStatus,
    StatusQueue,
    WriteStatus,
    addresses_of,
    status_patch,
)

RESYNC_SECONDS: Final = 600.0
SERVICE_POLL_SECONDS: Final = 10.0
"""Between two reads of the Service of --publish-service."""

MAX_STEPS: Final = 4
"""Requests for one Ingress that keeps changing, before the next Ingress has its turn."""

_PERMISSIONS: Final = "Give this service account patch of ingresses/status, and list of ingresses and services."

_log = structlog.get_logger()


class StatusWriter:
    """Keeps the statuses of Ingresses in step with the published addresses.

    Args:
        api: For reading.
        leadership: For writing.
        publish: The source of the addresses.
        uid: The uid of an Ingress in our class; None for any other name.
        namespaces: Where Ingresses are read; none: in all namespaces.
        manager: The field manager: names the installation.
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
    ) -> None:
        self._api = api
        self._leadership = leadership
        self._publish = publish
        self._uid = uid
        self._namespaces = tuple(namespaces)
        self._manager = manager
        self._queue = StatusQueue()
        self._outage = Outage("status", _PERMISSIONS)
        self._wake = asyncio.Event()
        self._list_at = -inf
        self._poll_service_at = -inf
        self._written: set[Key] = set()
        self._contended: set[Key] = set()
        self._service_missing = False

    def note(self, key: Key) -> None:
        """Check the Ingress soon: it appeared or changed."""
        self._queue.note(key)
        self._wake.set()

    def remove(self, key: Key) -> None:
        """Forget an Ingress that was deleted."""
        self._queue.remove(key)
        self._written.discard(key)
        self._contended.discard(key)

    def note_all(self) -> None:
        """List all Ingresses soon: the set of Ingresses in our class may have changed."""
        self._list_at = -inf
        self._wake.set()

    async def run(self) -> None:
        """Write statuses, for ever. Cancellation ends the loop at once, perhaps within a request."""
        while True:
            await self._leadership.elected()
            self._queue.clear()
            self._list_at = self._poll_service_at = -inf
            with contextlib.suppress(NotLeader):
                while True:
                    await self._round()

    async def _round(self) -> None:
        if not self._leadership.is_leader():
            raise NotLeader
        self._wake.clear()
        try:
            await self._read()
            while (key := self._queue.pop()) is not None:
                await self._update(key)
        except (ApiUnavailable, TemporaryFailure) as error:
            await asyncio.sleep(self._outage.failed(error))
            return
        self._outage.worked()
        # Ingresses are listed only when an address is known.
        wake_at = self._poll_service_at
        if self._queue.published is not None:
            wake_at = min(wake_at, self._list_at)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(max(0, wake_at - boot_time())):
                await self._wake.wait()

    async def _read(self) -> None:
        """Read the Service and list the Ingresses, each if due."""
        if self._poll_service_at <= boot_time():
            addresses = await self._addresses()
            if addresses is not None and addresses != self._queue.published:
                _log.info("publishing", addresses=[each.ip or each.hostname for each in addresses])
                self._queue.publish(addresses)
            self._poll_service_at = boot_time() + SERVICE_POLL_SECONDS if self._publish.service else inf
        if self._list_at <= boot_time() and self._queue.published is not None:
            self._list_at, before = boot_time() + RESYNC_SECONDS, self._list_at
            try:
                await self._list()
            except BaseException:
                self._list_at = before
                raise

    async def _addresses(self) -> LoadBalancerAddresses | None:
        """The addresses to publish; None while the Service doesn't exist, so that statuses stay as they are."""
        key = self._publish.service
        if key is None:
            return self._publish.addresses
        service = await find_by_name(self._api, Service.collection(key.namespace), key.name)
        missing, self._service_missing = self._service_missing, service is None
        if service is not None:
            return addresses_of(service)
        if not missing:
            remedy = "Create the Service, or correct --publish-service; until then statuses stay as they are."
            _log.warning("publish_service_not_found", service=str(key), remedy=remedy)
        return None

    async def _list(self) -> None:
        for namespace in self._namespaces or [""]:
            async for found in list_all(self._api, Ingress.collection(namespace)):
                key = Key(found["metadata"]["namespace"], found["metadata"]["name"])
                self._queue.observe(key, ObservedStatus.parse(found, self._manager))
                self._queue.note(key)

    async def _update(self, key: Key) -> None:
        """Bring the status of an Ingress up to date. An Ingress that keeps changing is left to the next resync."""
        try:
            for _ in range(MAX_STEPS):
                step = self._queue.next_step(key, self._uid(key))
                if step is None or await self._take(step):
                    return
        except (ApiUnavailable, TemporaryFailure):
            self._queue.note(key)
            raise

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
            _log.info("status_written", ingress=str(key), addresses=[each.wire for each in step.addresses])
            return True
        if status in (404, 409):
            return await self._observe(key)
        self._log_rejected(key, status, found)
        return True

    def _log_rejected(self, key: Key, status: int, found: dict[str, Any]) -> None:
        remedy = "Correct --publish-address or the Service; the status is written again at the next resync."
        _log.warning("status_rejected", ingress=str(key), status=status, error=found.get("message"), remedy=remedy)

    def _warn_of_other_writers(self, step: WriteStatus) -> None:
        key, observed = step.key, step.observed
        if observed.addresses and not observed.ours and key in self._written and key not in self._contended:
            self._contended.add(key)
            remedy = (
                "Two controllers publish this Ingress: remove its class from one of them. "
                f"This one writes again every {RESYNC_SECONDS:.0f} s."
            )
            _log.warning("status_changed_by_another", ingress=str(key), writers=observed.writers, remedy=remedy)
