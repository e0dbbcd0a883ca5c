"""One control plane for all tests in this folder, which therefore run in sequence in one process."""

import secrets
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from tests.support import cluster as control_plane
from tests.support import crds
from tests.support.cluster import Cluster
from tests.support.cluster.assets import missing

HERE = Path(__file__).parent


@pytest.hookimpl(tryfirst=True)  # before xdist reads the marks
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if HERE in item.path.parents:
            item.add_marker(pytest.mark.xdist_group("cluster"))
            if item.get_closest_marker("timeout") is None:
                item.add_marker(pytest.mark.timeout(120))


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def shared_cluster(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Cluster]:
    """Not for tests, which use `cluster`."""
    if reason := missing():
        pytest.skip(reason)
    async with control_plane.cluster(tmp_path_factory.mktemp("cluster")) as running:
        yield running


@pytest.fixture
async def cluster(shared_cluster: Cluster) -> Cluster:
    """A control plane with every part running, whatever the last test stopped. Objects of earlier tests remain: see
    `namespace`.
    """
    await shared_cluster.start()
    return shared_cluster


@pytest.fixture
async def namespace(cluster: Cluster) -> AsyncIterator[str]:
    """A new namespace; some time after the test it is gone with its objects."""
    name = f"test-{secrets.token_hex(4)}"
    await cluster.request("POST", "/api/v1/namespaces", {"metadata": {"name": name}})
    yield name
    await cluster.start()
    await cluster.request("DELETE", f"/api/v1/namespaces/{name}")


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def gateway_kinds(shared_cluster: Cluster) -> AsyncIterator[None]:
    """The kinds of the Gateway API, which are gone after the tests of a module with all objects."""
    await shared_cluster.start()
    definitions = [each for each in crds.files("gateway-api") if "_vap_" not in each.name]
    files = [f"--filename={each}" for each in definitions]
    await shared_cluster.kubectl("apply", "--server-side", *files)
    await shared_cluster.kubectl("wait", "--for=condition=Established", "--timeout=60s", *files)
    yield
    await shared_cluster.kubectl("delete", "--ignore-not-found", *files)
