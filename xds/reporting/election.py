"""The election of one holder of a Lease, as a state machine without I/O. Only the holder writes to the cluster.

A holder leads for `deadline` seconds from the moment of *sending* a successful write of the Lease. Another candidate
may take the Lease after *seeing* the same version for `duration` seconds. Seeing comes after sending, and each write is
bound to the version that was seen, so the terms of two holders can't overlap while clocks run at about the same speed.
The times in the Lease are for people: clocks of two machines are never compared. (Two interventions by hand can break
the guarantee: deleting the Lease while a candidate starts that never saw the Lease, and removing the holder from the
Lease.)

The guarantee covers `is_leader`. A write sent by a leader can still arrive after the term, so all writes are bound to
versions or are idempotent.

The idea is client-go's: https://pkg.go.dev/k8s.io/client-go/tools/leaderelection
Its port in the Kubernetes client, kubernetes.aio.leaderelection, was declined for three reasons: the port trusts the
wall clock, counts a term from after the write and not from before, and has no way to release the Lease on shutdown.
"""

from collections.abc import Callable
from dataclasses import dataclass
from math import inf
from typing import Final, TypeAlias


@dataclass(frozen=True, slots=True)
class Terms:
    """Durations of the election, in seconds.

    Attributes:
        duration: Until another candidate may take a Lease that no longer changes.
        deadline: Until a holder without a successful renewal stops leading. Shorter than `duration` by the timeout of a
            write and by the difference in speed of two clocks.
        renew: Between two renewals.
        retry: Between two attempts of a candidate.
    """

    duration: float = 15
    deadline: float = 10
    renew: float = 5
    retry: float = 2


TERMS: Final = Terms()


@dataclass(frozen=True, slots=True)
class Lease:
    """The Lease as the API server stores it.

    Attributes:
        holder: The identity of the holder; empty if the Lease is free.
        version: The resourceVersion.
        duration: Seconds.
        transitions: How often the holder changed.
    """

    holder: str
    version: str
    duration: float = TERMS.duration
    transitions: int = 0


@dataclass(frozen=True, slots=True)
class Read:
    """Read the Lease."""


@dataclass(frozen=True, slots=True)
class Write:
    """Write the holder into the Lease, on condition that the Lease is unchanged.

    Attributes:
        holder: Empty to release the Lease.
        before: The Lease as seen; None to create the Lease.
    """

    holder: str
    before: Lease | None


Step: TypeAlias = Read | Write


class Elector:
    """One candidate. Call `step`, and then exactly one of `saw`, `wrote`, `conflicted` and `failed`.

    All times are seconds of one monotonic clock.

    Args:
        identity: Unique to this life of this process.
        random: Returns numbers from 0 to 1, which keep candidates from asking at the same time.
        terms: The same for all candidates.
    """

    def __init__(self, identity: str, random: Callable[[], float], terms: Terms = TERMS) -> None:
        self.identity = identity
        self.due = -inf
        """When the next step is due."""
        self._random = random
        self._terms = terms
        self._lease: Lease | None = None
        self._lease_since = -inf
        self._current = False
        self._ever_saw_one = False
        self._ever_wrote = False
        self._resigned = False
        self._sent_at = -inf
        self._leads_until = -inf

    @property
    def holder(self) -> str:
        """The holder as last seen."""
        return self._lease.holder if self._lease else ""

    def is_leader(self, now: float) -> bool:
        return now < self._leads_until

    def step(self, now: float) -> Step | None:
        """The request to send now; None once the Lease is released."""
        self._sent_at = now
        if self._resigned:
            return self._step_down()
        if not self._current or not self._is_free(now):
            return Read()
        self._ever_wrote = True
        return Write(self.identity, self._lease)

    def saw(self, lease: Lease | None, now: float) -> None:
        """Take the answer to a Read; None if the Lease doesn't exist."""
        if lease != self._lease:
            self._lease, self._lease_since = lease, now
        self._current = True
        self._ever_saw_one |= lease is not None
        if lease is None or lease.holder != self.identity:
            self._leads_until = -inf
        self.due = now if self._is_free(now) else min(now + self._retry_delay(), max(now, self._free_at()))

    def wrote(self, lease: Lease) -> None:
        """Take the answer to a successful Write: the Lease as stored."""
        self._lease, self._lease_since = lease, self._sent_at
        self._ever_saw_one = True
        self._leads_until = -inf if self._resigned else self._sent_at + self._terms.deadline
        self.due = self._sent_at + self._terms.renew * (0.8 + 0.2 * self._random())

    def conflicted(self, now: float) -> None:
        """Take a conflict of a Write: the Lease has another version, was deleted, or was created meanwhile."""
        self._current = False
        self.due = now + self._retry_delay() / 4

    def failed(self, now: float) -> None:
        """Take a request without a usable answer. Repeating the step is harmless: a write is bound to a version."""
        self.due = now + self._retry_delay()

    def resign(self) -> None:
        """Stop leading; the next steps release the Lease.

        The last write may have succeeded although no answer came, so the Lease is read first.
        """
        self._resigned, self._current = True, False
        self._leads_until = -inf

    def _step_down(self) -> Step | None:
        if not self._ever_wrote:
            return None
        if not self._current:
            return Read()
        return Write("", self._lease) if self.holder == self.identity else None

    def _is_free(self, now: float) -> bool:
        """Whether this candidate may take or keep the Lease."""
        if self._lease is None:
            return not self._ever_saw_one or now >= self._free_at()
        return self._lease.holder in ("", self.identity) or now >= self._free_at()

    def _free_at(self) -> float:
        """When the term of the last holder is certainly over.

        The holder of a deleted Lease may not know of the deletion yet, so a deletion starts the wait
        anew, like any other change.
        """
        duration = self._lease.duration if self._lease else 0
        return self._lease_since + max(duration, self._terms.duration)

    def _retry_delay(self) -> float:
        return self._terms.retry * (0.75 + 0.5 * self._random())
