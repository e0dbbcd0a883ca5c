"""The rounds of a trial with candidates by hand. Whole fleets: test_trial.py."""

from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import cast

import pytest

from xds.protocol.rejection.last_good import LastGood
from xds.protocol.rejection.trial import OFFER_GROUPS, ROUND_SECONDS, Candidate, Offers, Trial
from xds.snapshot.resource import ResourceType, resource

BAD = {ResourceType.CLUSTER: {"a": resource(ResourceType.CLUSTER, "a", b"bad")}}
WORSE = {ResourceType.LISTENER: {"b": resource(ResourceType.LISTENER, "b", b"bad")}}


@dataclass(eq=False)
class Proxy:
    """A candidate that answers when the test says so.

    Attributes:
        takes: Whether the proxy is subscribed to offers.
    """

    takes: bool = True
    asked: list[int] = field(default_factory=lambda: [0 for _ in OFFER_GROUPS])
    has_open_offer: bool = False
    looks: int = 0

    def offer(self, offers: Offers) -> bool:
        self.has_open_offer = self.takes and bool(offers)
        return self.has_open_offer


class Looked(Proxy):
    """A candidate that counts looks at its offer."""

    def __init__(self) -> None:
        super().__init__()
        self._open = False

    @property
    def has_open_offer(self) -> bool:
        self.looks += 1
        return self._open

    @has_open_offer.setter
    def has_open_offer(self, value: bool) -> None:
        self._open = value


def trial_of(offers: Offers) -> Trial:
    """A trial of some versions, all rejected at once."""
    last_good = SimpleNamespace(
        is_any_on_trial=True,
        generation=1,
        trial_since=1,
        on_trial=lambda types: {type_: offers[type_] for type_ in types & offers.keys()},
    )
    return Trial(cast("LastGood", last_good))


@pytest.fixture
def trial() -> Trial:
    return trial_of(BAD)


def test_only_proxies_looked_at_for_an_offer_catch_up(trial: Trial) -> None:
    proxies = [Proxy() for _ in range(10)]
    caught_up: list[Candidate] = []
    assert trial.advance(proxies, 0.0, caught_up.append) == proxies[:2] == caught_up
    trial.advance(proxies, 0.0, caught_up.append)
    assert caught_up == proxies[:2]
    for proxy in proxies[:2]:
        proxy.has_open_offer = False
    assert trial.advance(proxies, 0.0, caught_up.append) == proxies[2:6]
    assert caught_up == proxies[:6]


def test_a_proxy_that_catches_up_with_another_subscription_is_asked_about_everything_again() -> None:
    trial, proxy = trial_of({**BAD, **WORSE}), Proxy(takes=False)

    def catch_up(_: Candidate) -> None:
        proxy.asked = [0 for _ in OFFER_GROUPS]
        trial.is_settled = False

    proxy.asked = [1, 0]
    assert trial.advance([proxy], 0.0, catch_up) == []
    proxy.takes = True
    assert trial.advance([proxy], 0.0) == [proxy]


def test_a_round_ends_with_the_last_answer_in_any_order(trial: Trial) -> None:
    proxies = [Proxy() for _ in range(4)]
    first, second = trial.advance(proxies, 0.0)
    cast("Proxy", second).has_open_offer = False
    assert trial.advance(proxies, 1.0) == []
    cast("Proxy", first).has_open_offer = False
    assert trial.advance(proxies, 1.0) == proxies[2:]


def test_a_round_of_silent_proxies_ends_in_time(trial: Trial) -> None:
    proxies = [Proxy() for _ in range(4)]
    trial.advance(proxies, 0.0)
    assert trial.advance(proxies, ROUND_SECONDS) == proxies[2:]


def test_requests_during_a_round_cost_its_proxies_once(trial: Trial) -> None:
    proxies = [Looked() for _ in range(2 + 4 + 8 + 16)]
    looks = 0
    while chosen := trial.advance(proxies, 0.0):
        for proxy in reversed(chosen):
            trial.advance(proxies, 0.0)
            cast("Looked", proxy).has_open_offer = False
            looks += 2
    assert sum(proxy.looks for proxy in proxies) <= 2 * looks
