"""A node without a container runtime: the Pods of an API server as processes of this machine.

A Pod has a network namespace with an address on the bridge of `network`. A container has a root folder with programs of
this machine in place of the image (see `images`), the volumes, and the user of the securityContext. A container of an
unknown image counts as running. All Pods are bound to this node. Not done: exec and port-forward from outside, limits
of resources, host network and host ports.
"""

import asyncio
import logging
import ssl
from pathlib import Path
from typing import Final

import aiohttp
from aiohttp import web

from tests.support.authority import Authority, SecretMount
from tests.support.cluster.control_plane import NODE
from tests.support.node.api import Api, Object, key, pod_path
from tests.support.node.pods import RunningPod
from tests.support.node.sandbox import ADDRESSES, GATEWAY

PORT: Final = 10250
"""Of logs."""

_log = logging.getLogger(__name__)


class Kubelet:
    """The node: `run`, then `stop`.

    Attributes:
        state: A folder for logs and volumes.
    """

    def __init__(self, api: Api, state: Path) -> None:
        self.api, self.state = api, state
        self._pods: dict[str, RunningPod] = {}
        self._stopping: dict[str, asyncio.Task[None]] = {}
        self._free = list(reversed(ADDRESSES))

    async def register(self) -> None:
        """Make the node known, and serve logs for it."""
        await self._serve_logs()
        node = {"metadata": {"name": NODE, "labels": {"kubernetes.io/hostname": NODE, "kubernetes.io/os": "linux"}}}
        await self.api.call("POST", "/api/v1/nodes", node, optional=True)
        status = {
            "addresses": [{"type": "InternalIP", "address": GATEWAY}, {"type": "Hostname", "address": NODE}],
            "conditions": [{"type": "Ready", "status": "True", "reason": "StandIn", "message": ""}],
            "daemonEndpoints": {"kubeletEndpoint": {"Port": PORT}},
        }
        await self.api.call("PATCH", f"/api/v1/nodes/{NODE}/status", {"status": status})
        # A new node has the taint not-ready, which the controller of nodes would take away; a DaemonSet waits for that.
        await self.api.call("PATCH", f"/api/v1/nodes/{NODE}", {"spec": {"taints": None}})

    async def run(self) -> None:
        """Run Pods until cancelled."""
        async for kind, found in self.api.follow("/api/v1/pods"):
            if kind != "LISTED":
                await self._see(kind, found)
                continue
            for pod in found["items"]:
                await self._see("ADDED", pod)
            for uid in self._pods.keys() - {pod["metadata"]["uid"] for pod in found["items"]}:
                self._end(uid)

    async def stop(self) -> None:
        """End every process at once."""
        ending = [*self._stopping.values()]
        for pod in self._pods.values():
            pod.pod["metadata"]["deletionGracePeriodSeconds"] = 0
            ending.append(asyncio.create_task(pod.stop()))
        await asyncio.wait([*ending, asyncio.create_task(asyncio.sleep(0))], timeout=10)

    async def _see(self, kind: str, pod: Object) -> None:
        uid = pod["metadata"]["uid"]
        if uid in self._pods:
            self._pods[uid].pod = pod
        if kind == "DELETED":
            self._end(uid)
        elif pod["metadata"].get("deletionTimestamp"):
            self._end(uid, pod)
        elif not pod["spec"].get("nodeName"):
            target = {"apiVersion": "v1", "kind": "Node", "name": NODE}
            body = {"metadata": {"name": pod["metadata"]["name"]}, "target": target}
            await self.api.call("POST", f"{pod_path(pod)}/binding", body, optional=True)
        elif uid not in self._pods and uid not in self._stopping:
            self._pods[uid] = RunningPod(self.api, pod, self._free.pop(), self.state)
            self._pods[uid].start()

    def _end(self, uid: str, pod: Object | None = None) -> None:
        """End a Pod. One that the API server still has is deleted afterwards."""
        if uid in self._pods or (pod is not None and uid not in self._stopping):
            self._stopping[uid] = asyncio.create_task(self._ended(uid, self._pods.pop(uid, None), pod))

    async def _ended(self, uid: str, running: RunningPod | None, pod: Object | None) -> None:
        try:
            if running:
                await running.stop()
                self._free.insert(0, running.address)
            if pod is not None:
                body = {"gracePeriodSeconds": 0, "preconditions": {"uid": uid}}
                await self.api.call("DELETE", pod_path(pod), body, optional=True)
        except (RuntimeError, OSError, aiohttp.ClientError):
            _log.exception("the end of a Pod")
        finally:
            del self._stopping[uid]

    async def _serve_logs(self) -> None:
        """`kubectl logs`, without following them."""

        async def logs(request: web.Request) -> web.Response:
            names = request.match_info
            of = f"{names['namespace']}/{names['pod']}"
            found = [pod.container(names["container"]) for pod in self._pods.values() if key(pod.pod) == of]
            texts = [each.log.read_text(errors="replace") for each in found if each and each.log.exists()]
            return web.Response(text=texts[0]) if texts else web.Response(status=404, text="no such container")

        files = SecretMount(self.state / "certificate", Authority().issue("localhost")).server  # nobody checks the name
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(files.certificate, files.private_key)
        app = web.Application()
        app.router.add_get("/containerLogs/{namespace}/{pod}/{container}", logs)
        runner = web.AppRunner(app, access_log=None)
        await runner.setup()
        await web.TCPSite(runner, GATEWAY, PORT, ssl_context=context).start()
