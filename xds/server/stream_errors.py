"""The end of a stream with an error: its gRPC status, its remedy in the log, and its reason in the metrics."""

import asyncio
import contextlib
from typing import Final

import grpc

from xds.protocol.messages import ErrorCode, ProtocolError
from xds.server.metrics.streams import RefusedReason
from xds.server.stream import Context

ABORT_TIMEOUT_SECONDS: Final = 5.0
"""Time to send the status that ends a stream."""

_CODES: Final = {
    ErrorCode.FAILED_PRECONDITION: grpc.StatusCode.FAILED_PRECONDITION,
    ErrorCode.INVALID_ARGUMENT: grpc.StatusCode.INVALID_ARGUMENT,
    ErrorCode.PERMISSION_DENIED: grpc.StatusCode.PERMISSION_DENIED,
    ErrorCode.RESOURCE_EXHAUSTED: grpc.StatusCode.RESOURCE_EXHAUSTED,
    ErrorCode.UNAVAILABLE: grpc.StatusCode.UNAVAILABLE,
}

REMEDIES: Final = {
    ErrorCode.FAILED_PRECONDITION: "upgrade the client to an Envoy that is served",
    ErrorCode.INVALID_ARGUMENT: "use a supported Envoy with a bootstrap of `xds bootstrap`; see the proxy's log",
    ErrorCode.PERMISSION_DENIED: "give the proxy a certificate with the name of its node or cluster (docs/security.md)",
    ErrorCode.RESOURCE_EXHAUSTED: "look at the CPU and the network of the proxy, which doesn't read",
    ErrorCode.UNAVAILABLE: "nothing to do: the proxy connects again",
}


def refused_reason(error: ProtocolError) -> RefusedReason:
    """The reason of an error before the first response, but for an Envoy that is too old."""
    is_certificate = error.code is ErrorCode.PERMISSION_DENIED
    return RefusedReason.CERTIFICATE if is_certificate else RefusedReason.INVALID_REQUEST


async def abort(context: Context, error: ProtocolError) -> None:
    """End the stream with the error; without one if a proxy that doesn't read leaves no room for the status."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(ABORT_TIMEOUT_SECONDS):
            await context.abort(_CODES[error.code], error.message)
