"""A real Envoy with a static configuration, whose hosts ask `xds authz`."""

import asyncio
import contextlib
import itertools
import json
import os
import sys
from collections.abc import AsyncIterator, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import aiohttp

from tests.support.envoy import Envoy, free_port
from tests.support.envoy_binary import BINARY

XDS: Final = Path(sys.executable).parent / "xds"

_TYPE: Final = "type.googleapis.com/envoy.extensions.filters"

# Envoys on one machine need different base ids; those of tests.support.envoy begin at 0.
_base_ids = itertools.count(os.getpid() * 100 + 50)


@dataclass(frozen=True, slots=True)
class Guard:
    """A host's protection; None of `users`: the route brings no users."""

    ingress: str
    users: str | None
    realm: str = ""

    @property
    def extensions(self) -> dict[str, str]:
        users = {} if self.users is None else {"users": self.users}
        return {"realm": self.realm, "ingress": self.ingress, **users}


@dataclass(frozen=True, slots=True)
class RunningAuthz:
    """A running `xds authz`, and the address of its admin port."""

    process: asyncio.subprocess.Process
    listen: str
    admin: str

    async def metrics(self) -> dict[str, float]:
        """The samples by name and labels, as in the exposition."""
        async with aiohttp.ClientSession() as session, session.get(f"http://{self.admin}/metrics") as answer:
            lines = (await answer.text()).splitlines()
        return {name: float(value) for name, _, value in (line.rpartition(" ") for line in lines if line[0] != "#")}


@contextlib.asynccontextmanager
async def running_authz(listen: str, log: Path, *flags: str) -> AsyncIterator[RunningAuthz]:
    """The command at an address, ready, until the end of the context."""
    admin = f"127.0.0.1:{free_port()}"
    with log.open("ab") as output:
        command = (str(XDS), "authz", "--listen", listen, "--admin", admin, *flags)
        process = await asyncio.create_subprocess_exec(*command, stdout=output, stderr=output)
    try:
        async with aiohttp.ClientSession() as session:
            while not await _is_ready(session, admin):
                if process.returncode is not None:
                    raise RuntimeError(log.read_text())  # noqa: ASYNC240
                await asyncio.sleep(0.02)
        yield RunningAuthz(process, listen, admin)
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.terminate()
        await process.wait()


async def _is_ready(session: aiohttp.ClientSession, admin: str) -> bool:
    with contextlib.suppress(aiohttp.ClientError):
        async with session.get(f"http://{admin}/readyz") as answer:
            return answer.status == 200
    return False


@contextlib.asynccontextmanager
async def guarded_envoy(
    folder: Path, authz: str, hosts: Mapping[str, Guard | None], backend: int | None = None
) -> AsyncIterator[tuple[Envoy, int]]:
    """An Envoy and its port.

    Args:
        folder: For its files.
        authz: The path of the service's socket.
        hosts: The protection of each host; None: nobody is asked.
        backend: The port of an upstream on 127.0.0.1; None: Envoy answers by itself.
    """
    port, admin = free_port(), free_port()
    config, log = folder / "envoy.json", folder / "envoy.log"
    config.write_text(json.dumps(_bootstrap(port, admin, authz, hosts, backend)))
    with log.open("wb") as output:
        process = await asyncio.create_subprocess_exec(
            *(BINARY, "-c", config, "--base-id", str(next(_base_ids)), "--concurrency", "1", "--log-level", "warning"),
            stdout=output,
            stderr=output,
        )
    envoy = Envoy(process, admin, log)
    try:
        await envoy.until_ready()
        yield envoy, port
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()


def _bootstrap(
    port: int, admin: int, authz: str, hosts: Mapping[str, Guard | None], backend: int | None
) -> dict[str, Any]:
    clusters = [_cluster("authz", {"pipe": {"path": authz}}, http2=True)]
    if backend is not None:
        clusters.append(_cluster("backend", _address(backend)))
    action = {"direct_response": {"status": 200}} if backend is None else {"route": {"cluster": "backend"}}
    filters = [
        {"name": "authz", "typed_config": _ext_authz()},
        {
            "name": "envoy.filters.http.router",
            "typed_config": {"@type": f"{_TYPE}.http.router.v3.Router"},
        },
    ]
    manager = {
        "@type": f"{_TYPE}.network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": "http",
        "use_remote_address": True,
        "xff_num_trusted_hops": 1,
        "http_filters": filters,
        "route_config": {"name": "http", "virtual_hosts": list(_virtual_hosts(hosts, action))},
    }
    listener = {
        "name": "http",
        "address": _address(port),
        "filter_chains": [{"filters": [{"name": "http", "typed_config": manager}]}],
    }
    return {
        "admin": {"address": _address(admin)},
        "static_resources": {"listeners": [listener], "clusters": clusters},
    }


def _ext_authz() -> dict[str, Any]:
    return {
        "@type": f"{_TYPE}.http.ext_authz.v3.ExtAuthz",
        "transport_api_version": "V3",
        "grpc_service": {"envoy_grpc": {"cluster_name": "authz"}, "timeout": "5s"},
        "status_on_error": {"code": "ServiceUnavailable"},
    }


def _virtual_hosts(hosts: Mapping[str, Guard | None], action: Mapping[str, Any]) -> Iterable[dict[str, Any]]:
    for host, guard in hosts.items():
        per_route: dict[str, Any] = {"@type": f"{_TYPE}.http.ext_authz.v3.ExtAuthzPerRoute"}
        if guard is None:
            per_route["disabled"] = True
        else:
            per_route["check_settings"] = {"context_extensions": guard.extensions}
        yield {
            "name": host,
            "domains": [host],
            "routes": [{"match": {"prefix": "/"}, **action}],
            "typed_per_filter_config": {"authz": per_route},
        }


def _cluster(name: str, address: Mapping[str, Any], *, http2: bool = False) -> dict[str, Any]:
    options = {
        "@type": "type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions",
        "explicit_http_config": {"http2_protocol_options" if http2 else "http_protocol_options": {}},
    }
    return {
        "name": name,
        "connect_timeout": "1s",
        "circuit_breakers": {"thresholds": [{"max_requests": 8192}]},
        "typed_extension_protocol_options": {"envoy.extensions.upstreams.http.v3.HttpProtocolOptions": options},
        "load_assignment": {
            "cluster_name": name,
            "endpoints": [{"lb_endpoints": [{"endpoint": {"address": address}}]}],
        },
    }


def _address(port: int) -> dict[str, Any]:
    return {"socket_address": {"address": "127.0.0.1", "port_value": port}}
