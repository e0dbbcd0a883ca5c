"""The product under test: `xds serve` on a folder of manifests, and an Envoy on ports 80 and 443 of all addresses.

`xds authz` runs beside the Envoy.
"""

import contextlib
import http.client
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

from tests.rows.client import PORTS
from tests.rows.world import CLASS, DEFAULT_CERTIFICATE, Object
from tests.support.envoy_binary import BINARY

CONFIG_MAP: Final = ("ingress-nginx", "ingress-nginx-controller")
_FLAGS: Final = ("--compatibility", "ingress-nginx", "--nginx-configmap", "/".join(CONFIG_MAP))
_XDS: Final = (sys.executable, "-m", "xds")
_START_SECONDS: Final = 30
_STOP_SECONDS: Final = 10
_SERVER, _ADMIN, _ENVOY_ADMIN, _AUTHZ_ADMIN = 18000, 18080, 19000, 18081

INGRESS_CLASS: Final[Object] = {
    "apiVersion": "networking.k8s.io/v1",
    "kind": "IngressClass",
    "metadata": {"name": CLASS},
    "spec": {"controller": "xds-ingress.dev/controller"},
}


@contextlib.contextmanager
def serving(objects: list[Object], config_map: dict[str, str], folder: Path) -> Iterator[None]:
    """Serve objects until the end of the context, from the moment at which Envoy has everything.

    Raises:
        RuntimeError: a process ended, or wasn't ready in time.
    """
    manifests = folder / "manifests"
    manifests.mkdir()
    namespace, name = CONFIG_MAP
    metadata = {"name": name, "namespace": namespace}
    more: list[Object] = [
        INGRESS_CLASS,
        {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": config_map},
    ]
    (manifests / "all.yaml").write_text("---\n".join(json.dumps(each) + "\n" for each in (*more, *objects)))
    log = folder / "log"
    addresses = (
        "--listen",
        f"127.0.0.1:{_SERVER}",
        "--admin",
        f"127.0.0.1:{_ADMIN}",
        "--ui",
        "off",
        "--listener-address",
        "::",
    )
    ports = ("--http-port", str(PORTS["http"]), "--https-port", str(PORTS["https"]))
    default = ("--default-tls-secret", "/".join(DEFAULT_CERTIFICATE))
    more_flags = ("--ingress-class", CLASS, "--max-regex-size", "10000", *default, *_FLAGS)
    with contextlib.ExitStack() as stack:
        written = stack.enter_context(log.open("wb"))
        started: list[subprocess.Popen[bytes]] = []
        stack.callback(_stop, started)
        socket = f"unix:{folder / 'authz'}"
        authz = (*_XDS, "authz", "--listen", socket, "--admin", f"127.0.0.1:{_AUTHZ_ADMIN}")
        started.append(subprocess.Popen(authz, stdout=written, stderr=written))
        _until(started, log, lambda: _status(_AUTHZ_ADMIN, "/readyz") == http.HTTPStatus.OK)
        serve = (*_XDS, "serve", "--from", str(manifests), *addresses, *ports, *more_flags, "--authz", socket)
        started.append(subprocess.Popen(serve, stdout=written, stderr=written))
        _until(started, log, lambda: _status(_ADMIN, "/readyz") == http.HTTPStatus.OK)
        bootstrap = (*_XDS, "bootstrap", "--xds", f"127.0.0.1:{_SERVER}", "--admin-port", str(_ENVOY_ADMIN))
        config = subprocess.run((*bootstrap, "--node-id", "rows"), check=True, capture_output=True).stdout
        (folder / "envoy.yaml").write_bytes(config)
        envoy = (str(BINARY), "-c", str(folder / "envoy.yaml"), "--concurrency", "1", "-l", "warning")
        started.append(
            subprocess.Popen((*envoy, "--base-id", str(os.getpid() % 30000)), stdout=written, stderr=written)
        )
        _until(started, log, lambda: _status(_ENVOY_ADMIN, "/ready") == http.HTTPStatus.OK)
        _until(started, log, _in_sync)
        yield


def problems(folder: Path) -> str:
    """The problems of the objects that were served."""
    command = (*_XDS, "problems", "--from", str(folder / "manifests"), "--ingress-class", CLASS)
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout


def _in_sync() -> bool:
    command = (*_XDS, "proxies", "--server", f"127.0.0.1:{_SERVER}", "-o", "json")
    shown = subprocess.run(command, capture_output=True, text=True, check=False)
    types = [each for proxy in json.loads(shown.stdout or "[]") for each in proxy["types"]]
    return len(types) > 1 and all(each["in_sync"] for each in types)


def _until(processes: list[subprocess.Popen[bytes]], log: Path, condition: Callable[[], bool]) -> None:
    ends = time.monotonic() + _START_SECONDS
    while time.monotonic() < ends:
        if any(process.poll() is not None for process in processes):
            break
        with contextlib.suppress(OSError, http.client.HTTPException):
            if condition():
                return
        time.sleep(0.05)
    raise RuntimeError(f"not ready:\n{log.read_text()[-3000:]}")


def _stop(processes: list[subprocess.Popen[bytes]]) -> None:
    for process in reversed(processes):
        process.terminate()
    for process in processes:
        try:
            process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _status(port: int, path: str) -> int:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("GET", path)
        return connection.getresponse().status
    finally:
        connection.close()
