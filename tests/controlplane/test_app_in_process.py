"""The control plane in the test's own process: what it does while its source is slow, and in which order.

Covers what a source that the test holds back, and patches, can show. Excludes `xds serve` as a process (test_app.py).
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
from xds.kube.objects import KINDS, KubeObject
from xds.problems.registry import ProblemDelta
from xds.protocol.rejection.reports import RejectionReport
from xds.resources.options import ProxyOptions
from xds.server.ads import AdsService
from xds.server.debounce import EndpointDebounce
from xds.snapshot.resource import resource
from xds.translate.translator import TranslateOptions


class Slow:
    """A source whose reading takes as long as the test wants, in place of the folder."""

    def __init__(self) -> None:
        self.read = asyncio.Event()
        self.later: asyncio.Queue[tuple[Change, ...]] = asyncio.Queue()

    def __call__(self, _: Path) -> "Slow":
        return self

    def waiting_for(self) -> str:
        return "" if self.read.is_set() else "the test"

    async def batches(self) -> AsyncIterator[Batch]:
        first, *others = map(Listed, KINDS)
        yield Batch((first,), asyncio.get_running_loop().time())
        await self.read.wait()
        yield Batch(tuple(others), asyncio.get_running_loop().time())
        while True:
            yield Batch(await self.later.get(), asyncio.get_running_loop().time())


class InProcess:
    """A control plane in the test's own process, with a source that the test holds back."""

    def __init__(self, folder: Path) -> None:
        self.source = Slow()
        self._settings = Settings(folder, TranslateOptions(), ProxyOptions(), listen="127.0.0.1:0", admin="127.0.0.1:0")
        self._logs: list[Any] = []

    def address(self, event: str) -> str:
        return next(str(line["address"]) for line in self._logs if line["event"] == event)

    def has_logged(self, event: str) -> bool:
        return any(line["event"] == event for line in self._logs)

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


async def test_it_is_ready_when_everything_was_read(in_process: InProcess) -> None:
    async with in_process.running():
        assert (await get(in_process.address("admin_listening"), "/healthz"))[0] == 200
        assert await in_process.readiness() == 503
        in_process.source.read.set()
        await in_process.until_ready()


async def test_cycles_are_not_looked_for_before_everything_was_read(
    in_process: InProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    said: list[str] = []
    monkeypatch.setattr("xds.controlplane.gc_tuning.end_loading", lambda: said.append("all was read"))
    monkeypatch.setattr("xds.controlplane.gc_tuning.set_threshold", lambda *, routing: said.append("look"))
    async with in_process.running():
        in_process.source.read.set()
        await until(lambda: "look" in said)
    assert said[0] == "all was read"


class Paced:
    """What the pace is asked, in place of waiting: is there reason to hurry?"""

    def __init__(self) -> None:
        self.hurries: list[bool] = []
        self.works = 0

    async def wait(self, hurry: Callable[[], bool]) -> None:
        self.hurries.append(hurry())


@pytest.fixture
def paced(monkeypatch: pytest.MonkeyPatch) -> Paced:
    paced, work = Paced(), Pipeline.work

    def counted(pipeline: Pipeline, *args: Any, **kwargs: Any) -> Progress:
        paced.works += 1
        return work(pipeline, *args, **kwargs)

    monkeypatch.setattr(EndpointDebounce, "wait", lambda _, hurry: paced.wait(hurry))
    monkeypatch.setattr(Pipeline, "work", counted)
    return paced


async def test_endpoints_keep_the_pace_and_the_rest_hurries(in_process: InProcess, paced: Paced) -> None:
    async with in_process.running():
        in_process.source.read.set()
        await in_process.until_ready()
        paced.hurries.clear()
        objects: list[KubeObject] = [slice_of("web", "10.0.0.1"), ingress("web"), slice_of("web", "10.0.0.2")]
        for number, changed in enumerate(objects, 1):
            in_process.source.later.put_nowait((Applied(changed),))
            await until(lambda number=number: len(paced.hurries) == number)  # type: ignore[misc]
    assert paced.hurries == [False, True, False]


async def test_endpoints_that_are_left_over_do_not_wait(
    in_process: InProcess, paced: Paced, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("xds.controlplane.app.URGENT", 0.0)
    async with in_process.running():
        in_process.source.read.set()
        await in_process.until_ready()
        paced.hurries.clear()
        paced.works = 0
        slices = (slice_of(f"web-{number}", "10.0.0.1") for number in range(1000))
        in_process.source.later.put_nowait(tuple(map(Applied, slices)))
        await until(lambda: paced.works > 1)
    assert paced.hurries == [False]


async def test_what_is_refused_while_work_ends_is_told(in_process: InProcess, monkeypatch: pytest.MonkeyPatch) -> None:
    worked, take_news = asyncio.Event(), Pipeline.take_news
    waits = iter([worked.wait, asyncio.Event().wait])

    def ends(pipeline: Pipeline) -> ProblemDelta:
        worked.set()
        return take_news(pipeline)

    async def complaints(_: AdsService) -> list[RejectionReport]:
        await next(waits)()
        return [RejectionReport(resource(LDS, "http", b""), "no", 1, None, withdrawn=False)]

    monkeypatch.setattr(Pipeline, "take_news", ends)
    monkeypatch.setattr(AdsService, "complaints", complaints)
    async with in_process.running():
        await until(lambda: in_process.has_logged("problem"))


async def test_streams_that_do_not_end_get_their_time_while_it_is_not_ready(
    in_process: InProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As those of proxies that don't read: probes are answered to the last, and the end comes."""
    monkeypatch.setattr("xds.controlplane.app.GRACE", 0.5)
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
