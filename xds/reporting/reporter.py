"""Reports back to the cluster: statuses and Events, written by the replica that holds the Lease.

Nothing here is waited for: what happens is noted at once, and written later, or never if it doesn't matter any more.
"""

import asyncio
import socket
import uuid
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol

import structlog

from xds.kube.change import Applied, Change, Deleted
from xds.kube.objects import Ingress, IngressClass
from xds.kube.state import KubeState
from xds.kubeapi.interface import Api
from xds.problems.problem import Key, ObjectRef, Problem
from xds.problems.reasons import Reason
from xds.reporting.event_queue import EVENTS_OF_CLUSTER
from xds.reporting.event_writer import EventWriter
from xds.reporting.lease import Leadership
from xds.reporting.status import Publish
from xds.reporting.status_writer import StatusWriter

LEASE: Final = "xds-ingress"
SERVICE_ACCOUNT_NAMESPACE: Final = Path("/var/run/secrets/kubernetes.io/serviceaccount/namespace")

RESTART: Final = 60.0
"""Seconds after an error in the program."""

_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Reporting:
    """`lease` has a namespace and a name; `namespaces` are those that are looked at, none: all."""

    lease: Key
    publish: Publish
    namespaces: tuple[str, ...] = ()


class Problems(Protocol):
    """Who knows what is wrong."""

    @property
    def problems(self) -> list[Problem]: ...


class Reporter:
    """One replica's part in it.

    Args:
        api: To be closed by who opened it, after `run`.
        state: What is known of the cluster.
        problems: What is wrong in it.
        reporting: What the operator wants.
    """

    def __init__(self, api: Api, state: KubeState, problems: Problems, reporting: Reporting) -> None:
        self._api = api
        self._state = state
        self._problems = problems
        self._reporting = reporting
        self._ready = asyncio.Event()
        self._status: StatusWriter | None = None
        self._events: EventWriter | None = None

    def note(self, changes: Iterable[Change], appeared: Iterable[Problem], solved: Iterable[Problem]) -> None:
        """This happened, and `state` and `problems` have it already. Returns at once.

        Nothing is said of an incomplete state: the first call says that everything was listed.
        """
        self._ready.set()
        if self._events:
            self._events.note(appeared, solved)
        if self._status:
            for change in changes:
                _note(change, self._status)
            if any(each.reason is Reason.WITHDRAWAL_HELD for each in solved):
                self._status.note_all()

    async def run(self) -> None:
        """Report, for ever. When cancelled, stops to write at once, and then gives the Lease up.

        An error in the program is logged and costs a while; routing goes on.
        """
        await self._ready.wait()
        while True:
            try:
                await self._report()
            except ExceptionGroup:
                _log.exception("reporting_failed", retry_seconds=RESTART)
                await asyncio.sleep(RESTART)

    async def _report(self) -> None:
        want = self._reporting
        leadership = Leadership(self._api, want.lease, identity())
        self._events = EventWriter(self._api, leadership, lambda: self._problems.problems, self._uid, want.namespaces)
        if want.publish:
            args = (self._api, leadership, want.publish, self._ingress_uid, want.namespaces)
            self._status = StatusWriter(*args)
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(leadership.run())
            tasks.create_task(self._events.run())
            if self._status:
                tasks.create_task(self._status.run())

    def _ingress_uid(self, key: Key) -> str | None:
        ingress = self._state.ingress(key)
        return None if ingress is None else ingress.metadata.uid

    def _uid(self, about: ObjectRef) -> str | None:
        """None too for what has no namespace, if the rights end with some: its Events would be in another."""
        found = self._state.find(about)
        namespaces = self._reporting.namespaces
        unreachable = namespaces and not about.namespace and EVENTS_OF_CLUSTER not in namespaces
        return None if found is None or unreachable else found.metadata.uid


def _note(change: Change, status: StatusWriter) -> None:
    match change:
        case Applied(object=Ingress() as ingress):
            status.note(ingress.key)
        case Deleted(kind=kind, key=key) if kind is Ingress:
            status.gone(key)
        case Applied(object=IngressClass()):
            status.note_all()
        case Deleted(kind=kind) if kind is IngressClass:
            status.note_all()


def identity() -> str:
    """Of this process in this life; begins with the Pod's name."""
    return f"{socket.gethostname()}_{uuid.uuid4().hex[:12]}"


def lease_name(ingress_class: str) -> str:
    """Installations for different classes write different things, so each has its own."""
    return LEASE if ingress_class == "envoy" else f"{LEASE}-{ingress_class}"
