"""Keys of TLS with clients."""

from dataclasses import replace
from typing import Final

from xds.problems.reasons import Reason
from xds.problems.text import shown
from xds.traffic.listeners import ListenerPolicy, TlsSettings
from xds.translate.nginx.annotation import Grammar, InvalidValueError, Verdict
from xds.translate.nginx.cipher_suites import cipher_list
from xds.translate.nginx.configmap.grammars import DURATION, number
from xds.translate.nginx.configmap.key import ConfigKey, Section, not_yet, without_effect
from xds.translate.nginx.configmap.reader import ConfigReader
from xds.translate.nginx.grammars import ANYTHING, BOOLEAN, NATURAL

_SECTION: Final = Section.TLS

_VERSIONS: Final = {"TLSv1": "1.0", "TLSv1.1": "1.1", "TLSv1.2": "1.2", "TLSv1.3": "1.3"}
_CURVES: Final = {
    "X25519": "X25519",
    "P-256": "P-256",
    "P-384": "P-384",
    "P-521": "P-521",
    "prime256v1": "P-256",
    "secp384r1": "P-384",
    "secp521r1": "P-521",
}
"""BoringSSL's name, by OpenSSL's."""

_DEFAULT_CIPHERS: Final = (
    "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES256-GCM-SHA384:"
    "ECDHE-RSA-AES256-GCM-SHA384:ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305:"
    "DHE-RSA-AES128-GCM-SHA256:DHE-RSA-AES256-GCM-SHA384"
)


def _versions(value: str) -> tuple[str, str]:
    words = value.split()
    if not words or any(word not in _VERSIONS for word in words):
        raise InvalidValueError
    found = sorted(_VERSIONS[word] for word in words)
    return found[0], found[-1]


def _curves(value: str) -> tuple[str, ...]:
    """The curves; none for `auto`."""
    if value.strip() == "auto":
        return ()
    curves = tuple(dict.fromkeys(_CURVES[name] for name in value.strip().split(":") if name in _CURVES))
    if not curves:
        raise InvalidValueError
    return curves


CIPHERS: Final = ConfigKey(
    "ssl-ciphers",
    _SECTION,
    ANYTHING,
    _DEFAULT_CIPHERS,
    Verdict.APPROXIMATE,
    "Envoy has no DHE; suites that it doesn't have are left out",
)
VERSIONS: Final = ConfigKey(
    "ssl-protocols",
    _SECTION,
    Grammar("TLSv1, TLSv1.1, TLSv1.2 and TLSv1.3, with blanks between", _versions),
    "TLSv1.2 TLSv1.3",
    Verdict.APPROXIMATE,
    "versions between the oldest and the newest one are taken too",
)
CURVES: Final = ConfigKey(
    "ssl-ecdh-curve",
    _SECTION,
    Grammar(f"auto, or a list of {', '.join(_CURVES)}, with colons between", _curves),
    "auto",
    Verdict.APPROXIMATE,
    "curves that Envoy doesn't have are left out",
)
TICKETS: Final = ConfigKey(
    "ssl-session-tickets",
    _SECTION,
    BOOLEAN,
    "",
    Verdict.APPROXIMATE,
    "tickets are on unless the key says false, as Envoy has no cache of sessions",
)
SESSION_TIMEOUT: Final = ConfigKey("ssl-session-timeout", _SECTION, DURATION, "10m")
HSTS: Final = ConfigKey("hsts", _SECTION, BOOLEAN, "true")
HSTS_MAX_AGE: Final = ConfigKey("hsts-max-age", _SECTION, NATURAL, "31536000")
HSTS_SUBDOMAINS: Final = ConfigKey("hsts-include-subdomains", _SECTION, BOOLEAN, "true")
HSTS_PRELOAD: Final = ConfigKey("hsts-preload", _SECTION, BOOLEAN, "false")
HTTP2: Final = ConfigKey("use-http2", _SECTION, BOOLEAN, "true")
HTTP2_STREAMS: Final = ConfigKey("http2-max-concurrent-streams", _SECTION, number(1, 2**31 - 1), "128")

KEYS: Final = (
    CIPHERS,
    VERSIONS,
    CURVES,
    TICKETS,
    SESSION_TIMEOUT,
    HSTS,
    HSTS_MAX_AGE,
    HSTS_SUBDOMAINS,
    HSTS_PRELOAD,
    HTTP2,
    HTTP2_STREAMS,
    *without_effect(_SECTION, "Envoy has no suites with DHE", ssl_dh_param=""),
    *without_effect(
        _SECTION,
        "Envoy has no cache of sessions, and resumes them by tickets",
        ssl_session_cache="true",
        ssl_session_cache_size="10m",
    ),
    *not_yet(
        _SECTION,
        "each proxy makes a key of its own, so that sessions are resumed at the same proxy",
        ssl_session_ticket_key="",
    ),
    *without_effect(_SECTION, "Envoy fills records as data comes", ssl_buffer_size="4k"),
    *without_effect(_SECTION, "Envoy takes no early data over TCP", ssl_early_data="false"),
    *without_effect(
        _SECTION, "unknown names are refused unless --default-tls-secret is given", ssl_reject_handshake="false"
    ),
    *not_yet(_SECTION, "nothing fetches OCSP staples; put them into the Secret", enable_ocsp="false"),
    *without_effect(_SECTION, "proxy-ssl-* hold for the paths of their Ingress alone", proxy_ssl_location_only="false"),
    *without_effect(
        _SECTION,
        "obsolete in nginx",
        http2_max_field_size="",
        http2_max_header_size="",
        http2_max_requests="0",
    ),
)


def applied(policy: ListenerPolicy, reader: ConfigReader) -> ListenerPolicy:
    settings = TlsSettings(
        versions=reader.get(VERSIONS) if reader.is_written(VERSIONS) else None,
        ciphers=_ciphers(reader) if reader.is_written(CIPHERS) else (),
        curves=reader.get(CURVES) or (),
        has_tickets=reader.get(TICKETS) is not False,
        session_timeout=reader.get(SESSION_TIMEOUT),
    )
    clients = replace(policy.clients, uses_http2=reader.get(HTTP2) is not False, max_streams=reader.get(HTTP2_STREAMS))
    responses = replace(policy.responses, transport_security=_hsts(reader))
    return replace(policy, tls=settings, clients=clients, responses=responses)


def _hsts(reader: ConfigReader) -> str:
    """The header Strict-Transport-Security; empty without one.

    Without ingress-nginx's defaults `hsts: "true"` asks for the header.
    """
    if reader.get(HSTS) is not True:
        return ""
    words = [f"max-age={reader.value(HSTS_MAX_AGE)}"]
    if reader.value(HSTS_SUBDOMAINS):
        words.append("includeSubDomains")
    if reader.value(HSTS_PRELOAD):
        words.append("preload")
    return "; ".join(words)


def _ciphers(reader: ConfigReader) -> tuple[str, ...]:
    """The suites that Envoy has, the preferred one first. None: Envoy's own choice."""
    text = reader.get(CIPHERS) or ""
    found = cipher_list(text)
    others = [word for word in found.unknown if not word.startswith("DHE-")]
    if text and (others or not found.suites):
        missing = f"Envoy has no suite of {shown(':'.join(others))}" if others else "Envoy has none of the suites"
        message = f"{CIPHERS.name}: {missing}; {'the others count' if found.suites else 'its own suites count'}"
        reader.report(CIPHERS, Reason.CONFIG_KEY_INVALID, message, "Name suites with ECDHE and AES or ChaCha20.")
    return found.suites
