"""Services of Gateways in a real API server.

Covers: server-side apply as the API server takes it: creation, a port more or less, a label less, fields of others;
the address in the status; node ports; the deletion, also after a restart. Excludes: target ports and failures
(tests/reporting), traffic through a Service.
"""

from pathlib import Path
from typing import Any

import pytest

from tests.support import crds
from tests.support.cluster import Cluster
from tests.support.serving import serving
from xds.problems.problem import Key
from xds.translate.gateway.listening.service_record import service_name
from xds.translate.gateway.options import CONTROLLER

pytestmark = crds.needs_crds

GROUP = "gateway.networking.k8s.io/v1"


def gateway(namespace: str, *ports: int, **infrastructure: Any) -> dict[str, Any]:
    listeners = [{"name": f"port-{port}", "port": port, "protocol": "HTTP"} for port in ports]
    spec = {"gatewayClassName": namespace, "listeners": listeners, "infrastructure": infrastructure}
    metadata = {"name": "edge", "namespace": namespace}
    return {"apiVersion": GROUP, "kind": "Gateway", "metadata": metadata, "spec": spec}


def fleet(namespace: str) -> list[dict[str, Any]]:
    """The class, and the Service of the proxies."""
    spec = {"type": "LoadBalancer", "selector": {"app": "envoy"}, "ports": [{"port": 80}]}
    return [
        {
            "apiVersion": GROUP,
            "kind": "GatewayClass",
            "metadata": {"name": namespace},
            "spec": {"controllerName": CONTROLLER},
        },
        {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {"name": "envoy", "namespace": namespace},
            "spec": spec,
        },
    ]


def targets(found: Any) -> dict[int, int]:
    return {each["port"]: each["targetPort"] for each in found["spec"]["ports"]}


def node_ports(found: Any) -> dict[int, int]:
    return {each["port"]: each["nodePort"] for each in found["spec"]["ports"]}


def programmed(found: Any) -> str:
    conditions = found.get("status", {}).get("conditions") or ()
    return next((each["reason"] for each in conditions if each["type"] == "Programmed"), "")


@pytest.mark.usefixtures("gateway_kinds")
async def test_a_gateway_has_a_service(cluster: Cluster, namespace: str, tmp_path: Path) -> None:
    edge = f"/apis/{GROUP}/namespaces/{namespace}/gateways/edge"
    path = f"/api/v1/namespaces/{namespace}/services/{service_name(Key(namespace, 'edge'))}"
    flags = (f"--gateway-class={namespace}", "--gateway-services=20000-20009", f"--publish-service={namespace}/envoy")
    await cluster.apply(*fleet(namespace), gateway(namespace, 80, labels={"team": "shop"}))
    with serving(cluster, namespace, tmp_path, *flags) as server:
        created = await cluster.until(path, lambda found: targets(found) == {80: 20000})
        assert created["spec"]["selector"] == {"app": "envoy"}
        assert created["metadata"]["labels"]["team"] == "shop"
        await cluster.until(edge, lambda found: programmed(found) == "AddressNotAssigned")
        balanced = {"loadBalancer": {"ingress": [{"ip": "198.51.100.9"}]}}
        await cluster.request("PATCH", f"{path}/status", {"status": balanced})
        found = await cluster.until(edge, lambda found: programmed(found) == "Programmed")
        assert found["status"]["addresses"] == [{"type": "IPAddress", "value": "198.51.100.9"}]

        await cluster.request("PATCH", path, {"metadata": {"annotations": {"example.com/cloud": "mine"}}})
        await cluster.apply(gateway(namespace, 80, 8080))
        widened = await cluster.until(path, lambda found: targets(found) == {80: 20000, 8080: 20001})
        assert "team" not in widened["metadata"]["labels"]
        assert widened["metadata"]["annotations"]["example.com/cloud"] == "mine"
        assert node_ports(widened)[80] == node_ports(created)[80]
        assert widened["metadata"]["uid"] == created["metadata"]["uid"]
        await cluster.apply(gateway(namespace, 8080))
        narrowed = await cluster.until(path, lambda found: targets(found) == {8080: 20001})
        assert not server.logged("gateway_service_rejected")
    await cluster.kubectl("delete", "gateway", "edge", f"--namespace={namespace}")
    again = tmp_path / "again"
    again.mkdir()
    assert narrowed["metadata"]["uid"] == created["metadata"]["uid"]
    services = f"/api/v1/namespaces/{namespace}/services"
    with serving(cluster, namespace, again, *flags):
        await cluster.until(services, lambda found: [each["metadata"]["name"] for each in found["items"]] == ["envoy"])
