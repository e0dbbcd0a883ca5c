"""Releases on a real API server: install, upgrade, rollback, uninstall, two releases at once, and certificates.

Workloads have no replicas here; Pods run in test_first_request.py.
"""

import base64
import datetime
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from cryptography import x509

from tests.support import chart
from tests.support.chart_values import CHART
from tests.support.cluster import Cluster

pytestmark = pytest.mark.timeout(400)

NO_PODS: dict[str, Any] = {
    "controlPlane": {"replicas": 0},
    "fleet": {"replicas": 0, "service": {"type": "ClusterIP"}},
    "monitoring": {"rules": {"enabled": True}, "dashboards": {"enabled": True}},
}
NOT_AFTER = "xds-ingress.dev/not-after"
NEXT_NOT_AFTER = "xds-ingress.dev/next-not-after"

PASSING = ("events", "events.events.k8s.io", "leases.coordination.k8s.io", "apiservices.apiregistration.k8s.io")
"""Kinds of short-lived objects, and of those that the API server makes by itself after its start."""

Object = chart.Object


@pytest.fixture(autouse=True)
async def no_releases(cluster: Cluster) -> AsyncIterator[None]:
    """Remove releases that a failed test left, for IngressClasses have no namespace."""
    yield
    for each in yaml.safe_load(await chart.on(cluster, "list", "--all-namespaces", "--output=yaml")) or ():
        await chart.on(cluster, "uninstall", each["name"], f"--namespace={each['namespace']}")


async def everything(cluster: Cluster) -> set[str]:
    """All objects of the cluster: NAMESPACE/RESOURCE/NAME."""
    listed = await cluster.kubectl("api-resources", "--verbs=list", "--output=name")
    kinds = ",".join(each for each in listed.split() if each not in PASSING)
    columns = "custom-columns=NAMESPACE:.metadata.namespace,KIND:.kind,NAME:.metadata.name"
    found = await cluster.kubectl("get", kinds, "--all-namespaces", "--no-headers", f"--output={columns}")
    return {"/".join(line.split()) for line in found.splitlines()}


async def secret(cluster: Cluster, namespace: str, name: str) -> Object:
    return dict(await cluster.get(f"/api/v1/namespaces/{namespace}/secrets/{name}"))


def certificate(of: Object, key: str = "tls.crt") -> x509.Certificate:
    return x509.load_pem_x509_certificate(base64.b64decode(of["data"][key]))


async def contents(cluster: Cluster, namespace: str, release: str) -> dict[str, Object]:
    """The data of the release's Secrets with certificates, by name."""
    selector = f"labelSelector=app.kubernetes.io/instance%3D{release}"
    found = await cluster.get(f"/api/v1/namespaces/{namespace}/secrets?{selector}")
    return {each["metadata"]["name"]: each["data"] for each in found["items"] if each["type"] == "kubernetes.io/tls"}


async def test_a_release_from_install_to_uninstall(cluster: Cluster, namespace: str) -> None:
    """Nothing is left behind."""
    place, path = ("edge", str(CHART), f"--namespace={namespace}"), f"/apis/apps/v1/namespaces/{namespace}/deployments"
    before = await everything(cluster)
    notes = await chart.on(cluster, "install", *place, values=NO_PODS)
    assert f"-n {namespace} deploy/edge-xds-ingress" in notes
    installed, certificates = await everything(cluster), await contents(cluster, namespace, "edge")
    assert len(installed - before) > 15
    assert len(certificates) == 4

    changed = chart.merged(
        NO_PODS, {"fleet": {"concurrency": 7, "kind": "Deployment"}, "networkPolicy": {"enabled": False}}
    )
    await chart.on(cluster, "upgrade", *place, values=changed)
    fleet = await cluster.get(f"{path}/edge-xds-ingress-envoy")
    assert "7" in fleet["spec"]["template"]["spec"]["containers"][0]["args"]
    gone = installed - await everything(cluster)
    assert {each.split("/")[1] for each in gone} == {"NetworkPolicy"}
    assert await contents(cluster, namespace, "edge") == certificates, "kept over an upgrade"

    await chart.on(cluster, "rollback", "edge", "1", f"--namespace={namespace}")
    fleet = await cluster.get(f"{path}/edge-xds-ingress-envoy")
    assert "7" not in fleet["spec"]["template"]["spec"]["containers"][0]["args"]
    assert not installed - await everything(cluster)
    assert await contents(cluster, namespace, "edge") == certificates, "kept over a rollback"

    await chart.on(cluster, "uninstall", "edge", f"--namespace={namespace}", "--wait", "--cascade=foreground")
    assert not await everything(cluster) - before


async def test_generated_certificates_are_of_their_authority_and_renewed_in_time(
    cluster: Cluster, namespace: str
) -> None:
    place = ("edge", str(CHART), f"--namespace={namespace}")
    await chart.on(cluster, "install", *place, values=NO_PODS)
    names = {use: f"edge-xds-ingress-{use}-tls" for use in ("server", "client", "operator")}
    authority = certificate(await secret(cluster, namespace, "edge-xds-ingress-ca"))
    for use, name in names.items():
        found = await secret(cluster, namespace, name)
        certificate(found).verify_directly_issued_by(authority)
        said = datetime.datetime.fromisoformat(found["metadata"]["annotations"][NOT_AFTER])
        assert abs(certificate(found).not_valid_after_utc - said) < datetime.timedelta(minutes=5), use

    first = await contents(cluster, namespace, "edge")
    soon = (datetime.datetime.now(datetime.UTC) + datetime.timedelta(days=120)).strftime("%Y-%m-%dT%H:%M:%SZ")
    path = f"/api/v1/namespaces/{namespace}/secrets/{names['client']}"
    await cluster.request("PATCH", path, {"metadata": {"annotations": {NOT_AFTER: soon}}})
    await chart.on(cluster, "upgrade", *place, "--force-conflicts", values=NO_PODS)
    second = await contents(cluster, namespace, "edge")
    assert [name for name in first if first[name] != second[name]] == [names["client"]]
    renewed = await secret(cluster, namespace, names["client"])
    certificate(renewed).verify_directly_issued_by(authority)
    await chart.on(cluster, "uninstall", "edge", f"--namespace={namespace}")


async def test_a_generated_authority_is_trusted_before_it_signs(cluster: Cluster, namespace: str) -> None:
    """The last third of an authority has begun: one upgrade spreads the next, and another signs with it."""
    place, name = ("edge", str(CHART), f"--namespace={namespace}"), "edge-xds-ingress-ca"
    await chart.on(cluster, "install", *place, values=NO_PODS)
    path = f"/api/v1/namespaces/{namespace}/secrets/{name}"

    async def upgraded(annotation: str, days: float) -> tuple[dict[str, Object], Object]:
        moment = datetime.datetime.now(datetime.UTC) + datetime.timedelta(days=days)
        change = {"metadata": {"annotations": {annotation: moment.strftime("%Y-%m-%dT%H:%M:%SZ")}}}
        await cluster.request("PATCH", path, change)
        await chart.on(cluster, "upgrade", *place, "--force-conflicts", values=NO_PODS)
        return await contents(cluster, namespace, "edge"), await secret(cluster, namespace, name)

    first = await contents(cluster, namespace, "edge")
    spread, waiting = await upgraded(NOT_AFTER, 1000)
    for each in spread.keys() - {name}:
        assert spread[each]["tls.crt"] == first[each]["tls.crt"], "signed by the authority that all Pods trust"
        assert base64.b64decode(spread[each]["ca.crt"]).count(b"BEGIN") == 2
    again, _ = await upgraded(NOT_AFTER, 1000)
    assert again == spread, "within an hour, Pods may have the old files"
    signed, authority = await upgraded(NEXT_NOT_AFTER, 3649)
    assert signed[name]["tls.crt"] == waiting["data"]["next.crt"]
    assert "next.key" not in signed[name]
    for each in signed.keys() - {name}:
        certificate(await secret(cluster, namespace, each)).verify_directly_issued_by(certificate(authority))
        assert signed[each]["ca.crt"] == spread[each]["ca.crt"], "the old authority is trusted, too"
    await chart.on(cluster, "upgrade", *place, "--force-conflicts", values=NO_PODS)
    assert await contents(cluster, namespace, "edge") == signed
    await chart.on(cluster, "uninstall", "edge", f"--namespace={namespace}")


async def test_two_releases_beside_each_other(cluster: Cluster, namespace: str) -> None:
    """In one namespace, and of one name in two namespaces: no common object, and no common selector."""
    second = chart.merged(NO_PODS, {"ingressClass": {"name": "internal"}})
    third = chart.merged(NO_PODS, {"ingressClass": {"name": "third"}})
    await cluster.kubectl("create", "namespace", f"{namespace}-other")
    await chart.on(cluster, "install", "edge", str(CHART), f"--namespace={namespace}", values=NO_PODS)
    await chart.on(cluster, "install", "internal", str(CHART), f"--namespace={namespace}", values=second)
    await chart.on(cluster, "install", "edge", str(CHART), f"--namespace={namespace}-other", values=third)
    services = (await cluster.get(f"/api/v1/namespaces/{namespace}/services"))["items"]
    selectors = [tuple(sorted(each["spec"]["selector"].items())) for each in services]
    assert len(set(selectors)) == 4, "of two control planes and two fleets"
    before = await everything(cluster)
    await chart.on(cluster, "uninstall", "internal", f"--namespace={namespace}", "--wait")
    await chart.on(cluster, "uninstall", "edge", f"--namespace={namespace}-other", "--wait")
    gone = before - await everything(cluster)
    assert not [each for each in gone if each.startswith(f"{namespace}/") and "/edge-" in each]
    await chart.on(cluster, "uninstall", "edge", f"--namespace={namespace}", "--wait")
    await cluster.kubectl("delete", "namespace", f"{namespace}-other", "--wait=false")


async def test_an_upgrade_from_the_first_version_of_the_chart(cluster: Cluster, namespace: str, tmp_path: Path) -> None:
    if (commit := first_commit()) is None:
        pytest.skip("no history of the chart in this checkout: `git fetch --unshallow` gets it")
    old = unpacked(commit, tmp_path)
    await chart.on(cluster, "install", "edge", str(old), f"--namespace={namespace}", values=NO_PODS)
    before = await contents(cluster, namespace, "edge")
    await chart.on(cluster, "upgrade", "edge", str(CHART), f"--namespace={namespace}", values=NO_PODS)
    after = await contents(cluster, namespace, "edge")
    assert after.keys() == before.keys()
    # Certificates of that version don't name their authority, and are signed anew; all Pods trust the authority.
    assert {each["ca.crt"] for each in after.values()} == {before["edge-xds-ingress-ca"]["ca.crt"]}
    await chart.on(cluster, "uninstall", "edge", f"--namespace={namespace}", "--wait")


def git(*arguments: str) -> bytes:
    """The output of git in this checkout; empty if it fails."""
    done = subprocess.run(["git", *arguments], cwd=CHART, check=False, capture_output=True, timeout=60)
    return b"" if done.returncode else done.stdout


def first_commit() -> str | None:
    """The commit that added the chart; None if git does not know."""
    commits = git("log", "--diff-filter=A", "--format=%H", "--", "Chart.yaml").decode().split()
    return commits[-1] if commits and git("rev-parse", "--verify", f"{commits[-1]}^") else None


def unpacked(revision: str, folder: Path) -> Path:
    """The chart at a revision."""
    archive = git("archive", "--format=tar", revision, ".")
    subprocess.run(["tar", "-x", "-C", str(folder)], input=archive, check=True, timeout=60)
    return folder


def test_a_changed_chart_has_a_new_version(tmp_path: Path) -> None:
    """As chart-testing asks, since the last tag."""
    tag = git("describe", "--tags", "--abbrev=0").decode().strip()
    if not tag or not git("ls-tree", tag, "Chart.yaml"):
        pytest.skip("no tag with the chart in this checkout")
    versions = [
        yaml.safe_load((each / "Chart.yaml").read_text())["version"] for each in (unpacked(tag, tmp_path), CHART)
    ]
    assert versions[0] != versions[1] or not git("diff", "--name-only", tag, "--", ".")


def test_two_renderings_are_equal_except_for_generated_keys() -> None:
    assert chart.template(values={"tls": {"mode": "existing"}}) == chart.template(values={"tls": {"mode": "existing"}})
    first, second = chart.render(values={}), chart.render(values={})
    differ = [chart.identity(old) for old, new in zip(first, second, strict=True) if old != new]
    assert {kind for kind, _, _ in differ} == {"Secret"}
    assert len(differ) == 4
