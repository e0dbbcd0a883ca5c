"""The authorizer of a route (auth-url), asked by HTTP about each request.

Envoy's filter lets requests in by 200 alone, and gives other answers to the client. The rest is done by a script among
the filters of the authorizer's cluster (`authorizer_script`), to which the route tells the question in headers.
"""

from collections.abc import Iterator
from datetime import timedelta
from typing import Final

from xds.envoyapi import codec
from xds.envoyapi.messages import (
    Any,
    AuthorizationRequest,
    AuthorizationResponse,
    CheckSettings,
    CoreRetryPolicy,
    DataSource,
    ExtAuthz,
    ExtAuthzPerRoute,
    HeaderValue,
    HttpFilter,
    HttpService,
    HttpStatus,
    HttpUri,
    ListStringMatcher,
    Lua,
    RegexMatcher,
    StatusCode,
    StringMatcher,
    UpstreamCodec,
)
from xds.resources import names
from xds.resources.filters.any_suffices import unless_allowed
from xds.resources.filters.authorizer_script import PREFIX, SCRIPT
from xds.resources.filters.switched import off, on
from xds.traffic.authorizer import Authorizer
from xds.traffic.policy import Policy

NAME: Final = "authorizer"

ANSWER_TIMEOUT: Final = timedelta(seconds=60)
"""Longest answer of an authorizer, as in ingress-nginx (proxy_read_timeout)."""

_NO_CLUSTER: Final = "none"
"""No cluster has the name, as names of clusters hold slashes: a route that names no authorizer answers 500."""

_NEVER_ASKED: Final = (
    "connection",
    "content-length",
    "expect",
    "http2-settings",
    "keep-alive",
    "proxy-connection",
    "te",
    "transfer-encoding",
    "upgrade",
    "x-forwarded-proto",
)
"""Headers of the client that are no part of a question, which has no body and asks for no upgrade."""

_SCHEME: Final = "%REQ(X-FORWARDED-PROTO)%"
_HOST: Final = "%REQ(:AUTHORITY)%"
_PATH: Final = "%REQ(:PATH)%"
_CLIENT: Final = "%DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT%"


def authorizer() -> HttpFilter:
    uri = HttpUri(uri="http://none.invalid", cluster=_NO_CLUSTER, timeout=ANSWER_TIMEOUT)
    disallowed = [StringMatcher(exact=name, ignore_case=True) for name in _NEVER_ASKED]
    disallowed += [StringMatcher(prefix=prefix, ignore_case=True) for prefix in (PREFIX, "x-envoy-")]
    return off(
        NAME,
        ExtAuthz(
            http_service=HttpService(server_uri=uri),
            status_on_error=HttpStatus(code=StatusCode.InternalServerError),
            filter_enabled_metadata=unless_allowed(),
            allowed_headers=ListStringMatcher(patterns=[StringMatcher(safe_regex=RegexMatcher(regex=".*"))]),
            disallowed_headers=ListStringMatcher(patterns=disallowed),
        ),
    )


def question_filters() -> list[HttpFilter]:
    """The filters of an authorizer's cluster."""
    script = Lua(default_source_code=DataSource(inline_string=SCRIPT))
    return [
        HttpFilter(name="question", typed_config=codec.pack(script)),
        HttpFilter(name="envoy.filters.http.upstream_codec", typed_config=codec.pack(UpstreamCodec())),
    ]


def authorizer_of(policy: Policy) -> Any | None:
    """The filter's configuration for routes of a policy; None for routes without an authorizer."""
    asked = policy.access.authorizer if policy.access else None
    if asked is None:
        return None
    cluster = names.cluster(asked.backend) if asked.backend else _NO_CLUSTER
    service = HttpService(
        server_uri=HttpUri(uri="http://authorizer.invalid", cluster=cluster, timeout=ANSWER_TIMEOUT),
        authorization_request=AuthorizationRequest(
            headers_to_add=[HeaderValue(key=name, value=value) for name, value in _question(asked)]
        ),
        authorization_response=AuthorizationResponse(
            # Envoy passes every header on where no list is given.
            allowed_upstream_headers=_named(asked.passed_headers or (f"{PREFIX}none",)),
            allowed_client_headers=_named(_refusal_headers(asked)),
            allowed_client_headers_on_success=_named(("set-cookie",)),
        ),
        # The authorizer may end a connection in the moment in which a question is sent.
        retry_policy=CoreRetryPolicy(retry_on="connect-failure,refused-stream,reset-before-request"),
    )
    return on(ExtAuthzPerRoute(check_settings=CheckSettings(http_service=service)))


def _question(asked: Authorizer) -> Iterator[tuple[str, str]]:
    """The headers of a question. Each that the script reads is always set, or is no client's."""
    yield f"{PREFIX}method", asked.method or "GET"
    yield f"{PREFIX}host", _literal(asked.url.host)
    yield f"{PREFIX}path", _literal(asked.asked_path)
    yield f"{PREFIX}scheme", _SCHEME
    yield f"{PREFIX}authority", _HOST
    yield f"{PREFIX}uri", _PATH
    if asked.passed_headers:
        yield f"{PREFIX}passed", ",".join(asked.passed_headers)
    if asked.sign_in:
        yield f"{PREFIX}sign-in", _literal(asked.sign_in)
    if asked.always_sets_cookies:
        yield f"{PREFIX}cookies", "always"
    own = {
        "x-original-url": f"{_SCHEME}://{_HOST}{_PATH}",
        "x-original-method": "%REQ(:METHOD)%",
        "x-sent-from": "nginx-ingress-controller",
        "x-real-ip": _CLIENT,
        "x-forwarded-for": _CLIENT,
        "x-auth-request-redirect": _literal(asked.redirect) or _PATH,
    }
    if asked.method:
        own |= {"x-original-uri": _PATH, "x-scheme": _SCHEME}
    yield from (own | {name: _literal(value) for name, value in asked.headers}).items()


def _refusal_headers(asked: Authorizer) -> tuple[str, ...]:
    named = ("www-authenticate", *(("location",) if asked.sign_in else ()))
    return (*named, "set-cookie") if asked.sign_in or asked.always_sets_cookies else named


def _named(headers: tuple[str, ...]) -> ListStringMatcher:
    return ListStringMatcher(patterns=[StringMatcher(exact=name, ignore_case=True) for name in headers])


def _literal(text: str) -> str:
    return text.replace("%", "%%")
