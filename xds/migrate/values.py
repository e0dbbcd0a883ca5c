"""The values that ingress-nginx reads, and the effect of all other values in ingress-nginx.

Facts about ingress-nginx, which no translation needs: what the grammars of `xds.translate.nginx` reject may have an
effect there. Source: https://github.com/kubernetes/ingress-nginx/tree/controller-v1.15.1/internal/ingress/annotations
"""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from enum import Enum, auto
from ipaddress import ip_network
from typing import Final, TypeAlias


class Fate(Enum):
    """The effect of a bad value in ingress-nginx."""

    DEFAULT = auto()
    """The annotation counts as absent."""
    VANISHES = auto()
    """The whole Ingress is not served."""
    CLOSES = auto()
    """The paths of the Ingress answer 503."""
    OPENS = auto()
    """The annotations of the family count as absent, so that the paths are open."""


Check: TypeAlias = Callable[[str], bool]
"""Whether ingress-nginx reads a non-empty value."""


def words(text: str) -> tuple[str, ...]:
    """The words of a text."""
    return tuple(text.split())


_TRUE: Final = words("1 t T TRUE true True")
_BOOLEANS: Final = (*_TRUE, *words("0 f F FALSE false False"))
_PROTOCOLS: Final = words("HTTP HTTPS GRPC GRPCS AUTO_HTTP FCGI")


def is_true(value: str) -> bool:
    """Whether ingress-nginx reads a boolean as true."""
    return value in _TRUE


def is_boolean(value: str) -> bool:
    return value in _BOOLEANS


def is_integer(value: str) -> bool:
    return re.fullmatch(r"[+-]?[0-9]{1,18}", value) is not None


def number(value: str) -> int:
    """The number in a value; 0 for a bad value."""
    return int(value) if is_integer(value) else 0


def _matching(pattern: str) -> Check:
    compiled = re.compile(pattern)
    return lambda value: compiled.fullmatch(value) is not None


def _without_blanks(pattern: str) -> Check:
    check = _matching(pattern)
    return lambda value: check(value.replace(" ", ""))


def _trimmed(pattern: str) -> Check:
    check = _matching(pattern)
    return lambda value: check(value.strip(" "))


def _words(*words: str) -> Check:
    return lambda value: value.strip(" ") in words


def _networks(value: str) -> bool:
    try:
        for each in value.split(","):
            ip_network(each.strip(), strict=False)
    except ValueError:
        return False
    return True


is_path: Final = _matching(r"/?[A-Za-z0-9-._~/:$]*")
_URL: Final = _matching(r"[A-Za-z0-9-._~/:,?&=]*")
_NAME: Final = _trimmed(r"[A-Za-z0-9-._~/:^$\[\](){}*+?|&=\\]*")
_BASIC: Final = _without_blanks(r"[A-Za-z0-9-._~/:]*")
_SIZE: Final = _without_blanks(r"[0-9]+[bkmgBKMG]?")
_ON_OFF: Final = _words("on", "off")
_OBJECT: Final = _matching(r"[A-Za-z0-9-._~:]+/[A-Za-z0-9-._~:]+")
_AUTH_URL: Final = _matching(r"[-A-Za-z0-9._~/:, ?&=$]*")
_TLS_VERSIONS: Final = frozenset({"TLSv1.2", "TLSv1.3"})
_RETRIED: Final = frozenset(
    words(
        "error timeout invalid_header http_500 http_502 http_503 http_504 http_403 http_404 http_429 non_idempotent off"
    )
)
_AUTH_METHODS: Final = _words("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "CONNECT", "OPTIONS", "TRACE")


def _is_common_name(value: str) -> bool:
    try:
        re.compile(value)
    except re.error:
        return False
    return value.startswith("CN=") and not set(value) & set("\"'; ")


def _contains_scheme(value: str) -> bool:
    return "basic" in value or "digest" in value


def _table(fate: Fate, *checks: tuple[str, Check]) -> Iterator[tuple[str, tuple[Fate, Check]]]:
    return ((name, (fate, check)) for names, check in checks for name in names.split())


READ: Final[Mapping[str, tuple[Fate, Check]]] = dict(
    (
        *_table(
            Fate.DEFAULT,
            (
                (
                    "proxy-connect-timeout proxy-send-timeout proxy-read-timeout proxy-next-upstream-tries "
                    "proxy-next-upstream-timeout proxy-buffers-number limit-burst-multiplier limit-rate "
                    "limit-rate-after canary-weight canary-weight-total proxy-ssl-verify-depth auth-keepalive "
                    "auth-keepalive-requests auth-keepalive-timeout cors-max-age auth-tls-verify-depth "
                    "session-cookie-max-age session-cookie-expires"
                ),
                is_integer,
            ),
            (
                (
                    "use-regex ssl-redirect force-ssl-redirect preserve-trailing-slash use-port-in-redirects canary "
                    "enable-access-log enable-rewrite-log enable-opentelemetry opentelemetry-trust-incoming-span "
                    "service-upstream ssl-prefer-server-ciphers disable-proxy-intercept-errors enable-cors "
                    "cors-allow-credentials session-cookie-secure session-cookie-change-on-failure "
                    "session-cookie-conditional-samesite-none enable-global-auth auth-keepalive-share-vars "
                    "enable-modsecurity enable-owasp-core-rules"
                ),
                is_boolean,
            ),
            ("proxy-body-size", _matching(r"[0-9]+[kmgKMG]?")),
            ("proxy-buffer-size proxy-busy-buffers-size proxy-max-temp-file-size", _SIZE),
            (
                "proxy-request-buffering proxy-buffering mirror-request-body proxy-ssl-verify proxy-ssl-server-name",
                _ON_OFF,
            ),
            ("affinity", _words("cookie")),
            ("affinity-mode", _words("balanced", "persistent")),
            ("affinity-canary-behavior", _words("sticky", "legacy")),
            ("proxy-http-version", _words("1.0", "1.1")),
            ("proxy-next-upstream", lambda value: bool(value.split()) and _RETRIED.issuperset(value.split())),
            ("backend-protocol", lambda value: value.strip().upper() in _PROTOCOLS),
            ("rewrite-target", is_path),
            ("app-root", _matching(r"/[A-Za-z0-9-._~/:$]*")),
            ("mirror-target", _NAME),
            ("session-cookie-name session-cookie-domain", _trimmed(r"[A-Za-z0-9._~:/-]*")),
            ("session-cookie-path", _URL),
            ("proxy-ssl-protocols", lambda value: _TLS_VERSIONS.issuperset(value.split())),
            ("proxy-redirect-from proxy-redirect-to proxy-cookie-path", _without_blanks(r"[A-Za-z0-9-._~/:,?&=]*")),
            ("proxy-cookie-domain", _without_blanks(r"[A-Za-z0-9-._~/:]*")),
            ("satisfy", lambda value: value.strip().lower() in ("any", "all")),
            ("canary-by-header canary-by-header-value canary-by-cookie", _BASIC),
            ("canary-by-header-pattern mirror-host", _NAME),
            ("cors-allow-methods", _without_blanks(r"[A-Za-z,]*")),
            ("cors-allow-headers", _matching(r"[A-Za-z0-9_, -]*")),
            ("auth-tls-verify-client", _words("on", "off", "optional", "optional_no_ca")),
            ("auth-signin", _AUTH_URL),
            ("auth-signin-redirect-param", _URL),
            ("auth-cache-key", _matching(r"[A-Za-z0-9_${}-]*")),
            ("session-cookie-samesite", lambda value: value.lower() in ("none", "lax", "strict")),
        ),
        *_table(
            Fate.VANISHES,
            ("limit-rps limit-rpm limit-connections upstream-hash-by-subset-size", is_integer),
            ("permanent-redirect-code temporal-redirect-code", is_integer),
            (
                (
                    "http2-push-preload upstream-hash-by-subset relative-redirects from-to-www-redirect "
                    "auth-tls-pass-certificate-to-upstream ssl-passthrough"
                ),
                is_boolean,
            ),
            ("limit-allowlist limit-whitelist", _networks),
            (
                "load-balance",
                _words("round_robin", "ewma", "chash", "chashsubset", "sticky_balanced", "sticky_persistent"),
            ),
            ("upstream-hash-by", _matching(r"[A-Za-z0-9_${}-]*")),
            ("connection-proxy-header", _words("close", "keep-alive")),
            ("client-body-buffer-size", _without_blanks(r"[0-9]+[bkmBKM]?")),
            ("ssl-ciphers", _matching(r"[A-Za-z0-9:@=,+!\-_ ]*")),
            ("proxy-ssl-secret auth-tls-secret", _matching(r"[/A-Za-z0-9._~:-]*")),
            ("opentelemetry-operation-name", _matching(r"[A-Za-z0-9_-]*")),
            ("x-forwarded-prefix", _without_blanks(r"/?[A-Za-z0-9-._~/:$]*")),
            ("permanent-redirect", _URL),
            ("temporal-redirect", _URL),
            ("server-alias", lambda value: all(map(_NAME, value.split(",")))),
            ("upstream-vhost", _NAME),
            ("default-backend", _matching(r"[a-z]([-a-z0-9]{0,61}[a-z0-9])?")),
            ("custom-http-errors", _without_blanks(r"([45,]\d{2},?)*")),
            ("auth-type", _contains_scheme),
            ("auth-secret-type", _words("auth-file", "auth-map")),
            ("auth-realm", _matching(r"[/A-Za-z0-9._~: -]*")),
            ("auth-url", _AUTH_URL),
            ("auth-tls-error-page", _matching(r"@?[A-Za-z0-9-._~/:]*")),
            ("auth-tls-match-cn", _is_common_name),
        ),
        *_table(
            Fate.CLOSES,
            ("whitelist-source-range allowlist-source-range denylist-source-range", _networks),
            ("auth-method", _AUTH_METHODS),
            ("auth-response-headers", _without_blanks(r"[A-Za-z0-9_-]+(,[A-Za-z0-9_-]+)*")),
            ("auth-proxy-set-headers", _OBJECT),
        ),
        *_table(
            Fate.OPENS,
            ("auth-always-set-cookie", is_boolean),
            ("auth-request-redirect", _matching(r"[-A-Za-z0-9._~/:,?&=$]*")),
            (
                "auth-cache-duration",
                _matching(r"( *(\d{3} +)*\d+(ms|s|m|h|d|w|M|y)? *)(,( *(\d{3} +)*\d+(ms|s|m|h|d|w|M|y)? *))*"),
            ),
        ),
    )
)
"""By annotation: the check, and the effect of a rejected value. Other annotations take any text."""

SNIPPETS: Final = frozenset({"configuration-snippet", "server-snippet", "auth-snippet", "stream-snippet"})
"""Raw nginx configuration, of the risk Critical."""

CRITICAL: Final = SNIPPETS | {"modsecurity-snippet"}

HIGH: Final = frozenset(
    words("server-alias mirror-target mirror-host auth-url auth-signin auth-tls-error-page auth-tls-match-cn")
)

MEDIUM: Final = frozenset(
    words(
        "whitelist-source-range allowlist-source-range denylist-source-range auth-secret auth-realm "
        "auth-signin-redirect-param auth-response-headers auth-request-redirect auth-proxy-set-headers auth-cache-key "
        "auth-cache-duration auth-tls-secret auth-tls-verify-client rewrite-target app-root permanent-redirect "
        "temporal-redirect custom-headers upstream-vhost"
    )
)
"""Annotations of the risk Medium in wide use. Source:
https://kubernetes.github.io/ingress-nginx/user-guide/nginx-configuration/annotations-risk/
"""


@dataclass(frozen=True, slots=True)
class BadValue:
    """A bad value in ingress-nginx.

    Attributes:
        name: Of the annotation, without the prefix.
        fate: The effect there.
    """

    name: str
    fate: Fate


def bad_values(annotations: Mapping[str, str]) -> Iterator[BadValue]:
    """The bad values in ingress-nginx.

    Args:
        annotations: Of an Ingress, by name without the prefix.
    """
    overruled = _overruled(annotations)
    for name in sorted(annotations):
        value, rule = annotations[name], READ.get(name)
        if value and rule and name not in overruled and (not rule[1](value) or "\r" in value):
            yield BadValue(name, rule[0])


def _overruled(annotations: Mapping[str, str]) -> frozenset[str]:
    """Annotations without effect beside a stronger one."""
    return frozenset({"permanent-redirect"}) if annotations.get("temporal-redirect") else frozenset()


def is_outside_over_tls(url: str) -> bool:
    """Whether an auth-url leads out of the cluster over TLS. ingress-nginx doesn't verify the certificate there."""
    return url.startswith("https://") and not _INSIDE.match(url) and not url.startswith("https://$")


_INSIDE: Final = re.compile(r"https://[a-z0-9-]+\.[a-z0-9-]+\.svc(\.[a-z0-9.-]+)?(:[0-9]+)?([/?]|$)")
