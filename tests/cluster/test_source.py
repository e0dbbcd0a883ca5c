"""A real API server as the source of `xds serve`: lists and watches, the effect of a restart, a compaction and a
relist, rights and credentials.

Rare behaviour of an API server is in tests/sources/apiserver, against a mock.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, aclosing
from pathlib import Path
from typing import Any
from unittest.mock import Mock
from urllib.parse import urlsplit

import pytest
import structlog
from kubernetes.aio.config import incluster_config

from tests.support.cluster import Cluster
from xds.kube.change import Applied, Batch, Deleted, Listed, Reported
from xds.kube.kinds import KINDS
from xds.kube.objects import Ingress, IngressClass, KubeObject, Secret, Service
from xds.kube.wire import page_of
from xds.kubeapi.kubeconfig import Access
from xds.problems.problem import Problem
from xds.sources.apiserver.outages import Outages
from xds.sources.apiserver.scope import Scope, scopes
from xds.sources.apiserver.source import ApiServer

PATIENCE = 60
CLASSES = str(Scope(IngressClass))

Object = dict[str, Any]


class Follower:
    """Adds up the batches of one namespace."""

    def __init__(self, source: ApiServer, batches: AsyncIterator[Batch], namespace: str) -> None:
        self.source = source
        self.objects: dict[tuple[type[KubeObject], str], KubeObject] = {}
        self.listed: set[type[KubeObject]] = set()
        self.withdrawn: list[tuple[type[KubeObject], str]] = []
        self.problems: tuple[Problem, ...] = ()
        self._batches = batches
        self._namespace = namespace

    async def until(self, condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(PATIENCE):
            while not condition():
                self._take(await anext(self._batches))

    def _take(self, batch: Batch) -> None:
        for change in batch.changes:
            match change:
                case Applied(object=each) if each.key.namespace in (self._namespace, ""):
                    self.objects[type(each), each.key.name] = each
                case Deleted(kind=kind, key=key) if key.namespace in (self._namespace, ""):
                    del self.objects[kind, key.name]
                    self.withdrawn.append((kind, key.name))
                case Listed(kind=kind):
                    self.listed.add(kind)
                case Reported(problems=problems):
                    self.problems = problems

    async def until_synced(self) -> None:
        await self.until(lambda: len(self.listed) == len(KINDS))

    def of(self, kind: type[KubeObject]) -> list[str]:
        return sorted(name for each, name in self.objects if each is kind)

    async def until_has(self, kind: type[KubeObject], *names: str) -> None:
        await self.until(lambda: self.of(kind) == sorted(names))


Follow = Callable[..., Awaitable[Follower]]


@pytest.fixture
async def follow(cluster: Cluster, namespace: str) -> AsyncIterator[Follow]:
    async with AsyncExitStack() as stack:

        async def begin(
            kubeconfig: Path | None = None, namespaces: tuple[str, ...] = (), access: Access | None = None
        ) -> Follower:
            source = ApiServer(access or Access(kubeconfig or cluster.kubeconfig), namespaces)
            batches = await stack.enter_async_context(aclosing(source.batches()))
            return Follower(source, batches, namespace)

        yield begin


def service(namespace: str, name: str) -> Object:
    spec = {"ports": [{"port": 80}]}
    return {"apiVersion": "v1", "kind": "Service", "metadata": {"name": name, "namespace": namespace}, "spec": spec}


def ingress(namespace: str, name: str, *secrets: str) -> Object:
    backend = {"service": {"name": "web", "port": {"number": 80}}}
    spec = {"defaultBackend": backend, "tls": [{"hosts": [f"{each}.example"], "secretName": each} for each in secrets]}
    metadata = {"name": name, "namespace": namespace}
    return {"apiVersion": "networking.k8s.io/v1", "kind": "Ingress", "metadata": metadata, "spec": spec}


def secret(namespace: str, name: str, type_: str = "Opaque") -> Object:
    metadata = {"name": name, "namespace": namespace}
    return {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "type": type_, "data": {"tls.crt": "YQ=="}}


async def test_every_kind_is_listed_and_followed(cluster: Cluster, namespace: str, follow: Follow) -> None:
    await cluster.apply(
        service(namespace, "a"), service(namespace, "b"), secret(namespace, "s"), secret(namespace, "t")
    )
    await cluster.apply(ingress(namespace, "i", "s"), secret(namespace, "h", "helm.sh/release.v1"))
    follower = await follow()
    await follower.until_synced()
    assert (follower.of(Service), follower.of(Ingress), follower.of(Secret)) == (["a", "b"], ["i"], ["s"])
    await cluster.kubectl("delete", "service", "a", "-n", namespace)
    await follower.until_has(Service, "b")
    await cluster.apply(ingress(namespace, "i", "t"))
    await follower.until_has(Secret, "t")
    await cluster.kubectl("delete", "ingress", "i", "-n", namespace)
    await follower.until_has(Secret)


async def test_a_paged_list_is_followed(
    cluster: Cluster, namespace: str, follow: Follow, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("xds.sources.apiserver.watch.LIST_PAGE_OBJECTS", 2)
    monkeypatch.setattr("xds.sources.apiserver.watch.STREAMED_LIST", {"sendInitialEvents": "true"})  # which is refused
    await cluster.apply(*(service(namespace, name) for name in "abcde"))
    with pytest.MonkeyPatch.context() as patch:
        page = Mock(side_effect=page_of)
        patch.setattr("xds.sources.apiserver.watch.page_of", page)
        follower = await follow()
        await follower.until_synced()
    listed = [kind for kind in KINDS if not (kind.watched_alone or kind.optional)]
    assert page.call_count > len(listed) + 1, "five Services are three"
    assert follower.of(Service) == list("abcde")
    await cluster.apply(service(namespace, "f"))
    await follower.until_has(Service, *"abcdef")


@pytest.fixture
def gate(monkeypatch: pytest.MonkeyPatch) -> asyncio.Event:
    """No watch retries until this is set."""
    gate = asyncio.Event()

    async def pause(*_: object) -> bool:
        await gate.wait()
        return False

    monkeypatch.setattr(Outages, "pause", pause)
    return gate


async def test_a_restart_and_a_compaction_withdraw_only_deleted_objects(
    cluster: Cluster, namespace: str, follow: Follow, gate: asyncio.Event
) -> None:
    await cluster.apply(*(service(namespace, name) for name in "abcd"), secret(namespace, "s"))
    await cluster.apply(ingress(namespace, "i", "s"))
    follower = await follow()
    await follower.until_synced()
    await cluster.apiserver.kill()
    await cluster.apiserver.start()
    await cluster.kubectl("delete", "service", "a", "b", "-n", namespace)
    await cluster.apply(service(namespace, "e"))
    await cluster.compact()
    gate.set()
    await follower.until_has(Service, "c", "d", "e")
    assert sorted(follower.withdrawn, key=str) == [(Service, "a"), (Service, "b")]
    assert (follower.of(Ingress), follower.of(Secret)) == (["i"], ["s"])


async def test_an_etcd_outage_withdraws_no_object(cluster: Cluster, namespace: str, follow: Follow) -> None:
    await cluster.apply(service(namespace, "a"))
    follower = await follow()
    await follower.until_synced()
    await cluster.etcd.kill()
    await cluster.apiserver.kill()
    await cluster.start()
    await cluster.apply(service(namespace, "b"))
    await follower.until_has(Service, "a", "b")
    assert follower.withdrawn == []


async def test_a_role_suffices_for_its_namespace(
    cluster: Cluster, namespace: str, follow: Follow, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Granted just as the log says."""
    monkeypatch.setattr("xds.kubeapi.backoff.MAX_DELAY_SECONDS", 0.2)
    await cluster.kubectl("create", "serviceaccount", "reader", "-n", namespace)
    await cluster.apply(service(namespace, "a"), secret(namespace, "s"), secret(namespace, "t"))
    await cluster.apply(ingress(namespace, "i", "s"))
    kubeconfig = await cluster.kubeconfig_for_service_account(namespace, "reader")
    with structlog.testing.capture_logs() as logs:
        follower = await follow(kubeconfig, (namespace,))
        following = asyncio.ensure_future(follower.until_synced())
        granted: set[str] = set()
        while not following.done():
            for each in logs:
                if each["event"] == "watch_rejected" and each["watch"] not in {*granted, CLASSES}:
                    granted.add(each["watch"])
                    for command in each["remedy"].split(" && "):
                        await cluster.kubectl(*command.split()[1:])
            await asyncio.sleep(0.05)
        await following
    assert granted == {str(scope) for scope in scopes((namespace,), None)} - {CLASSES}
    assert (follower.of(Service), follower.of(IngressClass), follower.of(Secret)) == (["a"], [], ["s"])
    await cluster.apply(ingress(namespace, "i", "t"))
    await follower.until_has(Secret, "t")


async def test_the_token_of_a_pod_may_be_replaced(
    cluster: Cluster, namespace: str, follow: Follow, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    async def give_token() -> None:
        await cluster.kubectl("create", "serviceaccount", "reader", "-n", namespace)
        (tmp_path / "token").write_text(await cluster.token_for(namespace, "reader"))

    await give_token()
    for resource in ("services", "secrets", "ingresses.networking.k8s.io", "endpointslices.discovery.k8s.io"):
        name, rights = f"--role={resource}", ("--verb=list,watch", f"--resource={resource}", "-n", namespace)
        await cluster.kubectl("create", "role", resource, *rights)
        account = f"--serviceaccount={namespace}:reader"
        await cluster.kubectl("create", "rolebinding", resource, name, account, "-n", namespace)
    server = urlsplit(cluster.server)
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", str(server.hostname))
    monkeypatch.setenv("KUBERNETES_SERVICE_PORT", str(server.port))
    monkeypatch.setattr(incluster_config, "SERVICE_TOKEN_FILENAME", str(tmp_path / "token"))
    monkeypatch.setattr(incluster_config, "SERVICE_CERT_FILENAME", str(cluster.ca))
    follower = await follow(access=Access(), namespaces=(namespace,))
    await follower.until_synced()
    await cluster.kubectl("delete", "serviceaccount", "reader", "-n", namespace)  # its tokens end too
    await give_token()
    await cluster.apiserver.kill()
    await cluster.start()
    await cluster.apply(service(namespace, "a"))
    await follower.until_has(Service, "a")
