"""The Lease of this installation: keeps an `Elector` going against the API server, and lets only the holder write.

Source: https://kubernetes.io/docs/reference/kubernetes-api/coordination/lease-v1/
"""

import asyncio
import contextlib
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from random import SystemRandom
from typing import Any, Final

import structlog

from xds.kubeapi.interface import JSON, MERGE_PATCH, Api, ApiUnavailable
from xds.problems.problem import Key
from xds.reporting.election import TERMS, Elector, Lease, Read, Step, Write

TIMEOUT: Final = 3.0
"""Seconds for one request about the Lease: several fit between a renewal that is due and the deadline."""

WRITE_TIMEOUT: Final = TERMS.duration - TERMS.deadline - 1
"""Seconds for a holder's write: one that began at the last moment of a term has ended when another may begin."""

RELEASE_ATTEMPTS: Final = 4

_log = structlog.get_logger()


class NotLeader(Exception):  # noqa: N818 -- not an error, a state
    """Somebody else may be writing now."""


def now() -> float:
    """Seconds that go on while the machine sleeps, as the other candidates' do; asyncio's clock stops then."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


def timestamp() -> str:
    """A MicroTime, for people."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


class Leadership:
    """This process' candidacy for a Lease.

    Args:
        api: Asked for nothing but the Lease, but for `write`.
        lease: Its namespace and name. It is created if need be.
        identity: Of this process in this life; nobody else has it. `kubectl get lease` shows it.
    """

    def __init__(self, api: Api, lease: Key, identity: str) -> None:
        self._api = api
        self._name = lease
        self._collection = f"/apis/coordination.k8s.io/v1/namespaces/{lease.namespace}/leases"
        self._elector = Elector(identity, SystemRandom().random)
        self._elected = asyncio.Event()
        self._led = False
        self._trouble = ""

    @property
    def identity(self) -> str:
        return self._elector.identity

    def is_leader(self) -> bool:
        return self._elector.is_leader(now())

    async def elected(self) -> None:
        """Returns as soon as this process leads."""
        while not self.is_leader():
            self._elected.clear()
            await self._elected.wait()

    async def write(
        self, method: str, path: str, body: Mapping[str, Any], params: Mapping[str, str] | None = None
    ) -> tuple[int, dict[str, Any]]:
        """One request that changes something, as the holder of the Lease.

        Raises:
            NotLeader: this process doesn't lead any more; nothing was sent.
            ApiUnavailable: there was no answer in time.
        """
        if not self.is_leader():
            raise NotLeader
        kind = MERGE_PATCH if method == "PATCH" else JSON
        return await self._api.request(method, path, body=body, content_type=kind, params=params, timeout=WRITE_TIMEOUT)

    async def run(self) -> None:
        """Stand for election, for ever. When cancelled, this process leads no more, and the Lease is given up."""
        try:
            while True:
                await asyncio.sleep(max(0, self._elector.due - now()))
                await self._advance()
        finally:
            self._elector.resign()
            await self._release()

    async def _advance(self) -> None:
        before = self._elector.holder
        self._report(before)
        if (step := self._elector.step(now())) is not None:
            await self._take(step)
        self._report(before)

    def _report(self, before: str) -> None:
        led, self._led = self._led, self.is_leader()
        holder = self._elector.holder
        if self._led:
            self._elected.set()
        if self._led and not led:
            _log.info("lease_acquired", lease=str(self._name), identity=self.identity)
        elif led and not self._led:
            _log.warning("lease_lost", lease=str(self._name), holder=holder)
        elif holder not in (before, "", self.identity):
            _log.info("lease_held_by_another", lease=str(self._name), holder=holder)

    async def _release(self) -> None:
        with contextlib.suppress(ApiUnavailable):
            for _ in range(RELEASE_ATTEMPTS):
                if (step := self._elector.step(now())) is None:
                    _log.info("lease_released", lease=str(self._name))
                    return
                await self._take(step, raising=True)
        _log.warning("lease_not_released", lease=str(self._name), remedy="A successor waits until it expires.")

    async def _take(self, step: Step, *, raising: bool = False) -> None:
        """Do the step, and tell the elector what came of it."""
        try:
            status, found = await self._send(step)
        except ApiUnavailable as error:
            self._failed(str(error))
            if raising:
                raise
            return
        if isinstance(step, Read) and status == 404:
            self._elector.saw(None, now())
        elif isinstance(step, Write) and (status == 409 or (status == 404 and step.before)):
            self._elector.conflicted(now())
        elif not 200 <= status < 300 or (lease := _lease(found)) is None:
            self._failed(f"{status} {found.get('message', '')}".strip())
        elif isinstance(step, Read):
            self._worked()
            self._elector.saw(lease, now())
        else:
            self._worked()
            self._elector.wrote(lease)

    async def _send(self, step: Step) -> tuple[int, dict[str, Any]]:
        path = f"{self._collection}/{self._name.name}"
        if isinstance(step, Read):
            return await self._api.request("GET", path, timeout=TIMEOUT)
        if step.before is None:
            body = {"metadata": {"name": self._name.name}, "spec": _spec(step)}
            return await self._api.request("POST", self._collection, body=body, timeout=TIMEOUT)
        body = {"metadata": {"resourceVersion": step.before.version}, "spec": _spec(step)}
        return await self._api.request("PATCH", path, body=body, content_type=MERGE_PATCH, timeout=TIMEOUT)

    def _failed(self, why: str) -> None:
        self._elector.failed(now())
        if not self._trouble:
            remedy = "Give this service account get, create and patch of leases." if why.startswith("403") else ""
            _log.warning(
                "lease_unreachable", lease=str(self._name), error=why, **({"remedy": remedy} if remedy else {})
            )
        self._trouble = why

    def _worked(self) -> None:
        if self._trouble:
            _log.info("lease_reachable_again", lease=str(self._name))
        self._trouble = ""


def _spec(step: Write) -> dict[str, Any]:
    """What of the Lease's spec a step changes."""
    if not step.holder:
        return {"holderIdentity": None, "renewTime": timestamp()}
    spec: dict[str, Any] = {"leaseDurationSeconds": int(TERMS.duration), "renewTime": timestamp()}
    if step.before is None or step.before.holder != step.holder:
        transitions = step.before.transitions + 1 if step.before else 0
        spec |= {"holderIdentity": step.holder, "acquireTime": timestamp(), "leaseTransitions": transitions}
    return spec


def _lease(found: Mapping[str, Any]) -> Lease | None:
    """The Lease in an answer; None if there is none."""
    try:
        spec = found.get("spec") or {}
        return Lease(
            holder=spec.get("holderIdentity") or "",
            version=found["metadata"]["resourceVersion"],
            duration=float(spec.get("leaseDurationSeconds") or TERMS.duration),
            transitions=int(spec.get("leaseTransitions") or 0),
        )
    except (KeyError, TypeError, ValueError, AttributeError):
        return None
