"""Listener policies: the treatment of all connections and requests, whatever their host.

The defaults are those of this product. Each value beyond comes from ingress-nginx: from its defaults, or its ConfigMap.
"""

from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import Final, TypeAlias

Headers: TypeAlias = tuple[tuple[str, str], ...]
"""Names in lower case, and values in Envoy's format: a percent sign as text is doubled."""


@dataclass(frozen=True, slots=True)
class TrustedPeers:
    """Peers whose words about the client count.

    Attributes:
        networks: Of the peers, in CIDR notation.
        header: Lists the addresses; in lower case.
        believed: Whether x-forwarded-proto, -host and -port count too, and not the address alone.
    """

    networks: tuple[str, ...]
    header: str = "x-forwarded-for"
    believed: bool = True


@dataclass(frozen=True, slots=True)
class RequestHeaders:
    """Headers of requests to backends.

    Attributes:
        keeps_claims: Whether backends get the client's own x-forwarded-for and x-forwarded-host as x-original-….
        trusted: Peers whose words about the client count. None: as the operator's flags say.
        appends_address: Whether the client's address follows the received x-forwarded-for in place of replacing it.
        original_uri: Whether backends get the path and query as sent as x-original-uri.
        generates_id: Whether requests without x-request-id get one.
        allows_underscores: Whether headers with underscores in their names are passed on.
        written: Set on all requests.
    """

    keeps_claims: bool = False
    trusted: TrustedPeers | None = None
    appends_address: bool = False
    original_uri: bool = False
    generates_id: bool = True
    allows_underscores: bool = False
    written: Headers = ()


@dataclass(frozen=True, slots=True)
class ResponseHeaders:
    """Headers of answers to clients.

    Attributes:
        hidden: Names of headers that clients don't see, in lower case.
        written: Set on all answers.
        transport_security: The header strict-transport-security of all answers by HTTPS. Empty: the backend's.
    """

    hidden: tuple[str, ...] = ()
    written: Headers = ()
    transport_security: str = ""


@dataclass(frozen=True, slots=True)
class ClientConnections:
    """Connections of clients. None: this product's own bound.

    Attributes:
        idle_timeout: Time without a request after which a connection is closed.
        max_requests: Requests of a connection at most.
        header_timeout: Time for the headers of a request.
        max_header_kib: KiB of the headers of a request at most.
        uses_http2: Whether HTTP/2 is offered.
        max_streams: Concurrent requests of an HTTP/2 connection.
        proxy_protocol: Whether each connection begins with a PROXY protocol header.
        proxy_protocol_timeout: Time for that header.
    """

    idle_timeout: timedelta | None = None
    max_requests: int | None = None
    header_timeout: timedelta | None = None
    max_header_kib: int | None = None
    uses_http2: bool = True
    max_streams: int | None = None
    proxy_protocol: bool = False
    proxy_protocol_timeout: timedelta | None = None


@dataclass(frozen=True, slots=True)
class BackendConnections:
    """Connections to backends. None: this product's own bound.

    Attributes:
        idle_timeout: Time without a request after which a connection is closed.
        max_age: Time after which a connection takes no more requests.
        max_requests: Requests of a connection at most.
    """

    idle_timeout: timedelta | None = None
    max_age: timedelta | None = None
    max_requests: int | None = None


@dataclass(frozen=True, slots=True)
class TlsSettings:
    """TLS of clients' connections. Empty or None: as the operator's flags say.

    Attributes:
        versions: The oldest and the newest version, such as ("1.2", "1.3").
        ciphers: Suites of TLS 1.2 and older, by OpenSSL's names, the preferred first.
        curves: Key exchanges, by BoringSSL's names.
        has_tickets: Whether sessions can be resumed by tickets.
        session_timeout: Time in which a session can be resumed.
    """

    versions: tuple[str, str] | None = None
    ciphers: tuple[str, ...] = ()
    curves: tuple[str, ...] = ()
    has_tickets: bool = True
    session_timeout: timedelta | None = None


class Encoding(StrEnum):
    GZIP = "gzip"
    BROTLI = "br"


@dataclass(frozen=True, slots=True)
class Compression:
    """The compression of answers.

    Attributes:
        encoding: Chosen if the client takes it.
        level: 1 to 9 for gzip, 0 to 11 for brotli.
        min_bytes: Shorter bodies stay.
        types: Media types.
    """

    encoding: Encoding
    level: int
    min_bytes: int
    types: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class AccessLogPolicy:
    """The access log of all listeners.

    Attributes:
        is_on: Whether there is one, if the operator's flags say so too.
        text: The line, in Envoy's format; empty: that of the operator's flags.
        fields: The line as JSON, in place of `text`: keys, and values in Envoy's format.
        unlogged: Paths with their query whose requests are not logged.
        has_connections: Whether connections of layer 4 are logged, likewise.
        connection_text: The line of a connection of layer 4, in Envoy's format with names of fields in braces; braces
            as text are doubled. Empty: as the operator's flags say.
    """

    is_on: bool = True
    text: str = ""
    fields: Headers = ()
    unlogged: tuple["HeaderPattern", ...] = ()
    has_connections: bool = True
    connection_text: str = ""


@dataclass(frozen=True, slots=True)
class HeaderPattern:
    """A value of a header.

    Attributes:
        value: The whole value, or an expression of RE2 that is found anywhere in the value.
        is_regex: Whether `value` is an expression.
    """

    value: str
    is_regex: bool = False


@dataclass(frozen=True, slots=True)
class Blocked:
    """Requests that are answered by 403, whatever their host.

    Attributes:
        networks: Of clients, in CIDR notation.
        user_agents: Values of the header user-agent.
        referers: Values of the header referer.
    """

    networks: tuple[str, ...] = ()
    user_agents: tuple[HeaderPattern, ...] = ()
    referers: tuple[HeaderPattern, ...] = ()


@dataclass(frozen=True, slots=True)
class ListenerPolicy:
    """The treatment of all connections and requests. Equal policies are equal values.

    Attributes:
        gateway_statuses: Whether failures of backends are answered by 502 and 504, as by nginx, and not by 503.
        answers_health: Whether /healthz of hosts that no rule names is answered by 200.
        takes_any_method: Whether requests may have methods that Envoy doesn't know.
        limit_status: The answer to requests above a rate limit. None: as the operator's flags say.
        requests: Headers of requests to backends.
        responses: Headers of answers to clients.
        clients: Connections of clients.
        backends: Connections to backends.
        tls: TLS of clients' connections.
        compressions: Compressions of answers, the preferred first.
        blocked: Requests that are answered by 403.
        access_log: The access log.
    """

    gateway_statuses: bool = False
    answers_health: bool = False
    takes_any_method: bool = False
    limit_status: int | None = None
    requests: RequestHeaders = RequestHeaders()
    responses: ResponseHeaders = ResponseHeaders()
    clients: ClientConnections = ClientConnections()
    backends: BackendConnections = BackendConnections()
    tls: TlsSettings = TlsSettings()
    compressions: tuple[Compression, ...] = ()
    blocked: Blocked = Blocked()
    access_log: AccessLogPolicy = AccessLogPolicy()


OWN_LISTENERS: Final = ListenerPolicy()
