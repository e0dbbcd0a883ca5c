"""Some tests of the suite with a Service for each Gateway, whose address differs from the address that Envoys bind."""

import asyncio
from pathlib import Path
from typing import Final

import pytest

from tests.conformance import binaries
from tests.conformance.fleet import rig_with_services
from tests.conformance.results import results
from tests.conformance.rig import run_suite
from tests.support.cluster import Cluster
from tests.support.cluster.assets import missing
from tests.support.manifests import NAMESPACE

pytestmark = pytest.mark.timeout(600)

TESTS: Final = (
    "GatewayHTTPListenerIsolation",
    "GatewayModifyListeners",
    "HTTPRouteHTTPSListener",
    "HTTPRouteMultipleGateways",
    "ListenerSetHTTPRouting",
    "TLSRouteSimpleSameNamespace",
)

DELETION_SECONDS: Final = 90
"""Services of deleted Gateways are gone after a resync of 60 seconds at the latest."""


async def test_gateways_with_a_service_each_pass_tests_of_the_suite(tmp_path: Path) -> None:
    if reason := missing() or binaries.missing():
        pytest.skip(reason)
    async with rig_with_services(tmp_path) as cluster:
        await run_suite(cluster, tmp_path, f"-test.run=^TestConformance$/^({'|'.join(TESTS)})$")
        found = results(tmp_path / "suite.log")
        assert set(found.passed) == set(TESTS), f"{found}: see {tmp_path}/suite.log and xds.log"
        async with asyncio.timeout(DELETION_SECONDS):
            while await gateway_services(cluster):
                await asyncio.sleep(1)


async def gateway_services(cluster: Cluster) -> list[str]:
    """The Services that the product made, of Gateways that the suite deleted at its end."""
    listed = await cluster.get(f"/api/v1/namespaces/{NAMESPACE}/services")
    names = (each["metadata"]["name"] for each in listed["items"])
    return [name for name in names if name.startswith("gateway-")]
