"""Writes `status.loadBalancer` of Ingresses, while this process leads.

What the API server has is read when a lead begins and every RESYNC seconds, in pages; in between, only an Ingress
that is new or turned into one of ours is looked at. So whatever happens to a status by other hands is corrected within
RESYNC seconds and no more often.
"""

import asyncio
import contextlib
from collections.abc import Callable, Iterable
from math import inf
from typing import Any, Final

import structlog

from xds.kube.objects import Ingress, Service
from xds.kubeapi.interface import Api, ApiUnavailable
from xds.kubeapi.outage import Declined, Outage, check
from xds.kubeapi.paging import every, find
from xds.problems.problem import Key
from xds.reporting.lease import Leadership, NotLeader, now
from xds.reporting.status import FIELD_MANAGER, Addresses, Look, Publish, Put, StatusQueue, addresses_of, patch, seen

RESYNC: Final = 600.0
FOLLOW: Final = 10.0
"""Seconds between two looks at the Service of --publish-service."""

ATTEMPTS: Final = 4

_GRANT: Final = "Give this service account patch of ingresses/status, and list of ingresses and services."

_log = structlog.get_logger()


class StatusWriter:
    """
    Args:
        api: What is only read is asked here.
        leadership: What is written goes through it.
        publish: What to write.
        uid: Of the Ingress that is ours; None if none of the name is.
        namespaces: Which to look at; none: all.
    """

    def __init__(
        self,
        api: Api,
        leadership: Leadership,
        publish: Publish,
        uid: Callable[[Key], str | None],
        namespaces: Iterable[str] = (),
    ) -> None:
        self._api = api
        self._leadership = leadership
        self._publish = publish
        self._uid = uid
        self._namespaces = tuple(namespaces)
        self._board = StatusQueue()
        self._outage = Outage("status", _GRANT)
        self._wake = asyncio.Event()
        self._list_at = -inf
        self._follow_at = -inf
        self._wrote: set[Key] = set()
        self._contended: set[Key] = set()
        self._service_missing = False

    def note(self, key: Key) -> None:
        """The Ingress is new, or another than it was."""
        self._board.note(key)
        self._wake.set()

    def gone(self, key: Key) -> None:
        """The Ingress was deleted."""
        self._board.gone(key)
        self._wrote.discard(key)
        self._contended.discard(key)

    def note_all(self) -> None:
        """Which Ingresses are ours is another question now."""
        self._list_at = -inf
        self._wake.set()

    async def run(self) -> None:
        """Write what is to be written, for ever. Cancellation ends it at once, perhaps within a request."""
        while True:
            await self._leadership.elected()
            self._board.forget()
            self._list_at = self._follow_at = -inf
            with contextlib.suppress(NotLeader):
                while True:
                    await self._round()

    async def _round(self) -> None:
        if not self._leadership.is_leader():
            raise NotLeader
        self._wake.clear()
        try:
            await self._read()
            while (key := self._board.take()) is not None:
                await self._settle(key)
        except (ApiUnavailable, Declined) as error:
            await asyncio.sleep(self._outage.failed(error))
            return
        self._outage.worked()
        await self._rest()

    async def _rest(self) -> None:
        with contextlib.suppress(TimeoutError):
            # Without anything to publish, nothing is listed.
            until = self._follow_at if self._board.published is None else min(self._list_at, self._follow_at)
            async with asyncio.timeout(max(0, until - now())):
                await self._wake.wait()

    async def _read(self) -> None:
        if self._follow_at <= now():
            self._announce(await self._published())
            self._follow_at = now() + FOLLOW if self._publish.service else inf
        if self._list_at <= now() and self._board.published is not None:
            self._list_at, before = now() + RESYNC, self._list_at
            try:
                await self._list()
            except BaseException:
                self._list_at = before
                raise

    def _announce(self, addresses: Addresses | None) -> None:
        if addresses is not None and addresses != self._board.published:
            _log.info("publishing", addresses=[each.ip or each.hostname for each in addresses])
            self._board.publish(addresses)

    async def _published(self) -> Addresses | None:
        """What Ingresses are to have; None if that can't be told, and nothing is to be changed."""
        key = self._publish.service
        if key is None:
            return self._publish.addresses
        service = await find(self._api, Service.collection(key.namespace), key.name)
        missing, self._service_missing = self._service_missing, service is None
        if service is not None:
            return addresses_of(service)
        if not missing:
            remedy = "Create it, or correct --publish-service; until then statuses stay as they are."
            _log.warning("publish_service_not_found", service=str(key), remedy=remedy)
        return None

    async def _list(self) -> None:
        for namespace in self._namespaces or [""]:
            async for found in every(self._api, Ingress.collection(namespace)):
                key = _key(found)
                self._board.saw(key, seen(found))
                self._board.note(key)

    async def _settle(self, key: Key) -> None:
        """Write what the Ingress needs. If it changes all the time, the next look does it."""
        try:
            for _ in range(ATTEMPTS):
                todo = self._board.todo(key, self._uid(key))
                if todo is None or await (self._look(key) if isinstance(todo, Look) else self._put(todo)):
                    return
        except (ApiUnavailable, Declined):
            self._board.note(key)
            raise

    async def _look(self, key: Key) -> bool:
        """What does the API server have? True if there is nothing, and so nothing more to do."""
        found = await find(self._api, Ingress.collection(key.namespace), key.name)
        if found is None:
            self._board.gone(key)
            return True
        self._board.saw(key, seen(found))
        return False

    async def _put(self, todo: Put) -> bool:
        """True if there is nothing more to do."""
        key = todo.key
        path = f"{Ingress.collection(key.namespace)}/{key.name}/status"
        self._tell_of_others(todo)
        body = patch(todo.seen.version, todo.addresses)
        status, found = await self._leadership.write("PATCH", path, body, {"fieldManager": FIELD_MANAGER})
        check(status, found)
        if status == 200:
            self._board.saw(key, seen(found))
            self._wrote.add(key)
            _log.info("status_written", ingress=str(key), addresses=[each.wire for each in todo.addresses])
            return True
        if status in (404, 409):
            return await self._look(key)
        remedy = "Correct what is published; it is tried again later."
        _log.warning("status_refused", ingress=str(key), status=status, error=found.get("message"), remedy=remedy)
        return True

    def _tell_of_others(self, todo: Put) -> None:
        key, was = todo.key, todo.seen
        if was.addresses and not was.ours and key in self._wrote and key not in self._contended:
            self._contended.add(key)
            remedy = f"Two controllers publish this Ingress: take its class from one. We write every {RESYNC:.0f} s."
            _log.warning("status_changed_by_another", ingress=str(key), writers=was.writers, remedy=remedy)


def _key(found: dict[str, Any]) -> Key:
    metadata = found["metadata"]
    return Key(metadata["namespace"], metadata["name"])
