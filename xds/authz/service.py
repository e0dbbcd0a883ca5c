"""envoy.service.auth.v3.Authorization over gRPC."""

from collections.abc import Awaitable, Callable
from typing import Any, Final

import grpc

from xds.api.v1.authz_pb2 import CheckRequest, CheckResponse
from xds.authz.authorizer import Authorizer, Verdict

SERVICE: Final = "envoy.service.auth.v3.Authorization"

_PERMISSION_DENIED: Final = 7
_UNAUTHENTICATED: Final = 16
_UNAVAILABLE: Final = 14


def handler(authorizer: Authorizer) -> "grpc.GenericRpcHandler[Any, Any]":
    """The service, for `grpc.aio.Server.add_generic_rpc_handlers`."""
    method: Any = grpc.unary_unary_rpc_method_handler(_check(authorizer), CheckRequest.FromString)
    return grpc.method_handlers_generic_handler(SERVICE, {"Check": method})


def _check(authorizer: Authorizer) -> Callable[[CheckRequest, object], Awaitable[bytes]]:
    async def check(request: CheckRequest, _context: object) -> bytes:
        attributes = request.attributes
        route = attributes.context_extensions
        authorization = attributes.request.http.headers.get("authorization")
        client = attributes.source.address.socket_address.address
        verdict = await authorizer.verdict(route, authorization, client)
        return _ANSWERS.get(verdict) or _unauthenticated(route.get("realm", b""))

    return check


def challenge(realm: bytes) -> str:
    """The value of WWW-Authenticate, with a realm as a quoted string, without control characters."""
    text = "".join(sign for sign in realm.decode(errors="replace") if sign.isprintable())
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'Basic realm="{escaped}"'


def _unauthenticated(realm: bytes) -> bytes:
    header = CheckResponse.HeaderValue(key="www-authenticate", value=challenge(realm))
    denied = CheckResponse.DeniedHttpResponse(
        status=CheckResponse.HttpStatus(code=401), headers=[CheckResponse.HeaderValueOption(header=header)]
    )
    status = CheckResponse.Status(code=_UNAUTHENTICATED)
    return CheckResponse(status=status, denied_response=denied).SerializeToString()


def _refused(code: int, http_status: int) -> bytes:
    denied = CheckResponse.DeniedHttpResponse(status=CheckResponse.HttpStatus(code=http_status))
    return CheckResponse(status=CheckResponse.Status(code=code), denied_response=denied).SerializeToString()


_ALLOWED: Final = CheckResponse(
    status=CheckResponse.Status(), ok_response=CheckResponse.OkHttpResponse(headers_to_remove=["authorization"])
).SerializeToString()

_ANSWERS: Final = {
    Verdict.ALLOWED: _ALLOWED,
    Verdict.UNCONFIGURED: _refused(_PERMISSION_DENIED, 403),
    Verdict.OVERLOADED: _refused(_UNAVAILABLE, 503),
    Verdict.FAILED: _refused(_UNAVAILABLE, 503),
}
"""Verdicts whose answer is the same for every route."""
