"""Keys of client addresses and headers."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Final

from xds.problems.reasons import Reason
from xds.problems.text import shown
from xds.traffic.listeners import ListenerPolicy, RequestHeaders, ResponseHeaders, TrustedPeers
from xds.translate.nginx import custom_headers
from xds.translate.nginx.annotation import Grammar, InvalidValueError, Verdict
from xds.translate.nginx.configmap import named_headers
from xds.translate.nginx.configmap.grammars import DURATION, HEADERS, NETWORKS, header, network, number
from xds.translate.nginx.configmap.key import ConfigKey, Section, not_yet, of_annotations, without_effect
from xds.translate.nginx.configmap.reader import ConfigReader
from xds.translate.nginx.grammars import BOOLEAN

_SECTION: Final = Section.HEADERS
_FORWARDED_FOR: Final = "x-forwarded-for"
_EVERYBODY: Final = frozenset({"0.0.0.0/0", "::/0"})

USE_FORWARDED: Final = ConfigKey("use-forwarded-headers", _SECTION, BOOLEAN, "false")
TRUSTED: Final = ConfigKey("proxy-real-ip-cidr", _SECTION, NETWORKS, "0.0.0.0/0")
REAL_IP: Final = ConfigKey("enable-real-ip", _SECTION, BOOLEAN, "false")
ADDRESS_HEADER: Final = ConfigKey(
    "forwarded-for-header",
    _SECTION,
    Grammar("the name of a header", header),
    "X-Forwarded-For",
    Verdict.APPROXIMATE,
    "another header than X-Forwarded-For holds one address, and peers of all networks are believed",
)
FULL_FORWARDED_FOR: Final = ConfigKey("compute-full-forwarded-for", _SECTION, BOOLEAN, "false")
PROXY_PROTOCOL: Final = ConfigKey("use-proxy-protocol", _SECTION, BOOLEAN, "false")
PROXY_PROTOCOL_TIMEOUT: Final = ConfigKey("proxy-protocol-header-timeout", _SECTION, DURATION, "5s")
ORIGINAL_URI: Final = ConfigKey("proxy-add-original-uri-header", _SECTION, BOOLEAN, "false")
REQUEST_ID: Final = ConfigKey("generate-request-id", _SECTION, BOOLEAN, "true")
HIDDEN: Final = ConfigKey("hide-headers", _SECTION, HEADERS)
BACKENDS_SERVER: Final = ConfigKey("allow-backend-server-header", _SECTION, BOOLEAN, "false")
SERVER_TOKENS: Final = ConfigKey(
    "server-tokens",
    _SECTION,
    BOOLEAN,
    "false",
    Verdict.APPROXIMATE,
    "with true, the Server header is that of --server-header, and not nginx's",
)
UNDERSCORES: Final = ConfigKey("enable-underscores-in-headers", _SECTION, BOOLEAN, "false")
REDIRECT_CODE: Final = ConfigKey("http-redirect-code", _SECTION, number(300, 399), "308")
ALLOWED_HEADERS: Final = ConfigKey(custom_headers.ALLOWED_HEADERS, _SECTION, HEADERS)

KEYS: Final = (
    USE_FORWARDED,
    TRUSTED,
    REAL_IP,
    ADDRESS_HEADER,
    FULL_FORWARDED_FOR,
    PROXY_PROTOCOL,
    PROXY_PROTOCOL_TIMEOUT,
    ORIGINAL_URI,
    REQUEST_ID,
    HIDDEN,
    BACKENDS_SERVER,
    SERVER_TOKENS,
    UNDERSCORES,
    REDIRECT_CODE,
    ALLOWED_HEADERS,
    *of_annotations(_SECTION, relative_redirects="false"),
    *not_yet(_SECTION, forwarded_host_header="X-Forwarded-Host"),
    *named_headers.KEYS,
    *without_effect(
        _SECTION,
        "the header is a means inside of nginx",
        forwarded_for_proxy_protocol_header="X-Forwarded-For-Proxy-Protocol",
    ),
    *without_effect(_SECTION, "nothing is served from files", default_type="text/html"),
    *without_effect(_SECTION, "Envoy answers a request with an invalid header by 400", ignore_invalid_headers="true"),
)


def applied(policy: ListenerPolicy, reader: ConfigReader) -> ListenerPolicy:
    requests = RequestHeaders(
        keeps_claims=policy.requests.keeps_claims,
        trusted=_trusted(reader),
        appends_address=reader.get(FULL_FORWARDED_FOR) is True,
        original_uri=reader.get(ORIGINAL_URI) is True,
        generates_id=reader.get(REQUEST_ID) is not False,
        allows_underscores=reader.get(UNDERSCORES) is True,
        written=named_headers.headers(reader, named_headers.REQUEST_HEADERS),
    )
    has_proxy_protocol = reader.get(PROXY_PROTOCOL) is True
    clients = replace(
        policy.clients,
        proxy_protocol=has_proxy_protocol,
        proxy_protocol_timeout=reader.get(PROXY_PROTOCOL_TIMEOUT) if has_proxy_protocol else None,
    )
    return replace(policy, requests=requests, responses=_responses(policy.responses, reader), clients=clients)


def _trusted(reader: ConfigReader) -> TrustedPeers | None:
    uses_forwarded = reader.get(USE_FORWARDED) is True
    if not uses_forwarded and reader.get(REAL_IP) is not True:
        return None
    networks = tuple(dict.fromkeys(_networks(reader)))
    if not networks:
        return None
    if _EVERYBODY & {*networks}:
        message = "the forwarded headers of every client are believed, so that lists of addresses keep nobody out"
        reader.report(TRUSTED, Reason.EVERY_CLIENT_TRUSTED, message)
    return TrustedPeers(networks, reader.get(ADDRESS_HEADER) or _FORWARDED_FOR, believed=uses_forwarded)


def _networks(reader: ConfigReader) -> Iterator[str]:
    """The networks that are believed. A bad element believes nobody."""
    for text in reader.value(TRUSTED):
        try:
            yield network(text)
        except InvalidValueError:
            message = f"{TRUSTED.name} has the element {shown(text)}, no address and no network; the others count"
            reader.report(TRUSTED, Reason.CONFIG_KEY_INVALID, message, "Correct the element.")


def _responses(responses: ResponseHeaders, reader: ConfigReader) -> ResponseHeaders:
    hidden = reader.get(HIDDEN) or ()
    # Without either key, and without ingress-nginx's defaults, --server-header decides.
    if reader.get(SERVER_TOKENS) is False and reader.get(BACKENDS_SERVER) is not True:
        hidden = (*hidden, "server")
    written = named_headers.headers(reader, named_headers.RESPONSE_HEADERS)
    return replace(responses, hidden=tuple(sorted({*hidden})), written=written)
