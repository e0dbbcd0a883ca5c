"""canary and its rules: an Ingress that lends its backends to paths of other Ingresses."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from xds.problems.reasons import Reason
from xds.problems.text import shown
from xds.traffic.conditions import Comparison, Condition, CookieCondition, HeaderCondition
from xds.traffic.regex import RegexError, compiled, found_anywhere
from xds.translate.nginx.annotation import (
    OWN_PREFIX,
    PREFIX,
    Annotation,
    AnyAnnotation,
    Grammar,
    InvalidValueError,
    Verdict,
)
from xds.translate.nginx.grammars import BOOLEAN, INTEGER
from xds.translate.nginx.reader import AnnotationReader

_FAMILY: Final = "canary"
_DIFFERENCE: Final = (
    "a canary counts for the hosts and paths that its Ingress names, in the namespace of their own Ingress, while "
    "ingress-nginx hangs a canary on the Service, of any namespace; and a canary gets its share also while the other "
    "Service has no endpoint"
)

_BASIC: Final = re.compile(r"[A-Za-z0-9._~/:-]*")
_TOKEN: Final = re.compile(r"[A-Za-z0-9._~-]+")
_NAME: Final = re.compile(r"[A-Za-z0-9._~/:^$\[\](){}*+?|&=\\-]+")

_MAX_PROGRAM_SIZE: Final = 100
"""Envoy's default of re2.max_program_size.error_level: https://www.envoyproxy.io/docs/envoy/latest/configuration/operations/runtime
"""

_MAX_CHARACTERS: Final = 1024
"""Envoy rejects a virtual host that compares a cookie with a longer name."""

_LEAST_TOTAL: Final = 100
_ALWAYS: Final = "always"
_NEVER: Final = "never"


def _basic(value: str) -> str:
    if len(value) > _MAX_CHARACTERS:
        raise InvalidValueError(f"it has more than {_MAX_CHARACTERS} characters")
    if not _BASIC.fullmatch(value.replace(" ", "")):
        raise InvalidValueError
    return value.strip(" ")


def _token(value: str) -> str:
    """A name of a header or cookie. ingress-nginx's grammar has a few names more, which no request can carry."""
    name = _basic(value)
    if not _TOKEN.fullmatch(name):
        raise InvalidValueError
    return name


def _pattern(value: str) -> str:
    if not _NAME.fullmatch(value):
        raise InvalidValueError
    try:
        compiled(value)  # alone: only then does a parenthesis at its end close one of its own
        size = compiled(found_anywhere(value)).programsize
    except RegexError as error:
        raise InvalidValueError(str(error)) from None
    if size > _MAX_PROGRAM_SIZE:
        raise InvalidValueError(f"its program has {size} steps, and Envoy accepts {_MAX_PROGRAM_SIZE}")
    return value


CANARY: Final = Annotation("canary", _FAMILY, BOOLEAN, "false", verdict=Verdict.APPROXIMATE, note=_DIFFERENCE)
BY_HEADER: Final = Annotation("canary-by-header", _FAMILY, Grammar("the name of a header", _token))
BY_HEADER_VALUE: Final = Annotation(
    "canary-by-header-value", _FAMILY, Grammar("letters, digits and - . _ ~ / :", _basic)
)
BY_HEADER_PATTERN: Final = Annotation(
    "canary-by-header-pattern",
    _FAMILY,
    Grammar("a regular expression that RE2 knows", _pattern),
    verdict=Verdict.APPROXIMATE,
    note="RE2 instead of PCRE: no lookaround, no back-reference, and a size that Envoy bounds",
)
BY_COOKIE: Final = Annotation(
    "canary-by-cookie",
    _FAMILY,
    Grammar("the name of a cookie", _token),
    verdict=Verdict.APPROXIMATE,
    note="upper and lower case of the name count, and quotes around the value are taken off",
)
WEIGHT: Final = Annotation("canary-weight", _FAMILY, INTEGER, "0")
WEIGHT_TOTAL: Final = Annotation("canary-weight-total", _FAMILY, INTEGER, str(_LEAST_TOTAL))
_RULES: Final = (BY_HEADER, BY_HEADER_VALUE, BY_HEADER_PATTERN, BY_COOKIE, WEIGHT, WEIGHT_TOTAL)
ANNOTATIONS: Final = (CANARY, *_RULES)


@dataclass(frozen=True, slots=True)
class Canary:
    """The requests that go to a canary.

    Attributes:
        rules: Conditions in the order of trial, each with the answer whether the canary gets the request.
        weight: The canary's share of the requests for which no condition holds: from 0 to `total`.
        total: The share of canary and primary together.
    """

    rules: tuple[tuple[Condition, bool], ...]
    weight: int
    total: int


def read(reader: AnnotationReader) -> Canary | None:
    """The canary; None for an Ingress that is none, however many of the other annotations it has.

    Source: https://github.com/kubernetes/ingress-nginx/blob/controller-v1.15.1/rootfs/etc/nginx/lua/balancer.lua
    """
    if not reader.get(CANARY):
        for annotation in _RULES:
            if reader.text(annotation):
                _report_disabled(reader, annotation)
        return None
    total = _total(reader)
    weight = min(max(reader.get(WEIGHT) or 0, 0), total)
    cookie = reader.get(BY_COOKIE)
    by_cookie = ((CookieCondition(cookie, _ALWAYS), True), (CookieCondition(cookie, _NEVER), False)) if cookie else ()
    return Canary((*_by_header(reader), *by_cookie), weight, total)


def _by_header(reader: AnnotationReader) -> tuple[tuple[HeaderCondition, bool], ...]:
    written = reader.get(BY_HEADER)
    value = reader.get(BY_HEADER_VALUE)
    pattern = reader.get(BY_HEADER_PATTERN)
    if not written:
        return ()
    # nginx finds $http_NAME, whose underscores stand for hyphens.
    name = written.lower().replace("_", "-")
    if value:
        return ((HeaderCondition(name, value), True),)
    if pattern:
        return ((HeaderCondition(name, pattern, Comparison.FOUND), True),)
    if reader.text(BY_HEADER_PATTERN):
        # As in ingress-nginx, the primary answers requests with the header whose pattern can't be compared.
        return ((HeaderCondition(name, "", Comparison.FOUND), False),)
    return ((HeaderCondition(name, _ALWAYS), True), (HeaderCondition(name, _NEVER), False))


def _total(reader: AnnotationReader) -> int:
    total = reader.get(WEIGHT_TOTAL)
    if total is None:
        return _LEAST_TOTAL
    if total < _LEAST_TOTAL:
        reader.report_invalid(WEIGHT_TOTAL, f"a total below {_LEAST_TOTAL} counts as {_LEAST_TOTAL}")
    return max(total, _LEAST_TOTAL)


def report_others(reader: AnnotationReader, effective: Iterable[AnyAnnotation]) -> None:
    """Report the annotations of a canary, beside `effective` ones and this family: those of the primary hold."""
    known = {each.full_name for each in ANNOTATIONS} | {each.full_name for each in effective}
    for annotation in (prefix + name for prefix in (PREFIX, OWN_PREFIX) for name in reader.names(prefix)):
        if annotation not in known:
            reader.report(
                annotation,
                Reason.ANNOTATION_UNSUPPORTED,
                f"annotation {shown(annotation)} has no effect: an Ingress with canary only lends its backends, and "
                "the annotations of the Ingress whose paths it shares hold",
                "Remove the annotation, or move it to the other Ingress.",
            )


def _report_disabled(reader: AnnotationReader, annotation: AnyAnnotation) -> None:
    reader.report(
        annotation.full_name,
        Reason.ANNOTATION_UNSUPPORTED,
        f"annotation {annotation.full_name} has no effect: the Ingress isn't a canary",
        f'Set {CANARY.full_name} to "true", or remove the annotation.',
    )
