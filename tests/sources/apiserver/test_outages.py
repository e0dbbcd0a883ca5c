"""Problems and gauges of watches that fail, and of missing namespaces, against a mock of the API server.

Excludes: the log and the pauses (test_source.py); a real API server (tests/cluster/test_behind.py).
"""

import asyncio
import contextlib
import functools
import json
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import aclosing
from pathlib import Path
from typing import Any
from unittest import mock

import pytest
from aiohttp import web

from tests.support.waiting import until
from tests.support.watched_api import WatchedApi, refuse
from xds.kube.change import Batch, Reported
from xds.kube.objects import EndpointSlice, Ingress, IngressClass, Secret, Service
from xds.kubeapi import backoff
from xds.kubeapi.interface import ApiUnavailable
from xds.kubeapi.kubeconfig import Access
from xds.problems.problem import Problem
from xds.sources.apiserver import namespaces, outages
from xds.sources.apiserver import watch as watch_module
from xds.sources.apiserver.scope import Scope
from xds.sources.apiserver.source import ApiServer

MANY = 100_000


@pytest.fixture(autouse=True)
def short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backoff, "FIRST_DELAY_SECONDS", 0.002)
    monkeypatch.setattr(backoff, "MAX_DELAY_SECONDS", 0.02)
    monkeypatch.setattr(watch_module, "CATCH_UP_SECONDS", 0.005)
    monkeypatch.setattr(namespaces, "NAMESPACE_CHECK_SECONDS", 0.01)


@pytest.fixture
async def api() -> AsyncIterator[WatchedApi]:
    async with WatchedApi() as running:
        yield running


class Following:
    """A source, and its problems as last reported."""

    def __init__(self, source: ApiServer, batches: AsyncGenerator[Batch, None]) -> None:
        self.source = source
        self.problems: tuple[Problem, ...] = ()
        self._batches = batches

    async def until_reasons(self, *reasons: str) -> None:
        while [each.reason.value for each in self.problems] != list(reasons):
            await self._next()

    async def until_synced(self) -> None:
        while self.source.waiting_for():
            await self._next()

    async def _next(self) -> None:
        for change in (await anext(self._batches)).changes:
            if isinstance(change, Reported):
                self.problems = change.problems

    def behind(self) -> list[str]:
        return [kind for kind, since in self.source.behind_since().items() if since]


@contextlib.asynccontextmanager
async def following(api: WatchedApi, folder: Path, *only: str) -> AsyncIterator[Following]:
    content = {
        "clusters": [{"name": "c", "cluster": {"server": api.url}}],
        "users": [{"name": "u", "user": {"token": "secret"}}],
        "contexts": [{"name": "x", "context": {"cluster": "c", "user": "u"}}],
        "current-context": "x",
    }
    (folder / "kubeconfig").write_text(json.dumps(content))
    source = ApiServer(Access(folder / "kubeconfig"), only)
    async with aclosing(source.batches()) as batches:
        yield Following(source, batches)


@pytest.mark.parametrize(("status", "remedy"), [(403, "kubectl create clusterrole"), (401, "renew the credentials")])
async def test_a_watch_that_is_refused_is_a_problem_until_it_works(
    api: WatchedApi, tmp_path: Path, status: int, remedy: str
) -> None:
    async with following(api, tmp_path) as it:
        await it.until_synced()
        assert it.behind() == []
        assert sorted(it.source.behind_since()) == ["EndpointSlice", "Ingress", "IngressClass", "Secret", "Service"]
        api.faults[Service] += [refuse(status, "no")] * MANY
        api.cut()
        await it.until_reasons("WatchRefused")
        [problem] = it.problems
        assert str(problem.object) == "Watch services"
        assert problem.message.startswith(f"The API server {api.url} answers {status} no. ")
        assert problem.remedy.startswith(remedy)
        await until(lambda: it.behind() == ["Service"])
        api.faults[Service].clear()
        await it.until_reasons()
        await until(lambda: it.behind() == [])


async def test_a_watch_that_is_refused_at_the_start_is_a_problem(api: WatchedApi, tmp_path: Path) -> None:
    api.faults[Ingress] += [refuse(403, "no")] * MANY
    async with following(api, tmp_path) as it:
        await it.until_reasons("WatchRefused")
        api.faults[Ingress].clear()
        await it.until_reasons()
        await it.until_synced()


class Timer:
    def __init__(self, at: float, callback: Callable[[], None]) -> None:
        self.at = at
        self.callback = callback
        self.is_over = False

    def cancel(self) -> None:
        self.is_over = True


class Clock:
    """The event loop's clock in the test's hand, in seconds."""

    def __init__(self) -> None:
        self.now = 0.0
        self._timers: list[Timer] = []

    def call_later(self, delay: float, callback: Callable[..., None], *arguments: Any) -> Timer:
        self._timers.append(Timer(self.now + delay, functools.partial(callback, *arguments)))
        return self._timers[-1]

    def pass_time(self, seconds: float) -> None:
        self.now += seconds
        for timer in self._timers:
            if timer.at <= self.now and not timer.is_over:
                timer.is_over = True
                timer.callback()


def test_an_outage_is_a_problem_after_three_seconds(monkeypatch: pytest.MonkeyPatch) -> None:
    """A connection that drops and is back is none, however often."""
    clock, changes = Clock(), mock.Mock()
    monkeypatch.setattr(asyncio, "get_running_loop", lambda: clock)
    found = outages.Outages("https://a", lambda: None, changes)
    first, second = Scope(Service), Scope(Ingress)
    for _ in range(5):
        found.failed(first, ApiUnavailable("reset"))
        found.failed(second, ApiUnavailable("reset"))
        clock.pass_time(2.9)
        found.works(first)
        found.works(second)
        found.caught_up(first)
        found.caught_up(second)
    assert changes.mock_calls == []
    found.failed(first, ApiUnavailable("reset"))
    clock.pass_time(2)
    found.failed(second, ApiUnavailable("refused"))
    assert reasons(found) == []
    clock.pass_time(1)
    assert reasons(found) == ["ApiServerUnreachable"]
    found.works(first)
    assert reasons(found) == ["ApiServerUnreachable"]
    found.works(second)
    assert reasons(found) == []
    clock.pass_time(60)
    assert set(reasons(found)) == {"WatchBehind"}


def reasons(found: outages.Outages) -> list[str]:
    return [str(problem.reason) for problem in found.problems]


async def test_an_unreachable_api_server_is_one_problem(
    api: WatchedApi, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outages, "UNREACHABLE_PROBLEM_SECONDS", 0.05)
    async with following(api, tmp_path) as it:
        await it.until_synced()
        for kind in (Ingress, IngressClass, Service, EndpointSlice, Secret):
            api.faults[kind] += [_reset] * MANY
        api.cut()
        await it.until_reasons("ApiServerUnreachable")
        assert str(it.problems[0].object) == f"APIServer {api.url}"
        await until(lambda: len(it.behind()) == 5)
        for faults in api.faults.values():
            faults.clear()
        await it.until_reasons()
        await until(lambda: it.behind() == [])


async def test_a_watch_that_stays_behind_is_a_problem(
    api: WatchedApi, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outages, "BEHIND_PROBLEM_SECONDS", 0.05)
    async with following(api, tmp_path) as it:
        await it.until_synced()
        api.faults[Service] += [refuse(429, "slow down")] * MANY
        api.cut()
        await it.until_reasons("WatchBehind")
        assert "answers 429 slow down" in it.problems[0].message
        api.faults[Service].clear()
        await it.until_reasons()


async def test_forbidden_classes_of_a_namespaced_server_are_no_problem(api: WatchedApi, tmp_path: Path) -> None:
    api.faults[IngressClass] += [refuse(403)] * MANY
    async with following(api, tmp_path, "a") as it:
        await it.until_synced()
        api.faults[Service] += [refuse(403)] * MANY
        api.end(Service)
        await it.until_reasons("WatchRefused")
        assert it.problems[0].object.name == "services"
        assert it.behind() == ["Service"]


async def test_a_missing_namespace_is_a_problem_until_it_exists(api: WatchedApi, tmp_path: Path) -> None:
    api.missing_namespaces = {"typo"}
    async with following(api, tmp_path, "shop", "typo") as it:
        await it.until_reasons("NamespaceNotFound")
        assert str(it.problems[0].object) == "Namespace typo"
        api.missing_namespaces.clear()
        await it.until_reasons()


async def _reset(request: web.Request) -> None:
    assert request.transport is not None
    request.transport.abort()
