"""Passwords, checked by the proxy (`basic-auth`), or by `xds authz` beside the proxy (`authz`).

Envoy's own filter knows the hash {SHA} alone, and its realm is always the URL.
"""

from datetime import timedelta
from typing import Final

from xds.envoyapi.messages import (
    Any,
    ApiVersion,
    BasicAuth,
    BasicAuthPerRoute,
    CheckSettings,
    DataSource,
    ExtAuthz,
    ExtAuthzPerRoute,
    GrpcService,
    GrpcServiceEnvoyGrpc,
    HttpFilter,
    HttpStatus,
    StatusCode,
)
from xds.resources import names
from xds.resources.filters.any_suffices import unless_allowed
from xds.resources.filters.switched import off, on
from xds.traffic.access import Passwords
from xds.traffic.policy import Policy

BASIC_AUTH: Final = "basic-auth"

NO_USERS: Final = "# none\n"
"""A file without users: Envoy rejects an empty text."""

AUTHZ_TIMEOUT: Final = timedelta(seconds=5)
"""Longest answer of `xds authz`, after which a request is answered 503. Its own bounds are below."""


def basic_auth() -> HttpFilter:
    """The filter without users: 401 for each request."""
    return off(BASIC_AUTH, BasicAuth(users=DataSource(inline_string=NO_USERS)))


def authz() -> HttpFilter:
    """The filter that asks `xds authz`, which refuses where a route names no users. Without the cluster: 503."""
    service = GrpcService(envoy_grpc=GrpcServiceEnvoyGrpc(cluster_name=names.AUTHZ), timeout=AUTHZ_TIMEOUT)
    return off(
        names.AUTHZ,
        ExtAuthz(
            grpc_service=service,
            transport_api_version=ApiVersion.V3,
            status_on_error=HttpStatus(code=StatusCode.ServiceUnavailable),
            filter_enabled_metadata=unless_allowed(),
        ),
    )


def basic_auth_of(policy: Policy) -> Any | None:
    """The filter's configuration for routes of a policy; None for routes whose passwords the proxy doesn't check."""
    passwords = policy.access.passwords if policy.access else None
    if passwords is None or passwords.by_authz:
        return None
    return on(BasicAuthPerRoute(users=DataSource(inline_string=f"# users\n{_lines(passwords)}")))


def authz_of(policy: Policy) -> Any | None:
    """The filter's configuration for routes of a policy; None for routes whose passwords `xds authz` doesn't check."""
    passwords = policy.access.passwords if policy.access else None
    if passwords is None or not passwords.by_authz:
        return None
    extensions = {"realm": passwords.realm, "ingress": str(passwords.ingress), "users": _lines(passwords)}
    return on(ExtAuthzPerRoute(check_settings=CheckSettings(context_extensions=extensions)))


def _lines(passwords: Passwords) -> str:
    return "".join(f"{user}:{hash_}\n" for user, hash_ in passwords.users)
