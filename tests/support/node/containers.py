"""A container as a process of this machine: in the network of its Pod, in a root folder of its image and its volumes,
as the user of its securityContext.
"""

import asyncio
import contextlib
import shlex
import signal
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from tests.support.node import images
from tests.support.node.api import Api, Object
from tests.support.node.sandbox import GATEWAY, Sandbox
from tests.support.node.volumes import Volumes, content, field

MEMORY_BYTES: Final = 8 << 30
"""Of the node: a container without a limit sees it as its own."""

CHROOT: Final = "/usr/sbin/chroot"
"""Where an image's PATH may not lead."""

PAUSE_SECONDS: Final = 1.0
"""Before a process that ended is started again."""

_UNITS: Final = {"Ki": 1 << 10, "Mi": 1 << 20, "Gi": 1 << 30, "k": 10**3, "M": 10**6, "G": 10**9}


class Container:
    """A container of a Pod.

    Attributes:
        process: None before the first start, and if the image stands for nothing.
        exit_code: Of the last process that ended.
    """

    def __init__(self, spec: Object, pod: Object, sandbox: Sandbox, volumes: Volumes, node: Path) -> None:
        self.spec, self._pod, self._sandbox, self._volumes = spec, pod, sandbox, volumes
        self.name: Final[str] = spec["name"]
        self.image: Final = images.of(spec["image"])
        metadata = pod["metadata"]
        self._etc = node / "pods" / metadata["uid"] / "etc"
        self._root = node / "pods" / metadata["uid"] / "roots" / self.name
        self.log: Final = node / "logs" / f"{metadata['namespace']}_{metadata['name']}_{self.name}.log"
        self.process: asyncio.subprocess.Process | None = None
        self.exit_code: int | None = None
        self.restarts = 0
        self.started = self.ready = False

    @property
    def runs(self) -> bool:
        return self.process is not None and self.process.returncode is None

    async def start(self, api: Api) -> None:
        """Start the process.

        Raises:
            RuntimeError: A source of a variable is missing, or the container may not run so.
        """
        assert self.image
        self._check()
        variables = {"HOME": "/", **self.image.environment, **await self._environment(api)}
        entrypoint = self.spec.get("command") or self.image.entrypoint
        command = [_expanded(each, variables) for each in (*entrypoint, *self.spec.get("args", ()))]
        self._root.mkdir(parents=True, exist_ok=True)
        self.log.parent.mkdir(parents=True, exist_ok=True)
        script = f'{self._mounts()}\nexec {CHROOT} {shlex.quote(str(self._root))} "$@"'
        inside = ("unshare", "--mount", "--propagation", "private", "sh", "-ec", script, self.name)
        with self.log.open("ab") as output:
            self.process = await asyncio.create_subprocess_exec(
                *self._sandbox.entered(*inside, *self._as_user(), *command),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                env=variables,
            )

    async def execute(self, command: list[str]) -> int:
        """The exit code of a command in the running container."""
        assert self.process
        assert self.image
        of = f"/proc/{self.process.pid}"
        enter = ("nsenter", f"--mount={of}/ns/mnt", f"--net={of}/ns/net", f"--root={of}/root", "--wd=/")
        environment = dict(self.image.environment)
        with self.log.open("ab") as output:
            run = await asyncio.create_subprocess_exec(
                *enter,
                *self._as_user(),
                *command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                env=environment,
            )
        try:
            return await run.wait()
        finally:
            if run.returncode is None:
                run.kill()

    def send(self, number: signal.Signals) -> None:
        if self.process and self.runs:
            with contextlib.suppress(ProcessLookupError):
                self.process.send_signal(number)

    def _check(self) -> None:
        """A kubelet does not run a container as root that says it is not, and we run none without these fields."""
        if self._security("runAsNonRoot") and not self._security("runAsUser"):
            raise RuntimeError(f"{self.name}: runAsNonRoot without a runAsUser, and images here name none")

    def _security(self, name: str) -> object:
        of_pod = self._pod["spec"].get("securityContext", {}).get(name)
        return self.spec.get("securityContext", {}).get(name, of_pod)

    def _as_user(self) -> tuple[str, ...]:
        """Last is the signal: a change of user takes it back."""
        user, group = self._security("runAsUser") or 0, self._security("runAsGroup") or 0
        groups = {group, self._security("fsGroup") or group}
        capabilities = ("--bounding-set=-all", "--inh-caps=-all") if user else ()
        if not images.may_change_users():
            return ("setpriv", *capabilities, "--no-new-privs", "--pdeathsig", "KILL", "--")
        ids = (f"--reuid={user}", f"--regid={group}", f"--groups={','.join(map(str, groups))}")
        return ("setpriv", *ids, *capabilities, "--no-new-privs", "--pdeathsig", "KILL", "--")

    def _mounts(self) -> str:
        """The script that makes the root folder; only this container's processes see it."""
        assert self.image
        root = self._root
        lines = [
            f"mount -t tmpfs -o mode=755 root {shlex.quote(str(root))}",
            f"cd {shlex.quote(str(root))}",
            "umask 022",
        ]
        lines += ["mkdir -p etc tmp proc dev", "chmod 1777 tmp", "mount --rbind /proc proc", "mount --rbind /dev dev"]
        for target, source in self.image.mounted.items():
            lines.append(_bound(source, target, read_only=True))
        for name in ("hosts", "resolv.conf", "hostname"):
            lines.append(f"cp {shlex.quote(str(self._etc / name))} etc/")
        for mount in self.spec.get("volumeMounts", ()):
            source = self._volumes.path(mount["name"]) / mount.get("subPath", "")
            lines.append(_bound(source, mount["mountPath"], read_only=mount.get("readOnly", False)))
        if self._security("readOnlyRootFilesystem"):
            lines.append("mount -o remount,ro .")
        return "\n".join(lines)

    async def _environment(self, api: Api) -> dict[str, str]:
        """Variables of the container, each of which may name the ones before."""
        result = {"KUBERNETES_SERVICE_HOST": "10.96.0.1", "KUBERNETES_SERVICE_PORT": "443"}
        for variable in self.spec.get("env", ()):
            if source := variable.get("valueFrom"):
                result[variable["name"]] = await self._value(api, source)
            else:
                result[variable["name"]] = _expanded(variable.get("value", ""), result)
        return result

    async def _value(self, api: Api, source: Object) -> str:
        if reference := source.get("fieldRef"):
            path = reference["fieldPath"]
            return field(self._pod, path, GATEWAY if path == "status.hostIP" else self._sandbox.address)
        if reference := source.get("resourceFieldRef"):
            return str(self._resource(reference))
        for kind, collection in {"secret": "secrets", "configMap": "configmaps"}.items():
            if reference := source.get(f"{kind}KeyRef"):
                path = f"/api/v1/namespaces/{self._pod['metadata']['namespace']}/{collection}/{reference['name']}"
                found = await api.call("GET", path, optional=True)
                if found is not None:
                    return content(kind, found)[reference["key"]].decode()
        raise RuntimeError(f"{self.name}: no value for {source}")

    def _resource(self, reference: Object) -> int:
        every = (*self._pod["spec"]["containers"], *self._pod["spec"].get("initContainers", ()))
        named = next(each for each in every if each["name"] == reference.get("containerName", self.name))
        kind, _, resource = reference["resource"].partition(".")
        quantity = named.get("resources", {}).get(kind, {}).get(resource)
        if resource != "memory":
            raise NotImplementedError(reference["resource"])
        return MEMORY_BYTES if quantity is None else _bytes(quantity)


def _bound(source: Path, target: str, *, read_only: bool) -> str:
    """The lines that show a folder or a file of the node at an absolute path of the container."""
    at, origin = shlex.quote(target.lstrip("/")), shlex.quote(str(source))
    if source.is_symlink():
        return f"mkdir -p $(dirname {at}); cp -P {origin} {at}"
    make = f"mkdir -p {at}" if source.is_dir() else f"mkdir -p $(dirname {at}); touch {at}"
    lock = f"; mount -o remount,bind,ro {at}" if read_only else ""
    return f"{make}; mount --rbind {origin} {at}{lock}"


def _expanded(text: str, variables: Mapping[str, str]) -> str:
    for name, value in variables.items():
        text = text.replace(f"$({name})", value)
    return text


def _bytes(quantity: object) -> int:
    text = str(quantity)
    unit = next((unit for unit in _UNITS if text.endswith(unit)), "")
    return int(float(text.removesuffix(unit)) * _UNITS.get(unit, 1))
