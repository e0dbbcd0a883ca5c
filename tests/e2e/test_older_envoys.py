"""Envoys that are too old, in a fleet with served ones: a clear line, their last configuration, no harm to the rest.

Covers one release of each minor version from 1.36 to the last that isn't served, over both variants, under load, with
every flag that changes listeners. Excludes clients of other names and newer builds (test_builds.py).
"""

import asyncio
import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

import pytest
import structlog

from tests.support import envoy_versions
from tests.support.echo import echo
from tests.support.envoy import Envoy, free_port, needs_envoy, running_envoy
from tests.support.envoy_binary import BINARY
from tests.support.http import get
from tests.support.objects import ingress, path, rule, service, slice_of
from tests.support.plane import Plane
from tests.support.steady import Steady
from tests.support.waiting import WAIT_LIMIT_SECONDS, until
from xds.address import HostPort, UnixPath
from xds.kube.objects import Ingress
from xds.problems.problem import ObjectRef
from xds.protocol import builds
from xds.protocol.builds import SUPPORTED_ENVOYS
from xds.protocol.stuck import StuckReason
from xds.resources import connection_manager
from xds.resources.filters.chain import http_filters as chain
from xds.resources.options import ProxyOptions, TracingOptions

pytestmark = [needs_envoy, pytest.mark.timeout(120)]

NODES: Final = ("delta", "sotw")

IN_A_ROW: Final = 16
"""New connections with the right answer: then both Envoys have a change, as the kernel spreads connections."""


def web(*hosts: str) -> Ingress:
    return ingress("web", *(rule(host, path("/", "web")) for host in hosts))


def served_then(port: int) -> ProxyOptions:
    return ProxyOptions(listener_address="127.0.0.1", http_port=port, https_port=free_port(), vhds=False)


def served_now(port: int, folder: Path) -> ProxyOptions:
    """Every flag that changes listeners, clusters or routes in a way of its own."""
    return ProxyOptions(
        listener_address="127.0.0.1",
        http_port=port,
        https_port=free_port(),
        trusted_hops=1,
        traffic_metrics=True,
        tracing=TracingOptions(HostPort("127.0.0.1", free_port())),
        authz=UnixPath(str(folder / "s")),
        access_log_fields=("host", "ingress", "traceId"),
    )


@contextlib.contextmanager
def older_server(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A server of an older Envoy's time: filters that are off now are younger than the older Envoys."""
    with monkeypatch.context() as patch:
        patch.setattr(builds, "OLDEST_ENVOY", (1, 30))
        patch.setattr(connection_manager, "http_filters", lambda: [each for each in chain() if not each.disabled])
        patch.setattr(connection_manager, "access_log", lambda _: [])  # 1.36 knows no %TRACE_ID%
        yield


async def until_backend(port: int, host: str, backend: str) -> None:
    """Until both Envoys of a port answer from a backend; empty: from none."""
    async with asyncio.timeout(WAIT_LIMIT_SECONDS):
        in_a_row = 0
        while in_a_row < IN_A_ROW:
            with contextlib.suppress(OSError):
                reply = await get(port, host)
                in_a_row = in_a_row + 1 if reply.status in {200, 404} and reply.backend == backend else 0


def attempts(envoy: Envoy) -> int:
    """Streams that the server ended because of the version, as Envoy logs them."""
    return envoy.log.count("is not served; use")


async def until_refused_again(envoys: list[Envoy]) -> None:
    known = [attempts(each) for each in envoys]
    await until(lambda: all(attempts(each) >= count + 2 for each, count in zip(envoys, known, strict=True)))


async def updates(envoys: list[Envoy]) -> list[dict[str, int]]:
    """Updates of listeners, clusters and routes that each Envoy has taken, and rejected."""
    of_type = r"(listener_manager\.lds|cluster_manager\.cds|.*\.rds\..*|vhds\..*)"
    names = rf"{of_type}\.(update_success|update_rejected|config_reload)$"
    return [await each.stats(names) for each in envoys]


async def two_envoys(
    stack: contextlib.AsyncExitStack, address: str, folder: Path, name: str, binary: Path = BINARY
) -> list[Envoy]:
    """An Envoy of each variant. Both share the listeners' ports."""
    started = (
        running_envoy(address, folder, node=f"{name}-{node}", sotw=node == "sotw", binary=binary, all_stats=True)
        for node in NODES
    )
    return [await stack.enter_async_context(each) for each in started]


@pytest.mark.parametrize("version", envoy_versions.TOO_OLD)
async def test_an_older_envoy_is_refused_and_hurts_nobody(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, version: str, record_property: Callable[[str, object], None]
) -> None:
    """Two older Envoys got a configuration from a server of their time, which the present one replaces."""
    if reason := envoy_versions.missing(version):
        pytest.skip(reason)
    older_port, newer_port, xds_port = free_port(), free_port(), free_port()
    address, steady = f"127.0.0.1:{xds_port}", Steady()
    async with contextlib.AsyncExitStack() as stack:
        first, second = [await stack.enter_async_context(echo(name)) for name in ("first", "second")]
        objects = web("old.example"), service("web"), slice_of("web", "127.0.0.1", ports=[first])
        older = await two_envoys(stack, address, tmp_path, "older", envoy_versions.binary(version))
        with older_server(monkeypatch):
            async with Plane(*objects, proxy=served_then(older_port), port=xds_port):
                await until_backend(older_port, "old.example", "first")
        await stack.enter_async_context(steady.asking(older_port, "old.example"))
        log = stack.enter_context(structlog.testing.capture_logs())
        plane = await stack.enter_async_context(Plane(*objects, proxy=served_now(newer_port, tmp_path), port=xds_port))
        newer = await two_envoys(stack, address, tmp_path, "newer")
        await until_backend(newer_port, "old.example", "first")
        await stack.enter_async_context(steady.asking(newer_port, "old.example"))
        await until_refused_again(older)
        before = await updates(newer)
        await until_refused_again(older)
        assert await updates(newer) == before

        plane.apply(web("old.example", "new.example"))
        await until_backend(newer_port, "new.example", "first")
        plane.apply(slice_of("web", "127.0.0.1", ports=[second]))
        await until_backend(newer_port, "old.example", "second")
        await until_refused_again(older)
        await until_backend(older_port, "old.example", "first")
        await until_backend(older_port, "new.example", "")
        assert all(now != then for now, then in zip(await updates(newer), before, strict=True))
        assert_told(plane, older, version)
    record_property("requests", f"{sum(steady.sent.values())}, failed: {len(steady.failed)}")
    assert steady.failed == []
    events = [(line["event"], line.get("node")) for line in log if line["event"].startswith("proxy_")]
    refused = sorted(each for each in events if str(each[1]).startswith("older"))
    assert refused == [("proxy_unsupported", f"older-{node}") for node in NODES]
    assert not [name for name, _ in events if name in {"proxy_rejected", "proxy_stuck"}]


def assert_told(plane: Plane, older: list[Envoy], version: str) -> None:
    """Envoy's log, the problems and the list of proxies name the version; only the newer Envoys are served."""
    plane.pipeline.report_unsupported(plane.ads.unsupported.current)
    said = f"Envoy {envoy_versions.minor(version)} is not served; use {SUPPORTED_ENVOYS[0]} or a newer version"
    assert all(said in each.log for each in older)
    assert {each.object: (each.reason, said in each.message) for each in plane.pipeline.problems} == {
        ObjectRef("Proxy", "", f"older-{node}"): ("ProxyUnsupported", True) for node in NODES
    }
    found = [(each.stream.node, each.stuck[0].reason) for each in plane.ads.proxies() if each.stuck]
    assert {node.id: reason for node, reason in found if node} == {
        f"older-{node}": StuckReason.UNSUPPORTED for node in NODES
    }
    (served,) = (each.build for each in plane.ads._fleet.builds)
    assert served.version in SUPPORTED_ENVOYS
