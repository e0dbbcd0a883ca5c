"""Failed writes: the times of further attempts, and the log."""

import pytest
import structlog

from xds.kubeapi import backoff
from xds.kubeapi.outage import TemporaryFailure
from xds.problems.problem import Key
from xds.reporting.failed_writes import FAILING_OBJECTS_OF_NAMESPACE, MAX_LOGGED_NAMESPACES, FailedWrites

A = Key("shop", "a")


@pytest.fixture(autouse=True)
def long_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backoff, "FIRST_DELAY_SECONDS", 10)


def failing(*keys: Key) -> FailedWrites[Key]:
    writes: FailedWrites[Key] = FailedWrites("status", "Grant patch.")
    for each in keys:
        writes.failed(each, each.namespace, TemporaryFailure(403, {"message": "no"}), now=0)
    return writes


def due(writes: FailedWrites[Key], name: str, namespace: str = "shop") -> bool:
    return writes.due_at(Key(namespace, name), namespace) <= 0


def test_one_object_that_fails_waits_alone() -> None:
    writes = failing(A)
    assert not due(writes, "a")
    assert due(writes, "b")


def test_a_namespace_with_several_failing_objects_waits_until_one_works() -> None:
    keys = [Key("shop", str(number)) for number in range(FAILING_OBJECTS_OF_NAMESPACE)]
    writes = failing(*keys)
    assert not due(writes, "fresh")
    assert due(writes, "fresh", "other")
    writes.worked(Key("shop", "fresh"), "shop")
    assert due(writes, "fresh")
    assert not due(writes, "0")
    assert len(writes) == FAILING_OBJECTS_OF_NAMESPACE


def test_objects_that_work_or_no_longer_wait_are_forgotten() -> None:
    writes = failing(A, Key("shop", "b"), Key("cart", "c"))
    writes.worked(A, "shop")
    writes.forget_unless(lambda key: key.namespace == "cart")
    assert len(writes) == 1
    assert due(writes, "b")


@pytest.mark.parametrize(
    ("status", "message", "remedy"),
    [
        (403, 'ingresses "web" is forbidden: User "x" cannot patch resource "ingresses/status"', "Grant patch."),
        (403, "ValidatingAdmissionPolicy 'p' denied request", "Repair the admission policy"),
        (500, 'failed calling webhook "w": connection refused', "Repair the admission policy"),
        (429, "too many requests", "It is tried again"),
    ],
)
def test_the_log_names_object_and_remedy_once_for_a_namespace(status: int, message: str, remedy: str) -> None:
    writes: FailedWrites[Key] = FailedWrites("status", "Grant patch.")
    with structlog.testing.capture_logs() as logs:
        for name in "abb":
            writes.failed(Key("shop", name), "shop", TemporaryFailure(status, {"message": message}), now=0)
        for name in "ab":
            writes.worked(Key("shop", name), "shop")
    failed, worked = logs
    assert (failed["event"], failed["object"], worked["event"]) == ("status_unavailable", "shop/a", "status_available")
    assert failed["remedy"].startswith(remedy)


def test_an_outage_of_all_namespaces_is_a_few_log_lines() -> None:
    with structlog.testing.capture_logs() as logs:
        failing(*(Key(f"n{number}", "a") for number in range(100)))
    assert len(logs) == MAX_LOGGED_NAMESPACES
