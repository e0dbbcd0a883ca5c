"""Who may write: the election of one holder of a Lease, as a state machine without I/O.

A holder leads from the moment at which it *sent* a write of the Lease that succeeded, for `deadline` seconds. Another
may take the Lease when it has *seen* the same version of it for `duration` seconds. The second moment lies behind the
first by definition (one can't see what wasn't sent), and each write is bound to the version that was seen, so the
terms of two holders can't overlap while clocks run at about the same speed. The times that the Lease itself holds are
for people: no clock is compared with another machine's. (A hand can break this: by deleting the Lease while a
candidate that never saw it starts, or by taking the holder out of it.)

This protects what asks `is_leader`; a write that was sent while that held can still arrive late. So the writers' own
requests are bound to versions, or are such that twice is once.

The idea is client-go's: https://pkg.go.dev/k8s.io/client-go/tools/leaderelection
"""

from collections.abc import Callable
from dataclasses import dataclass
from math import inf
from typing import Final, TypeAlias


@dataclass(frozen=True, slots=True)
class Terms:
    """In seconds. `deadline` falls short of `duration` by a write's timeout, and by what clocks may differ in speed."""

    duration: float = 15
    deadline: float = 10
    renew: float = 5
    retry: float = 2


TERMS: Final = Terms()


@dataclass(frozen=True, slots=True)
class Lease:
    """What the API server has. `version` is its resourceVersion; `holder` is empty if nobody holds it."""

    holder: str
    version: str
    duration: float = TERMS.duration
    transitions: int = 0


@dataclass(frozen=True, slots=True)
class Read:
    """Ask for the Lease."""


@dataclass(frozen=True, slots=True)
class Write:
    """Make `holder` hold the Lease, if it still is `before` (None: if there is none). An empty holder gives it up."""

    holder: str
    before: Lease | None


Step: TypeAlias = Read | Write


class Elector:
    """One candidate. One step at a time: `step`, then exactly one of `saw`, `wrote`, `conflicted` and `failed`.

    Args:
        identity: Of this process in this life; nobody else has it.
        random: Numbers from 0 to 1, so that candidates don't ask in step.
        terms: The same for all candidates.

    All times are seconds of one monotonic clock.
    """

    def __init__(self, identity: str, random: Callable[[], float], terms: Terms = TERMS) -> None:
        self.identity = identity
        self.due = -inf
        """When the next step is to be taken."""
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
        """Who held the Lease when it was last seen."""
        return self._lease.holder if self._lease else ""

    def is_leader(self, now: float) -> bool:
        return now < self._leads_until

    def step(self, now: float) -> Step | None:
        """What to ask the API server for, right now; None when the Lease is given up."""
        self._sent_at = now
        if self._resigned:
            return self._step_down()
        if not self._current or not self._is_free(now):
            return Read()
        self._ever_wrote = True
        return Write(self.identity, self._lease)

    def saw(self, lease: Lease | None, now: float) -> None:
        """The Lease is there like this; None: there is none."""
        if lease != self._lease:
            self._lease, self._lease_since = lease, now
        self._current = True
        self._ever_saw_one |= lease is not None
        if lease is None or lease.holder != self.identity:
            self._leads_until = -inf
        self.due = now if self._is_free(now) else min(now + self._soon(), max(now, self._free_at()))

    def wrote(self, lease: Lease) -> None:
        """The write was done, and this is the Lease now."""
        self._lease, self._lease_since = lease, self._sent_at
        self._ever_saw_one = True
        self._leads_until = -inf if self._resigned else self._sent_at + self._terms.deadline
        self.due = self._sent_at + self._terms.renew * (0.8 + 0.2 * self._random())

    def conflicted(self, now: float) -> None:
        """The write was refused: the Lease has another version, or is gone, or is there already."""
        self._current = False
        self.due = now + self._soon() / 4

    def failed(self, now: float) -> None:
        """There was no answer, or a useless one. The same step again is harmless: a write is bound to a version."""
        self.due = now + self._soon()

    def resign(self) -> None:
        """Lead no more, and let the next steps give the Lease up. What was asked last may still have been done."""
        self._resigned, self._current = True, False
        self._leads_until = -inf

    def _step_down(self) -> Step | None:
        if not self._ever_wrote:
            return None
        if not self._current:
            return Read()
        return Write("", self._lease) if self.holder == self.identity else None

    def _is_free(self, now: float) -> bool:
        """May it be taken, or kept?"""
        if self._lease is None:
            return not self._ever_saw_one or now >= self._free_at()
        return self._lease.holder in ("", self.identity) or now >= self._free_at()

    def _free_at(self) -> float:
        """Who held a Lease that was deleted may not know it yet, so that counts like any other change."""
        duration = self._lease.duration if self._lease else 0
        return self._lease_since + max(duration, self._terms.duration)

    def _soon(self) -> float:
        return self._terms.retry * (0.75 + 0.5 * self._random())
