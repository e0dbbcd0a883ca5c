"""The manifests of k8s/ on a real API server: accepted without a warning, Pods admitted by Pod Security, and exactly
the rights that the control plane uses.

Excludes: checks without an API server (tests/manifests); running Pods, for which there is no kubelet.
"""

import asyncio
import contextlib
import json
import os
import sys
from collections.abc import AsyncIterator, Iterable
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
import yaml

from tests.support.cluster import Cluster
from tests.support.cluster import cluster as control_plane
from tests.support.cluster.assets import missing
from tests.support.crds import files, needs_crds
from tests.support.manifests import (
    CONTROL_PLANE,
    FLEET,
    K8S,
    NAMESPACE,
    Object,
    arguments,
    build,
    containers,
    find,
    overlay,
)
from tests.support.manifests import environment as variables
from xds.kube.kinds import KINDS_BY_NAME

ACCOUNT = f"system:serviceaccount:{NAMESPACE}:{CONTROL_PLANE}"
NOBODY = "nobody"
"""An account without bindings."""

DEMO = K8S / "demo"

SHOP = {"name": "shop", "namespace": "default"}
INGRESSES = "/apis/networking.k8s.io/v1/namespaces/default/ingresses"
EVENTS = "/apis/events.k8s.io/v1/namespaces/default/events"
LEASES = f"/apis/coordination.k8s.io/v1/namespaces/{NAMESPACE}/leases"
ADDRESS, OTHER_ADDRESS = "198.51.100.7", "198.51.100.8"

AUDIT_POLICY = {
    "apiVersion": "audit.k8s.io/v1",
    "kind": "Policy",
    "omitStages": ["RequestReceived"],
    "rules": [{"level": "Metadata", "users": [ACCOUNT]}, {"level": "None"}],
}

Right = tuple[str, str]
"""A resource as kubectl writes it (`ingresses.networking.k8s.io/status`), and a verb."""


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def audited(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Cluster]:
    """A control plane with an audit log of the ServiceAccount's requests, and with k8s/ applied.

    Its API server does not stream lists, as many do not, so that plain lists are requested too.
    """
    if reason := missing():
        pytest.skip(reason)
    folder = tmp_path_factory.mktemp("audited")
    (folder / "policy.yaml").write_text(json.dumps(AUDIT_POLICY))
    flags = [f"--audit-policy-file={folder / 'policy.yaml'}", f"--audit-log-path={folder / 'audit.log'}"]
    flags += ["--audit-log-mode=blocking", "--feature-gates=WatchList=false"]
    async with control_plane(folder, apiserver=flags) as running:
        await apply(running)
        await running.kubectl("create", "serviceaccount", NOBODY, f"--namespace={NAMESPACE}")
        yield running


async def apply(cluster: Cluster, *more: str) -> str:
    return await cluster.kubectl("apply", "--server-side", "--warnings-as-errors", *more, f"--kustomize={K8S}")


async def test_the_manifests_are_applied_without_a_warning(audited: Cluster) -> None:
    """The fixture applied the manifests to an empty cluster; a second time changes nothing."""
    assert len((await apply(audited)).splitlines()) == len(build())
    assert await audited.kubectl("diff", "--server-side", f"--kustomize={K8S}") == ""


async def test_the_api_server_accepts_the_manifests_of_the_demo(audited: Cluster) -> None:
    """The mistakes among them too: an API server would reject others, so that nobody meets these on a cluster."""
    files = sorted(DEMO.rglob("*.yaml"))
    flags = ["--dry-run=server", "--force-conflicts", "--warnings-as-errors", "--recursive", f"--filename={DEMO}"]
    applied = await audited.kubectl("apply", "--server-side", *flags)
    assert len(applied.splitlines()) == sum(len(list(yaml.safe_load_all(file.read_text()))) for file in files)
    assert "ingress.networking.k8s.io/mistake serverside-applied (server dry run)" in applied


@pytest.mark.parametrize("deployment", [CONTROL_PLANE, FLEET])
async def test_pods_are_admitted(audited: Cluster, deployment: str) -> None:
    """No controller makes Pods of a Deployment here, so the test creates a Pod from its template."""
    template = find("Deployment", deployment)["spec"]["template"]
    metadata = {**template["metadata"], "name": "tried", "namespace": NAMESPACE}
    pod = {"apiVersion": "v1", "kind": "Pod", **template, "metadata": metadata}
    await audited.kubectl("create", "--dry-run=server", "--warnings-as-errors", "--filename=-", stdin=json.dumps(pod))
    pod["spec"]["containers"][0]["securityContext"] = {}
    with pytest.raises(Exception, match='violates PodSecurity "restricted'):
        await audited.kubectl("create", "--dry-run=server", "--filename=-", stdin=json.dumps(pod))


async def rights(cluster: Cluster, account: str, namespace: str) -> set[Right]:
    """The rights of an account of our namespace in a namespace, as the API server lists them."""
    token = await cluster.token_for(NAMESPACE, account)
    body = {"spec": {"namespace": namespace}}
    review = await cluster.request("POST", "/apis/authorization.k8s.io/v1/selfsubjectrulesreviews", body, token=token)
    assert not review["status"]["incomplete"]
    return {
        (resource_name(group, resource), verb)
        for rule in review["status"]["resourceRules"]
        for group in rule["apiGroups"]
        for resource in rule["resources"]
        for verb in rule["verbs"]
    }


def resource_name(group: str, resource: str) -> str:
    name, _, subresource = resource.partition("/")
    full = f"{name}.{group}" if group else name
    return f"{full}/{subresource}" if subresource else full


def used(log: Path) -> set[Right]:
    """The rights that the control plane has used. A forbidden request is an error."""
    events = [json.loads(line) for line in log.read_text().splitlines()]
    mine = [event for event in events if event["user"]["username"] == ACCOUNT and "objectRef" in event]
    refused = [event["requestURI"] for event in mine if event.get("responseStatus", {}).get("code") == 403]
    assert not refused
    asked = [(event["objectRef"], event["verb"]) for event in mine]
    return {(_resource(reference), verb) for reference, verb in asked if "selfsubject" not in reference["resource"]}


def _resource(reference: Object) -> str:
    parts = [reference["resource"], *([reference["subresource"]] if "subresource" in reference else [])]
    return resource_name(reference.get("apiGroup", ""), "/".join(parts))


def table(granted: set[Right], asked: set[Right]) -> str:
    resources = sorted({resource for resource, _ in granted | asked})
    rows = [(each, _verbs(granted, each), _verbs(asked, each)) for each in resources]
    head = ("RESOURCE", "GRANTED", "USED")
    return "\n".join(f"{name:40} {left:28} {right}" for name, left, right in [head, *rows])


def _verbs(of: Iterable[Right], resource: str) -> str:
    return " ".join(sorted(verb for name, verb in of if name == resource))


async def test_the_fleet_has_no_rights(audited: Cluster) -> None:
    assert await rights(audited, FLEET, NAMESPACE) == await rights(audited, NOBODY, NAMESPACE)


async def test_lease_rights_end_at_the_namespace(audited: Cluster) -> None:
    here, elsewhere = [await rights(audited, CONTROL_PLANE, each) for each in (NAMESPACE, "default")]
    assert {resource for resource, _ in here - elsewhere} == {"leases.coordination.k8s.io"}
    assert elsewhere <= here


@contextlib.asynccontextmanager
async def serving(cluster: Cluster, folder: Path, workload: Object) -> AsyncIterator[None]:
    """The control plane with the arguments of its Deployment, except files and addresses that only a Pod has."""
    namespace, account = workload["metadata"]["namespace"], workload["spec"]["template"]["spec"]["serviceAccountName"]
    kubeconfig = await cluster.kubeconfig_for_service_account(namespace, account)
    await cluster.kubectl("config", "set-context", "--current", f"--namespace={namespace}", kubeconfig=kubeconfig)
    [container] = containers(workload)
    elsewhere = ("--in-cluster", "--listen=", "--admin=", "--tls-")
    words = [each for each in arguments(workload, container) if not each.startswith(elsewhere)]
    words += [f"--kubeconfig={kubeconfig}", f"--listen=unix:{folder}/ads", "--admin=127.0.0.1:0", "--ui=off"]
    given = {name: each for name, each in variables(workload, container).items() if not name.startswith("XDS_TLS_")}
    with (folder / "serve.log").open("wb") as log:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "xds", *words, "--log-format=json"),
            stdout=log,
            stderr=log,
            env={**os.environ, **given},
        )
    try:
        yield
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.terminate()
        code = await process.wait()
        print((folder / "serve.log").read_text())
    assert code == 0


def ingress(backend: str, name: str = "shop", ingress_class: str = "envoy") -> Object:
    paths = [{"path": "/", "pathType": "Prefix", "backend": {"service": {"name": backend, "port": {"number": 80}}}}]
    spec = {
        "ingressClassName": ingress_class,
        "rules": [{"host": f"{name}.example.com", "http": {"paths": paths}}],
        "tls": [{"hosts": [f"{name}.example.com"], "secretName": "shop"}],
    }
    return {"apiVersion": "networking.k8s.io/v1", "kind": "Ingress", "metadata": {**SHOP, "name": name}, "spec": spec}


def of_reason(found: Any, reason: str, count: int = 1) -> bool:
    """Is there such an Event, which happened at least so often?"""
    return any(
        each["reason"] == reason and (each.get("series") or {"count": 1})["count"] >= count for each in found["items"]
    )


def gateway_objects() -> list[Object]:
    """An object of each kind of the Gateway API that has a status."""
    refs: Object = {"parentRefs": [{"name": "edge"}], "rules": [{"backendRefs": [{"name": "shop", "port": 80}]}]}
    listener = {"name": "http", "port": 80, "protocol": "HTTP"}
    target = {"group": "", "kind": "Service", "name": "shop"}
    validation = {"hostname": "shop.example.com", "wellKnownCACertificates": "System"}
    specs: dict[str, Object] = {
        "GatewayClass": {"controllerName": "xds-ingress.dev/gateway-controller"},
        "Gateway": {"gatewayClassName": "edge", "listeners": [listener]},
        "ListenerSet": {"parentRef": {"name": "edge"}, "listeners": [{**listener, "port": 8080}]},
        "HTTPRoute": refs,
        "GRPCRoute": refs,
        "TLSRoute": {**refs, "hostnames": ["shop.example.com"]},
        "TCPRoute": refs,
        "UDPRoute": refs,
        "BackendTLSPolicy": {"targetRefs": [target], "validation": validation},
    }
    metadata = {kind: {"name": "edge"} if kind == "GatewayClass" else {**SHOP, "name": "edge"} for kind in specs}
    return [
        {"apiVersion": "gateway.networking.k8s.io/v1", "kind": kind, "metadata": metadata[kind], "spec": spec}
        for kind, spec in specs.items()
    ]


async def install_crds(cluster: Cluster) -> None:
    paths = [path for path in files("gateway-api") if "_vap_" not in path.name]
    await cluster.kubectl("apply", "--server-side", *(f"--filename={path}" for path in paths))
    await cluster.kubectl("wait", "--for=condition=Established", "--timeout=30s", "crd", "--all")


@needs_crds
async def test_the_granted_rights_are_the_used_rights(audited: Cluster, tmp_path: Path) -> None:
    """Through its whole work: a Lease, an Ingress, a problem that comes, goes and returns, statuses, and the end."""
    service = {"apiVersion": "v1", "kind": "Service", "metadata": SHOP, "spec": {"ports": [{"port": 80}]}}
    await publish(audited, NAMESPACE, FLEET, ADDRESS)
    await install_crds(audited)
    await audited.apply(service, ingress("missing"), *gateway_objects())
    async with serving(audited, tmp_path, find("Deployment", CONTROL_PLANE)):
        await audited.until(f"{INGRESSES}/shop", lambda found: ADDRESS in json.dumps(found["status"]))
        await audited.until(EVENTS, lambda found: of_reason(found, "BackendNotFound"))
        await audited.apply(ingress("shop"))
        await audited.until(EVENTS, lambda found: of_reason(found, "Resolved"))
        await audited.apply(ingress("missing"))
        await audited.until(EVENTS, lambda found: of_reason(found, "BackendNotFound", 2))
        for each in gateway_objects():
            path = KINDS_BY_NAME[each["kind"]].collection(each["metadata"].get("namespace", ""))
            await audited.until(f"{path}/edge", lambda found: '"observedGeneration": 1' in json.dumps(found["status"]))
    lease = await audited.get(f"{LEASES}/{CONTROL_PLANE}")
    assert not lease["spec"].get("holderIdentity"), "it was given up"

    granted = await rights(audited, CONTROL_PLANE, NAMESPACE) - await rights(audited, NOBODY, NAMESPACE)
    asked = used(audited.folder / "audit.log")
    print(shown := table(granted, asked))
    assert granted == asked, f"\n{shown}"


async def test_a_second_installation_by_an_overlay_serves_its_own_class(audited: Cluster, tmp_path: Path) -> None:
    """Both at once: each with its own rights, Lease and address, and no status that both write."""
    names = {"namespace": "second", "namePrefix": "prod-", "nameSuffix": "-eu"}
    objects = overlay(tmp_path / "overlay", components=["config-maps", "limits"], **names)
    await audited.kubectl("apply", "--server-side", "--warnings-as-errors", f"--kustomize={tmp_path / 'overlay'}")
    [second] = [each for each in objects if (each["kind"], component(each)) == ("Deployment", "control-plane")]
    await publish(audited, NAMESPACE, FLEET, ADDRESS)
    await publish(audited, "second", "prod-xds-ingress-envoy-eu", OTHER_ADDRESS)
    await audited.apply(ingress("missing"), ingress("missing", "prod", "prod-envoy-eu"))
    folders = [tmp_path / "a", tmp_path / "b"]
    for each in folders:
        each.mkdir()
    async with (
        serving(audited, folders[0], find("Deployment", CONTROL_PLANE)),
        serving(audited, folders[1], second),
    ):
        await audited.until(f"{INGRESSES}/shop", lambda found: addresses(found) == [ADDRESS])
        await audited.until(f"{INGRESSES}/prod", lambda found: addresses(found) == [OTHER_ADDRESS])
        lease = await audited.get("/apis/coordination.k8s.io/v1/namespaces/second/leases/prod-xds-ingress-eu")
        assert lease["spec"]["holderIdentity"]
    log = "".join((each / "serve.log").read_text() for each in folders)
    assert "status_changed_by_another" not in log
    assert "unavailable" not in log


def component(item: Object) -> str:
    return str(item["metadata"].get("labels", {}).get("app.kubernetes.io/component"))


async def publish(cluster: Cluster, namespace: str, service: str, address: str) -> None:
    status = {"status": {"loadBalancer": {"ingress": [{"ip": address}]}}}
    await cluster.request("PATCH", f"/api/v1/namespaces/{namespace}/services/{service}/status", status)


def addresses(found: Object) -> list[str]:
    return [each["ip"] for each in found.get("status", {}).get("loadBalancer", {}).get("ingress", [])]
