"""One bad object among a hundred good ones, in a real API server, with two real Envoys: the good ones are served all
the time, the bad one gets its Problem and its Event, a mended one is served, and an Event says so.

Covers: every kind of bad object that the API server accepts, and the rejection of the rest (tests/e2e has those in a
folder); kill -9 of the control plane while objects come and are mended. Times are printed (`pytest -s`), and nothing
asserts a time.
"""

import asyncio
import json
import secrets
import time
from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import pytest_asyncio
import yaml

from tests.support.cluster import ApiError, Cluster
from tests.support.cluster.control_plane import _trusting
from tests.support.envoy import needs_envoy
from tests.support.matrix.case import Told
from tests.support.matrix.cases import NAMES, cases
from tests.support.matrix.chaos import end_as_a_fresh_start
from tests.support.matrix.run import Times, run, table
from tests.support.matrix.site import POLL, Site, site
from tests.support.matrix.sources import Api
from tests.support.waiting import WAIT_LIMIT_SECONDS

BACKENDS_AT = "192.0.2.200"

pytestmark = [needs_envoy, pytest.mark.asyncio(loop_scope="module")]


@dataclass(slots=True)
class Events:
    """The Events of a namespace: object, reason, and time of arrival (`time.monotonic`)."""

    cluster: Cluster
    namespace: str
    seen: dict[tuple[str, str, str], float] = field(default_factory=dict)

    async def follow(self) -> None:
        """Until cancelled."""
        path = f"/apis/events.k8s.io/v1/namespaces/{self.namespace}/events?watch=1"
        headers = {"Authorization": f"Bearer {self.cluster.token}"}
        timeout = aiohttp.ClientTimeout(total=None)
        async with (
            aiohttp.ClientSession(headers=headers, timeout=timeout) as session,
            session.get(self.cluster.server + path, ssl=_trusting(self.cluster.ca)) as answer,
        ):
            async for line in answer.content:
                self._take(json.loads(line)["object"])

    def _take(self, event: dict[str, Any]) -> None:
        about = event["regarding"]
        self.seen.setdefault((about["kind"], about["name"], event["reason"]), time.monotonic())

    async def wait(self, told: Iterable[Told], solved: bool) -> float | None:
        """Wait for every Event.

        Raises:
            AssertionError: An Event is missing.
        """
        wanted = {(each.kind, each.name, "Resolved" if solved else each.reason) for each in told}
        try:
            async with asyncio.timeout(WAIT_LIMIT_SECONDS):
                while not wanted <= self.seen.keys():
                    await asyncio.sleep(POLL)
        except TimeoutError:
            raise AssertionError(f"no Event {wanted - self.seen.keys()}") from None
        return max((self.seen[each] for each in wanted), default=None)


@dataclass(slots=True)
class Matrix:
    site: Site
    events: Events
    rows: list[Times] = field(default_factory=list)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def matrix(shared_cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Matrix]:
    await shared_cluster.start()
    folder, namespace = tmp_path_factory.mktemp("matrix"), f"test-{secrets.token_hex(4)}"
    await shared_cluster.request("POST", "/api/v1/namespaces", {"metadata": {"name": namespace}})
    events = Events(shared_cluster, namespace)
    following = asyncio.create_task(events.follow())
    flags = ("--kubeconfig", _in_namespace(shared_cluster, namespace), "--namespace", namespace)
    async with site(Api(shared_cluster, namespace, flags), folder, BACKENDS_AT) as running:
        made = Matrix(running, events)
        yield made
        print(f"\n{running.load.sent} requests to good ones\n{table(made.rows)}")
    following.cancel()
    await asyncio.gather(following, return_exceptions=True)
    await shared_cluster.start()
    await shared_cluster.request("DELETE", f"/api/v1/namespaces/{namespace}")


def _in_namespace(cluster: Cluster, namespace: str) -> Any:
    """The administrator's kubeconfig, with the Lease in this namespace, where no process has held it before."""
    content = yaml.safe_load(cluster.kubeconfig.read_text())
    content["contexts"][0]["context"]["namespace"] = namespace
    path = cluster.folder / f"{namespace}.kubeconfig"
    path.write_text(yaml.safe_dump(content))
    return path


@pytest.mark.parametrize("name", NAMES)
async def test_a_bad_object_costs_no_good_object(matrix: Matrix, name: str) -> None:
    case = cases(matrix.site.target)[name]
    if not case.refused:
        matrix.rows.append(await run(matrix.site, case, matrix.events.wait))
        return
    with pytest.raises(ApiError) as error:
        await matrix.site.source.apply(case.bad)
    await matrix.site.source.delete(case.bad)
    assert error.value.status == 422
    assert case.refused in str(error.value)


# A request under way when its server is killed leaves a socket to the garbage collector.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.timeout(300)  # four restarts of a process, and Envoys that retry with back-off
async def test_kills_leave_the_proxies_right(matrix: Matrix, tmp_path: Path) -> None:
    taken = [case for case in cases(matrix.site.target).values() if not case.refused]
    await end_as_a_fresh_start(matrix.site, taken, tmp_path)
