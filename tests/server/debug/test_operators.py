"""The debug API with `--tls-operators`: the certificates that may use it, for every method.

Excludes: the flag (tests/e2e/test_xds_mtls.py).
"""

import contextlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from structlog.testing import capture_logs

from tests.support.authority import SERVER_NAME, Authority, Issued, SecretMount
from tests.support.debug_server import DebugServer, services, shop
from xds.api.v1 import debug_pb2 as pb
from xds.server.debug.operators import OperatorsOnly
from xds.server.tls import ServerTls

CA = Authority()
OPERATOR, PROXY, NAMELESS = CA.issue("ops.example", "x"), CA.issue("envoy-1", "ops.example.org"), CA.issue()
METHODS = list(pb.DESCRIPTOR.services_by_name["DebugService"].methods)


@pytest.fixture
async def target(tmp_path: Path) -> AsyncIterator[str]:
    tls = ServerTls.load(SecretMount(tmp_path / "tls", CA.issue(SERVER_NAME)).server)
    interceptor = OperatorsOnly(frozenset({"ops.example"}))
    async with DebugServer(tls=tls, interceptors=(interceptor,)) as server:
        server.do(*services("a"), shop("a"))
        yield server.target


@contextlib.asynccontextmanager
async def channel(target: str, issued: Issued) -> AsyncIterator[grpc.aio.Channel]:
    options = (("grpc.ssl_target_name_override", SERVER_NAME),)
    async with grpc.aio.secure_channel(target, issued.channel_credentials(), options) as opened:
        yield opened


async def call(opened: grpc.aio.Channel, method: Any) -> grpc.StatusCode:
    """The status of a call with an empty request; OK as soon as there is a response or metadata."""
    make: Any = opened.unary_stream if method.server_streaming else opened.unary_unary
    started: Any = make(f"/{method.containing_service.full_name}/{method.name}")(b"")
    try:
        if method.server_streaming:
            await started.initial_metadata()
            if method.name == "WatchSnapshot" and not started.done():
                started.cancel()
                return grpc.StatusCode.OK
            await started.read()
        else:
            await started
    except grpc.aio.AioRpcError as error:
        return error.code()
    return grpc.StatusCode.OK


@pytest.mark.parametrize("method", METHODS, ids=lambda method: method.name)
async def test_only_certificates_of_operators_may_call(target: str, method: Any) -> None:
    async with channel(target, OPERATOR) as opened:
        assert await call(opened, method) is not grpc.StatusCode.PERMISSION_DENIED
    for issued in (PROXY, NAMELESS):
        async with channel(target, issued) as opened:
            assert await call(opened, method) is grpc.StatusCode.PERMISSION_DENIED


async def test_a_denial_is_logged_once_for_each_certificate(target: str) -> None:
    with capture_logs() as logs:
        for issued in (PROXY, PROXY, NAMELESS):
            async with channel(target, issued) as opened:
                for method in METHODS:
                    await call(opened, method)
    denied = [each["error"] for each in logs if each["event"] == "debug_api_denied"]
    assert denied == [
        "the certificate names 'envoy-1', 'ops.example.org', and no name that may use the debug API",
        "the certificate names nobody, and no name that may use the debug API",
    ]


async def test_health_is_open_to_every_certificate(target: str) -> None:
    async with channel(target, PROXY) as opened:
        stub = health_pb2_grpc.HealthStub(opened)
        assert await stub.Check(health_pb2.HealthCheckRequest(), timeout=30)
