"""A cluster whose Pods run: a real control plane with the controllers of workloads, and a node without containers.

`network` makes the node's network; see `kubelet` for what a Pod is here.
"""

import contextlib
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Final

from tests.support.cluster import Cluster, Part
from tests.support.cluster import cluster as control_plane
from tests.support.node.sandbox import GATEWAY

CONTROLLERS: Final = (
    *("deployment-controller", "replicaset-controller", "daemonset-controller", "job-controller"),
    *("endpointslice-controller", "namespace-controller", "garbage-collector-controller", "disruption-controller"),
    *("serviceaccount-controller", "root-ca-certificate-publisher-controller"),
)


@contextlib.asynccontextmanager
async def cluster_with_node(state: Path) -> AsyncIterator[Cluster]:
    """A control plane and its node, until the end. The node's log is `state`/node.log."""
    logs = ("--kubelet-preferred-address-types=InternalIP",)
    async with control_plane(state, apiserver=logs, address=GATEWAY, controllers=CONTROLLERS) as running:
        folder = state / "node"
        folder.mkdir()

        async def ready() -> bool:
            return (folder / "ready").exists()

        options: tuple[str | Path, ...] = ("--kubeconfig", running.kubeconfig, "--state", folder)
        node = Part([sys.executable, "-m", "tests.support.node", *options], state / "node.log", ready)
        await node.start()
        try:
            yield running
        finally:
            await node.stop()
