"""The Lease of this installation: runs an `Elector` against the API server, and lets only the holder write.

Source: https://kubernetes.io/docs/reference/kubernetes-api/coordination/lease-v1/
"""

import asyncio
import contextlib
import sys
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from random import SystemRandom
from typing import Any, Final

import structlog

from xds.kubeapi.interface import APPLY_PATCH, JSON, MERGE_PATCH, Api, ApiUnavailable
from xds.problems.problem import Key
from xds.reporting.election import TERMS, Elector, Lease, Read, Step, Write
from xds.reporting.outcome import Outcome, no_writes

LEASE_REQUEST_TIMEOUT_SECONDS: Final = 3.0
"""Several requests fit between the time of a renewal and the deadline."""

LEADER_WRITE_TIMEOUT_SECONDS: Final = TERMS.duration - TERMS.deadline - 1
"""A write that starts at the last moment of a term ends before another holder's term can start."""

MAX_RELEASE_REQUESTS: Final = 4

LOST_REMEDY: Final = (
    "Nothing to do: another replica writes statuses and Events. If this repeats, look at the load of the API server."
)

_BOOT_CLOCK: Final = time.CLOCK_MONOTONIC if sys.platform == "darwin" else time.CLOCK_BOOTTIME

_log = structlog.get_logger()


class NotLeader(Exception):  # noqa: N818 -- not an error, a state
    """This process doesn't lead, and another replica may be writing."""


def boot_time() -> float:
    """Seconds of a clock that counts on while the machine is suspended, as other candidates' clocks do.

    asyncio's clock stops during a suspension on Linux. On macOS, CLOCK_MONOTONIC counts on (man 3 clock_gettime).
    """
    return time.clock_gettime(_BOOT_CLOCK)


def timestamp() -> str:
    """The wall-clock time as a MicroTime."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


class Leadership:
    """The candidacy of this process for a Lease.

    Args:
        api: Receives the requests about the Lease, and the requests of `write`.
        lease: Namespace and name. A missing Lease is created.
        identity: Unique to this life of this process; shown by `kubectl get lease`.

    Attributes:
        writes: Number of writes of the Lease by outcome.
    """

    def __init__(self, api: Api, lease: Key, identity: str) -> None:
        self._api = api
        self._name = lease
        self._collection = f"/apis/coordination.k8s.io/v1/namespaces/{lease.namespace}/leases"
        self._elector = Elector(identity, SystemRandom().random)
        self._elected = asyncio.Event()
        self._led = False
        self._last_error = ""
        self.writes = no_writes()

    @property
    def identity(self) -> str:
        return self._elector.identity

    @property
    def holder(self) -> str:
        """The holder as last seen; empty if unknown, or if the Lease is free."""
        return self._elector.holder

    @property
    def is_failing(self) -> bool:
        """Whether the last request about the Lease failed."""
        return bool(self._last_error)

    def is_leader(self) -> bool:
        return self._elector.is_leader(boot_time())

    async def elected(self) -> None:
        """Wait until this process leads."""
        while not self.is_leader():
            self._elected.clear()
            await self._elected.wait()

    async def apply(self, path: str, body: Mapping[str, Any], manager: str) -> tuple[int, dict[str, Any]]:
        """Create or change an object by server-side apply, as the holder of the Lease. Fields of other managers that
        the body has, too, become ours.

        Raises:
            NotLeader, ApiUnavailable: as `write`.
        """
        params = {"fieldManager": manager, "force": "true"}
        return await self._write("PATCH", path, body, APPLY_PATCH, params)

    async def write(
        self, method: str, path: str, body: Mapping[str, Any], params: Mapping[str, str] | None = None
    ) -> tuple[int, dict[str, Any]]:
        """Send one writing request, as the holder of the Lease.

        Raises:
            NotLeader: the term is over; nothing was sent.
            ApiUnavailable: no answer came in time.
        """
        return await self._write(method, path, body, MERGE_PATCH if method == "PATCH" else JSON, params)

    async def _write(
        self, method: str, path: str, body: Mapping[str, Any], kind: str, params: Mapping[str, str] | None
    ) -> tuple[int, dict[str, Any]]:
        if not self.is_leader():
            raise NotLeader
        return await self._api.request(
            method, path, body=body, content_type=kind, params=params, timeout=LEADER_WRITE_TIMEOUT_SECONDS
        )

    async def run(self) -> None:
        """Stand for election, for ever. On cancellation, stop leading and release the Lease."""
        try:
            while True:
                await asyncio.sleep(max(0, self._elector.due - boot_time()))
                await self._advance()
        finally:
            self._elector.resign()
            await self._release()

    async def _advance(self) -> None:
        before = self._elector.holder
        self._log_change(before)
        if (step := self._elector.step(boot_time())) is not None:
            await self._take(step)
        self._log_change(before)

    def _log_change(self, before: str) -> None:
        led, self._led = self._led, self.is_leader()
        holder = self._elector.holder
        if self._led:
            self._elected.set()
        if self._led and not led:
            _log.info("lease_acquired", lease=str(self._name), identity=self.identity)
        elif led and not self._led:
            error = self._last_error or f"{holder or 'nobody'} holds the Lease"
            _log.warning("lease_lost", lease=str(self._name), error=error, remedy=LOST_REMEDY)
        elif holder not in (before, "", self.identity):
            _log.info("lease_held_by_another", lease=str(self._name), holder=holder)

    async def _release(self) -> None:
        with contextlib.suppress(ApiUnavailable):
            for _ in range(MAX_RELEASE_REQUESTS):
                if (step := self._elector.step(boot_time())) is None:
                    _log.info("lease_released", lease=str(self._name))
                    return
                await self._take(step, raising=True)
        _log.warning(
            "lease_not_released",
            lease=str(self._name),
            error=self._last_error,
            remedy="Nothing to do: a successor waits until the Lease expires.",
        )

    async def _take(self, step: Step, *, raising: bool = False) -> None:
        """Send the step, and pass the answer to the elector.

        Raises:
            ApiUnavailable: no answer came in time, and `raising` is set.
        """
        try:
            status, found = await self._send(step)
        except ApiUnavailable as error:
            self._failed(step, str(error))
            if raising:
                raise
            return
        if isinstance(step, Read) and status == 404:
            self._elector.saw(None, boot_time())
        elif isinstance(step, Write) and (status == 409 or (status == 404 and step.before)):
            self.writes[Outcome.CONFLICTED] += 1
            self._elector.conflicted(boot_time())
        elif not 200 <= status < 300 or (lease := _lease(found)) is None:
            self._failed(step, f"{status} {found.get('message', '')}".strip())
        elif isinstance(step, Read):
            self._succeeded()
            self._elector.saw(lease, boot_time())
        else:
            self._succeeded()
            self.writes[Outcome.WRITTEN] += 1
            self._elector.wrote(lease)

    async def _send(self, step: Step) -> tuple[int, dict[str, Any]]:
        path = f"{self._collection}/{self._name.name}"
        if isinstance(step, Read):
            return await self._api.request("GET", path, timeout=LEASE_REQUEST_TIMEOUT_SECONDS)
        if step.before is None:
            body = {"metadata": {"name": self._name.name}, "spec": _spec(step)}
            return await self._api.request("POST", self._collection, body=body, timeout=LEASE_REQUEST_TIMEOUT_SECONDS)
        body = {"metadata": {"resourceVersion": step.before.version}, "spec": _spec(step)}
        return await self._api.request(
            "PATCH", path, body=body, content_type=MERGE_PATCH, timeout=LEASE_REQUEST_TIMEOUT_SECONDS
        )

    def _failed(self, step: Step, why: str) -> None:
        self._elector.failed(boot_time())
        self.writes[Outcome.FAILED] += isinstance(step, Write)
        if not self._last_error:
            forbidden = why.startswith("403")
            remedy = "Give this service account get, create and patch of leases." if forbidden else "It is tried again."
            _log.warning("lease_unreachable", lease=str(self._name), error=why, remedy=remedy)
        self._last_error = why

    def _succeeded(self) -> None:
        if self._last_error:
            _log.info("lease_reachable_again", lease=str(self._name))
        self._last_error = ""


def _spec(step: Write) -> dict[str, Any]:
    """The fields of the Lease's spec that a write changes."""
    if not step.holder:
        return {"holderIdentity": None, "renewTime": timestamp()}
    spec: dict[str, Any] = {"leaseDurationSeconds": int(TERMS.duration), "renewTime": timestamp()}
    if step.before is None or step.before.holder != step.holder:
        transitions = step.before.transitions + 1 if step.before else 0
        spec |= {"holderIdentity": step.holder, "acquireTime": timestamp(), "leaseTransitions": transitions}
    return spec


def _lease(found: Mapping[str, Any]) -> Lease | None:
    """The Lease in an answer; None if the answer holds no Lease."""
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
