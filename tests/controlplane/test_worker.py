"""The worker's two turns: endpoints that are worked on and published at once, and everything that follows.

Excludes the conditions of the inbox (tests/sources/apiserver/test_inbox.py) and the process (test_app.py).
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from types import SimpleNamespace
from typing import Any, cast

import pytest
from structlog.testing import capture_logs

from tests.support.objects import ingress, path, rule, service, slice_of
from tests.support.route_table_annotations import annotated
from tests.support.waiting import until
from xds.controlplane.pipeline import Pipeline
from xds.controlplane.problem_log import ProblemLog
from xds.controlplane.revision_log import RevisionLog
from xds.controlplane.worker import AT_ONCE_CHANGES, Logs, Worker
from xds.kube.change import Applied, Batch, Listed
from xds.kube.kinds import KINDS
from xds.kube.objects import KubeObject
from xds.kube.state import KubeState
from xds.resources.options import ProxyOptions
from xds.server.ads import AdsService
from xds.server.debug.revisions import Revisions
from xds.server.debug.service import Health
from xds.snapshot.resource import ResourceType
from xds.snapshot.store import Revision
from xds.translate.options import TranslateOptions


class Running:
    """A worker that has published its first revision, with the order of everything that it gives away.

    Attributes:
        events: `publish`, `watchers` and `log`, each with the number of the revision.
        is_unanswered: Whether the fleet has not answered the last push.
    """

    def __init__(self) -> None:
        self.pipeline = Pipeline(KubeState(claim_classless=True), TranslateOptions(), ProxyOptions())
        self.events: list[str] = []
        self.is_unanswered = False
        self.failure: Exception | None = None
        self._clock = asyncio.get_running_loop().time
        ads = SimpleNamespace(publish=self._publish, debounce=self)
        revisions = SimpleNamespace(publish=lambda revision: self._note("watchers", revision))
        logs = Logs(ProblemLog(), RevisionLog(lambda: None))
        self.worker = Worker(
            self.pipeline, cast("AdsService", ads), cast("Revisions", revisions), logs, clock=self._clock
        )

    async def wait(self, is_urgent: object) -> None:
        """The debounce."""

    def batch(self, *objects: KubeObject) -> Batch:
        return Batch(tuple(map(Applied, objects)), self._clock())

    def listed(self) -> Batch:
        return Batch(tuple(map(Listed, KINDS)), self._clock())

    async def idle(self) -> None:
        await until(lambda: self.worker._is_waiting and not self.worker._has_work.is_set())

    def _publish(self, revision: Revision) -> None:
        if self.failure is not None:
            raise self.failure
        self._note("publish", revision)

    def _note(self, event: str, revision: Revision) -> None:
        self.events.append(f"{event} {revision.number}")


class _Health:
    async def set_serving(self, _: bool) -> None: ...


@contextlib.asynccontextmanager
async def running(*, first: bool = True) -> AsyncIterator[tuple[Running, "asyncio.Task[None]"]]:
    found = Running()
    task = asyncio.create_task(found.worker.run(cast("Health", _Health()), None))
    if first:
        found.worker.put(found.batch(ingress("web", rule("web.example", path("/", "web"))), service("web")))
        found.worker.put(found.listed())
        await until(lambda: found.pipeline.ready)
    await found.idle()
    found.events.clear()
    yield found, task
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_an_idle_worker_publishes_endpoints_in_the_turn_of_the_reader() -> None:
    async with running() as (found, _):
        assert found.worker.work_at_once(found.batch(slice_of("web", "10.0.0.2")))
        assert found.events == ["publish 2"]


async def test_the_log_and_watchers_follow_a_turn_after_the_publication() -> None:
    with capture_logs() as logs:
        async with running() as (found, _):
            logs.clear()
            found.worker.work_at_once(found.batch(slice_of("web", "10.0.0.2")))
            assert not logs
            await found.idle()
            assert found.events == ["publish 2", "watchers 2"]
            assert [line["number"] for line in logs if line["event"] == "revision_committed"] == [2]


async def test_revisions_are_published_in_order_whichever_turn_makes_them() -> None:
    async with running() as (found, _):
        for number in range(2, 12):
            batch = found.batch(slice_of("web", f"10.0.0.{number}"))
            if not found.worker.work_at_once(batch):
                found.worker.put(batch)
            if number % 3:
                await asyncio.sleep(0)
            if not number % 4:
                await found.idle()
        await found.idle()
        published = [event for event in found.events if event.startswith("publish")]
        seen = [event for event in found.events if event.startswith("watchers")]
        assert published == [f"publish {number}" for number in range(2, 2 + len(published))]
        assert [event.split()[1] for event in published] == [event.split()[1] for event in seen]
        (change,) = found.pipeline.store.history[-1].changes
        assert change.new is not None
        assert b"10.0.0.11" in change.new.body


async def refused(found: Running, batch: Batch) -> None:
    """The worker leaves the batch to the queue, and publishes nothing."""
    assert not found.worker.work_at_once(batch)
    assert not found.events


async def test_endpoints_wait_for_the_first_revision() -> None:
    async with running(first=False) as (found, _):
        await refused(found, found.batch(slice_of("web", "10.0.0.2")))


async def test_a_second_change_waits_for_the_worker_that_still_has_to_follow_the_first() -> None:
    async with running() as (found, _):
        found.worker.work_at_once(found.batch(slice_of("web", "10.0.0.2")))
        found.events.clear()
        await refused(found, found.batch(slice_of("web", "10.0.0.3")))


async def test_endpoints_wait_behind_pending_changes() -> None:
    async with running() as (found, _):
        found.worker.put(found.batch(service("web")))
        await refused(found, found.batch(slice_of("web", "10.0.0.2")))


async def test_endpoints_wait_for_the_answers_to_the_last_push() -> None:
    async with running() as (found, _):
        found.is_unanswered = True
        await refused(found, found.batch(slice_of("web", "10.0.0.2")))


async def test_a_large_batch_waits() -> None:
    async with running() as (found, _):
        many = (slice_of(f"web-{number}", "10.0.0.2") for number in range(AT_ONCE_CHANGES + 1))
        await refused(found, found.batch(*many))


async def test_routing_is_left_to_the_worker() -> None:
    async with running() as (found, _):
        assert found.worker.work_at_once(found.batch(ingress("api", rule("api.example", path("/", "web")))))
        assert not found.events
        await until(lambda: bool(found.events))


async def test_a_bug_ends_the_worker_and_not_the_reader() -> None:
    async with running() as (found, task):
        found.failure = RuntimeError("a bug")
        assert found.worker.work_at_once(found.batch(slice_of("web", "10.0.0.2")))
        with pytest.raises(RuntimeError, match="a bug"):
            await task


def turns_of(coroutine: Any) -> int:
    """The number of times that a coroutine gives the loop back."""
    turns = 0
    with contextlib.suppress(StopIteration):
        while True:
            coroutine.send(None)
            turns += 1
    return turns


async def test_nothing_is_awaited_between_a_batch_and_its_publication() -> None:
    async with running() as (found, _):

        async def reader() -> None:
            found.worker.work_at_once(found.batch(slice_of("web", "10.0.0.2")))

        assert turns_of(reader()) == 0
        assert found.events == ["publish 2"]


async def test_an_idle_worker_publishes_buckets_that_have_waited(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("xds.controlplane.bucket_schedule.CHANGES_TOGETHER_SECONDS", 0.05)
    async with running() as (found, _):
        for limits in (annotated(limit_rps="1"), None):
            found.worker.put(found.batch(ingress("a", rule("a.example", path("/", "web")), annotations=limits)))
            await found.idle()
        await until(lambda: found.events[-2:] == ["publish 4", "watchers 4"])
        (change,) = found.pipeline.store.history[-1].changes
        assert change.type is ResourceType.EXTENSION
