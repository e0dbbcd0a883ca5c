"""A cluster with a node, `xds serve` and Envoys in one network namespace (`tests/support/node/network`)."""

import asyncio
import contextlib
import os
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, Final

import aiohttp
import yaml

from tests.conformance import binaries
from tests.support.cluster import Cluster, Part
from tests.support.envoy import running_envoy
from tests.support.manifests import CONTROL_PLANE, NAMESPACE, overlay
from tests.support.node import cluster_with_node
from xds.translate.gateway.options import CONTROLLER

GATEWAY_CLASS: Final = "gateway-conformance"

INGRESS_ADDRESS: Final = "198.51.100.100"
ADDRESSES: Final = tuple(f"198.51.100.{host}" for host in range(101, 161))
"""Of Gateways. Load balancers of the node's Services begin at 198.51.100.1."""

USABLE_ADDRESS: Final = "198.51.100.150"
UNUSABLE_ADDRESS: Final = "203.0.113.1"

_CLAIM_SECONDS: Final = 20

_RIGHTS: Final = ("Namespace", "ServiceAccount", "ClusterRole", "ClusterRoleBinding", "Role", "RoleBinding")

_XDS: Final = "127.0.0.1:18000"
_ADMIN: Final = "127.0.0.1:18001"


@contextlib.asynccontextmanager
async def rig(state: Path, *, envoys: int = 1) -> AsyncIterator[Cluster]:
    """The product in service for the GatewayClass of the suite, until the end.

    Args:
        state: A folder for data and logs.
        envoys: Their number; each binds the same addresses.
    """
    listeners = ("--listener-address", INGRESS_ADDRESS, "--http-port", "80", "--https-port", "443")
    pool = (f"--gateway-address={address}" for address in ADDRESSES)
    async with contextlib.AsyncExitStack() as stack:
        running = await stack.enter_async_context(installed(state))
        await stack.enter_async_context(served(running, state, "--listen", _XDS, *listeners, *pool))
        for number in range(envoys):
            envoy = running_envoy(_XDS, state, node=f"envoy-{number + 1}")
            await (await stack.enter_async_context(envoy)).until_ready()
        yield running


@contextlib.asynccontextmanager
async def installed(state: Path) -> AsyncIterator[Cluster]:
    """A cluster with a node, the CustomResourceDefinitions, the rights of the product, and the GatewayClass."""
    async with cluster_with_node(state) as running:
        await _install(running)
        yield running


@contextlib.asynccontextmanager
async def served(running: Cluster, state: Path, *flags: str) -> AsyncIterator[None]:
    """The product with these flags, from when the GatewayClass has its status."""
    serve = (sys.executable, "-m", "xds", "serve", "--kubeconfig", await _kubeconfig(running), "--admin", _ADMIN)
    server = Part([*serve, "--ui", "off", "--log-format", "console", *flags], state / "xds.log", _ready)
    await server.start()
    try:
        await _accepted(running)
        yield
    finally:
        await server.stop()


async def _install(running: Cluster) -> None:
    crds = binaries.custom_resource_definitions()
    await running.kubectl("apply", "--server-side", f"--filename={crds}")
    established = ("wait", "--for=condition=Established", "--timeout=60s")
    await running.kubectl(*established, "customresourcedefinitions", "--all")
    manifests = overlay(running.folder / "overlay", components=("config-maps",))
    await running.apply(*(each for each in manifests if each["kind"] in _RIGHTS))
    gateway_class: dict[str, Any] = {
        "apiVersion": "gateway.networking.k8s.io/v1",
        "kind": "GatewayClass",
        "metadata": {"name": GATEWAY_CLASS},
        "spec": {"controllerName": CONTROLLER},
    }
    await running.apply(gateway_class)


async def _kubeconfig(running: Cluster) -> Path:
    """Of the ServiceAccount, with the rights of k8s/ and no others."""
    path = await running.kubeconfig_for_service_account(NAMESPACE, CONTROL_PLANE)
    config = yaml.safe_load(path.read_text(encoding="utf-8"))
    config["contexts"][0]["context"]["namespace"] = NAMESPACE
    path.write_text(yaml.safe_dump(config), encoding="utf-8")
    return path


async def _ready() -> bool:
    try:
        async with aiohttp.ClientSession() as session, session.get(f"http://{_ADMIN}/readyz") as answer:
            return answer.status == 200
    except aiohttp.ClientError:
        return False


async def _accepted(running: Cluster) -> None:
    """Wait for the features that the product claims: the suite asks for them once, at its start."""

    def claims(gateway_class: Any) -> bool:
        return bool(gateway_class.get("status", {}).get("supportedFeatures"))

    with contextlib.suppress(TimeoutError):  # the suite says so itself
        async with asyncio.timeout(_CLAIM_SECONDS):
            await running.until(f"/apis/gateway.networking.k8s.io/v1/gatewayclasses/{GATEWAY_CLASS}", claims)


async def run_suite(running: Cluster, state: Path, *flags: str) -> int:
    """The suite's exit code. Its output is `state`/suite.log."""
    addresses = (f"--usable-address={USABLE_ADDRESS}", f"--unusable-address={UNUSABLE_ADDRESS}")
    own = ("-test.v", "-test.timeout=60m", f"--gateway-class={GATEWAY_CLASS}", *addresses)
    with (state / "suite.log").open("wb") as output:
        process = await asyncio.create_subprocess_exec(
            binaries.program("suite.test"),
            *own,
            *flags,
            cwd=state,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            env={**os.environ, "KUBECONFIG": str(running.kubeconfig)},
        )
    try:
        return await process.wait()
    finally:
        if process.returncode is None:
            process.kill()
