"""Keeps the Services of `--gateway-services` in step with the Gateways while this process leads.

All Services of Gateways are listed at the start of a term and every RESYNC_SECONDS, before anything is written: the
list tells which target ports are taken. Only the leader assigns target ports, so none has two Gateways.

A Service is deleted once the API server says that its Gateway doesn't exist, or once the Gateway is another
controller's. A Gateway that can't be served for now keeps the Service and the address that clients know.
"""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Mapping
from math import inf
from typing import Any, Final

import structlog

from xds.kube.gateway_objects import Gateway
from xds.kube.objects import Service
from xds.kubeapi.interface import Api, ApiUnavailable
from xds.kubeapi.outage import Outage, TemporaryFailure, check
from xds.kubeapi.paging import find_by_name, list_all
from xds.problems.problem import Key
from xds.reporting.failed_writes import FailedWrites
from xds.reporting.gateway_service import MANAGED_BY, Targets, assign, gateway_of, manifest, targets_of
from xds.reporting.lease import Leadership, NotLeader, boot_time
from xds.reporting.outcome import Outcome, no_writes
from xds.translate.gateway.listening.service_record import NAMESPACE_LABEL, service_name
from xds.translate.gateway.listening.services import GatewayService
from xds.translate.gateway.options import TargetPorts

RESYNC_SECONDS: Final = 60.0
"""The Service of --publish-service is read as often."""

ROUND_SECONDS: Final = 1.0
"""Between two rounds of writes."""

DELETION_GRACE_SECONDS: Final = 10.0
"""Between the end of a Gateway and the deletion of its Service: tools delete objects and create them again."""

_PERMISSIONS: Final = "Give this service account list, create, patch and delete of services in the fleet's namespace."

_log = structlog.get_logger()


class GatewayServiceWriter:
    """Writes a Service for each Gateway.

    Args:
        api: For reading.
        leadership: For writing.
        wanted: The Service of each Gateway that is served.
        is_given_up: Whether a Gateway that exists is another controller's.
        published: The Service of --publish-service, in the namespace of the fleet.
        within: The target ports.
        manager: The field manager: names the installation.

    Attributes:
        failed_writes: Of Services, by Gateway.
        writes: Number of writes of Services by outcome.
    """

    def __init__(
        self,
        api: Api,
        leadership: Leadership,
        wanted: Mapping[Key, GatewayService],
        is_given_up: Callable[[Key], bool],
        *,
        published: Key,
        within: TargetPorts,
        manager: str,
    ) -> None:
        self._api = api
        self._leadership = leadership
        self._wanted = wanted
        self._is_given_up = is_given_up
        self._published = published
        self._within = within
        self._manager = manager
        self._collection = Service.collection(published.namespace)
        self.failed_writes: FailedWrites[Key] = FailedWrites("gateway_service", _PERMISSIONS)
        self.writes = no_writes()
        self._outage = Outage("gateway_service_list", _PERMISSIONS, collection=self._collection)
        self._list_at = -inf
        self._like: dict[str, Any] | None = None
        self._targets: dict[Key, Targets] = {}
        self._uids: dict[Key, str] = {}
        self._applied: dict[Key, GatewayService] = {}
        self._lacking: set[Key] = set()
        self._delete_at: dict[Key, float] = {}
        self._wake = asyncio.Event()

    def note(self) -> None:
        """Compare soon: a Gateway appeared, changed, or is gone."""
        self._wake.set()

    async def run(self) -> None:
        """Write Services, for ever. Cancellation ends the loop at once, perhaps within a request."""
        while True:
            await self._leadership.elected()
            self._list_at = -inf
            try:
                with contextlib.suppress(NotLeader):
                    while True:
                        await self._round()
            finally:
                self.failed_writes.clear()

    async def _round(self) -> None:
        if not self._leadership.is_leader():
            raise NotLeader
        self._wake.clear()
        if self._list_at <= boot_time():
            await self._list()
        if self._like is not None:
            unwanted = self._uids.keys() - self._wanted.keys()
            self._delete_at = {
                each: self._delete_at.get(each, boot_time() + DELETION_GRACE_SECONDS) for each in sorted(unwanted)
            }
            for gateway, at in list(self._delete_at.items()):
                if at <= boot_time():
                    await self._try(gateway, self._delete_if_gone)
            for gateway in list(self._wanted):
                await self._try(gateway, self._apply)
        await asyncio.sleep(ROUND_SECONDS)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(max(0, self._due_at() - boot_time())):
                await self._wake.wait()

    def _due_at(self) -> float:
        namespace = self._published.namespace
        known = self._wanted.keys() | self._uids.keys()
        retries = (self.failed_writes.due_at(each, namespace) for each in known)
        return min(each for each in (self._list_at, *self._delete_at.values(), *retries) if each > -inf)

    async def _list(self) -> None:
        """Read the Service of the fleet, and those of all Gateways."""
        try:
            self._like = await find_by_name(self._api, self._collection, self._published.name)
            found = [each async for each in list_all(self._api, self._collection, label_selector=NAMESPACE_LABEL)]
        except (ApiUnavailable, TemporaryFailure) as error:
            self._like = None
            self._list_at = boot_time() + self._outage.failed(error)
            return
        self._outage.worked()
        self._list_at = boot_time() + RESYNC_SECONDS
        services = {gateway: each for each in found if (gateway := gateway_of(each))}
        self._targets = {gateway: targets_of(each) for gateway, each in services.items()}
        self._uids = {
            gateway: each["metadata"]["uid"]
            for gateway, each in services.items()
            if each["metadata"]["labels"].get(MANAGED_BY) == self._manager
        }
        self._applied.clear()

    async def _try(self, gateway: Key, write: Callable[[Key], Awaitable[None]]) -> None:
        """Write the Service of a Gateway. A failure doesn't stop the Services of other Gateways."""
        namespace = self._published.namespace
        if self.failed_writes.due_at(gateway, namespace) > boot_time():
            return
        if not self._leadership.is_leader():
            raise NotLeader
        try:
            await write(gateway)
        except (ApiUnavailable, TemporaryFailure) as error:
            self.writes[Outcome.FAILED] += 1
            self.failed_writes.failed(gateway, namespace, error, boot_time())
        else:
            self.failed_writes.worked(gateway, namespace)

    async def _apply(self, gateway: Key) -> None:
        wanted = self._wanted.get(gateway)
        if self._like is None or wanted is None or not wanted.ports or self._applied.get(gateway) == wanted:
            return
        taken = {target for other, each in self._targets.items() if other != gateway for target in each.values()}
        targets = assign(wanted.ports, self._targets.get(gateway, {}), taken, self._within)
        self._warn_of_lack(gateway, len(wanted.ports) - len(targets))
        if not targets:
            return
        body = manifest(wanted, targets, self._like, self._published.namespace, self._manager)
        path = f"{self._collection}/{service_name(gateway)}"
        status, found = await self._leadership.apply(path, body, self._manager)
        check(status, found)
        if len(targets) == len(wanted.ports):
            self._applied[gateway] = wanted
        if status in (200, 201):
            self._targets[gateway], self._uids[gateway] = targets_of(found), found["metadata"]["uid"]
            self.writes[Outcome.WRITTEN] += 1
            _log.debug("gateway_service_written", object=str(gateway), service=service_name(gateway))
        else:
            self._warn_of_rejection(gateway, status, found)

    def _warn_of_rejection(self, gateway: Key, status: int, found: Mapping[str, Any]) -> None:
        self.writes[Outcome.REJECTED] += 1
        error = f"{status} {found.get('message', '')}".strip()
        remedy = "Correct spec.infrastructure of the Gateway; the Service is written again within a minute."
        _log.warning("gateway_service_rejected", object=f"Gateway {gateway}", error=error, remedy=remedy)

    def _warn_of_lack(self, gateway: Key, number: int) -> None:
        """Log once that target ports are used up."""
        if not number:
            self._lacking.discard(gateway)
        elif gateway not in self._lacking:
            self._lacking.add(gateway)
            error = f"no target port is free for {number} ports of the Gateway, which are not served"
            remedy = "Choose a wider range with --gateway-services, or delete a Gateway."
            _log.warning("gateway_ports_used_up", object=f"Gateway {gateway}", error=error, remedy=remedy)

    async def _delete_if_gone(self, gateway: Key) -> None:
        if not self._is_given_up(gateway):
            try:
                found = await find_by_name(self._api, Gateway.collection(gateway.namespace), gateway.name)
            except TemporaryFailure as error:
                if error.status != 404:
                    raise
                found = {}  # the kind isn't installed, perhaps for a moment
            if found is not None:
                self._delete_at[gateway] = boot_time() + RESYNC_SECONDS
                return
        body = {"preconditions": {"uid": self._uids[gateway]}}
        status, answer = await self._leadership.write("DELETE", f"{self._collection}/{service_name(gateway)}", body)
        check(status, answer)
        for known in (self._uids, self._targets, self._applied, self._delete_at):
            known.pop(gateway, None)
        self.writes[Outcome.WRITTEN] += 1
        _log.info("gateway_service_deleted", object=str(gateway), service=service_name(gateway))
