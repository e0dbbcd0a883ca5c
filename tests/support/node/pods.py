"""A Pod that runs: init containers, sidecars, containers, probes, its status, and its end.

Source: https://kubernetes.io/docs/concepts/workloads/pods/pod-lifecycle/
"""

import asyncio
import contextlib
import logging
import signal
import time
from collections.abc import Coroutine
from pathlib import Path
from typing import Final

import aiohttp

from tests.support.node.api import Api, Object, key, pod_path
from tests.support.node.containers import PAUSE_SECONDS, Container
from tests.support.node.probes import Probe
from tests.support.node.sandbox import GATEWAY, Sandbox
from tests.support.node.volumes import Volumes

LAST_SECONDS: Final = 2.0
"""The least time between SIGTERM and SIGKILL."""

_log = logging.getLogger(__name__)


class RunningPod:
    """A Pod on this node, from `start` to `stop`."""

    def __init__(self, api: Api, pod: Object, address: str, node: Path) -> None:
        self._api, self.pod, self.address, self._node = api, pod, address, node
        self._folder = node / "pods" / pod["metadata"]["uid"]
        sysctls = (pod["spec"].get("securityContext") or {}).get("sysctls", ())
        named = [f"{each['name']}={each['value']}" for each in sysctls]
        self._sandbox = Sandbox(address, pod["metadata"]["name"], named)
        self._volumes = Volumes(api, pod, self._folder / "volumes")
        self._inits = [self._container(each) for each in pod["spec"].get("initContainers", ())]
        self.containers = [self._container(each) for each in pod["spec"]["containers"]]
        self._tasks: list[asyncio.Task[None]] = []
        self._reporting = asyncio.Lock()
        self._started_at = now()
        self._initialized = self._stopping = False
        self._became_ready = self._started_at
        self._was_ready = False

    def _container(self, spec: Object) -> Container:
        return Container(spec, self.pod, self._sandbox, self._volumes, self._node)

    def container(self, name: str) -> Container | None:
        return next((each for each in (*self._inits, *self.containers) if each.name == name), None)

    def start(self) -> None:
        self._begin(self._start())

    def _begin(self, work: Coroutine[object, object, None]) -> None:
        async def guarded() -> None:
            try:
                await work
            except (RuntimeError, OSError, NotImplementedError, aiohttp.ClientError):
                _log.exception("%s", key(self.pod))

        self._tasks.append(asyncio.create_task(guarded()))

    async def _start(self) -> None:
        self._write_network_files()
        await self._sandbox.open()
        await self._report()
        await self._volumes.create()
        self._begin(self._volumes.refresh())
        for container in self._inits:
            if container.spec.get("restartPolicy") == "Always":
                self._begin(self._keep(container))
                while not container.started:
                    await asyncio.sleep(0.02)
            else:
                await self._complete(container)
        self._initialized = True
        for container in self.containers:
            self._begin(self._keep(container))
        await self._report()

    def _write_network_files(self) -> None:
        """Names of Services and of the Pod."""
        folder, namespace = self._folder / "etc", self.pod["metadata"]["namespace"]
        folder.mkdir(parents=True, exist_ok=True)
        name = self.pod["metadata"]["name"]
        (folder / "hostname").write_text(f"{name}\n")
        (folder / "hosts").write_text(f"127.0.0.1 localhost\n::1 localhost\n{self.address} {name}\n")
        search = f"{namespace}.svc.cluster.local svc.cluster.local cluster.local"
        (folder / "resolv.conf").write_text(f"nameserver {GATEWAY}\nsearch {search}\noptions ndots:5\n")

    async def _complete(self, container: Container) -> None:
        """Run an init container until it succeeds."""
        while not self._stopping:
            await self._started(container)
            assert container.process
            container.exit_code = await container.process.wait()
            if container.exit_code == 0:
                break
            await self._ended(container)
        container.ready = True

    async def _keep(self, container: Container) -> None:
        """Run a container with probes, and start an ended process again, as the restartPolicy says."""
        policy = container.spec.get("restartPolicy") or self.pod["spec"].get("restartPolicy", "Always")
        if container.image is None:
            _log.warning(
                "%s: %s stands for nothing here, and counts as running", key(self.pod), container.spec["image"]
            )
            container.started = container.ready = True
            await self._report()
            return
        while not self._stopping:
            await self._started(container)
            assert container.process
            probing = asyncio.create_task(self._probe(container))
            try:
                container.exit_code = await container.process.wait()
            finally:
                probing.cancel()
            if self._stopping or policy == "Never" or (policy == "OnFailure" and container.exit_code == 0):
                container.ready = False
                await self._report()
                return
            await self._ended(container)

    async def _started(self, container: Container) -> None:
        while True:
            try:
                return await container.start(self._api)
            except RuntimeError as error:  # of its configuration, which may change
                _log.warning("%s: %s", key(self.pod), error)
            await asyncio.sleep(PAUSE_SECONDS)

    async def _ended(self, container: Container) -> None:
        _log.warning("%s: %s ended with %s", key(self.pod), container.name, container.exit_code)
        container.restarts += 1
        container.started = container.ready = False
        await self._report()
        await asyncio.sleep(PAUSE_SECONDS)

    async def _probe(self, container: Container) -> None:
        """Startup, then readiness and liveness, until cancelled."""
        if spec := container.spec.get("startupProbe"):
            probe = Probe(spec, container, self.address)
            while (result := await probe.attempt()) is not True:
                if result is False:
                    await self._kill(container, "startup")
                    return
                await asyncio.sleep(probe.period)
        container.started = True
        readiness, liveness = container.spec.get("readinessProbe"), container.spec.get("livenessProbe")
        if readiness is None:
            container.ready = True
        await self._report()
        async with asyncio.TaskGroup() as probes:
            if readiness:
                probes.create_task(self._follow_readiness(container, Probe(readiness, container, self.address)))
            if liveness:
                probes.create_task(self._follow_liveness(container, Probe(liveness, container, self.address)))

    async def _follow_readiness(self, container: Container, probe: Probe) -> None:
        while True:
            result = await probe.attempt()
            if result is not None and result != container.ready:
                container.ready = result
                await self._report()
            await asyncio.sleep(probe.period if container.ready else min(probe.period, 1))

    async def _follow_liveness(self, container: Container, probe: Probe) -> None:
        while True:
            await asyncio.sleep(probe.period)
            if await probe.attempt() is False and not self._stopping:
                await self._kill(container, "liveness")
                return

    async def _kill(self, container: Container, probe: str) -> None:
        _log.warning("%s: %s is killed by its %s probe", key(self.pod), container.name, probe)
        await self._terminate(container, time.monotonic() + 30)

    async def stop(self) -> None:
        """preStop, SIGTERM, and SIGKILL when the grace period is over: first the containers, then the sidecars."""
        self._stopping = True
        deadline = time.monotonic() + float(self.pod["metadata"].get("deletionGracePeriodSeconds", 30))
        await asyncio.gather(*(self._terminate(each, deadline) for each in self.containers))
        for container in reversed(self._inits):
            await self._terminate(container, deadline)
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._sandbox.close()
        self._volumes.remove()

    async def _terminate(self, container: Container, deadline: float) -> None:
        if not container.runs:
            return
        assert container.process
        hook = container.spec.get("lifecycle", {}).get("preStop", {})
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout_at(asyncio.get_running_loop().time() + deadline - time.monotonic()):
                if execute := hook.get("exec"):
                    code = await container.execute(execute["command"])
                    _log.info("%s: preStop of %s ended with %s", key(self.pod), container.name, code)
                elif sleep := hook.get("sleep"):
                    await asyncio.sleep(sleep["seconds"])
        container.send(signal.SIGTERM)
        try:
            await asyncio.wait_for(container.process.wait(), max(deadline - time.monotonic(), LAST_SECONDS))
        except TimeoutError:
            _log.warning("%s: %s gets SIGKILL", key(self.pod), container.name)
            container.send(signal.SIGKILL)
            await container.process.wait()

    async def _report(self) -> None:
        """Write the present state, in order; not for a deleted Pod."""
        async with self._reporting:
            await self._api.call("PATCH", f"{pod_path(self.pod)}/status", {"status": self._status()}, optional=True)

    def _status(self) -> Object:
        sidecars = [each for each in self._inits if each.spec.get("restartPolicy") == "Always"]
        ready = self._initialized and all(each.ready for each in (*self.containers, *sidecars))
        if ready != self._was_ready:
            self._was_ready, self._became_ready = ready, now()
        conditions = [
            {"type": "PodReadyToStartContainers", "status": "True"},
            {"type": "Initialized", "status": str(self._initialized)},
            {"type": "ContainersReady", "status": str(ready)},
            {"type": "Ready", "status": str(ready), "lastTransitionTime": self._became_ready},
        ]
        return {
            "phase": self._phase(),
            "conditions": conditions,
            "hostIP": GATEWAY,
            "podIP": self.address,
            "podIPs": [{"ip": self.address}],
            "startTime": self._started_at,
            "initContainerStatuses": [_container_status(each, self._started_at) for each in self._inits],
            "containerStatuses": [_container_status(each, self._started_at) for each in self.containers],
        }

    def _phase(self) -> str:
        if not self._initialized:
            return "Pending"
        codes = [each.exit_code for each in self.containers]
        policy = self.pod["spec"].get("restartPolicy", "Always")
        if policy == "Always" or any(
            each.runs or code is None for each, code in zip(self.containers, codes, strict=True)
        ):
            return "Running"
        return "Failed" if any(codes) else "Succeeded"


def _container_status(container: Container, since: str) -> Object:
    state: Object = {"waiting": {"reason": "PodInitializing"}}
    if container.runs or (container.image is None and container.ready):
        state = {"running": {"startedAt": since}}
    elif container.exit_code is not None:
        reason = "Error" if container.exit_code else "Completed"
        state = {"terminated": {"exitCode": container.exit_code, "reason": reason, "finishedAt": now()}}
    return {
        "name": container.name,
        "image": container.spec["image"],
        "imageID": container.spec["image"],
        "ready": container.ready,
        "started": container.started,
        "restartCount": container.restarts,
        "state": state,
    }


def now() -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
