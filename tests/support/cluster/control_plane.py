"""A real etcd, kube-apiserver and kube-controller-manager.

By default only CONTROLLERS run: there is no kubelet (see `pods`, or tests.support.node), no garbage collection (the
slices of a deleted Service stay), and the ClusterRoles `view`, `edit` and `admin` are empty.
"""

import asyncio
import contextlib
import dataclasses
import functools
import io
import json
import os
import secrets
import shutil
import ssl
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import aiohttp
import yaml
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from tests.support.cluster.assets import KUBECTL, folder
from tests.support.cluster.part import PATIENCE, Part

CONTROLLERS: Final = ("endpointslice-controller", "namespace-controller")

NODE: Final = "node-1"
"""The node of all pods: the EndpointSlice controller leaves out pods of missing nodes."""

Object = dict[str, Any]


class KubectlError(Exception):
    """kubectl's standard error."""


class ApiError(Exception):
    """An answer of the API server other than success."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(f"{status}: {message}")
        self.status = status


@dataclass(slots=True)
class Cluster:
    """A control plane; bound to no event loop. `server` and `etcd_url` are URLs, `ca` certifies the first."""

    folder: Path
    server: str
    etcd_url: str
    token: str
    etcd: Part = dataclasses.field(init=False)
    apiserver: Part = dataclasses.field(init=False)
    controller_manager: Part = dataclasses.field(init=False)
    _controlled: int | None = None

    @property
    def parts(self) -> tuple[Part, Part, Part]:
        """All parts, in the order of their start."""
        return self.etcd, self.apiserver, self.controller_manager

    @property
    def kubeconfig(self) -> Path:
        """Of the administrator."""
        return self.folder / "kubeconfig"

    @property
    def ca(self) -> Path:
        return self.folder / "certificates" / "apiserver.crt"

    async def start(self) -> None:
        """Start stopped parts, and wait until every part is ready.

        Controllers that lost the API server return up to a minute after it, so they are restarted.
        """
        for part in self.parts:
            part.resume()
        await self.etcd.start()
        await self.apiserver.start()
        if self._controlled != self.apiserver.pid:
            await self.controller_manager.kill()
            self._controlled = self.apiserver.pid
        await self.controller_manager.start()

    async def stop(self) -> None:
        """Kill every part; nothing needs an orderly end."""
        for part in reversed(self.parts):
            await part.kill()

    async def kubectl(self, *arguments: str, stdin: str = "", kubeconfig: Path | None = None) -> str:
        """kubectl's standard output, as the administrator or with another kubeconfig.

        Raises:
            KubectlError: kubectl failed.
        """
        process = await asyncio.create_subprocess_exec(
            *(str(KUBECTL), f"--kubeconfig={kubeconfig or self.kubeconfig}", *arguments),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env={**os.environ, "HOME": str(self.folder)},  # cache of the API server's discovery
        )
        output, errors = await process.communicate(stdin.encode())
        if process.returncode:
            raise KubectlError(errors.decode())
        return output.decode()

    async def apply(self, *objects: Object) -> None:
        """`kubectl apply` of objects in the form of manifests."""
        await self.kubectl("apply", "-f", "-", stdin=yaml.safe_dump_all(objects))

    async def request(self, method: str, path: str, body: object = None, *, token: str = "") -> Any:
        """The API server's answer. The body of a PATCH is a strategic merge patch.

        Raises:
            ApiError: The answer is no success.
            aiohttp.ClientError: There is no answer.
        """
        kind = "application/strategic-merge-patch+json" if method == "PATCH" else "application/json"
        headers = {"Authorization": f"Bearer {token or self.token}", "Content-Type": kind}
        content = None if body is None else io.BytesIO(json.dumps(body).encode())
        async with (
            aiohttp.ClientSession(headers=headers) as session,
            session.request(method, self.server + path, data=content, ssl=_trusting(self.ca)) as answer,
        ):
            text = await answer.text()
            if answer.status >= 300:
                raise ApiError(answer.status, text)
            return json.loads(text) if "json" in answer.content_type else text

    async def get(self, path: str, *, token: str = "") -> Any:
        """An object or a list by its path, e.g. `/api/v1/namespaces/default/services/a`. For errors see `request`."""
        return await self.request("GET", path, token=token)

    async def until(self, path: str, condition: Callable[[Any], bool], *, token: str = "") -> Any:
        """The object or the list as soon as the condition holds. An API server that is away is waited for.

        Raises:
            TimeoutError: The condition does not hold within `part.PATIENCE`; the text has the last answer.
        """
        last: object = None
        try:
            async with asyncio.timeout(PATIENCE):
                while True:
                    try:
                        last = await self.get(path, token=token)
                        if condition(last):
                            return last
                    except (aiohttp.ClientError, ApiError) as error:
                        last = error
                    await asyncio.sleep(0.02)
        except TimeoutError:
            raise TimeoutError(f"{path} is still {last}") from None

    async def token_for(self, namespace: str, service_account: str, *, seconds: int = 3600) -> str:
        """A token like a pod's. The API server gives none for less than 600 seconds."""
        create = ("create", "token", service_account, "--namespace", namespace, "--duration", f"{seconds}s")
        return (await self.kubectl(*create)).strip()

    async def kubeconfig_for_service_account(self, namespace: str, name: str) -> Path:
        """A new file with a new token."""
        path = self.folder / f"{namespace}-{name}-{secrets.token_hex(4)}.kubeconfig"
        self.write_kubeconfig(path, await self.token_for(namespace, name))
        return path

    def write_kubeconfig(self, path: Path, token: str, *, relay: str = "") -> None:
        """Write a file that names this API server, or a relay to it (HOST:PORT), and this token."""
        name = str(urlsplit(self.server).hostname)
        cluster = {"server": f"https://{relay}" if relay else self.server, "certificate-authority": str(self.ca)}
        content = {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "test", "cluster": {**cluster, "tls-server-name": name}}],
            "users": [{"name": "test", "user": {"token": token}}],
            "contexts": [{"name": "test", "context": {"cluster": "test", "user": "test"}}],
            "current-context": "test",
        }
        path.write_text(yaml.safe_dump(content))

    async def copy_etcd(self) -> None:
        """Keep a copy of etcd's data, for `restore_etcd`."""
        await self.etcd.kill()
        shutil.copytree(self.folder / "etcd", self.folder / "etcd-copy", dirs_exist_ok=True)
        await self.start()

    async def restore_etcd(self) -> None:
        """Bring back the copy while all parts are down; then all start again."""
        await self.stop()
        shutil.rmtree(self.folder / "etcd")
        (self.folder / "etcd-copy").rename(self.folder / "etcd")
        await self.start()

    async def compact(self) -> None:
        """Forget the history in etcd. An API server keeps a history of its own: only a later start answers 410 to
        watches and continued lists from before.
        """
        revision = (await self._etcd("maintenance/status"))["header"]["revision"]
        await self._etcd("kv/compaction", revision=revision, physical=True)

    async def _etcd(self, call: str, **message: object) -> Any:
        """https://etcd.io/docs/v3.6/dev-guide/api_grpc_gateway"""
        async with (
            aiohttp.ClientSession(raise_for_status=True) as session,
            session.post(f"{self.etcd_url}/v3/{call}", json=message) as answer,
        ):
            return await answer.json()


@functools.cache
def _trusting(ca: Path) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=ca)


@contextlib.asynccontextmanager
async def cluster(
    state: Path, *, apiserver: Sequence[str] = (), address: str = "", controllers: Sequence[str] = CONTROLLERS
) -> AsyncIterator[Cluster]:
    """A running control plane with its state in a folder, until the end. Several at once use different addresses.

    Args:
        apiserver: More flags for kube-apiserver, e.g. `--etcd-compaction-interval=1s`.
        address: Of the API server; empty: one of its own on loopback.
        controllers: With the controller of ServiceAccounts, Pods get one, and a token.

    Raises:
        RuntimeError: A part didn't start; the text says why.
    """
    running = _cluster(state, address or own_address(), apiserver, controllers)
    try:
        await running.start()
        await _register_node(running)
        yield running
    finally:
        await running.stop()


def _cluster(state: Path, address: str, apiserver: Sequence[str], controllers: Sequence[str]) -> Cluster:
    state.mkdir(exist_ok=True)
    result = Cluster(state, f"https://{address}:6443", f"http://{address}:2379", secrets.token_hex())
    (state / "tokens.csv").write_text(f"{result.token},admin,admin,system:masters\n")
    (state / "service-accounts.key").write_bytes(_private_key())
    result.write_kubeconfig(result.kubeconfig, result.token)
    result.etcd = _part(result, "etcd", _etcd_flags(state, address), functools.partial(_etcd_ready, result))
    flags = {**_apiserver_flags(state, address), "etcd-servers": result.etcd_url}
    if "serviceaccount-controller" not in controllers:  # nobody makes the account `default` for pods
        flags["disable-admission-plugins"] = "ServiceAccount"
    result.apiserver = _part(result, "kube-apiserver", flags, functools.partial(_apiserver_ready, result), apiserver)
    flags = _controller_flags(state, controllers)
    result.controller_manager = _part(result, "kube-controller-manager", flags, _always_ready)
    return result


def own_address() -> str:
    """An address without other users. Its ports can be the usual ones: a free port above 32767 could go to an outgoing
    connection while a part is down, and the part couldn't start again.
    """
    first, second = secrets.token_bytes(2)
    return f"127.{first}.{second}.1" if first else own_address()


def _private_key() -> bytes:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def _part(
    of: Cluster,
    name: str,
    flags: Mapping[str, object],
    ready: Callable[[], Any],
    more: Sequence[str] = (),
) -> Part:
    command: list[str | Path] = [folder() / name, *(f"--{flag}={value}" for flag, value in flags.items()), *more]
    return Part(command, of.folder / f"{name}.log", ready)


def _etcd_flags(state: Path, address: str) -> dict[str, object]:
    client, peer = f"http://{address}:2379", f"http://{address}:2380"
    return {
        "data-dir": state / "etcd",
        "listen-client-urls": client,
        "advertise-client-urls": client,
        "listen-peer-urls": peer,
        "initial-advertise-peer-urls": peer,
        "initial-cluster": f"default={peer}",
        "unsafe-no-fsync": "true",  # the machine doesn't lose power in a test; a SIGKILL loses nothing
        "log-level": "error",
    }


def _apiserver_flags(state: Path, address: str) -> dict[str, object]:
    key = state / "service-accounts.key"
    return {
        "bind-address": address,
        "advertise-address": "192.0.2.1",  # no loopback address allowed: the EndpointSlice `kubernetes` has the address
        "secure-port": 6443,
        "cert-dir": state / "certificates",  # the folder of its generated certificate
        "service-cluster-ip-range": "10.96.0.0/12",
        "token-auth-file": state / "tokens.csv",
        "authorization-mode": "RBAC",
        "service-account-issuer": "https://kubernetes.default.svc",
        "service-account-key-file": key,
        "service-account-signing-key-file": key,
        "shutdown-watch-termination-grace-period": "1s",  # else a SIGTERM takes a minute while somebody watches
    }


def _controller_flags(state: Path, controllers: Sequence[str]) -> dict[str, object]:
    return {
        "kubeconfig": state / "kubeconfig",
        "leader-elect": "false",
        "controllers": ",".join(controllers),
        "kube-api-qps": 200,
        "kube-api-burst": 400,
        "service-account-private-key-file": state / "service-accounts.key",
        "root-ca-file": state / "certificates" / "apiserver.crt",  # the certificate is its own authority
        "secure-port": 0,
    }


async def _etcd_ready(of: Cluster) -> bool:
    try:
        await of._etcd("maintenance/status")
    except aiohttp.ClientError:
        return False
    return True


async def _apiserver_ready(of: Cluster) -> bool:
    try:
        await of.get("/readyz")
    except (aiohttp.ClientError, ApiError, FileNotFoundError):
        return False
    return True


async def _always_ready() -> bool:
    """The controllers have no port; tests wait for their results."""
    return True


async def _register_node(running: Cluster) -> None:
    await running.request("POST", "/api/v1/nodes", {"metadata": {"name": NODE}})
