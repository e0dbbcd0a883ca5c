"""The trial of rejected versions in one build: a few proxies at a time are asked for their own answer.

    a proxy rejects a version ──▶ on trial: the rest of the build keeps the last good version
                                    │
                  round 1: 2 proxies, round 2: 4, then 8 …     a round ends when each proxy has answered, or after 5 s
                                    │
              ┌─────────────────────┴──────────────────────┐
        one ACK: the whole build gets the version     NACKs: the next round, until each proxy was asked

Another version that goes on trial begins with two proxies again. A proxy whose stream ends during its turn may have
crashed: the trial goes on with one proxy at a time.
"""

from collections.abc import Callable, Iterable, Mapping
from math import inf
from typing import Final, Protocol, TypeAlias

from xds.protocol.rejection.last_good import LastGood
from xds.snapshot.resource import Resource, ResourceType

ROUND_SECONDS: Final = 5.0
"""Longest time of a round. A proxy without an answer by then holds up no other."""

FIRST_ROUND_PROXIES: Final = 2
"""Proxies asked in the first round; each further round asks twice as many."""

Offers: TypeAlias = Mapping[ResourceType, Mapping[str, Resource]]
"""Wanted resources on trial, by type and name."""

OFFER_GROUPS: Final = (
    frozenset({ResourceType.CLUSTER, ResourceType.ENDPOINTS, ResourceType.SECRET, ResourceType.EXTENSION}),
    frozenset({ResourceType.LISTENER, ResourceType.ROUTES, ResourceType.VIRTUAL_HOST}),
)
"""Types offered together: routing is offered when no proxy has a resource to answer that routing may name."""


class Candidate(Protocol):
    """A proxy that can be asked: a session."""

    asked: list[int]
    """For each of OFFER_GROUPS, the generation of the trial that the proxy was asked about in full."""

    def __hash__(self) -> int: ...

    def offer(self, offers: Offers) -> bool:
        """Send offered versions that the proxy has neither got nor rejected. Returns whether there is one."""

    @property
    def has_open_offer(self) -> bool:
        """Whether an offered version is unsent or unanswered."""


class Trial:
    """The rounds of one build.

    Attributes:
        deadline: The end of the round, in seconds of the caller's clock; infinite: no round is open.
        is_settled: Whether every proxy was asked about everything on trial. A changed subscription ends that.
    """

    def __init__(self, last_good: LastGood) -> None:
        self._last_good = last_good
        # In the order of the offers; the last ones without an open offer are left out.
        self._round: dict[Candidate, None] = {}
        # Proxies in the next round of each of OFFER_GROUPS.
        self._sizes = [FIRST_ROUND_PROXIES for _ in OFFER_GROUPS]
        self._one_at_a_time = False
        # The generations of the newest and of the first version on trial.
        self._generation = self._first = 0
        self.deadline = inf
        self.is_settled = False

    def advance(
        self, proxies: Iterable[Candidate], now: float, catch_up: Callable[[Candidate], None] = lambda _: None
    ) -> list[Candidate]:
        """Begin the next round if the last one is over. Returns the proxies that have an offer to send.

        `catch_up` is called with each proxy before an offer: the session has to take in its pending revisions.
        """
        if not self._last_good.is_any_on_trial:
            self._round, self.deadline = {}, inf
            return []
        self._follow_generation()
        if self._is_open(now) or self.is_settled:
            return []
        self.is_settled = True  # unless a proxy catches up with a change of its subscription
        chosen = self._choose(proxies, catch_up)
        self.is_settled = self.is_settled and not chosen
        self._round = dict.fromkeys(chosen)
        self.deadline = now + ROUND_SECONDS if chosen else inf
        return chosen

    def _is_open(self, now: float) -> bool:
        """Whether a proxy of the round has yet to answer. Over all answers, costs the round once."""
        if now >= self.deadline:
            self._round = {}
        while self._round:
            last = next(reversed(self._round))
            if last.has_open_offer:
                return True
            del self._round[last]
        return False

    def _follow_generation(self) -> None:
        """Begin with few proxies for a new version on trial, and forget a crash in a trial that is over."""
        if self._first != self._last_good.trial_since:
            self._first = self._last_good.trial_since
            self._round, self._one_at_a_time = {}, False
        if self._generation != self._last_good.generation:
            self._generation = self._last_good.generation
            self._sizes = [FIRST_ROUND_PROXIES for _ in OFFER_GROUPS]
            self.is_settled = False

    def ended(self, proxy: Candidate) -> None:
        """The stream of a proxy ended."""
        if proxy in self._round and proxy.has_open_offer:
            self._one_at_a_time = True
        self._round.pop(proxy, None)

    def _choose(self, proxies: Iterable[Candidate], catch_up: Callable[[Candidate], None]) -> list[Candidate]:
        generation = self._last_good.generation
        for group, types in enumerate(OFFER_GROUPS):
            offers = self._last_good.on_trial(types)
            size = 1 if self._one_at_a_time else self._sizes[group]
            chosen: list[Candidate] = []
            for proxy in proxies if offers else ():
                if len(chosen) == size:
                    break
                if proxy.asked[group] == generation:
                    continue
                catch_up(proxy)
                proxy.asked[group] = generation
                if proxy.offer(offers):
                    chosen.append(proxy)
            if chosen:
                self._sizes[group] *= 2
                return chosen
        return []
