"""`xds serve` in the hands of an operator, on a real API server: two installations by class, watches that are refused,
a namespace whose statuses and Events are rejected, a missing namespace, and a Service that loses its address.

Excludes: all other faults of watches (tests/sources/apiserver), and the order of retries (tests/reporting).
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families

from tests.support.cluster import Cluster
from tests.support.cluster.control_plane import own_address
from tests.support.cluster.replica import Replica
from tests.support.cluster.traffic import ingress
from xds.kube.ingress_class import CONTROLLER

ADDRESS = "198.51.100.7"
CLASSES = "/apis/networking.k8s.io/v1/ingressclasses"
RULES = [
    {"apiGroups": ["networking.k8s.io"], "resources": ["ingresses", "ingressclasses"], "verbs": ["list", "watch"]},
    {"apiGroups": [""], "resources": ["secrets"], "verbs": ["list", "watch"]},
    {"apiGroups": ["discovery.k8s.io"], "resources": ["endpointslices"], "verbs": ["list", "watch"]},
]
SERVICES = {"apiGroups": [""], "resources": ["services"], "verbs": ["list", "watch"]}


@contextlib.asynccontextmanager
async def serving(log: Path, kubeconfig: Path, *flags: str) -> AsyncIterator[Replica]:
    replica = Replica(("--kubeconfig", kubeconfig, *flags), log, own_address())
    try:
        await replica.start()
        yield replica
    finally:
        await replica.kill()


def kubeconfig_in(cluster: Cluster, namespace: str, folder: Path) -> Path:
    """The administrator's kubeconfig, with Leases in the namespace."""
    config = yaml.safe_load(cluster.kubeconfig.read_text())
    config["contexts"][0]["context"]["namespace"] = namespace
    path = folder / "kubeconfig"
    path.write_text(yaml.safe_dump(config))
    return path


def ingresses(namespace: str) -> str:
    return f"/apis/networking.k8s.io/v1/namespaces/{namespace}/ingresses"


def addresses(found: Any) -> list[str]:
    return [each["ip"] for each in found["status"]["loadBalancer"].get("ingress", [])]


async def until_published(cluster: Cluster, path: str, *wanted: str) -> None:
    await cluster.until(path, lambda found: addresses(found) == list(wanted))


async def until_reasons(replica: Replica, *reasons: str) -> list[Any]:
    """Wait for exactly these problems of the API server, its namespaces and published Services, and return them.

    Services of other tests may have problems of their own.
    """
    async with asyncio.timeout(30):
        while True:
            kinds, published = {"Watch", "APIServer", "Namespace"}, "PublishAddressUnknown"
            found = await replica.problems()
            problems = [each for each in found if each.object.kind in kinds or each.reason == published]
            if sorted(each.reason for each in problems) == sorted(reasons):
                return problems
            await asyncio.sleep(0.05)


async def metrics(replica: Replica) -> dict[tuple[str, str], float]:
    """Samples by name, and reason or else first label."""
    async with aiohttp.ClientSession() as session, session.get(f"http://{replica.admin}/metrics") as answer:
        families = text_string_to_metric_families(await answer.text())
    samples = (sample for family in families for sample in family.samples)
    return {
        (each.name, each.labels.get("reason") or next(iter(each.labels.values()), "")): each.value for each in samples
    }


async def test_two_installations_serve_a_class_each(cluster: Cluster, namespace: str, tmp_path: Path) -> None:
    kubeconfig = kubeconfig_in(cluster, namespace, tmp_path)
    names = [f"internal-{namespace}", f"external-{namespace}"]
    published = dict(zip(names, (ADDRESS, "198.51.100.8"), strict=True))
    for name in names:
        await cluster.request("POST", CLASSES, {"metadata": {"name": name}, "spec": {"controller": CONTROLLER}})
        made = ingress(namespace, name, f"{name}.test")
        made["spec"]["ingressClassName"] = name
        await cluster.request("POST", ingresses(namespace), made)
    try:
        async with contextlib.AsyncExitStack() as stack:
            replicas = {}
            for name, address in published.items():
                flags = (f"--namespace={namespace}", f"--ingress-class={name}", f"--publish-address={address}")
                replicas[name] = await stack.enter_async_context(serving(tmp_path / f"{name}.log", kubeconfig, *flags))
            for name, replica in replicas.items():
                hosts = {found for _, found in await replica.versions() if found.endswith(".test")}
                assert hosts == {f"http@3/{name}.test"}
                await until_published(cluster, f"{ingresses(namespace)}/{name}", published[name])
            for name, replica in replicas.items():
                found = await metrics(replica)
                assert found["xds_ingress_leader", ""] == 1
                assert addresses(await cluster.get(f"{ingresses(namespace)}/{name}")) == [published[name]]
    finally:
        for name in names:
            await cluster.request("DELETE", f"{CLASSES}/{name}")


async def test_a_refused_watch_is_a_problem_until_the_right_is_back(
    cluster: Cluster, namespace: str, tmp_path: Path
) -> None:
    rbac, account = (
        "/apis/rbac.authorization.k8s.io/v1",
        {"kind": "ServiceAccount", "name": "xds", "namespace": namespace},
    )
    await cluster.request("POST", f"/api/v1/namespaces/{namespace}/serviceaccounts", {"metadata": {"name": "xds"}})
    role = {"metadata": {"name": namespace}, "rules": [*RULES, SERVICES]}
    await cluster.request("POST", f"{rbac}/clusterroles", role)
    reference = {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": namespace}
    binding = {"metadata": {"name": namespace}, "roleRef": reference, "subjects": [account]}
    await cluster.request("POST", f"{rbac}/clusterrolebindings", binding)
    kubeconfig = await cluster.kubeconfig_for_service_account(namespace, "xds")
    async with serving(tmp_path / "log", kubeconfig) as replica:
        await until_reasons(replica)
        await cluster.request("PUT", f"{rbac}/clusterroles/{namespace}", {**role, "rules": RULES})
        await cluster.apiserver.kill()
        await until_reasons(replica, "ApiServerUnreachable")
        await cluster.start()
        [problem] = await until_reasons(replica, "WatchRefused")
        assert (problem.object.kind, problem.object.name) == ("Watch", "services")
        assert "kubectl create clusterrole" in problem.remedy
        found = await metrics(replica)
        assert found["xds_ingress_watch_behind_since_timestamp_seconds", "Service"] > 0
        assert found["xds_ingress_problems", "WatchRefused"] == 1
        await cluster.request("PUT", f"{rbac}/clusterroles/{namespace}", role)
        await until_reasons(replica)
        assert (await metrics(replica))["xds_ingress_watch_behind_since_timestamp_seconds", "Service"] == 0
        assert (await metrics(replica))["xds_ingress_writes_failing", "lease"] == 1
    await cluster.request("DELETE", f"{rbac}/clusterrolebindings/{namespace}")
    await cluster.request("DELETE", f"{rbac}/clusterroles/{namespace}")


async def test_an_admission_policy_of_a_namespace_delays_no_other_namespace(
    cluster: Cluster, namespace: str, tmp_path: Path
) -> None:
    kubeconfig = kubeconfig_in(cluster, namespace, tmp_path)
    broken, registration = f"{namespace}-broken", "/apis/admissionregistration.k8s.io/v1"
    await cluster.request("POST", "/api/v1/namespaces", {"metadata": {"name": broken}})
    client = {"url": "https://127.0.0.1:1/", "caBundle": ""}
    rules = [
        {"apiGroups": ["networking.k8s.io"], "apiVersions": ["v1"], "resources": ["ingresses/status"]},
        {"apiGroups": ["events.k8s.io", ""], "apiVersions": ["v1"], "resources": ["events"]},
    ]
    webhook = {
        "name": "down.example.com",
        "clientConfig": {key: value for key, value in client.items() if value},
        "rules": [{**each, "operations": ["*"]} for each in rules],
        "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": broken}},
        "sideEffects": "None",
        "admissionReviewVersions": ["v1"],
    }
    body = {"metadata": {"name": broken}, "webhooks": [webhook]}
    await cluster.request("POST", f"{registration}/validatingwebhookconfigurations", body)
    try:
        for number in range(20):
            await cluster.request("POST", ingresses(broken), ingress(broken, f"b{number}", f"b{number}.{broken}.test"))
        flags = (f"--namespace={namespace}", f"--namespace={broken}", f"--publish-address={ADDRESS}")
        async with serving(tmp_path / "log", kubeconfig, *flags) as replica:
            async with asyncio.timeout(30):
                while not (await metrics(replica)).get(("xds_ingress_writes_failing", "status")):
                    await asyncio.sleep(0.05)
            await cluster.request("POST", ingresses(namespace), ingress(namespace, "web", f"{namespace}.test"))
            await until_published(cluster, f"{ingresses(namespace)}/web", ADDRESS)
            events = f"/apis/events.k8s.io/v1/namespaces/{namespace}/events"
            await cluster.until(
                events, lambda found: any(each["regarding"]["name"] == "web" for each in found["items"])
            )
            log = (tmp_path / "log").read_text()
            assert '"object":"' in log.replace('": "', '":"')
            assert "down.example.com" in log
            await cluster.request("DELETE", f"{registration}/validatingwebhookconfigurations/{broken}")
            await cluster.until(
                ingresses(broken), lambda found: all(addresses(each) == [ADDRESS] for each in found["items"])
            )
    finally:
        with contextlib.suppress(Exception):
            await cluster.request("DELETE", f"{registration}/validatingwebhookconfigurations/{broken}")
        await cluster.request("DELETE", f"/api/v1/namespaces/{broken}")


async def test_a_missing_namespace_and_a_service_without_address_are_problems(
    cluster: Cluster, namespace: str, tmp_path: Path
) -> None:
    kubeconfig = kubeconfig_in(cluster, namespace, tmp_path)
    services = f"/api/v1/namespaces/{namespace}/services"
    spec = {"type": "ClusterIP", "externalIPs": [ADDRESS], "ports": [{"port": 80}]}
    await cluster.request("POST", services, {"metadata": {"name": "envoy"}, "spec": spec})
    await cluster.request("POST", ingresses(namespace), ingress(namespace, "web", f"{namespace}.test"))
    flags = (f"--namespace={namespace}", f"--namespace={namespace}-typo", f"--publish-service={namespace}/envoy")
    async with serving(tmp_path / "log", kubeconfig, *flags) as replica:
        await until_reasons(replica, "NamespaceNotFound")
        await until_published(cluster, f"{ingresses(namespace)}/web", ADDRESS)
        await cluster.kubectl("patch", "service", "envoy", "-n", namespace, "-p", '{"spec":{"externalIPs":null}}')
        problems = await until_reasons(replica, "NamespaceNotFound", "PublishAddressUnknown")
        assert any(f"statuses keep the last known addresses: {ADDRESS}" in each.message for each in problems)
        events = f"/apis/events.k8s.io/v1/namespaces/{namespace}/events"
        await cluster.until(
            events, lambda found: any(each["reason"] == "PublishAddressUnknown" for each in found["items"])
        )
        assert addresses(await cluster.get(f"{ingresses(namespace)}/web")) == [ADDRESS]
        await cluster.kubectl(
            "patch", "service", "envoy", "-n", namespace, "-p", '{"spec":{"externalIPs":["198.51.100.8"]}}'
        )
        await cluster.until(f"{ingresses(namespace)}/web", lambda found: addresses(found) == ["198.51.100.8"])
        await cluster.request("POST", "/api/v1/namespaces", {"metadata": {"name": f"{namespace}-typo"}})
        try:
            async with asyncio.timeout(60):
                while [each for each in await replica.problems() if each.object.kind == "Namespace"]:
                    await asyncio.sleep(0.2)
        finally:
            await cluster.request("DELETE", f"/api/v1/namespaces/{namespace}-typo")


pytestmark = pytest.mark.timeout(120)
