"""Annotations that Envoy has no counterpart for, each with the reason and with an alternative."""

import re
from collections.abc import Callable
from functools import lru_cache
from typing import Final

from xds.translate.nginx.annotation import Annotation, AnyAnnotation, Scope, Verdict
from xds.translate.nginx.grammars import ANYTHING, always, unless_false

_PROTECTING_LINE: Final = re.compile(
    r"(?:^|[\s;{}'\"])(?:deny|allow|auth_\w+|satisfy|\w*ssl_verify\w*|modsecurity\w*)\b"
)


@lru_cache(maxsize=64)
def snippet_protects(value: str) -> bool:
    """Whether a snippet has a line that keeps requests out. Asked for each host of an Ingress."""
    return _PROTECTING_LINE.search(value) is not None


def _snippet(
    name: str,
    remedy: str,
    scope: Scope = Scope.PATH,
    protects: Callable[[str], bool] = snippet_protects,
) -> AnyAnnotation:
    return Annotation(
        name,
        "snippets",
        ANYTHING,
        scope=scope,
        verdict=Verdict.REFUSED,
        note="Envoy reads no nginx configuration",
        remedy=remedy,
        protects=protects,
    )


def _refused(name: str, family: str, note: str, remedy: str) -> AnyAnnotation:
    return Annotation(name, family, ANYTHING, verdict=Verdict.REFUSED, note=note, remedy=remedy)


_TYPED: Final = (
    "Remove the snippet. Typed annotations replace the usual lines: return 301 is permanent-redirect, rewrite is "
    "rewrite-target, add_header and more_set_headers are xds-ingress.dev/response-headers, proxy_set_header is "
    "xds-ingress.dev/request-headers, deny and allow are denylist-source-range and allowlist-source-range."
)

_WAF: Final = "Put a web application firewall in front of the proxies, and remove the annotation."


def _modsecurity(name: str) -> AnyAnnotation:
    return Annotation(
        name,
        "modsecurity",
        ANYTHING,
        "false",
        verdict=Verdict.REFUSED,
        note="Envoy has no ModSecurity",
        remedy=_WAF,
        protects=unless_false,
    )


ANNOTATIONS: Final = (
    _snippet("configuration-snippet", _TYPED),
    _snippet("server-snippet", _TYPED, Scope.HOST),
    _snippet(
        "auth-snippet", "Remove the snippet; auth-method and auth-proxy-set-headers shape the request.", protects=always
    ),
    _snippet("stream-snippet", "Remove the snippet."),
    _modsecurity("enable-modsecurity"),
    _modsecurity("enable-owasp-core-rules"),
    _refused("modsecurity-snippet", "modsecurity", "Envoy has no ModSecurity", _WAF),
    _refused("modsecurity-transaction-id", "modsecurity", "Envoy has no ModSecurity", _WAF),
    _refused(
        "limit-connections",
        "limits",
        "Envoy doesn't count the requests of one client that are in progress",
        "Use limit-rps.",
    ),
    _refused("limit-rate", "limits", "Envoy has no bandwidth per request", "Limit the rate in front of the proxies."),
    _refused(
        "limit-rate-after", "limits", "Envoy has no bandwidth per request", "Limit the rate in front of the proxies."
    ),
    _refused(
        "upstream-hash-by-subset",
        "load balancing",
        "Envoy can't choose among a hashed group of endpoints",
        "Use upstream-hash-by alone.",
    ),
    _refused(
        "upstream-hash-by-subset-size",
        "load balancing",
        "Envoy can't choose among a hashed group of endpoints",
        "Use upstream-hash-by alone.",
    ),
    _refused(
        "fastcgi-index", "fastcgi", "Envoy speaks no FastCGI", "Run a web server beside php-fpm, and speak HTTP to it."
    ),
    _refused(
        "fastcgi-params-configmap",
        "fastcgi",
        "Envoy speaks no FastCGI",
        "Run a web server beside php-fpm, and speak HTTP to it.",
    ),
)
