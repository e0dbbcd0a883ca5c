"""The order of the inbox, and the batches that are taken at once. Excludes the watches (test_source.py)."""

import asyncio

import pytest

from tests.support.objects import ingress, slice_of
from xds.kube.change import Applied, Batch, Change
from xds.sources.apiserver.inbox import Inbox


def endpoints(number: int) -> list[Change]:
    return [Applied(slice_of("web", f"10.0.0.{number}"))]


ROUTING: list[Change] = [Applied(ingress("web"))]


class Taker:
    """Takes batches at once while `takes` is set."""

    def __init__(self) -> None:
        self.takes = True
        self.taken: list[Batch] = []
        self.offered = 0

    def __call__(self, batch: Batch) -> bool:
        self.offered += 1
        if self.takes:
            self.taken.append(batch)
        return self.takes


@pytest.fixture
def taker() -> Taker:
    return Taker()


def put(inbox: Inbox, number: int) -> None:
    inbox.put(endpoints(number), float(number), endpoints=True)


def is_filled(inbox: Inbox) -> bool:
    task = inbox.take()
    try:
        task.send(None)
    except StopIteration:
        return True
    task.close()
    return False


async def test_endpoints_are_taken_at_once_from_an_empty_inbox(taker: Taker) -> None:
    inbox = Inbox(taker)
    put(inbox, 1)
    assert taker.taken == [Batch(tuple(endpoints(1)), 1.0)]
    assert not is_filled(inbox)


async def test_endpoints_queue_behind_earlier_endpoints(taker: Taker) -> None:
    inbox = Inbox(taker)
    taker.takes = False
    put(inbox, 1)
    taker.takes = True
    put(inbox, 2)
    assert await inbox.take() == Batch((*endpoints(1), *endpoints(2)), 1.0)
    assert taker.offered == 1
    put(inbox, 3)
    assert taker.taken == [Batch(tuple(endpoints(3)), 3.0)]


async def test_endpoints_queue_while_other_changes_wait(taker: Taker) -> None:
    inbox = Inbox(taker)
    inbox.put(ROUTING, 1.0)
    put(inbox, 2)
    assert not taker.offered
    assert await inbox.take() == Batch(tuple(endpoints(2)), 2.0)
    assert await inbox.take() == Batch(tuple(ROUTING), 1.0)


async def test_other_changes_are_never_taken_at_once(taker: Taker) -> None:
    inbox = Inbox(taker)
    inbox.put(ROUTING, 1.0)
    assert not taker.offered
    assert await inbox.take() == Batch(tuple(ROUTING), 1.0)


async def test_nothing_is_taken_at_once_after_a_failure(taker: Taker) -> None:
    inbox = Inbox(taker)
    inbox.fail(RuntimeError("a bug"))
    put(inbox, 1)
    assert not taker.offered
    with pytest.raises(RuntimeError, match="a bug"):
        await asyncio.wait_for(inbox.take(), 30)
