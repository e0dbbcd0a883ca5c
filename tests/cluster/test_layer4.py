"""TCP and UDP ports from a real API server, through a real Envoy: ConfigMaps watched by name with a Role for just these
names, a Service with claims by annotation, and Events about ConfigMaps and Services.

Excludes: each form of a bad entry (tests/translate/layer4), and each protocol (tests/e2e).
"""

import asyncio
import contextlib
import json
import socket
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest

from tests.support.cluster import ApiError, Cluster
from tests.support.cluster.control_plane import own_address
from tests.support.cluster.replica import XDS, Replica
from tests.support.cluster.traffic import NAME, Pods, service
from tests.support.envoy import needs_envoy, running_envoy
from tests.support.manifests import K8S, loaded

pytestmark = needs_envoy

WATCHED = [
    {"apiGroups": ["networking.k8s.io"], "resources": ["ingresses"], "verbs": ["list", "watch"]},
    {"apiGroups": [""], "resources": ["services", "secrets"], "verbs": ["list", "watch"]},
    {"apiGroups": ["discovery.k8s.io"], "resources": ["endpointslices"], "verbs": ["list", "watch"]},
]
EVENTS = {"apiGroups": ["events.k8s.io"], "resources": ["events"], "verbs": ["list", "create", "patch"]}
LEASES = {"apiGroups": ["coordination.k8s.io"], "resources": ["leases"], "verbs": ["create", "get", "patch"]}
ROLE = (K8S / "layer4" / "role.yaml").read_text()
PORTS = next(each["rules"] for each in loaded(ROLE) if each["kind"] == "Role")
TCP, UDP = "xds-ingress-tcp", "xds-ingress-udp"


def ports(namespace: str, name: str, data: dict[str, str]) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "namespace": namespace}, "data": data}


def exposing(namespace: str, expose: str) -> dict[str, Any]:
    made = service(namespace)
    made["metadata"] |= {"name": "own", "annotations": {"xds-ingress.dev/expose": expose}}
    return made


async def grant(cluster: Cluster, namespace: str, account: str, name: str, *rules: dict[str, Any]) -> None:
    """Grant rights in a namespace to `NAMESPACE:NAME`, a ServiceAccount."""
    of, _, who = account.partition(":")
    about = {"name": name, "namespace": namespace}
    group = "rbac.authorization.k8s.io"
    await cluster.apply(
        {"apiVersion": f"{group}/v1", "kind": "Role", "metadata": about, "rules": list(rules)},
        {
            "apiVersion": f"{group}/v1",
            "kind": "RoleBinding",
            "metadata": about,
            "roleRef": {"apiGroup": group, "kind": "Role", "name": name},
            "subjects": [{"kind": "ServiceAccount", "name": who, "namespace": of}],
        },
    )


@pytest.fixture
async def edge(cluster: Cluster, namespace: str) -> AsyncIterator[str]:
    """The operator's namespace, which the control plane doesn't watch."""
    name = f"{namespace}-edge"
    await cluster.request("POST", "/api/v1/namespaces", {"metadata": {"name": name}})
    yield name
    await cluster.request("DELETE", f"/api/v1/namespaces/{name}")


@pytest.fixture
async def kubeconfig(cluster: Cluster, namespace: str, edge: str) -> Path:
    """The kubeconfig of a ServiceAccount with rights on the two ConfigMaps, and on no other ConfigMap."""
    await cluster.kubectl("create", "serviceaccount", "xds", "-n", edge)
    account = f"{edge}:xds"
    await grant(cluster, namespace, account, "xds", *WATCHED, EVENTS)
    await grant(cluster, edge, account, "xds-ports", *PORTS, EVENTS, LEASES)
    token = await cluster.token_for(edge, "xds")
    for name, allowed in ((TCP, True), ("other", False)):
        selected = f"/api/v1/namespaces/{edge}/configmaps?fieldSelector=metadata.name%3D{name}"
        if allowed:
            assert (await cluster.get(selected, token=token))["items"] == []
        else:
            with pytest.raises(ApiError, match="403"):
                await cluster.get(selected, token=token)
    found = await cluster.kubeconfig_for_service_account(edge, "xds")
    await cluster.kubectl("config", "set-context", "test", f"--namespace={edge}", kubeconfig=found)
    return found


async def until_listeners(replica: Replica, *names: str) -> None:
    async with asyncio.timeout(30):
        while True:
            found = {name for type_, name in await replica.versions() if type_.endswith(".Listener")}
            if found - {"http", "https"} == set(names):
                return
            await asyncio.sleep(0.02)


async def until_answer(proxy: str, port: int, wanted: Callable[[str], bool]) -> None:
    """Wait until a connection to the port has the answer: the name of a pod, or empty for a refused connection."""
    last = ""
    try:
        async with asyncio.timeout(30):
            while not wanted(last := await answer(proxy, port)):
                await asyncio.sleep(0.02)
    except TimeoutError:
        raise TimeoutError(f"port {port} still answers {last!r}") from None


async def answer(proxy: str, port: int) -> str:
    try:
        reader, writer = await asyncio.open_connection(proxy, port)
    except ConnectionRefusedError:
        return "refused"
    try:
        writer.write(b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
        _, _, body = (await reader.read()).partition(b"\r\n\r\n")
        return str(json.loads(body)["backend"]) if body else ""
    except ConnectionError:
        return "reset"
    finally:
        writer.close()


async def xds(*arguments: str) -> str:
    """The standard output of the command."""
    process = await asyncio.create_subprocess_exec(XDS, *arguments, stdout=asyncio.subprocess.PIPE)
    out, _ = await process.communicate()
    assert process.returncode == 0
    return out.decode()


def reasons(events: Any, kind: str) -> list[tuple[str, str]]:
    found = (each for each in events["items"] if each["regarding"]["kind"] == kind)
    return sorted((each["regarding"]["name"], each["reason"]) for each in found)


async def test_ports_follow_config_maps_and_services_with_least_rights(
    cluster: Cluster, namespace: str, edge: str, kubeconfig: Path, tmp_path: Path
) -> None:
    async def until_event(place: str, kind: str, name: str, reason: str) -> None:
        path = f"/apis/events.k8s.io/v1/namespaces/{place}/events"
        await cluster.until(path, lambda found: (name, reason) in reasons(found, kind))

    proxy = own_address()
    flags = (
        f"--namespace={namespace}",
        f"--expose-ports=9100-9109={namespace}",
        f"--tcp-services-configmap={edge}/{TCP}",
        f"--udp-services-configmap={edge}/{UDP}",
    )
    replica = Replica(("--kubeconfig", kubeconfig, *flags), tmp_path / "replica.log", proxy)
    pods = Pods(cluster, namespace)
    async with contextlib.AsyncExitStack() as stack:
        stack.push_async_callback(pods.close)
        stack.push_async_callback(replica.kill)
        await cluster.apply(service(namespace))
        first = await pods.start()
        await replica.start()
        envoy = await stack.enter_async_context(running_envoy(replica.listen, tmp_path))
        await envoy.until_ready()
        found = [(str(each.object.name), str(each.reason)) for each in await replica.problems()]
        missing = [(name, "PortConfigMapNotFound") for name in (TCP, UDP)]
        assert sorted(each for each in found if each[1].startswith("Port")) == missing

        to, bad = f"{namespace}/{NAME}:http", f"{namespace}/gone:80"
        await cluster.apply(
            ports(edge, TCP, {"9000": to, "9001": bad}),
            ports(edge, UDP, {"5353": to}),
            ports(edge, "other", {"9002": to}),
        )
        await until_listeners(replica, "tcp/9000")
        await until_answer(proxy, 9000, lambda name: name == first.name)
        await until_event(edge, "ConfigMap", TCP, "BackendNotFound")
        await until_event(edge, "ConfigMap", UDP, "BackendPortNotFound")
        described = " ".join((await cluster.kubectl("describe", "configmap", TCP, "-n", edge)).split())
        assert "Warning BackendNotFound" in described
        assert f"Service '{namespace}/gone' doesn't exist" in described

        out = await xds("why", "configmap", f"{edge}/{TCP}", "--server", replica.listen)
        assert "partly accepted, 1 of 2 parts" in out
        assert f"9000: {to} served" in out
        assert "9001" in await xds("explain", f"tcp://{proxy}:9001", "--server", replica.listen)

        second = await pods.start()
        await until_answer(proxy, 9000, lambda name: name == second.name)

        await cluster.apply(ports(edge, TCP, {"9000": to, "9001": to}))
        await until_answer(proxy, 9001, lambda name: name.startswith(NAME))
        await until_event(edge, "ConfigMap", TCP, "Resolved")

        stack.enter_context(socket.create_server((proxy, 9002), backlog=1))
        await cluster.apply(ports(edge, TCP, {"9000": to, "9001": to, "9002": to}))
        await until_event(edge, "ConfigMap", TCP, "RejectedByProxy")
        assert (await answer(proxy, 9000)).startswith(NAME)
        assert "cannot bind" in await cluster.kubectl("describe", "configmap", TCP, "-n", edge)

        await cluster.apply(exposing(namespace, "9100=tcp:http, 9200=tcp:http, 9000=tcp:80"))
        await until_listeners(replica, "tcp/9000", "tcp/9001", "tcp/9002", "tcp/9100")
        await until_answer(proxy, 9100, lambda name: name.startswith(NAME))
        await until_event(namespace, "Service", "own", "PortNotExposed")

        await cluster.request("DELETE", f"/api/v1/namespaces/{edge}/configmaps/{TCP}")
        await until_listeners(replica, "tcp/9100")
        await until_answer(proxy, 9000, lambda name: name == "refused")
        assert (await answer(proxy, 9100)).startswith(NAME)
        await cluster.apply(ports(edge, TCP, {"9000": to}))
        await until_answer(proxy, 9000, lambda name: name.startswith(NAME))
        kinds = {str(each.object.kind) for each in await replica.problems()}
        assert kinds <= {"ConfigMap", "Service"}  # no watch was refused
