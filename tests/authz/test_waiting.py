"""The order of checks, and their limits."""

import random

import pytest

from xds.authz import waiting
from xds.authz.waiting import MAX_OF_CLIENT, MAX_OF_USER, Check, WaitingChecks


def check(ingress: str = "a", user: str = "u", client: str = "c", key: str = "") -> Check:
    return Check(key.encode(), ingress.encode(), user.encode(), client.encode(), b"hash", b"password")


def started(checks: WaitingChecks) -> list[Check]:
    return list(checks.take())


def test_a_check_hides_user_hash_and_password() -> None:
    shown = repr(check(user="alice"))
    assert not any(word in shown for word in ("alice", "hash", "password"))


def test_one_ingress_has_half_of_the_slots() -> None:
    checks = WaitingChecks(4)
    for number in range(5):
        checks.put(check("a", f"u{number}"))
        checks.put(check("b", f"u{number}"))
    assert [each.ingress for each in started(checks)] == [b"a", b"b", b"a", b"b"]
    assert (checks.running, checks.waiting) == (4, 6)


@pytest.mark.parametrize("slots", [1, 2, 3])
def test_one_ingress_has_at_least_one_slot(slots: int) -> None:
    checks = WaitingChecks(slots)
    checks.put(check(user="u1"))
    checks.put(check(user="u2"))
    assert len(started(checks)) == 1


def test_a_user_has_one_running_check() -> None:
    checks = WaitingChecks(8)
    for client in "xyz":
        checks.put(check(client=client))
    [first] = started(checks)
    checks.end(first)
    [second] = started(checks)
    assert (first.client, second.client) == (b"x", b"y")


def test_a_guesser_delays_another_client_of_the_user_by_one_hash() -> None:
    checks = WaitingChecks(2)
    accepted = [checks.put(check(client="guesser", key=f"{number}")) for number in range(100)]
    assert sum(accepted) == MAX_OF_CLIENT
    [running] = started(checks)
    checks.put(check(client="guesser"))
    assert checks.put(check(client="owner"))
    checks.end(running)
    order = []
    while begun := started(checks):
        [each] = begun
        order.append(each.client)
        checks.end(each)
    assert order[:2] == [b"guesser", b"owner"]


def test_guessers_from_many_addresses_delay_another_user_by_one_hash() -> None:
    checks = WaitingChecks(2)
    accepted = [checks.put(check(user="", client=f"{number}")) for number in range(100)]
    assert sum(accepted) == MAX_OF_USER
    [running] = started(checks)
    assert checks.put(check(user="alice"))
    checks.end(running)
    [second] = started(checks)
    checks.end(second)
    [third] = started(checks)
    assert b"alice" in (second.user, third.user)


def test_an_ingress_and_all_have_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(waiting, "MAX_OF_INGRESS", 3)
    monkeypatch.setattr(waiting, "MAX_OF_ALL", 5)
    checks = WaitingChecks(2)
    assert [checks.put(check("a", f"{number}")) for number in range(4)] == [True, True, True, False]
    assert [checks.put(check("b", f"{number}")) for number in range(3)] == [True, True, False]


def test_a_waiting_check_can_be_withdrawn_and_a_running_one_not() -> None:
    checks = WaitingChecks(2)
    first, second = check(), check()
    checks.put(first)
    assert started(checks) == [first]
    checks.put(second)
    assert checks.withdraw(second)
    assert not checks.withdraw(second)
    assert not checks.withdraw(first)
    checks.end(first)
    assert started(checks) == []
    assert (checks.running, checks.waiting) == (0, 0)


def test_any_order_of_events_keeps_counts_and_limits_and_ends_empty() -> None:
    dice = random.Random(7)
    for _ in range(50):
        slots = dice.randrange(1, 6)
        checks = WaitingChecks(slots)
        held: list[Check] = []
        running: list[Check] = []
        for _ in range(200):
            match dice.randrange(4):
                case 0 | 1:
                    each = check(dice.choice("ab"), dice.choice("uvw"), dice.choice("xy"))
                    if checks.put(each):
                        held.append(each)
                case 2 if held:
                    each = held.pop(dice.randrange(len(held)))
                    assert checks.withdraw(each)
                case 3 if running:
                    checks.end(running.pop(dice.randrange(len(running))))
            begun = started(checks)
            running += begun
            held = [each for each in held if each not in begun]
            assert (checks.running, checks.waiting) == (len(running), len(held))
            assert len({(each.ingress, each.user) for each in running}) == len(running) <= slots
            for name in (b"a", b"b"):
                assert sum(each.ingress == name for each in running) <= max(1, slots // 2)
        for each in held:
            assert checks.withdraw(each)
        for each in running:
            checks.end(each)
        assert not checks._ingresses
