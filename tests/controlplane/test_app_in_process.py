"""The control plane in the test's process: readiness, order of work, and shutdown with a slow source.

Excludes `xds serve` as a process (test_app.py).
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
from grpc import StatusCode
from structlog.testing import capture_logs

from tests.controlplane.test_app import get
from tests.support.ads_client import LDS, DeltaClient
from tests.support.objects import ingress, slice_of
from tests.support.waiting import WAIT_LIMIT_SECONDS, until
from xds.controlplane.app import ControlPlane
from xds.controlplane.pipeline import Pipeline, Progress
from xds.controlplane.settings import Settings
from xds.kube.change import Applied, Batch, Change, Listed
from xds.kube.kinds import KINDS
from xds.kube.objects import KubeObject
from xds.problems.registry import ProblemDelta
from xds.protocol.rejection.reports import RejectionReport
from xds.resources.options import ProxyOptions
from xds.server.ads import AdsService
from xds.server.debounce import EndpointDebounce
from xds.snapshot.resource import resource
from xds.translate.options import TranslateOptions


class Slow:
    """A source that reads when the test says so, in place of the folder."""

    def __init__(self) -> None:
        self.read = asyncio.Event()
        self.later: asyncio.Queue[tuple[Change, ...]] = asyncio.Queue()

    def __call__(self, _: Path) -> "Slow":
        return self

    def waiting_for(self) -> str:
        return "" if self.read.is_set() else "the test"

    def is_current(self) -> bool:
        return self.read.is_set()

    async def batches(self) -> AsyncIterator[Batch]:
        first, *others = map(Listed, KINDS)
        yield Batch((first,), asyncio.get_running_loop().time())
        await self.read.wait()
        yield Batch(tuple(others), asyncio.get_running_loop().time())
        while True:
            yield Batch(await self.later.get(), asyncio.get_running_loop().time())


class InProcess:
    """A control plane in the test's process, with a slow source."""

    def __init__(self, folder: Path) -> None:
        self.source = Slow()
        self._settings = Settings(folder, TranslateOptions(), ProxyOptions(), listen="127.0.0.1:0", admin="127.0.0.1:0")
        self._logs: list[Any] = []

    def address(self, event: str) -> str:
        return next(str(line["address"]) for line in self._logs if line["event"] == event)

    def has_logged(self, event: str) -> bool:
        return any(line["event"] == event for line in self._logs)

    def has_logged_problem(self, reason: str) -> bool:
        return any(line["event"] == "problem" and line["reason"] == reason for line in self._logs)

    async def readiness(self) -> int:
        return (await get(self.address("admin_listening"), "/readyz"))[0]

    async def until_ready(self) -> None:
        async with asyncio.timeout(WAIT_LIMIT_SECONDS):
            while await self.readiness() != 200:
                await asyncio.sleep(0.001)

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator["asyncio.Task[None]"]:
        with capture_logs() as self._logs:
            task = asyncio.create_task(ControlPlane(self._settings).serve())
            await until(lambda: self.has_logged("serving"))
            yield task
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task


@pytest.fixture
def in_process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> InProcess:
    in_process = InProcess(tmp_path)
    monkeypatch.setattr("xds.controlplane.app.Folder", in_process.source)
    return in_process


async def test_readyz_answers_200_after_the_first_list(in_process: InProcess) -> None:
    async with in_process.running():
        assert (await get(in_process.address("admin_listening"), "/healthz"))[0] == 200
        assert await in_process.readiness() == 503
        in_process.source.read.set()
        await in_process.until_ready()


async def test_a_scrape_during_the_start_has_all_series(in_process: InProcess) -> None:
    async with in_process.running():
        status, text = await get(in_process.address("admin_listening"), "/metrics")
        assert status == 200
        assert {"xds_ingress_source_up 0.0", "xds_ingress_snapshot_revision 0.0"} <= set(text.splitlines())
        before = {line.rpartition(" ")[0] for line in text.splitlines() if "_info" not in line}
        in_process.source.read.set()
        await in_process.until_ready()
        _, text = await get(in_process.address("admin_listening"), "/metrics")
        assert {line.rpartition(" ")[0] for line in text.splitlines() if "_info" not in line} == before
        assert {"xds_ingress_source_up 1.0", "xds_ingress_snapshot_revision 1.0"} <= set(text.splitlines())
        assert "xds_ingress_routing_seconds_count 1.0" in text


async def test_garbage_collection_waits_for_the_first_list(
    in_process: InProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[str] = []
    monkeypatch.setattr("xds.controlplane.gc_tuning.end_loading", lambda: calls.append("end_loading"))
    monkeypatch.setattr("xds.controlplane.gc_tuning.set_threshold", lambda *, routing: calls.append("set_threshold"))
    async with in_process.running():
        in_process.source.read.set()
        await until(lambda: "set_threshold" in calls)
    assert calls[0] == "end_loading"


class Debounced:
    """Records calls of the debounce, in place of waiting."""

    def __init__(self) -> None:
        self.urgent: list[bool] = []
        self.works = 0

    async def wait(self, is_urgent: Callable[[], bool]) -> None:
        self.urgent.append(is_urgent())


@pytest.fixture
def debounced(monkeypatch: pytest.MonkeyPatch) -> Debounced:
    debounced, work = Debounced(), Pipeline.work

    def counted(pipeline: Pipeline, *args: Any, **kwargs: Any) -> Progress:
        debounced.works += 1
        return work(pipeline, *args, **kwargs)

    monkeypatch.setattr(EndpointDebounce, "wait", lambda _, is_urgent: debounced.wait(is_urgent))
    monkeypatch.setattr(Pipeline, "work", counted)
    return debounced


async def test_endpoint_changes_are_debounced_and_routing_is_urgent(
    in_process: InProcess, debounced: Debounced
) -> None:
    async with in_process.running():
        in_process.source.read.set()
        await in_process.until_ready()
        debounced.urgent.clear()
        objects: list[KubeObject] = [slice_of("web", "10.0.0.1"), ingress("web"), slice_of("web", "10.0.0.2")]
        for number, changed in enumerate(objects, 1):
            in_process.source.later.put_nowait((Applied(changed),))
            await until(lambda number=number: len(debounced.urgent) == number)  # type: ignore[misc]
    assert debounced.urgent == [False, True, False]


async def test_endpoints_left_from_the_last_slice_are_not_debounced(
    in_process: InProcess, debounced: Debounced, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("xds.controlplane.worker.ENDPOINT_BUILD_SECONDS", 0.0)
    async with in_process.running():
        in_process.source.read.set()
        await in_process.until_ready()
        debounced.urgent.clear()
        debounced.works = 0
        slices = (slice_of(f"web-{number}", "10.0.0.1") for number in range(1000))
        in_process.source.later.put_nowait(tuple(map(Applied, slices)))
        await until(lambda: debounced.works > 1)
    assert debounced.urgent == [False]


async def test_a_rejection_at_the_end_of_work_is_reported(
    in_process: InProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    worked, take_problem_delta = asyncio.Event(), Pipeline.take_problem_delta
    waits = iter([worked.wait, asyncio.Event().wait])

    def end_of_work(pipeline: Pipeline) -> ProblemDelta:
        worked.set()
        return take_problem_delta(pipeline)

    async def rejection_reports(_: AdsService) -> list[RejectionReport]:
        await next(waits)()
        return [RejectionReport(resource(LDS, "http", b""), "no", 1, (), on_trial=False, good=None)]

    monkeypatch.setattr(Pipeline, "take_problem_delta", end_of_work)
    monkeypatch.setattr(AdsService, "rejection_reports", rejection_reports)
    async with in_process.running():
        await until(lambda: in_process.has_logged("problem"))


async def test_streams_that_hang_at_shutdown_end_after_the_grace_time(
    in_process: InProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As of proxies that don't read. Probes get a 503 until the end."""
    monkeypatch.setattr("xds.controlplane.app.SHUTDOWN_GRACE_SECONDS", 0.5)
    monkeypatch.setattr("xds.server.ads.AdsService.close", lambda _: None)
    async with in_process.running() as task:
        in_process.source.read.set()
        await in_process.until_ready()
        client = DeltaClient(in_process.address("serving"), "envoy-1").open()
        await client.subscribe(LDS)
        await client.accept(LDS, "http")
        task.cancel()
        await until(lambda: in_process.has_logged("stopping"))
        assert await in_process.readiness() == 503
        await asyncio.wait([task], timeout=WAIT_LIMIT_SECONDS)
        assert task.cancelled()
        assert (await client.expect_end())[0] is not StatusCode.OK
        await client.close()
