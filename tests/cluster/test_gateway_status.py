"""Statuses of the Gateway API in a real API server.

Covers: classes, Gateways and routes get their statuses once, with the record of an address; foreign conditions and
entries stay; thousands of routes' worth of changes are a few writes of their Gateway; a rejected listener; a restart
writes nothing. Excludes: which condition an object gets (tests/translate/gateway, the conformance suite).
"""

import asyncio
import json
import re
from pathlib import Path
from typing import Any

import pytest

from tests.support import crds
from tests.support.cluster import Cluster
from tests.support.rejecting_client import rejecting_client
from tests.support.serving import Server, serving
from xds.translate.gateway.options import CONTROLLER

pytestmark = crds.needs_crds

GROUP = "/apis/gateway.networking.k8s.io/v1"
ADDRESS = "198.51.100.9"
ROUTES = 200


def documents(namespace: str) -> list[dict[str, Any]]:
    listener = {"name": "http", "port": 80, "protocol": "HTTP"}
    return [
        document("GatewayClass", namespace, "", controllerName=CONTROLLER),
        document("Gateway", "edge", namespace, gatewayClassName=namespace, listeners=[listener]),
        document("HTTPRoute", "web", namespace, parentRefs=[{"name": "edge"}, {"name": "other"}]),
        document("GatewayClass", f"other-{namespace}", "", controllerName="example.com/other"),
        document("Gateway", "other", namespace, gatewayClassName=f"other-{namespace}", listeners=[listener]),
    ]


def document(kind: str, name: str, namespace: str, **spec: Any) -> dict[str, Any]:
    metadata = {"name": name} | ({"namespace": namespace} if namespace else {})
    return {"apiVersion": "gateway.networking.k8s.io/v1", "kind": kind, "metadata": metadata, "spec": spec}


def conditions(found: Any) -> dict[str, str]:
    """The conditions of an object, or of an entry: the status by type."""
    status = found.get("status", found)
    return {each["type"]: each["status"] for each in status.get("conditions") or ()}


def reason(found: Any, name: str) -> str:
    return next((each["reason"] for each in found["status"].get("conditions", ()) if each["type"] == name), "")


def parents(found: Any) -> dict[str, dict[str, str]]:
    """The conditions of each entry, by parent and controller."""
    entries = found.get("status", {}).get("parents") or ()
    return {f"{each['parentRef']['name']} {each['controllerName']}": conditions(each) for each in entries}


@pytest.mark.usefixtures("gateway_kinds")
async def test_statuses_are_merged_and_written_once(cluster: Cluster, namespace: str, tmp_path: Path) -> None:
    gateway, route = (f"{GROUP}/namespaces/{namespace}/{name}" for name in ("gateways/edge", "httproutes/web"))
    await cluster.apply(*documents(namespace))
    foreign: dict[str, Any] = {"type": "example.com/Up", "status": "True", "reason": "Up", "message": ""}
    foreign |= {"lastTransitionTime": "2026-01-01T00:00:00Z", "observedGeneration": 1}
    await cluster.kubectl(*patch("gateway", "edge", namespace, {"conditions": [foreign]}))
    reference = {"group": "gateway.networking.k8s.io", "kind": "Gateway", "name": "other"}
    entry = {"parentRef": reference, "controllerName": "example.com/other", "conditions": [foreign]}
    await cluster.kubectl(*patch("httproute", "web", namespace, {"parents": [entry]}))

    with serving(
        cluster, namespace, tmp_path, f"--gateway-class={namespace}", f"--gateway-address={ADDRESS}"
    ) as server:
        classes = f"{GROUP}/gatewayclasses"
        ours = await cluster.until(f"{classes}/{namespace}", lambda found: conditions(found).get("Accepted") == "True")
        found = await cluster.until(gateway, lambda found: conditions(found).get("Programmed") == "True")
        assert conditions(found) == dict.fromkeys(("example.com/Up", "Accepted", "Programmed", "ResolvedRefs"), "True")
        assert found["status"]["conditions"][0] == foreign
        assert [each["value"] for each in found["status"]["addresses"]] == [ADDRESS]
        assert [each["attachedRoutes"] for each in found["status"]["listeners"]] == [1]
        web = await cluster.until(route, lambda found: len(parents(found)) == 2)
        assert parents(web)["other example.com/other"] == {"example.com/Up": "True"}
        assert parents(web)[f"edge {CONTROLLER}"]["Accepted"] == "True"
        assert not (await cluster.get(f"{GROUP}/namespaces/{namespace}/gateways/other"))["status"].get("listeners")
        assert conditions(await cluster.get(f"{classes}/other-{namespace}")).get("Accepted") == "Unknown"

        await cluster.kubectl(*patch("httproute", "web", namespace, [], spec={"parentRefs": [{"name": "other"}]}))
        web = await cluster.until(route, lambda found: len(parents(found)) == 1)
        assert web["status"]["parents"] == [entry]
        await cluster.until(gateway, lambda found: found["status"]["listeners"][0]["attachedRoutes"] == 0)
        assert not server.logged("gateway_status_unavailable")
    before = [(await cluster.get(each))["metadata"]["resourceVersion"] for each in (gateway, route)]
    again = tmp_path / "again"
    again.mkdir()
    with serving(cluster, namespace, again, f"--gateway-class={namespace}", f"--gateway-address={ADDRESS}") as server:
        await server.until("lease_acquired")
        await asyncio.sleep(1)
        assert not server.logged("gateway_status_written")
    assert before == [(await cluster.get(each))["metadata"]["resourceVersion"] for each in (gateway, route)]
    assert (await cluster.get(f"{classes}/{namespace}"))["status"]["conditions"] == ours["status"]["conditions"]


def patch(kind: str, name: str, namespace: str, status: object, spec: object = None) -> list[str]:
    """Arguments of kubectl that change the status, or the spec."""
    body = {"spec": spec} if spec else {"status": status}
    place = ("--subresource=status",) if not spec else ()
    return ["patch", kind, name, f"--namespace={namespace}", "--type=merge", *place, f"--patch={json.dumps(body)}"]


@pytest.mark.usefixtures("gateway_kinds")
async def test_many_routes_are_few_writes_of_their_gateway(cluster: Cluster, namespace: str, tmp_path: Path) -> None:
    path = f"{GROUP}/namespaces/{namespace}/gateways/edge"
    await cluster.apply(*documents(namespace)[:2])
    with serving(
        cluster, namespace, tmp_path, f"--gateway-class={namespace}", f"--gateway-address={ADDRESS}"
    ) as server:
        await cluster.until(path, lambda found: conditions(found).get("Programmed") == "True")
        started = len(writes(server, "Gateway "))
        loop = asyncio.get_running_loop()
        began = loop.time()
        for number in range(ROUTES):
            one = document("HTTPRoute", f"route-{number}", namespace, parentRefs=[{"name": "edge"}])
            await cluster.request("POST", f"{GROUP}/namespaces/{namespace}/httproutes", one)
        await cluster.until(path, lambda found: found["status"]["listeners"][0]["attachedRoutes"] == ROUTES)
        await cluster.until(
            f"{GROUP}/namespaces/{namespace}/httproutes",
            lambda found: all(parents(each) for each in found["items"]),
        )
        seconds = loop.time() - began
        print(f"{ROUTES} routes: {len(writes(server, 'HTTPRoute '))} writes and {seconds:.1f} s")
        assert len(writes(server, "HTTPRoute ")) == ROUTES
        assert len(writes(server, "Gateway ")) - started <= seconds + 2


def writes(server: Server, kind: str) -> list[str]:
    return [each["object"] for each in server.logged("gateway_status_written") if each["object"].startswith(kind)]


@pytest.mark.usefixtures("gateway_kinds")
async def test_a_rejected_listener_is_not_programmed(cluster: Cluster, namespace: str, tmp_path: Path) -> None:
    path = f"{GROUP}/namespaces/{namespace}/gateways/edge"
    await cluster.apply(*documents(namespace)[:2])
    with serving(
        cluster, namespace, tmp_path, f"--gateway-class={namespace}", f"--gateway-address={ADDRESS}"
    ) as server:
        await cluster.until(path, lambda found: conditions(found).get("Programmed") == "True")
        address = (await server.until("serving"))["address"]
        async with rejecting_client(
            address, message=f"Error adding/updating listener(s) tcp/{ADDRESS}:80: no such filter"
        ):
            rejected = await cluster.until(path, lambda found: conditions(found).get("Programmed") == "False")
            assert reason(rejected, "Programmed") == "Invalid"
            assert "no such filter" in re.sub(r"\s+", " ", json.dumps(rejected["status"]["conditions"]))
            assert conditions(rejected["status"]["listeners"][0])["Programmed"] == "False"
        await cluster.until(path, lambda found: conditions(found).get("Programmed") == "True")
