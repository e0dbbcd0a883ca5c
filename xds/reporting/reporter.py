"""Writes statuses and Events to the cluster, on the replica that holds the Lease.

Routing never waits for reporting: changes are noted at once and written later, or never if they no longer matter.
"""

import asyncio
import re
import socket
import uuid
from collections.abc import Callable, Iterable, Mapping, Set
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from typing import Final, TypeAlias

import structlog

from xds.kube.change import Applied, Change, Deleted
from xds.kube.ingress_class import ClassOptions
from xds.kube.objects import Ingress, IngressClass
from xds.kube.state import DEFAULT_CLASSES, KubeState
from xds.kubeapi.interface import Api
from xds.logs import BUG_REMEDY
from xds.problems.problem import Key, ObjectRef, Problem
from xds.problems.reasons import Reason
from xds.reporting.event_queue import NAMESPACE_OF_UNNAMESPACED, REPORTING_CONTROLLER
from xds.reporting.event_writer import EventWriter
from xds.reporting.gateway_delta import NO_GATEWAY_DELTA, GatewayDelta
from xds.reporting.gateway_reporter import GatewayReporter
from xds.reporting.gateway_service_writer import GatewayServiceWriter
from xds.reporting.gateway_status_writer import GatewayStatusWriter
from xds.reporting.lease import Leadership
from xds.reporting.outcome import no_writes
from xds.reporting.status import LoadBalancerAddresses, PublishOptions
from xds.reporting.status_writer import StatusWriter
from xds.translate.gateway.options import NO_GATEWAYS, GatewayOptions

LEASE_NAME: Final = "xds-ingress"
MAX_LEASE_NAME_LENGTH: Final = 63
"""Shorter than Kubernetes allows: the name is also a part of the `reportingController` of Events."""

SERVICE_ACCOUNT_NAMESPACE: Final = Path("/var/run/secrets/kubernetes.io/serviceaccount/namespace")

RESTART_DELAY_SECONDS: Final = 60.0
"""After an error in the program."""

_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class ReportingOptions:
    """The operator's choices.

    Attributes:
        lease: Namespace and name.
        publish: The addresses for statuses.
        namespaces: Where objects are watched; empty: in all namespaces.
        named: ConfigMaps that flags name. They may be elsewhere, and have Events, too.
        gateway: The choices for the Gateway API.
    """

    lease: Key
    publish: PublishOptions
    namespaces: tuple[str, ...] = ()
    named: frozenset[Key] = frozenset()
    gateway: GatewayOptions = NO_GATEWAYS

    @property
    def event_namespaces(self) -> tuple[str, ...]:
        """Where Events are read and written; empty: in all namespaces."""
        if not self.namespaces:
            return ()
        return tuple(dict.fromkeys((*self.namespaces, *sorted(key.namespace for key in self.named))))


@dataclass(frozen=True, slots=True)
class ReportingFigures:
    """Figures for metrics.

    Attributes:
        holder: The holder of the Lease as last seen; empty if unknown, or if the Lease is free.
        leads: Whether this replica holds the Lease.
        writes: Number of writes by target (`lease`, `event`, `status`, `gateway_status` or
            `gateway_service`) and outcome.
        failing: Objects whose last write failed, by target.
    """

    holder: str
    leads: bool
    writes: Mapping[str, Mapping[str, int]]
    failing: Mapping[str, int]


Writer: TypeAlias = EventWriter | StatusWriter | GatewayStatusWriter | GatewayServiceWriter


class Reporter:
    """Reports from one replica.

    Args:
        api: Closed by the caller, after `run`.
        state: The objects of the cluster.
        problems: All problems that stand.
        options: The operator's choices.
        report: Receives the problems of the Service of --publish-service.
    """

    def __init__(
        self,
        api: Api,
        state: KubeState,
        problems: Callable[[], list[Problem]],
        options: ReportingOptions,
        report: Callable[[tuple[Problem, ...]], None] = lambda _: None,
    ) -> None:
        self._api = api
        self._state = state
        self._problems = problems
        self._options = options
        self._report_problems = report
        self._ready = asyncio.Event()
        self._status: StatusWriter | None = None
        self._gateway = GatewayReporter(
            api,
            state,
            options.gateway,
            published=options.publish.service,
            namespaces=options.namespaces,
            manager=options.lease.name,
        )
        self._events: EventWriter | None = None
        self._leadership: Leadership | None = None

    def note(
        self,
        changes: Iterable[Change],
        appeared: Iterable[Problem],
        solved: Iterable[Problem],
        created_again: Set[ObjectRef] = frozenset(),
        gateway: GatewayDelta = NO_GATEWAY_DELTA,
    ) -> None:
        """Note changes that `state` and `problems` already contain. Returns at once.

        The first call says that all objects were listed; before, nothing is written.

        Args:
            changes: Of objects.
            appeared: New problems.
            solved: Problems that no longer stand.
            created_again: Objects that replace one of the same name, whose Events don't show at the new one.
            gateway: The part of the Gateway API.
        """
        self._ready.set()
        if self._events:
            self._events.note(appeared, solved, created_again)
        if self._status:
            for change in changes:
                _note(change, self._status)
            if any(each.reason is Reason.WITHDRAWAL_HELD for each in solved):
                self._status.note_all()
        self._gateway.note(changes, gateway)

    @property
    def figures(self) -> ReportingFigures:
        """The figures of this moment, for metrics."""
        lease = self._leadership
        writes: dict[str, Mapping[str, int]] = {"lease": lease.writes if lease else no_writes()}
        failing = {"lease": int(bool(lease and lease.is_failing))}
        writers: dict[str, Writer | None] = {
            "event": self._events,
            "status": self._status,
            "gateway_status": self._gateway.statuses,
            "gateway_service": self._gateway.services,
        }
        for target, writer in writers.items():
            writes[target] = writer.writes if writer else no_writes()
            failing[target] = len(writer.failed_writes) if writer else 0
        return ReportingFigures(
            holder=lease.holder if lease else "",
            leads=bool(lease and lease.is_leader()),
            writes=writes,
            failing=failing,
        )

    @property
    def published(self) -> LoadBalancerAddresses:
        """The addresses that statuses get, as far as known: of --publish-service, only on the replica that leads."""
        return (self._status.published if self._status else None) or self._options.publish.addresses

    async def run(self) -> None:
        """Report, for ever. On cancellation, stop writing at once, and then release the Lease.

        An error in the program is logged, and reporting restarts after a while; routing goes on.
        """
        await self._ready.wait()
        while True:
            try:
                await self._report()
            except ExceptionGroup:
                _log.exception("reporting_failed", remedy=BUG_REMEDY, retry_seconds=RESTART_DELAY_SECONDS)
                await asyncio.sleep(RESTART_DELAY_SECONDS)

    async def _report(self) -> None:
        options = self._options
        self._leadership = leadership = Leadership(self._api, options.lease, process_identity())
        self._events = EventWriter(
            self._api,
            leadership,
            self._problems,
            self._uid,
            options.event_namespaces,
            controller=reporting_controller(options.lease),
        )
        if options.publish:
            self._status = StatusWriter(
                self._api,
                leadership,
                options.publish,
                self._ingress_uid,
                options.namespaces,
                manager=options.lease.name,
                report=self._report_problems,
            )
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(leadership.run())
            tasks.create_task(self._events.run())
            for each in self._gateway.tasks(leadership):
                tasks.create_task(each)
            if self._status:
                tasks.create_task(self._status.run())

    def _ingress_uid(self, key: Key) -> str | None:
        ingress = self._state.ingress(key)
        return None if ingress is None else ingress.metadata.uid

    def _uid(self, about: ObjectRef) -> str | None:
        """The uid of an object. None for an object that doesn't exist, and for an object without a namespace where
        permissions cover some namespaces only: its Events would be written elsewhere.
        """
        found = self._state.find(about)
        namespaces = self._options.event_namespaces
        forbidden = namespaces and not about.namespace and NAMESPACE_OF_UNNAMESPACED not in namespaces
        return None if found is None or forbidden else found.metadata.uid


def _note(change: Change, status: StatusWriter) -> None:
    match change:
        case Applied(object=Ingress() as ingress):
            status.note(ingress.key)
        case Deleted(kind=kind, key=key) if kind is Ingress:
            status.remove(key)
        case Applied(object=IngressClass()):
            status.note_all()
        case Deleted(kind=kind) if kind is IngressClass:
            status.note_all()


def reporting_controller(lease: Key) -> str:
    """`reportingController` of the Events of an installation. An installation resolves only its own Events."""
    return REPORTING_CONTROLLER if lease.name == LEASE_NAME else f"xds-ingress.dev/{lease.name}"


def process_identity() -> str:
    """An identity unique to this life of this process; begins with the name of the Pod."""
    return f"{socket.gethostname()}_{uuid.uuid4().hex[:12]}"


def lease_name(classes: ClassOptions) -> str:
    """The name of the Lease. Installations for different classes write to different objects, so each has a Lease."""
    parts = [LEASE_NAME]
    if classes.name != DEFAULT_CLASSES.name:
        parts.append(classes.name)
    if set(classes.controllers) != set(DEFAULT_CLASSES.controllers):
        parts += (re.sub("[^a-z0-9.]+", "-", each.lower()).strip("-.") for each in sorted(set(classes.controllers)))
    name = "-".join(parts)
    if len(name) <= MAX_LEASE_NAME_LENGTH:
        return name
    return f"{LEASE_NAME}-{blake2b(name.encode(), digest_size=8).hexdigest()}"
