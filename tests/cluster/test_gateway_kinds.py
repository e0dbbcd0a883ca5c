"""The kinds of the Gateway API on a real API server: installed while the source runs, named objects, rights, removal.

Rare behaviour of an API server is in tests/sources/apiserver/test_gateway_kinds, against a mock; statuses are in
test_gateway_status.
"""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from tests.cluster.test_source import Follow, follow, secret, service  # noqa: F401 -- a fixture among them
from tests.support.cluster import Cluster
from tests.support.crds import files, needs_crds
from xds.kube.gateway_objects import GATEWAY_KINDS, GROUP, Gateway, GatewayClass, HTTPRoute, Namespace, ReferenceGrant
from xds.kube.objects import Secret, Service
from xds.problems.problem import Problem
from xds.sources.apiserver import optional_watches
from xds.sources.apiserver.outages import REJECTIONS

pytestmark = needs_crds

Object = dict[str, Any]

CRDS = [str(path) for path in files("gateway-api") if "_vap_" not in path.name]


@pytest.fixture(autouse=True)
def short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(optional_watches, "DISCOVERY_INTERVAL_SECONDS", 0.5)
    monkeypatch.setattr(optional_watches, "REMOVAL_SECONDS", 0.5)


@pytest.fixture
async def without_crds(cluster: Cluster) -> AsyncIterator[None]:
    """No CustomResourceDefinition of the Gateway API before the test, and none after it."""
    await remove_crds(cluster)
    yield
    await remove_crds(cluster)


async def install_crds(cluster: Cluster) -> None:
    await cluster.kubectl("apply", "--server-side", *(f"--filename={each}" for each in CRDS))
    names = [f"crd/{kind.plural}.{GROUP}" for kind in GATEWAY_KINDS if kind is not Namespace]
    await cluster.kubectl("wait", "--for=condition=Established", "--timeout=30s", *names)


async def remove_crds(cluster: Cluster) -> None:
    await cluster.kubectl("delete", "--ignore-not-found", *(f"--filename={each}" for each in CRDS))


def of_gateway_api(kind: str, namespace: str, name: str, **spec: Any) -> Object:
    metadata = {"name": name, **({"namespace": namespace} if namespace else {})}
    return {"apiVersion": f"{GROUP}/v1", "kind": kind, "metadata": metadata, "spec": spec}


def gateway_class(name: str) -> Object:
    return of_gateway_api("GatewayClass", "", name, controllerName="xds-ingress.dev/gateway-controller")


def gateway(namespace: str, name: str, *secrets: str) -> Object:
    tls = {"certificateRefs": [{"name": each} for each in secrets]}
    listener = {"name": "https", "port": 443, "protocol": "HTTPS", "tls": tls}
    return of_gateway_api("Gateway", namespace, name, gatewayClassName=f"class-{namespace}", listeners=[listener])


def rejections(problems: tuple[Problem, ...]) -> list[str]:
    return [each.object.name for each in problems if any(str(status) in each.message for status in REJECTIONS)]


@pytest.mark.timeout(180)
async def test_kinds_are_followed_from_their_installation_to_their_removal(
    cluster: Cluster,
    namespace: str,
    without_crds: None,
    follow: Follow,  # noqa: F811
) -> None:
    await cluster.apply(service(namespace, "web"), secret(namespace, "tls"))
    follower = await follow()
    await follower.until_synced()
    assert not [kind for kind, _ in follower.objects if kind in GATEWAY_KINDS]
    assert follower.source.waiting_for() == ""

    await install_crds(cluster)
    await cluster.apply(gateway_class(f"class-{namespace}"), gateway(namespace, "edge", "tls"))
    backends = [{"backendRefs": [{"name": "web", "port": 80}]}]
    await cluster.apply(of_gateway_api("HTTPRoute", namespace, "shop", parentRefs=[{"name": "edge"}], rules=backends))
    grant = {
        "from": [{"group": GROUP, "kind": "HTTPRoute", "namespace": "a"}],
        "to": [{"group": "", "kind": "Service"}],
    }
    await cluster.apply(of_gateway_api("ReferenceGrant", namespace, "grant", **grant))
    await follower.until_has(HTTPRoute, "shop")
    await follower.until_has(ReferenceGrant, "grant")
    await follower.until(lambda: f"class-{namespace}" in follower.of(GatewayClass))
    await follower.until_has(Secret, "tls")
    found = follower.objects[Gateway, "edge"]
    assert isinstance(found, Gateway)
    assert found.metadata.generation == 1
    assert found.spec.listeners is not None
    assert found.spec.listeners[0].allowed_routes.namespaces.from_ == "Same", "a default of the API server"
    assert {name for kind, name in follower.objects if kind is Namespace} >= {namespace}
    assert follower.source.is_current()

    await remove_crds(cluster)
    await follower.until(lambda: not [kind for kind, _ in follower.objects if kind in GATEWAY_KINDS])
    assert follower.of(Secret) == []
    await cluster.apply(service(namespace, "after"))
    await follower.until_has(Service, "after", "web")
    assert not rejections(follower.problems)


async def test_an_account_without_the_rights_follows_the_rest(
    cluster: Cluster,
    namespace: str,
    without_crds: None,
    follow: Follow,  # noqa: F811
) -> None:
    """As after an upgrade of the server alone, with the rights of before."""
    await install_crds(cluster)
    await cluster.kubectl("create", "serviceaccount", "reader", "-n", namespace)
    kubeconfig = await cluster.kubeconfig_for_service_account(namespace, "reader")
    resources = "ingresses,ingressclasses,services,endpointslices,secrets"
    name = f"reader-{namespace}"
    await cluster.kubectl("create", "clusterrole", name, "--verb=list,watch", f"--resource={resources}")
    account = f"--serviceaccount={namespace}:reader"
    await cluster.kubectl("create", "clusterrolebinding", name, f"--clusterrole={name}", account)
    await cluster.apply(service(namespace, "web"))
    follower = await follow(kubeconfig)
    await follower.until_synced()
    await follower.until_has(Service, "web")
    await follower.until(lambda: rejections(follower.problems) == [f"gatewayclasses.{GROUP}"])
    assert follower.source.is_current()

    (problem,) = follower.problems
    for command in problem.remedy.split(" && "):
        await cluster.kubectl(*command.removeprefix("kubectl ").split())
    await cluster.apply(gateway_class(f"class-{namespace}"))
    await follower.until(lambda: f"class-{namespace}" in follower.of(GatewayClass))
    await follower.until(lambda: f"httproutes.{GROUP}" in rejections(follower.problems))
