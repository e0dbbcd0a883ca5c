"""Authorizers: auth-url and its companions.

Source: https://github.com/kubernetes/ingress-nginx/blob/controller-v1.15.1/internal/ingress/annotations/authreq/main.go
"""

import re
from dataclasses import replace
from typing import Final

from xds.kube.objects import ConfigMap
from xds.problems.reasons import Reason
from xds.problems.text import shown
from xds.traffic.authorizer import Authorizer, AuthorizerUrl
from xds.translate.nginx import authorizer_url
from xds.translate.nginx.annotation import Annotation, AnyAnnotation, Grammar, InvalidValueError, Value, Verdict
from xds.translate.nginx.authorizer_reach import why_out_of_reach
from xds.translate.nginx.custom_headers import MAX_HEADER_BYTES, MAX_HEADERS, NEVER_SET
from xds.translate.nginx.grammars import BOOLEAN, INTEGER, OBJECT_NAME, always, matching, one_of
from xds.translate.nginx.named_objects import CLOSED, NamedObjects, Unavailable, UnusableObjectError, report_unusable
from xds.translate.nginx.reader import AnnotationReader

_FAMILY: Final = "authentication"

METHODS: Final = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "CONNECT", "OPTIONS", "TRACE")

MAX_PASSED_HEADERS: Final = 100

_NAME: Final = re.compile(r"[A-Za-z0-9_-]{1,256}")
_VALUE: Final = re.compile(r"[ -#%-~]*")
_OURS: Final = ("x-xds-", "x-envoy-")
_TIMES: Final = r"\d+(ms|[smhdwMy])?"
_DURATION: Final = re.compile(rf"\s*(\d{{3}}\s+)*{_TIMES}\s*")


def _header_names(value: str) -> tuple[str, ...]:
    found = tuple(dict.fromkeys(name.lower() for name in authorizer_url.names(value)))
    if len(found) > MAX_PASSED_HEADERS:
        raise InvalidValueError(f"it has more than {MAX_PASSED_HEADERS} names")
    if bad := next((name for name in found if not _NAME.fullmatch(name)), None):
        raise InvalidValueError(f"{shown(bad)} is none")
    if bad := next((name for name in found if not _may_be_set(name)), None):
        raise InvalidValueError(f"no authorizer may set {bad}")
    return found


def _may_be_set(name: str) -> bool:
    return name not in NEVER_SET and not name.startswith(_OURS)


def _durations(value: str) -> str:
    if not all(_DURATION.fullmatch(each) for each in value.split(",")):
        raise InvalidValueError
    return value


_ASKED_EACH_TIME: Final = "answers are not kept: the authorizer is asked about each request"

HEADER_NAMES: Final = Grammar("names of headers, with commas between", _header_names)
METHOD: Final = one_of(*METHODS)
DURATIONS: Final = Grammar("times with statuses in front, with commas between", _durations)

AUTH_URL: Final = Annotation(
    "auth-url",
    _FAMILY,
    authorizer_url.URL,
    verdict=Verdict.APPROXIMATE,
    note="a bad or empty value closes the paths; other variables are refused; a certificate of a host outside of the "
    "cluster is verified; a host that another Ingress serves without any protection is asked at its Service; loopback, "
    "link-local and multicast addresses, the API server and our own Services are never asked; the path that the "
    "question tells is the normalized one",
    protects=always,
)
AUTH_METHOD: Final = Annotation("auth-method", _FAMILY, METHOD, "GET")
SIGN_IN: Final = Annotation(
    "auth-signin",
    _FAMILY,
    authorizer_url.SIGN_IN,
    verdict=Verdict.APPROXIMATE,
    note="other variables are refused, and 401 stays; a 401 for want of a password is no sign-in",
)
PARAMETER: Final = Annotation("auth-signin-redirect-param", _FAMILY, authorizer_url.PARAMETER, "rd")
PASSED: Final = Annotation("auth-response-headers", _FAMILY, HEADER_NAMES)
REDIRECT: Final = Annotation(
    "auth-request-redirect", _FAMILY, authorizer_url.PARAMETER, "the path and the query of the request"
)
SET_HEADERS: Final = Annotation(
    "auth-proxy-set-headers",
    _FAMILY,
    OBJECT_NAME,
    verdict=Verdict.APPROXIMATE,
    note="values with $ or a line break close the paths; a header that ingress-nginx sets too is replaced",
    names=ConfigMap,
)
ALWAYS_SET_COOKIE: Final = Annotation(
    "auth-always-set-cookie",
    _FAMILY,
    BOOLEAN,
    "false",
    verdict=Verdict.APPROXIMATE,
    note="false: the authorizer's cookies come with the backend's answer of any status",
)
CACHE_KEY: Final = Annotation(
    "auth-cache-key",
    _FAMILY,
    matching("letters, digits and _ $ { } -", r"[A-Za-z0-9_${}-]*"),
    verdict=Verdict.APPROXIMATE,
    note=_ASKED_EACH_TIME,
)
CACHE_DURATION: Final = Annotation(
    "auth-cache-duration", _FAMILY, DURATIONS, "200 202 401 5m", verdict=Verdict.APPROXIMATE, note=_ASKED_EACH_TIME
)
GLOBAL: Final = Annotation("enable-global-auth", _FAMILY, BOOLEAN, "true")


def _kept_alive(name: str, grammar: Grammar[int] | Grammar[bool], default: str) -> AnyAnnotation:
    note = "connections to authorizers are kept as those to backends are"
    return Annotation(name, _FAMILY, grammar, default, verdict=Verdict.NO_EFFECT, note=note)


_READ: Final = (
    AUTH_METHOD,
    SIGN_IN,
    PARAMETER,
    PASSED,
    REDIRECT,
    SET_HEADERS,
    ALWAYS_SET_COOKIE,
    CACHE_KEY,
    CACHE_DURATION,
)

ANNOTATIONS: Final[tuple[AnyAnnotation, ...]] = (
    AUTH_URL,
    *_READ,
    _kept_alive("auth-keepalive", INTEGER, "0"),
    _kept_alive("auth-keepalive-requests", INTEGER, "1000"),
    _kept_alive("auth-keepalive-timeout", INTEGER, "60"),
    _kept_alive("auth-keepalive-share-vars", BOOLEAN, "false"),
    GLOBAL,
)


def read(reader: AnnotationReader, objects: NamedObjects) -> Authorizer | Unavailable | None:
    """The authorizer that is asked; None without."""
    if reader.text(AUTH_URL) is None:
        for annotation in _READ:
            if reader.text(annotation) is not None:
                _report_alone(reader, annotation)
        return None if reader.get(GLOBAL) is False else by_default(reader)
    url, method, passed = _protecting(reader, AUTH_URL), _protecting(reader, AUTH_METHOD), _protecting(reader, PASSED)
    headers = _headers(reader, objects)
    if (
        url is None
        or isinstance(url, Unavailable)
        or isinstance(method, Unavailable)
        or isinstance(passed, Unavailable)
        or isinstance(headers, Unavailable)
    ):
        return next((each for each in (url, method, passed, headers) if isinstance(each, Unavailable)), None)
    for annotation in (CACHE_KEY, CACHE_DURATION):
        reader.get(annotation)
    asked = replace(
        _authorizer(url, reader.get(SIGN_IN) or "", reader.get(PARAMETER) or ""),
        method=method or "",
        headers=headers,
        passed_headers=passed or (),
        redirect=reader.get(REDIRECT) or "",
        always_sets_cookies=reader.get(ALWAYS_SET_COOKIE) or False,
    )
    if why := why_out_of_reach(asked, objects):
        why = f"is {shown(reader.text(AUTH_URL) or '')}, and {why}"
        return _closed(reader, AUTH_URL, why, "Name another Service or host, or remove the annotation.")
    return asked


def by_default(reader: AnnotationReader) -> Authorizer | Unavailable | None:
    """The authorizer of Ingresses without annotations (global-auth-url); None without."""
    written = reader.setting("global-auth-url")
    if not written:
        return None
    asked = _authorizer(
        authorizer_url.URL.parse(written),
        reader.setting("global-auth-signin"),
        reader.setting("global-auth-signin-redirect-param"),
    )
    return replace(
        asked,
        method=reader.setting("global-auth-method"),
        passed_headers=HEADER_NAMES.parse(reader.setting("global-auth-response-headers")),
        redirect=reader.setting("global-auth-request-redirect"),
        always_sets_cookies=BOOLEAN.parse(reader.setting("global-auth-always-set-cookie") or "false"),
    )


def _authorizer(url: AuthorizerUrl, sign_in: str, parameter: str) -> Authorizer:
    if not sign_in:
        return Authorizer(replace(url, path=authorizer_url.without_escaped_uri(url)))
    return Authorizer(url, sign_in=authorizer_url.location(authorizer_url.SIGN_IN.parse(sign_in), parameter or "rd"))


def _protecting(reader: AnnotationReader, annotation: Annotation[Value]) -> Value | Unavailable | None:
    """The value of an annotation that closes the paths if it is bad; None without."""
    written = reader.text(annotation)
    if written is None or (not written and annotation is not AUTH_URL):
        return None
    try:
        return annotation.grammar.parse(written)
    except InvalidValueError as error:
        why = f" ({error})" if str(error) else ""
        return _closed(reader, annotation, f"is {shown(written)}, which is not {annotation.grammar.words}{why}")


def _headers(reader: AnnotationReader, objects: NamedObjects) -> tuple[tuple[str, str], ...] | Unavailable:
    """The headers of the ConfigMap that auth-proxy-set-headers names."""
    if not reader.text(SET_HEADERS):
        return ()
    try:
        found = objects.config_map(reader, SET_HEADERS)
        headers = tuple(sorted((name.lower(), value) for name, value in (found.data or {}).items()))
        why = next(filter(None, (_why_not(*each) for each in headers)), "") or _too_much(headers)
        why = f"names ConfigMap {found.key} with {why}" if why else ""
    except UnusableObjectError as error:
        headers, why = (), str(error)
    if not why:
        return headers
    report_unusable(reader, SET_HEADERS, f"{why}; {CLOSED}")
    return Unavailable(SET_HEADERS)


def _why_not(name: str, value: str) -> str:
    """Why a question can't have a header; empty for one that can."""
    if not _NAME.fullmatch(name):
        return f"header {shown(name)}, whose name has other characters than letters, digits, - and _"
    if not _may_be_set(name):
        return f"header {name}, which no question may have"
    return "" if _VALUE.fullmatch(value) else f"header {name}, whose value has a $, a line break or another character"


def _too_much(headers: tuple[tuple[str, str], ...]) -> str:
    size = sum(len(name) + len(value) for name, value in headers)
    if len(headers) > MAX_HEADERS or size > MAX_HEADER_BYTES:
        return f"more than {MAX_HEADERS} headers, or more than {MAX_HEADER_BYTES // 1024} KiB of headers"
    return ""


def _closed(reader: AnnotationReader, annotation: AnyAnnotation, why: str, remedy: str = "") -> Unavailable:
    reader.report(
        annotation.full_name,
        Reason.PROTECTION_UNAVAILABLE,
        f"{annotation.name} {why}; {CLOSED}",
        remedy or f"Write {annotation.grammar.words}, or remove the annotation.",
    )
    return Unavailable(annotation)


def _report_alone(reader: AnnotationReader, annotation: AnyAnnotation) -> None:
    message = f"{annotation.name} has no effect without auth-url, in ingress-nginx too"
    reader.report(annotation.full_name, Reason.ANNOTATION_UNSUPPORTED, message, "Add auth-url, or remove it.")
