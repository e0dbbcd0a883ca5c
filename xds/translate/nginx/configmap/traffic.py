"""Keys of traffic and timeouts."""

import re
from dataclasses import replace
from typing import Final

from xds.traffic.listeners import BackendConnections, ListenerPolicy
from xds.translate.nginx.annotation import Grammar, InvalidValueError, Verdict
from xds.translate.nginx.configmap.grammars import DURATION, SECONDS
from xds.translate.nginx.configmap.key import (
    ConfigKey,
    Section,
    of_annotations,
    refused,
    without_effect,
)
from xds.translate.nginx.configmap.reader import ConfigReader
from xds.translate.nginx.grammars import BOOLEAN, NATURAL

_SECTION: Final = Section.TRAFFIC
_MAX_HEADER_KIB: Final = 8192
"""Envoy's bound."""

_BUFFERS: Final = re.compile(r"([1-9][0-9]{0,3}) +([1-9][0-9]{0,6})([km]?)", re.IGNORECASE)


def _kib(value: str) -> int:
    matched = _BUFFERS.fullmatch(value.strip(" "))
    if matched is None:
        raise InvalidValueError
    unit = {"": 1, "k": 1024, "m": 1024**2}[matched[3].lower()]
    return min(max(1, int(matched[1]) * int(matched[2]) * unit // 1024), _MAX_HEADER_KIB)


HEADER_TIMEOUT: Final = ConfigKey("client-header-timeout", _SECTION, SECONDS, "60")
HEADER_BUFFERS: Final = ConfigKey(
    "large-client-header-buffers",
    _SECTION,
    Grammar("a number and a size, such as 4 8k", _kib),
    "4 8k",
    Verdict.APPROXIMATE,
    "number times size bounds all headers of a request together (431); nginx bounds a line (414, 400)",
)
KEEP_ALIVE: Final = ConfigKey("keep-alive", _SECTION, SECONDS, "75")
KEEP_ALIVE_REQUESTS: Final = ConfigKey("keep-alive-requests", _SECTION, NATURAL, "1000")
UPSTREAM_CONNECTIONS: Final = ConfigKey(
    "upstream-keepalive-connections",
    _SECTION,
    NATURAL,
    "320",
    Verdict.APPROXIMATE,
    "Envoy keeps as many connections as it needed; 0 closes each after its request",
)
UPSTREAM_TIMEOUT: Final = ConfigKey("upstream-keepalive-timeout", _SECTION, SECONDS, "60")
UPSTREAM_TIME: Final = ConfigKey("upstream-keepalive-time", _SECTION, DURATION, "1h")
UPSTREAM_REQUESTS: Final = ConfigKey("upstream-keepalive-requests", _SECTION, NATURAL, "10000")
RETRY_NON_IDEMPOTENT: Final = ConfigKey("retry-non-idempotent", _SECTION, BOOLEAN, "false")
CLIENT_BODY_TIMEOUT: Final = ConfigKey(
    "client-body-timeout",
    _SECTION,
    SECONDS,
    "60",
    Verdict.APPROXIMATE,
    "a longer time than that of all tries by proxy-read-timeout bounds the silence of uploads; a shorter one doesn't",
)
LIMIT_STATUSES: Final = frozenset({*range(400, 418), *range(421, 425), 426, 428, 429, 431, *range(500, 509), 510, 511})
"""The codes that Envoy's API knows.

Source: https://www.envoyproxy.io/docs/envoy/latest/api-v3/type/v3/http_status.proto
"""


def _limit_status(value: str) -> int:
    code = NATURAL.parse(value)
    if code not in LIMIT_STATUSES:
        raise InvalidValueError
    return code


LIMIT_STATUS: Final = ConfigKey(
    "limit-req-status-code",
    _SECTION,
    Grammar("a registered status code from 400 on", _limit_status),
    "503",
    Verdict.APPROXIMATE,
    "ingress-nginx takes codes without a meaning too",
)

KEYS: Final = (
    HEADER_TIMEOUT,
    HEADER_BUFFERS,
    KEEP_ALIVE,
    KEEP_ALIVE_REQUESTS,
    UPSTREAM_CONNECTIONS,
    UPSTREAM_TIMEOUT,
    UPSTREAM_TIME,
    UPSTREAM_REQUESTS,
    RETRY_NON_IDEMPOTENT,
    CLIENT_BODY_TIMEOUT,
    LIMIT_STATUS,
    *of_annotations(
        _SECTION,
        proxy_connect_timeout="5",
        proxy_read_timeout="60",
        proxy_send_timeout="60",
        proxy_next_upstream="error timeout",
        proxy_next_upstream_tries="3",
        proxy_next_upstream_timeout="0",
        proxy_body_size="1m",
        proxy_buffering="off",
        proxy_request_buffering="on",
        proxy_http_version="1.1",
        proxy_cookie_domain="off",
        proxy_cookie_path="off",
        proxy_redirect_from="off",
        proxy_redirect_to="off",
        load_balance="round_robin",
        service_upstream="false",
        limit_rate="0",
        limit_rate_after="0",
        client_body_buffer_size="8k",
        proxy_buffer_size="4k",
        proxy_buffers_number="4",
        proxy_busy_buffers_size="",
        proxy_max_temp_file_size="1024m",
    ),
    *without_effect(_SECTION, "Envoy's buffer of headers grows by itself", client_header_buffer_size="1k"),
    *without_effect(_SECTION, "Envoy streams messages of gRPC", grpc_buffer_size_kb="0"),
    *without_effect(_SECTION, "limit-connections is refused", limit_conn_status_code="503"),
    *refused(
        _SECTION,
        "requests are counted by the client's address alone",
        "Remove the key, or count in front of the proxies.",
        limit_conn_zone_variable="$binary_remote_addr",
    ),
)


def applied(policy: ListenerPolicy, reader: ConfigReader) -> ListenerPolicy:
    keep_alive, requests = reader.get(KEEP_ALIVE), reader.get(KEEP_ALIVE_REQUESTS)
    clients = replace(
        policy.clients,
        header_timeout=reader.get(HEADER_TIMEOUT) or None,
        max_header_kib=reader.get(HEADER_BUFFERS),
        idle_timeout=keep_alive or None,
        max_requests=1 if keep_alive is not None and not keep_alive else requests or None,
    )
    once = reader.get(UPSTREAM_CONNECTIONS) == 0
    backends = BackendConnections(
        idle_timeout=reader.get(UPSTREAM_TIMEOUT) or None,
        max_age=reader.get(UPSTREAM_TIME) or None,
        max_requests=1 if once else reader.get(UPSTREAM_REQUESTS) or None,
    )
    return replace(policy, clients=clients, backends=backends, limit_status=reader.get(LIMIT_STATUS))
