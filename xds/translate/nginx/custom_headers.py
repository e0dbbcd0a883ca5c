"""custom-headers: response headers from a ConfigMap.

Source: https://github.com/kubernetes/ingress-nginx/blob/controller-v1.15.1/internal/ingress/annotations/customheaders
"""

import re
from collections.abc import Set
from typing import Final

from xds.kube.objects import ConfigMap
from xds.problems.text import shown
from xds.traffic.headers import NO_CHANGES, HeaderChanges
from xds.translate.nginx.annotation import Annotation, Verdict
from xds.translate.nginx.grammars import OBJECT_NAME
from xds.translate.nginx.named_objects import CLOSED, NamedObjects, Unavailable, UnusableObjectError, report_unusable
from xds.translate.nginx.reader import AnnotationReader

ALLOWED_HEADERS: Final = "global-allowed-response-headers"
"""The key of ingress-nginx's ConfigMap with the names, separated by commas, that ConfigMaps of Ingresses may set."""

MAX_HEADER_BYTES: Final = 16 * 1024
"""Names and values of a ConfigMap together. Each route of the Ingress repeats the headers, and so does each answer."""

MAX_HEADERS: Final = 250
"""Of a ConfigMap, or of an annotation. Envoy rejects a route that changes more than 1000 headers, from all sources."""

PROTECTING: Final = frozenset({"content-security-policy", "x-frame-options", "strict-transport-security"})

NEVER_SET: Final = frozenset(
    {
        "connection",
        "content-length",
        "host",
        "keep-alive",
        "proxy-authenticate",
        "proxy-authorization",
        "proxy-connection",
        "te",
        "trailer",
        "trailers",
        "transfer-encoding",
        "upgrade",
    }
)
"""Headers of one connection or one message, with which an answer would lie about its own form. Source:
https://www.rfc-editor.org/rfc/rfc9110#section-7.6.1
"""

_NOT_BY_DEFAULT: Final = frozenset({"set-cookie"})

_NAME: Final = re.compile(r"[A-Za-z0-9_-]+")
_VALUE: Final = re.compile(r"[A-Za-z0-9_ :;.,\\/\"'?!(){}\[\]@<>=\-+*#$&`|~^%]+")


def _protects(value: str) -> bool:
    """Whether a value names a ConfigMap, which may hold headers that protect."""
    return bool(value.strip())


CUSTOM_HEADERS: Final = Annotation(
    "custom-headers",
    "headers",
    OBJECT_NAME,
    verdict=Verdict.APPROXIMATE,
    note="a header that can't be set is left out, and the paths answer 503 only if the header is "
    "Content-Security-Policy, X-Frame-Options or Strict-Transport-Security; names are compared whatever their case; "
    "without a list of allowed headers all are allowed but Set-Cookie, and never those of a connection; a ConfigMap of "
    "another namespace takes --allow-cross-namespace-resources; redirects to HTTPS have no such headers",
    protects=_protects,
    names=ConfigMap,
)
ANNOTATIONS: Final = (CUSTOM_HEADERS,)


def read(reader: AnnotationReader, objects: NamedObjects) -> HeaderChanges | Unavailable:
    """The headers, with names in lower case. Unavailable: headers that protect are missing, or may be.

    Nobody knows the headers of a ConfigMap that isn't there. The paths are closed, as ingress-nginx does, unless the
    operator's list of allowed headers has none that protects.
    """
    if not reader.text(CUSTOM_HEADERS):
        return NO_CHANGES
    listed = frozenset(name.strip().lower() for name in reader.setting(ALLOWED_HEADERS).split(",") if name.strip())
    try:
        found = _small(objects.config_map(reader, CUSTOM_HEADERS))
    except UnusableObjectError as error:
        closes = not listed or not PROTECTING.isdisjoint(listed)
        report_unusable(reader, CUSTOM_HEADERS, f"{error}; {CLOSED if closes else 'no header is set'}")
        return Unavailable(CUSTOM_HEADERS) if closes else NO_CHANGES
    if found.fault:
        why = f"names ConfigMap {found.key}, which can't be read: {found.fault}; its headers of before are set"
        report_unusable(reader, CUSTOM_HEADERS, why)
    return _headers(reader, found, listed)


def _small(found: ConfigMap) -> ConfigMap:
    if sum(len(name) + len(value) for name, value in (found.data or {}).items()) > MAX_HEADER_BYTES:
        raise UnusableObjectError(
            f"names ConfigMap {found.key}, which has more than {MAX_HEADER_BYTES // 1024} KiB of headers"
        )
    if len(found.data or ()) > MAX_HEADERS:
        raise UnusableObjectError(f"names ConfigMap {found.key}, which has more than {MAX_HEADERS} headers")
    return found


def _headers(reader: AnnotationReader, found: ConfigMap, listed: Set[str]) -> HeaderChanges | Unavailable:
    headers: dict[str, str] = {}
    closes = False
    for written, value in sorted((found.data or {}).items()):
        name = written.lower()
        if why := _why_not(name, value, listed):
            protects = name in PROTECTING
            closes |= protects
            effect = f"which protects, so {CLOSED}" if protects else "which is left out"
            report_unusable(
                reader, CUSTOM_HEADERS, f"names ConfigMap {found.key} with header {shown(written)}, {effect}: {why}"
            )
        else:
            headers[name] = value
    return Unavailable(CUSTOM_HEADERS) if closes else HeaderChanges(tuple(sorted(headers.items())))


def _why_not(name: str, value: str, listed: Set[str]) -> str:
    """Why a header can't be set; empty for one that can."""
    if not _NAME.fullmatch(name):
        return "the name has other characters than letters, digits, - and _"
    if name in NEVER_SET:
        return "no answer may set this header"
    if not _VALUE.fullmatch(value):
        return "the value is empty, or has a line break or another character that ingress-nginx doesn't allow"
    if listed:
        return "" if name in listed else f"{ALLOWED_HEADERS} doesn't have the name"
    return f"it takes {ALLOWED_HEADERS} with the name" if name in _NOT_BY_DEFAULT else ""
