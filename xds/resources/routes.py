"""RDS and VHDS: the domains of a listener as a RouteConfiguration and its virtual hosts."""

import itertools
from collections.abc import Iterable, Iterator
from datetime import timedelta
from typing import Final

from xds.envoyapi import codec
from xds.envoyapi.messages import (
    DirectResponseAction,
    HeaderMatcher,
    Metadata,
    PreviousHostsPredicate,
    RedirectAction,
    RedirectActionRedirectResponseCode,
    RegexMatcher,
    RetryPolicy,
    RetryPolicyRetryHostPredicate,
    RouteAction,
    RouteConfiguration,
    RouteMatch,
    StringMatcher,
    Struct,
    Value,
    Vhds,
)
from xds.envoyapi.messages import Route as EnvoyRoute
from xds.envoyapi.messages import VirtualHost as EnvoyVirtualHost
from xds.problems.problem import Key
from xds.resources import names
from xds.resources.config_source import ads
from xds.resources.options import ProxyOptions
from xds.resources.route_tables import ANY, Answers, Domain, Fixed
from xds.traffic.model import PathType, Route, is_wildcard

RETRIES: Final = 2
RETRY_ON: Final = "connect-failure,refused-stream,reset-before-request"
"""What a request of any method survives: in none of these cases has a backend seen it. Source:
https://www.envoyproxy.io/docs/envoy/latest/configuration/http/http_filters/router_filter#x-envoy-retry-on
"""

NO_TIMEOUT: Final = timedelta(0)
"""Envoy gives a response 15 s by default, which ends downloads and long polls; the idle timeouts still hold."""


def route_configuration(name: str, *, vhds: bool) -> RouteConfiguration:
    """Without its virtual hosts; `vhds`: it sends the proxy to look for them."""
    return RouteConfiguration(
        name=name,
        vhds=Vhds(config_source=ads(wait=True)) if vhds else None,
        ignore_port_in_host_matching=True,
    )


def inlined(configuration: bytes, virtual_hosts: Iterable[bytes]) -> bytes:
    """An encoded RouteConfiguration with these encoded virtual hosts inside, so that the proxy need not look for them.

    Encodings of parts of a message, one behind the other, are the encoding of the message:
    https://protobuf.dev/programming-guides/encoding/#last-one-wins
    """
    message = codec.upb(codec.decode(RouteConfiguration, configuration))
    message.ClearField("vhds")
    head = message.SerializeToString(deterministic=True)
    return b"".join((head, *itertools.chain.from_iterable(map(_as_field, virtual_hosts))))


def _as_field(virtual_host: bytes) -> tuple[bytes, bytes, bytes]:
    """A virtual host as it stands in a RouteConfiguration."""
    return _TAG, _varint(len(virtual_host)), virtual_host


_TAG: Final = b"\x12"
"""Field 2, RouteConfiguration.virtual_hosts, with a length: https://protobuf.dev/programming-guides/encoding/"""


def _varint(number: int) -> bytes:
    digits = bytearray()
    while number > 0x7F:
        digits.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes((*digits, number))


class VirtualHosts:
    """Makes the virtual hosts of domains.

    Args:
        options: The listeners' ports are what a redirect leads from and to.
    """

    def __init__(self, options: ProxyOptions) -> None:
        self._options = options

    def virtual_host(self, name: str, domain: Domain) -> EnvoyVirtualHost:
        return EnvoyVirtualHost(
            name=name,
            domains=[domain.name],
            routes=[*self._guarded(domain), *self._redirects(domain), *_routes(domain.inside, domain.default, None)],
            retry_policy=_retry_policy(),
        )

    def _guarded(self, domain: Domain) -> Iterator[EnvoyRoute]:
        """The routes for hosts with more labels than the wildcard stands for: they are tried first, behind a guard."""
        if is_wildcard(domain.name) and domain.name != ANY:
            guard = _more_labels_than(domain.name)
            yield from _routes(domain.outside, domain.default, guard)
            if not isinstance(domain.outside, Fixed):
                yield _status("not-found", 404, guard)

    def _redirects(self, domain: Domain) -> Iterator[EnvoyRoute]:
        """A client that came straight to the listener's port is sent to the other one; all others to the usual one.

        A request that a trusted proxy in front took by HTTPS has come the right way: Envoy leaves its header alone, and
        sets that of all others.
        """
        if not domain.redirected:
            return
        plain = HeaderMatcher(name="x-forwarded-proto", string_match=StringMatcher(exact="http"))
        direct = HeaderMatcher(
            name=":authority", string_match=StringMatcher(suffix=f":{self._options.http_port}", ignore_case=True)
        )
        yield _redirect("redirect-https-port", [plain, direct], self._options.https_port)
        yield _redirect("redirect-https", [plain], 0)


def _routes(answers: Answers, default: Route | None, guard: HeaderMatcher | None) -> Iterator[EnvoyRoute]:
    if isinstance(answers, Fixed):
        yield _status("misdirected", 421, guard)
        return
    for route in answers.routes:
        yield _route(route, guard)
    default = answers.default or default
    if default is not None:
        yield _route(default, guard)


def _route(route: Route, guard: HeaderMatcher | None) -> EnvoyRoute:
    name = f"{route.ingress} {route.path_type} {route.path}"
    metadata = _metadata(route.ingress, route.service)
    match = _match(route, guard)
    if route.backend is None:
        return EnvoyRoute(name=name, match=match, metadata=metadata, direct_response=DirectResponseAction(status=503))
    action = RouteAction(cluster=names.cluster(route.backend), timeout=NO_TIMEOUT)
    return EnvoyRoute(name=name, match=match, metadata=metadata, route=action)


def _match(route: Route, guard: HeaderMatcher | None) -> RouteMatch:
    headers = [guard] if guard else []
    if route.path_type is PathType.EXACT:
        return RouteMatch(path=route.path, headers=headers)
    prefix = route.path.rstrip("/")
    return RouteMatch(path_separated_prefix=prefix, headers=headers) if prefix else _everything(headers)


def _everything(headers: list[HeaderMatcher]) -> RouteMatch:
    return RouteMatch(prefix="/", headers=headers)


def _metadata(ingress: Key, service: Key) -> Metadata:
    """Which objects a route comes from, for the access log."""
    origin = Struct(
        fields={"ingress": Value(string_value=str(ingress)), "service": Value(string_value=str(service))},
    )
    return Metadata(filter_metadata={names.METADATA: origin})


def _status(name: str, status: int, guard: HeaderMatcher | None) -> EnvoyRoute:
    match = _everything([guard] if guard else [])
    return EnvoyRoute(name=name, match=match, direct_response=DirectResponseAction(status=status))


def _redirect(name: str, headers: list[HeaderMatcher], port: int) -> EnvoyRoute:
    """`port` 0: Envoy leaves that of the request, unless it is 80."""
    return EnvoyRoute(
        name=name,
        match=_everything(headers),
        redirect=RedirectAction(
            https_redirect=True,
            port_redirect=port,
            response_code=RedirectActionRedirectResponseCode.PERMANENT_REDIRECT,
        ),
    )


def _more_labels_than(wildcard: str) -> HeaderMatcher:
    """Matches the hosts below a wildcard that have more than one label in its place, with or without a port.

    That they end as the wildcard does is known, so dots are counted: letters would make a program that Envoy refuses
    (`names.WILDCARD_LENGTH`) of a host that isn't long, above all `k` and `s`, which have Unicode's other cases. The
    port is what stands behind the last colon (`request.without_port`), and what it holds doesn't count.
    """
    one_label = RegexMatcher(regex=rf"(?:[^.]*[.]){{{wildcard.count('.')}}}[^.]*(?::[^:]*)?")
    return HeaderMatcher(name=":authority", string_match=StringMatcher(safe_regex=one_label), invert_match=True)


def _retry_policy() -> RetryPolicy:
    """Twice, each time at a host that hasn't been tried."""
    predicate = RetryPolicyRetryHostPredicate(
        name="envoy.retry_host_predicates.previous_hosts", typed_config=codec.pack(PreviousHostsPredicate())
    )
    return RetryPolicy(
        retry_on=RETRY_ON,
        num_retries=RETRIES,
        retry_host_predicate=[predicate],
        host_selection_retry_max_attempts=3,
    )
