"""auth-tls-*: the certificates that the clients of a host are asked for.

Source: https://github.com/kubernetes/ingress-nginx/blob/controller-v1.15.1/internal/ingress/annotations/authtls
"""

import re
from typing import Final

from xds.kube.objects import Secret
from xds.problems.reasons import Reason
from xds.problems.text import shown
from xds.traffic.client_certificates import ClientCertificates, Verification
from xds.traffic.regex import RegexError, compiled
from xds.translate.nginx.annotation import Annotation, AnyAnnotation, Grammar, InvalidValueError, Scope, Verdict
from xds.translate.nginx.grammars import BOOLEAN, INTEGER, MAX_CHARACTERS, OBJECT_NAME, always, one_of
from xds.translate.nginx.named_objects import NamedObjects, Unavailable, UnusableObjectError, report_unusable
from xds.translate.nginx.reader import AnnotationReader

_FAMILY: Final = "client certificates"
CLOSED: Final = "the hosts of the Ingress answer 403"

MAX_DEPTH: Final = 99
"""Envoy counts one more, and 100 is its most:
https://www.envoyproxy.io/docs/envoy/latest/api-v3/extensions/transport_sockets/tls/v3/common.proto
"""

_PREFIX: Final = "CN="
_MAX_PROGRAM_SIZE: Final = 100
"""Envoy rejects a larger program in a condition, whatever its runtime says of other expressions."""

_URL: Final = re.compile(r"https?://[A-Za-z0-9._~/:,?&=-]+")
_PLACE: Final = re.compile(r"[A-Za-z0-9._~/:,?&=@-]+")


def _subject(value: str) -> str:
    if not value.startswith(_PREFIX):
        raise InvalidValueError
    if len(value) > MAX_CHARACTERS:
        raise InvalidValueError(f"it has more than {MAX_CHARACTERS} characters")
    if not value.isprintable():
        raise InvalidValueError("it has a line break, or another character that can't be printed")
    try:
        compiled(value.removeprefix(_PREFIX))  # alone, as in ingress-nginx
        size = compiled(value).programsize
    except RegexError as error:
        raise InvalidValueError(str(error)) from None
    if size > _MAX_PROGRAM_SIZE:
        raise InvalidValueError(f"its program has {size} steps, and Envoy accepts {_MAX_PROGRAM_SIZE}")
    return value


def _page(value: str) -> str:
    if not _PLACE.fullmatch(value) or len(value) > MAX_CHARACTERS:
        raise InvalidValueError
    return value


def _rejects(value: str) -> bool:
    """Whether a mode keeps requests out. A mode that isn't one is `on`, an empty one none at all."""
    return bool(value) and value.strip(" ") not in (*Verification,)[1:]


SECRET: Final = Annotation(
    "auth-tls-secret",
    _FAMILY,
    OBJECT_NAME,
    scope=Scope.HOST,
    verdict=Verdict.APPROXIMATE,
    note="plain HTTP is answered by 403, unless redirected; a Secret without ca.crt closes the host; of several "
    "Ingresses of a host the oldest decides, and a younger one with a bad Secret closes its own paths alone; a Secret "
    "of another namespace takes --allow-cross-namespace-resources",
    protects=always,
    names=Secret,
)
VERIFY: Final = Annotation(
    "auth-tls-verify-client",
    _FAMILY,
    one_of(*Verification),
    "on",
    Scope.HOST,
    Verdict.APPROXIMATE,
    "with optional_no_ca, ssl-client-verify is FAILED without the reason, and expired or revoked certificates pass too",
    protects=_rejects,
)
DEPTH: Final = Annotation("auth-tls-verify-depth", _FAMILY, INTEGER, "1", Scope.HOST)
ERROR_PAGE: Final = Annotation(
    "auth-tls-error-page",
    _FAMILY,
    Grammar("a URL of letters, digits and - . _ ~ / : , ? & =", _page),
    scope=Scope.HOST,
    verdict=Verdict.APPROXIMATE,
    note="a path, or the @name of a location, has no effect: 400 is answered",
)
PASSES: Final = Annotation("auth-tls-pass-certificate-to-upstream", _FAMILY, BOOLEAN, "false", Scope.HOST)
SUBJECT: Final = Annotation(
    "auth-tls-match-cn",
    _FAMILY,
    Grammar("CN= and a regular expression of RE2", _subject),
    scope=Scope.HOST,
    note="but for an expression with lookaround, or of more than about 90 characters, with which the host answers 403",
    protects=always,
)
_WITH_SECRET: Final[tuple[AnyAnnotation, ...]] = (VERIFY, DEPTH, ERROR_PAGE, PASSES, SUBJECT)
ANNOTATIONS: Final = (SECRET, *_WITH_SECRET)

_CLOSING: Final[tuple[AnyAnnotation, ...]] = (SUBJECT, ERROR_PAGE, PASSES)
"""With a bad value of one of these ingress-nginx serves nothing of the Ingress."""


def read(reader: AnnotationReader, objects: NamedObjects) -> ClientCertificates | Unavailable | None:
    """The certificates that clients are asked for; None where they are not."""
    if reader.text(SECRET) is None:
        return _without_secret(reader)
    try:
        secret = objects.secret(reader, SECRET)
    except UnusableObjectError as error:
        report_unusable(reader, SECRET, f"{error}; {CLOSED}")
        return Unavailable(SECRET)
    judged = objects.credentials.judge_authorities(secret)
    if judged.authorities is None:
        why = f"names Secret {secret.key}, which can't be used: {judged.why_not}; {CLOSED}"
        report_unusable(reader, SECRET, why)
        return Unavailable(SECRET)
    for annotation in _CLOSING:
        if bad := _closing_fault(reader, annotation):
            reader.report(
                annotation.full_name, Reason.PROTECTION_UNAVAILABLE, bad, f"Write {annotation.grammar.words}."
            )
            return Unavailable(annotation)
    depth = reader.get(DEPTH) or 1
    if depth < 0:
        reader.report_invalid(DEPTH, "it is negative")
    return ClientCertificates(
        secret.key,
        Verification(reader.get(VERIFY) or Verification.ON),
        min(max(depth, 1), MAX_DEPTH),
        _error_page(reader),
        reader.get(PASSES) or False,
        reader.get(SUBJECT) or "",
    )


def _closing_fault(reader: AnnotationReader, annotation: AnyAnnotation) -> str:
    """Why the value of an annotation closes the hosts; empty for a good one."""
    written = reader.text(annotation)
    try:
        _ = written and annotation.grammar.parse(written)
    except InvalidValueError as error:
        why = f" ({error})" if str(error) else ""
        return f"{annotation.name} is {shown(written or '')}, which is not {annotation.grammar.words}{why}; {CLOSED}"
    return ""


def _error_page(reader: AnnotationReader) -> str:
    page = reader.get(ERROR_PAGE) or ""
    if page and not _URL.fullmatch(page):
        message = f"{ERROR_PAGE.name} {shown(page)} is no URL, and has no effect: 400 is answered"
        reader.report(ERROR_PAGE.full_name, Reason.ANNOTATION_UNSUPPORTED, message, "Write a URL with its scheme.")
        return ""
    return page


def _without_secret(reader: AnnotationReader) -> Unavailable | None:
    for annotation in _WITH_SECRET:
        written = reader.text(annotation)
        if not written:
            continue
        if annotation.protects is not None and annotation.protects(written):
            why = f"asks for certificates, and {SECRET.name} names no Secret to verify them by; {CLOSED}"
            report_unusable(reader, annotation, why)
            return Unavailable(annotation)
        reader.report_lacking(annotation, SECRET)
    return None
