"""A real API server whose past changes, or that falls silent: etcd restored from an older copy, and a TCP balancer that
keeps the connections of a dead backend open.
"""

import asyncio
import base64
from collections.abc import AsyncIterator, Iterator
from contextlib import aclosing
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import structlog

from tests.cluster.test_source import Follower, ingress, secret, service
from tests.support.cluster import Cluster
from tests.support.relay import Relay, relay_to
from xds.kube.objects import Ingress, Secret, Service
from xds.kubeapi.kubeconfig import Access
from xds.sources.apiserver import watch
from xds.sources.apiserver.source import ApiServer


@pytest.fixture
async def relay(cluster: Cluster) -> AsyncIterator[Relay]:
    async with relay_to(str(urlsplit(cluster.server).netloc)) as relay:
        yield relay


@pytest.fixture
async def follower(cluster: Cluster, namespace: str, relay: Relay, tmp_path: Path) -> AsyncIterator[Follower]:
    kubeconfig = tmp_path / "kubeconfig"
    cluster.write_kubeconfig(kubeconfig, cluster.token, relay=relay.address)
    source = ApiServer(Access(kubeconfig))
    async with aclosing(source.batches()) as batches:
        yield Follower(source, batches, namespace)


@pytest.fixture
def logs() -> Iterator[list[Any]]:
    with structlog.testing.capture_logs() as captured:
        yield captured


def certificate(follower: Follower, name: str) -> bytes | None:
    found = follower.objects.get((Secret, name))
    return found.data.tls_crt if isinstance(found, Secret) and found.data else None


async def test_the_objects_of_a_restored_etcd_are_followed(
    cluster: Cluster, namespace: str, follower: Follower
) -> None:
    await cluster.apply(secret(namespace, "a"), secret(namespace, "b"))
    await cluster.apply(ingress(namespace, "kept", "a"), ingress(namespace, "deleted", "b"))
    await cluster.copy_etcd()
    await cluster.kubectl("delete", "ingress", "deleted", "-n", namespace)
    for number in range(20):
        await cluster.apply(service(namespace, f"raises-the-revision-{number}"))
    await cluster.apply(ingress(namespace, "forgotten", "a"))
    await follower.until_synced()
    await follower.until_has(Ingress, "forgotten", "kept")
    await cluster.restore_etcd()
    await follower.until_has(Ingress, "deleted", "kept")
    await follower.until_has(Service)
    await cluster.apply(ingress(namespace, "new", "b"), {**secret(namespace, "a"), "data": {"tls.crt": "Yg=="}})
    await follower.until_has(Ingress, "deleted", "kept", "new")
    await follower.until(lambda: certificate(follower, "a") == base64.b64decode("Yg=="))


async def test_connections_that_a_balancer_keeps_open_to_a_dead_backend_are_replaced(
    cluster: Cluster,
    namespace: str,
    follower: Follower,
    relay: Relay,
    logs: list[Any],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    await cluster.apply(secret(namespace, "a"), service(namespace, "before"))
    monkeypatch.setattr(watch, "WATCH_IDLE_TIMEOUT_SECONDS", 2.0)
    await follower.until_synced()
    relay.freeze()
    await cluster.apply(service(namespace, "after"), ingress(namespace, "i", "a"))
    await follower.until_has(Service, "after", "before")
    await follower.until_has(Secret, "a")
    # API servers without streaming lists, such as 1.30's, have another connection that freezes: a Secret is read twice.
    assert {each["event"] for each in logs} - {"secret_unreadable"} == {"listed"}


async def test_an_ingress_stays_as_it_was_while_the_right_to_read_its_new_secret_is_missing(
    cluster: Cluster, namespace: str, tmp_path: Path
) -> None:
    await cluster.apply(secret(namespace, "a"), secret(namespace, "b"), ingress(namespace, "i", "a"))
    await cluster.kubectl("create", "serviceaccount", "reader", "-n", namespace)
    resources = "services,secrets,ingresses.networking.k8s.io,endpointslices.discovery.k8s.io"
    rights = ("--verb=list,watch", f"--resource={resources}", "-n", namespace)
    await cluster.kubectl("create", "role", "reader", *rights)
    account = f"--serviceaccount={namespace}:reader"
    await cluster.kubectl("create", "rolebinding", "reader", "--role=reader", account, "-n", namespace)
    source = ApiServer(Access(await cluster.kubeconfig_for_service_account(namespace, "reader")), (namespace,))
    async with aclosing(source.batches()) as batches:
        follower = Follower(source, batches, namespace)
        await follower.until_synced()
        await follower.until_has(Secret, "a")
        role = f"/apis/rbac.authorization.k8s.io/v1/namespaces/{namespace}/roles/reader"
        rules = (await cluster.get(role))["rules"]
        without = [{**rule, "resources": [each for each in rule["resources"] if each != "secrets"]} for rule in rules]
        await cluster.request("PATCH", role, {"rules": [rule for rule in without if rule["resources"]]})
        await until_forbidden(cluster, namespace)
        await cluster.apply(ingress(namespace, "i", "b"))
        await follower.until(lambda: bool(unreadable(follower)))
        assert 'cannot list resource "secrets"' in unreadable(follower)[0]
        assert follower.of(Secret) == ["a"], "the certificate in use stays"
        assert secret_of(follower, "i") == "a"
        await cluster.request("PATCH", role, {"rules": rules})
        await follower.until_has(Secret, "b")
        assert secret_of(follower, "i") == "b", "in one batch"
        await follower.until(lambda: not unreadable(follower))


async def until_forbidden(cluster: Cluster, namespace: str) -> None:
    """Wait until the API server's authorizer knows of the withdrawn right."""
    user = f"system:serviceaccount:{namespace}:reader"
    about = {"namespace": namespace, "verb": "list", "resource": "secrets"}
    review = {"spec": {"user": user, "resourceAttributes": about}}
    path = "/apis/authorization.k8s.io/v1/subjectaccessreviews"
    async with asyncio.timeout(30):
        while (await cluster.request("POST", path, review))["status"]["allowed"]:
            await asyncio.sleep(0.05)


def secret_of(follower: Follower, name: str) -> str | None:
    found = follower.objects[Ingress, name]
    return (found.spec.tls or ())[0].secret_name if isinstance(found, Ingress) else None


def unreadable(follower: Follower) -> list[str]:
    return [each.message for each in follower.problems if each.reason == "SecretUnreadable"]
