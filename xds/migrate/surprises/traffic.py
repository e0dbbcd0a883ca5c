"""Surprises of traffic to backends."""

import re
from typing import Final

from xds.migrate.inventory import Inventory
from xds.migrate.subject import Subject
from xds.migrate.surprises.routing import is_regex
from xds.migrate.surprises.rule import Rule, listed
from xds.migrate.values import number
from xds.problems.problem import Key
from xds.translate.nginx.custom_headers import ALLOWED_HEADERS

_BALANCING: Final = (
    "load-balance",
    "upstream-hash-by",
    "upstream-hash-by-subset",
    "upstream-hash-by-subset-size",
    "service-upstream",
)
_READ_TIMEOUT_SECONDS: Final = 60
"""ingress-nginx's default."""

_COOKIE: Final = re.compile(r"session-cookie-.*")
_BACKEND_TLS: Final = (
    "proxy-ssl-verify",
    "proxy-ssl-name",
    "proxy-ssl-server-name",
    "proxy-ssl-verify-depth",
    "proxy-ssl-protocols",
    "proxy-ssl-ciphers",
)


def _balancing(subject: Subject, inventory: Inventory) -> str:
    if subject.is_canary:
        return ""
    found = []
    for port in subject.services:
        oldest = inventory.by_service.get(port, [subject])[0]
        if oldest is not subject and _texts(oldest, _BALANCING) != _texts(subject, _BALANCING):
            found.append(f"{oldest.key} for {port}")
    return f"decided by {listed(found)}, with or without annotation; here each Ingress decides" if found else ""


def _cookie_of_last(subject: Subject, inventory: Inventory) -> str:
    if subject.text("affinity") != "cookie" or subject.is_canary:
        return ""
    found = []
    for port in subject.services:
        sticky = [each for each in inventory.by_service.get(port, ()) if each.text("affinity") == "cookie"]
        last = sticky[-1] if sticky else subject
        if last is not subject and _cookie(last) != _cookie(subject):
            found.append(f"{last.key} for {port}")
    return f"session-cookie-* of the last Ingress counts: {listed(found)}" if found else ""


def _affinity_of_neighbour(subject: Subject, inventory: Inventory) -> str:
    if subject.text("affinity") or subject.is_canary:
        return ""
    found = [
        each.key
        for port in subject.services
        for each in inventory.by_service.get(port, ())
        if each.text("affinity") == "cookie"
    ]
    return f"the cookie of {listed(found)} is read for the paths here, too; after the switch it is not" if found else ""


def _tls_without_secret(subject: Subject, _: Inventory) -> str:
    found = [name for name in _BACKEND_TLS if subject.text(name) not in ("", "off")]
    if not found or subject.has("proxy-ssl-secret"):
        return ""
    return f"without proxy-ssl-secret nothing of {listed(found)} counts; here it does"


def _verify_without_name(subject: Subject, _: Inventory) -> str:
    verifies = subject.text("proxy-ssl-verify").strip() == "on" and subject.has("proxy-ssl-secret")
    if not verifies or subject.has("proxy-ssl-name"):
        return ""
    return "without proxy-ssl-name every request fails with 502; here the DNS names of the Service are verified"


def _secret_without_ca(subject: Subject, inventory: Inventory) -> str:
    namespace, _, name = subject.text("proxy-ssl-secret").partition("/")
    found = inventory.secret(subject.key._replace(namespace=namespace, name=name)) if name else None
    if found is None or (found.data and found.data.ca_crt):
        return ""
    return f"Secret {found.key} has no ca.crt, so nothing is verified, and ciphers and protocols don't count"


def _tls_of_neighbour(subject: Subject, inventory: Inventory) -> str:
    if subject.text("backend-protocol").strip().upper() not in ("HTTPS", "GRPCS") or subject.has("proxy-ssl-secret"):
        return ""
    found = [each.key for _, each in inventory.neighbours(subject) if each.has("proxy-ssl-secret")]
    return f"the client certificate and the CA of {listed(found)} are used for the backends here, too" if found else ""


def _limit_burst(subject: Subject, _: Inventory) -> str:
    rates = [name for name in ("limit-rps", "limit-rpm") if number(subject.annotations.get(name, "")) > 0]
    factor = number(subject.text("limit-burst-multiplier")) if subject.text("limit-burst-multiplier") else 5
    found = [f"{1 + factor * number(subject.annotations[name])} at once by {name}" for name in rates]
    return f"each replica lets pass {listed(found)}; here each Envoy" if found else ""


def _limit_rate(subject: Subject, _: Inventory) -> str:
    is_set = number(subject.annotations.get("limit-rate", "")) > 0
    buffers = subject.text("proxy-buffering").strip() == "on"
    return "limit-rate has no effect while proxy-buffering is off" if is_set and not buffers else ""


def _sessions(subject: Subject, _: Inventory) -> str:
    sticky = subject.text("affinity") == "cookie" and not subject.is_canary
    return "sessions start anew with the switch; the cookie's name can stay" if sticky else ""


def _samesite(subject: Subject, _: Inventory) -> str:
    value = subject.text("session-cookie-samesite")
    if not value or value in ("None", "Lax", "Strict"):
        return ""
    return f"SameSite {value} is left out of the cookie, as it is not written with a capital letter; here it is sent"


def _cookie_path(subject: Subject, inventory: Inventory) -> str:
    if subject.text("affinity") != "cookie" or subject.text("session-cookie-path"):
        return ""
    paths = [path for path in subject.paths if path.host in inventory.regex_hosts and is_regex(path.text)]
    return f"the cookie's Path is the expression, so no browser sends it back: {listed(paths)}" if paths else ""


def _websockets(subject: Subject, _: Inventory) -> str:
    written = [name for name in ("proxy-read-timeout", "proxy-send-timeout") if subject.annotations.get(name)]
    if not written or subject.is_canary:
        return ""
    seconds = max(number(subject.text(name)) or _READ_TIMEOUT_SECONDS for name in written)
    tries = number(subject.text("proxy-next-upstream-tries")) or 3
    return f"a silent WebSocket ends after the silence of all tries, {seconds} s x {tries}, and not of one"


def _headers_not_allowed(subject: Subject, inventory: Inventory) -> str:
    config, named = inventory.config, subject.text("custom-headers").strip()
    if not named or config is None:
        return ""
    allowed = {name.strip() for name in config.get(ALLOWED_HEADERS, "").split(",")} - {""}
    if not allowed:
        return f"{ALLOWED_HEADERS} is empty, so the paths answer 503 today"
    namespace, _, name = named.partition("/")
    found = inventory.config_map(Key(namespace, name))
    others = sorted((found.data or {}).keys() - allowed) if found else []
    return f"{ALLOWED_HEADERS} lacks {listed(others)}, so the paths answer 503 today" if others else ""


def _grpc_lower_case(subject: Subject, _: Inventory) -> str:
    protocol = subject.text("backend-protocol").strip()
    is_lower = protocol.upper() in ("GRPC", "GRPCS") and protocol != protocol.upper()
    return f"{protocol} in lower case sends no Host and no X-Forwarded-*; here they are sent" if is_lower else ""


def _service_upstream(subject: Subject, _: Inventory) -> str:
    on = subject.is_on("service-upstream")
    return "without a ready Pod the Service still gets the requests, which fail with 502, not 503" if on else ""


def _grpc_body(subject: Subject, _: Inventory) -> str:
    protocol = subject.text("backend-protocol").strip().upper()
    size = subject.text("proxy-body-size").strip()
    if protocol not in ("GRPC", "GRPCS") or (size and not size.rstrip("bkmgBKMG").strip("0")):
        return ""
    return f"a stream of a client may have {size or '1m'} in all, unless proxy-body-size is 0"


def _large_headers(subject: Subject, _: Inventory) -> str:
    found = [n for n in ("proxy-buffer-size", "proxy-buffers-number", "proxy-busy-buffers-size") if subject.text(n)]
    return f"{listed(found)} bounds response headers, of which Envoy takes 60 KiB" if found else ""


def _connection_header(subject: Subject, _: Inventory) -> str:
    return "connection-proxy-header breaks WebSockets on its paths" if subject.text("connection-proxy-header") else ""


def _shared_connections(subject: Subject, inventory: Inventory) -> str:
    names = ("proxy-ssl-secret", *_BACKEND_TLS)
    own = _texts(subject, names)
    found = [
        each.key
        for port in subject.services
        for each in inventory.by_service.get(port, ())
        if each is not subject
        and (each.has("proxy-ssl-secret") or subject.has("proxy-ssl-secret"))
        and _texts(each, names) != own
    ]
    return f"idle TLS connections to the backend are shared with {listed(found)}; here they are not" if found else ""


def _texts(subject: Subject, names: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(subject.text(name) for name in names)


def _cookie(subject: Subject) -> dict[str, str]:
    return {name: subject.text(name) for name in subject.annotations if _COOKIE.fullmatch(name)}


RULES: Final = (
    Rule(
        "balancing-of-oldest",
        "The oldest Ingress of a Service's port decides over balancing for all hosts.",
        _balancing,
    ),
    Rule(
        "session-cookie-of-last",
        "The last Ingress with sessions on a Service's port decides over their cookie.",
        _cookie_of_last,
    ),
    Rule(
        "affinity-of-neighbour",
        "Sessions of one Ingress hold for all Ingresses of the Service's port.",
        _affinity_of_neighbour,
    ),
    Rule(
        "backend-tls-without-secret",
        "Without proxy-ssl-secret, ingress-nginx ignores all other proxy-ssl-*.",
        _tls_without_secret,
    ),
    Rule(
        "backend-tls-verify-without-name",
        "proxy-ssl-verify without proxy-ssl-name fails always.",
        _verify_without_name,
    ),
    Rule("backend-tls-secret-without-ca", "Without ca.crt, nothing is verified.", _secret_without_ca),
    Rule(
        "backend-tls-of-neighbour",
        "proxy-ssl-secret holds for all TLS backends of the host.",
        _tls_of_neighbour,
    ),
    Rule("limit-burst", "A limit lets 1 + 5 times the rate pass at once, at each replica.", _limit_burst),
    Rule("limit-rate-without-buffering", "limit-rate needs proxy-buffering.", _limit_rate),
    Rule("sessions-start-anew", "The cookies of ingress-nginx name no endpoint here.", _sessions),
    Rule("cookie-samesite-case", "SameSite in lower case is left out of the cookie.", _samesite),
    Rule("cookie-path-regex", "The Path of a cookie is the path of the rule, also an expression.", _cookie_path),
    Rule("websocket-silence", "WebSockets end after the read timeouts of all tries.", _websockets),
    Rule(
        "custom-headers-not-allowed",
        "custom-headers closes the paths unless the ConfigMap allows the headers.",
        _headers_not_allowed,
    ),
    Rule("grpc-lower-case", "A protocol in lower case gets no headers.", _grpc_lower_case),
    Rule("service-upstream-502", "With service-upstream, no ready Pod is 502.", _service_upstream),
    Rule("grpc-body-limit", "proxy-body-size counts for streams of gRPC clients.", _grpc_body),
    Rule("large-response-headers", "Response headers above the buffer are 502 there, and pass here.", _large_headers),
    Rule("connection-header-websockets", "connection-proxy-header breaks WebSockets.", _connection_header),
    Rule(
        "backend-connections-shared",
        "Connections to an endpoint are shared by Ingresses, with the certificate and verification of one.",
        _shared_connections,
    ),
)
