"""One control plane with a node for the tests in this folder, which therefore run in sequence in one process."""

import secrets
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from tests.support import crds, gotools
from tests.support.cluster import Cluster
from tests.support.cluster.assets import missing
from tests.support.node import cluster_with_node

HERE = Path(__file__).parent


@pytest.hookimpl(tryfirst=True)  # before xdist reads the marks
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if HERE in item.path.parents:
            item.add_marker(pytest.mark.xdist_group("chart"))
            if item.get_closest_marker("timeout") is None:
                item.add_marker(pytest.mark.timeout(300))


_FIGURES = pytest.StashKey[list[str]]()


@pytest.fixture(scope="session")
def figures(pytestconfig: pytest.Config) -> list[str]:
    """Lines that are printed after the run."""
    return pytestconfig.stash.setdefault(_FIGURES, [])


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    for line in config.stash.get(_FIGURES, []):
        terminalreporter.write_line(line)


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def cluster(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Cluster]:
    """Kubernetes with a node, and with the CustomResourceDefinitions of others."""
    if reason := missing() or gotools.missing("helm", "kubeconform") or crds.missing():
        pytest.skip(reason)
    async with cluster_with_node(tmp_path_factory.mktemp("chart")) as running:
        files = [f"--filename={path}" for path in crds.files()]
        await running.kubectl("apply", "--server-side", "--warnings-as-errors", *files)
        wait = ("wait", "--for=condition=Established", "--timeout=60s", "customresourcedefinitions", "--all")
        await running.kubectl(*wait)
        yield running


@pytest.fixture
async def namespace(cluster: Cluster) -> AsyncIterator[str]:
    """A new namespace under Pod Security `restricted`; gone with its objects after the test."""
    name = f"test-{secrets.token_hex(4)}"
    labels = {f"pod-security.kubernetes.io/{mode}": "restricted" for mode in ("enforce", "warn")}
    await cluster.request("POST", "/api/v1/namespaces", {"metadata": {"name": name, "labels": labels}})
    yield name
    await cluster.kubectl("delete", "namespace", name, "--timeout=120s")
