"""`kubectl xds` by a real kubectl and a real API server, with the rights of k8s/base/operator-role.yaml.

The kubelet at the end of the tunnel is a stand-in, which relays to a debug API with mutual TLS.
"""

import asyncio
import os
import sys
from pathlib import Path

import pytest

from tests.support.authority import Authority, SecretMount
from tests.support.cluster import Cluster, Pod
from tests.support.cluster.assets import KUBECTL
from tests.support.cluster.port_forward import forwarding
from tests.support.debug_server import ThreadedDebugServer, services, shop
from tests.support.manifests import find
from xds.cli.forward import OPERATOR_SECRET, SELECTOR
from xds.server.debug.operators import OperatorsOnly
from xds.server.tls import ServerTls

PLUGIN = f'#!/bin/sh\nexec {sys.executable} -c "from xds.cli.kubectl import main; main()" "$@"\n'


async def kubectl_xds(
    cluster: Cluster, folder: Path, kubeconfig: Path, namespace: str, *arguments: str
) -> tuple[int, str, str]:
    """`kubectl xds`, found by kubectl as a plugin."""
    programs = folder / "bin"
    programs.mkdir(exist_ok=True)
    (programs / "kubectl-xds").write_text(PLUGIN)
    (programs / "kubectl-xds").chmod(0o755)
    if not (programs / "kubectl").exists():
        (programs / "kubectl").symlink_to(KUBECTL)
    environment = {**os.environ, "PATH": f"{programs}:{os.environ['PATH']}", "HOME": str(cluster.folder)}
    process = await asyncio.create_subprocess_exec(
        *("kubectl", "xds", "-n", namespace, "--kubeconfig", str(kubeconfig), *arguments),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env=environment,
    )
    out, err = await process.communicate()
    return process.returncode or 0, out.decode(), err.decode()


@pytest.fixture
async def operator(cluster: Cluster, namespace: str) -> Path:
    """The kubeconfig of a user with the rights of an operator and no others."""
    role = find("Role", "xds-ingress-operator")
    role["metadata"]["namespace"] = namespace
    account = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "me", "namespace": namespace}}
    binding = {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "RoleBinding",
        "metadata": {"name": "me", "namespace": namespace},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": role["metadata"]["name"]},
        "subjects": [{"kind": "ServiceAccount", "name": "me", "namespace": namespace}],
    }
    await cluster.apply(account, role, binding)
    return await cluster.kubeconfig_for_service_account(namespace, "me")


async def test_an_operator_asks_the_control_plane_through_kubectl(
    cluster: Cluster, namespace: str, operator: Path, tmp_path: Path
) -> None:
    authority = Authority()
    files = SecretMount(tmp_path / "tls", authority.issue(f"xds-ingress.{namespace}.svc")).server
    mine = SecretMount(tmp_path / "mine", authority.issue("xds-operator")).server
    labels = dict(each.split("=") for each in SELECTOR.split(","))
    pod = Pod(cluster, namespace, "xds-ingress-0", "192.0.2.9", labels, {"ads": 18000})
    await pod.start()
    ask = (cluster, tmp_path, operator, namespace)
    with ThreadedDebugServer(ServerTls.load(files), (OperatorsOnly(frozenset({"xds-operator"})),)) as server:
        server.do(*services("web"), shop("web"))
        async with forwarding(cluster, tmp_path / "kubelet", server.target) as paths:
            code, _, err = await kubectl_xds(*ask, "problems")
            assert (code, f"make Secret {namespace}/{OPERATOR_SECRET}" in err) == (3, True), err
            parts = (f"--from-file={name}={path}" for name, path in _files(mine.certificate.parent))
            await cluster.kubectl("create", "secret", "generic", OPERATOR_SECRET, "-n", namespace, *parts)
            assert await kubectl_xds(*ask, "problems") == (0, "", "no problems\n")
            code, out, err = await kubectl_xds(*ask, "snapshot", "show")
            assert (code, err) == (0, "")
            assert "default/web/80" in out
            assert (await kubectl_xds(*ask, "explain", "http://example.com/none", "--exit-code"))[0] == 1
    assert {path.partition("?")[0] for path in paths} == {f"/portForward/{namespace}/xds-ingress-0"}


def _files(folder: Path) -> list[tuple[str, Path]]:
    return [(name, folder / name) for name in ("tls.crt", "tls.key", "ca.crt")]


async def test_a_node_that_is_away_is_one_line(
    cluster: Cluster, namespace: str, operator: Path, tmp_path: Path
) -> None:
    labels = dict(each.split("=") for each in SELECTOR.split(","))
    ask = (cluster, tmp_path, operator, namespace)
    code, out, err = await kubectl_xds(*ask, "problems")
    assert (code, out) == (3, "")
    assert f"namespace '{namespace}' has no Pod of the control plane" in err
    await Pod(cluster, namespace, "xds-ingress-0", "192.0.2.9", labels, {"ads": 18000}).start()
    async with forwarding(cluster, tmp_path / "kubelet", "127.0.0.1:1"):
        pass  # its port is closed from here on
    code, out, err = await kubectl_xds(*ask, "problems")
    assert (code, out, err.count("\n")) == (3, "", 1)
    assert "kubectl port-forward to Pod xds-ingress-0 failed: " in err
    assert "connection refused" in err
    code, out, err = await kubectl_xds(cluster, tmp_path, operator, "kube-system", "problems")
    assert (code, out, err.count("\n")) == (3, "", 1)
    assert "kubectl get pods failed: Error from server (Forbidden): pods is forbidden" in err
