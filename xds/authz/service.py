"""envoy.service.auth.v3.Authorization: messages in, messages out."""

from typing import Final

import structlog
from google.protobuf.message import DecodeError

from xds.api.v1.authz_pb2 import CheckRequest, CheckResponse
from xds.authz.authorizer import Authorizer, Verdict
from xds.authz.http2 import Reply
from xds.logs import BUG_REMEDY

_PERMISSION_DENIED: Final = 7
_UNAUTHENTICATED: Final = 16
_UNAVAILABLE: Final = 14

MAX_REALM_BYTES: Final = 1024
"""A longer realm is cut, so that an answer fits a frame."""

_log = structlog.get_logger()


class CheckService:
    """The method `Check`."""

    def __init__(self, authorizer: Authorizer) -> None:
        self._authorizer = authorizer

    def check(self, message: bytes, reply: Reply) -> None:
        """Answer a CheckRequest by a CheckResponse, at once or later. Without an answer, Envoy responds with 503."""
        try:
            self._check(message, reply)
        except DecodeError:
            reply(None)
        except Exception as error:  # noqa: BLE001 - the connection has other calls
            _log.error("check_failed", error=type(error).__name__, remedy=BUG_REMEDY)
            reply(None)

    def _check(self, message: bytes, reply: Reply) -> None:
        attributes = CheckRequest.FromString(message).attributes
        route = attributes.context_extensions
        self._authorizer.decide(
            route,
            attributes.request.http.headers.get("authorization"),
            attributes.source.address.socket_address.address,
            lambda verdict: reply(_ANSWERS.get(verdict) or _unauthenticated(route.get("realm", b""))),
        )


def challenge(realm: bytes) -> str:
    """The value of WWW-Authenticate, with a realm as a quoted string, without control characters."""
    text = "".join(sign for sign in realm[:MAX_REALM_BYTES].decode(errors="replace") if sign.isprintable())
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
