"""The operator's settings of listeners and routes."""

from dataclasses import dataclass, replace
from datetime import timedelta
from enum import StrEnum
from typing import Final

from xds.address import HostPort, UnixPath
from xds.traffic.listeners import OWN_LISTENERS, BackendConnections, ListenerPolicy

DEFAULT_UPGRADES: Final = ("websocket", "SPDY/3.1", "tcp", "tailscale-control-protocol", "DERP", "alpn", "alpn-ping")
"""Protocols that HTTP/1.1 connections are upgraded to behind proxies: WebSocket, `kubectl exec` (SPDY/3.1), the API of
Docker (tcp), Tailscale and Headscale, Teleport (alpn).
"""


@dataclass(frozen=True, slots=True)
class UpstreamOptions:
    """How proxies use the connections to a backend.

    Attributes:
        idle_timeout: Time without a request after which a connection is closed.
        max_age: Time after which a connection takes no more requests. None: unlimited.
        max_requests: Requests of a connection at most. None: unlimited.
    """

    idle_timeout: timedelta = timedelta(seconds=4)
    max_age: timedelta | None = None
    max_requests: int | None = None

    def under(self, policy: BackendConnections) -> "UpstreamOptions":
        return UpstreamOptions(policy.idle_timeout or self.idle_timeout, policy.max_age, policy.max_requests)


class TlsVersion(StrEnum):
    """Versions that a proxy at the edge may accept. Source: https://www.rfc-editor.org/rfc/rfc8996 (on older ones)."""

    TLS_1_2 = "1.2"
    TLS_1_3 = "1.3"


class AccessLogFormat(StrEnum):
    """The form of a line of the access log."""

    JSON = "json"
    TEXT = "text"
    """As nginx writes its log by default, with some fields more."""
    OFF = "off"


@dataclass(frozen=True, slots=True)
class TracingOptions:
    """How proxies send traces.

    Attributes:
        collector: Takes spans by OTLP over gRPC, in plain text.
        sampling_percent: The share of requests with spans, of those without a decision in the header traceparent.
        service_name: The service that spans are of.
    """

    collector: HostPort
    sampling_percent: float = 100
    service_name: str = "xds-ingress"


@dataclass(frozen=True, slots=True)
class ProxyOptions:
    """Settings of the listeners and routes of every proxy.

    Attributes:
        listener_address: The IP address that listeners bind.
        http_port: Port of the plain listener.
        https_port: Port of the TLS listener.
        redirect_https: Whether plain requests for TLS hosts are redirected to HTTPS, except ACME challenges.
        trusted_hops: Number of proxies in front that append to x-forwarded-for. 0: the peer is the client.
        proxy_protocol: Whether every connection begins with a PROXY protocol header, version 1 or 2.
        public_http_port: Port of the plain listener as clients see the port.
        public_https_port: Port of the TLS listener as clients see the port.
        upgrades: Protocols in Upgrade headers that are passed to backends; others are ignored.
        replace_request_id: Whether a client's x-request-id is replaced.
        server_header: The Server header of responses without one; empty: none is added.
        tls_min_version: The oldest version of TLS that clients may speak.
        tls_ciphers: Cipher suites for TLS 1.2, by OpenSSL's names, the preferred first. Empty: Envoy's own.
        vhds: Whether proxies that support VHDS are sent virtual hosts one by one, outside of RouteConfigurations.
        merge_slashes: Whether several slashes in a request's path become one, before routing and for backends.
        rate_limit_status: The answer to requests above a rate limit.
        upstream: Use of the connections to all backends.
        access_log: The form of the access log, on standard output.
        access_log_fields: The fields of a line of JSON (`resources.access_log`). Empty: the usual ones.
        traffic_metrics: Whether proxies count requests, bytes and durations by Ingress.
        tracing: None: proxies send no traces.
        authz: The address at which each proxy asks `xds authz`. None: there is none.
        policy: The listener policy, which precedes the operator's flags.
        passes_tls: Whether connections of TLS may be passed through, so that silent ones are probed.
    """

    listener_address: str = "0.0.0.0"  # noqa: S104 - an ingress proxy takes connections from outside
    http_port: int = 8080
    https_port: int = 8443
    redirect_https: bool = False
    trusted_hops: int = 0
    proxy_protocol: bool = False
    public_http_port: int = 80
    public_https_port: int = 443
    upgrades: tuple[str, ...] = DEFAULT_UPGRADES
    replace_request_id: bool = False
    server_header: str = "envoy"
    tls_min_version: TlsVersion = TlsVersion.TLS_1_2
    tls_ciphers: tuple[str, ...] = ()
    vhds: bool = True
    merge_slashes: bool = True
    rate_limit_status: int = 503
    upstream: UpstreamOptions = UpstreamOptions()
    access_log: AccessLogFormat = AccessLogFormat.JSON
    access_log_fields: tuple[str, ...] = ()
    traffic_metrics: bool = False
    tracing: TracingOptions | None = None
    authz: HostPort | UnixPath | None = None
    policy: ListenerPolicy = OWN_LISTENERS
    passes_tls: bool = False

    @property
    def writes_address(self) -> bool:
        """Whether x-forwarded-for is written as by ingress-nginx, and not as `trusted_hops` says."""
        requests = self.policy.requests
        if requests.trusted is not None:
            return True
        return not self.trusted_hops and (requests.keeps_claims or requests.appends_address)

    def under(self, policy: ListenerPolicy) -> "ProxyOptions":
        """The settings with a listener policy."""
        if policy == OWN_LISTENERS:
            return self
        return replace(
            self,
            policy=policy,
            proxy_protocol=self.proxy_protocol or policy.clients.proxy_protocol,
            rate_limit_status=policy.limit_status or self.rate_limit_status,
            server_header="" if "server" in policy.responses.hidden else self.server_header,
            upstream=self.upstream.under(policy.backends),
        )
