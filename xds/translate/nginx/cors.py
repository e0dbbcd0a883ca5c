"""enable-cors and cors-*: the headers of answers to scripts of other sites, and the answer to preflights.

Source: https://github.com/kubernetes/ingress-nginx/blob/controller-v1.15.1/internal/ingress/annotations/cors
"""

import re
from typing import Final

from xds.problems.reasons import Reason
from xds.problems.text import shown
from xds.traffic.cors import Cors, grouped, is_comparable
from xds.translate.nginx.annotation import Annotation, Grammar, InvalidValueError, Verdict
from xds.translate.nginx.grammars import BOOLEAN, INTEGER, MAX_CHARACTERS
from xds.translate.nginx.reader import AnnotationReader

_FAMILY: Final = "CORS"

_ANY: Final = "*"
_NO_CORS: Final = "no origin is allowed, and no answer has headers of CORS"
_REMEDY: Final = (
    "Write each origin as scheme, host and port of a site, without a path, as in https://app.example.com. For all "
    "sites write *."
)
_ORIGIN: Final = re.compile(r"[a-z]+://(?:\*\.)?[A-Za-z0-9.-]+(?::[0-9]+)?|null")
_OF_ORIGINS: Final = re.compile(r"(?:[a-z]://|:[0-9]|\*(?=[.,]|$)|[A-Za-z0-9.,-])*")
"""Text of origins, whole or not, without blanks."""

_METHODS: Final = re.compile(r"[A-Za-z]+(?:,[A-Za-z]+)*,?")
_HEADERS: Final = re.compile(r"[A-Za-z0-9_,-]+")
_EXPOSED: Final = re.compile(r"[A-Za-z0-9_*-]+(?:,[A-Za-z0-9_*-]+)*,?")

DEFAULT_METHODS: Final = "GET, PUT, POST, DELETE, PATCH, OPTIONS"
DEFAULT_HEADERS: Final = (
    "DNT,Keep-Alive,User-Agent,X-Requested-With,If-Modified-Since,Cache-Control,Content-Type,Range,Authorization"
)
DEFAULT_MAX_AGE_SECONDS: Final = 1_728_000


def _origins(value: str) -> tuple[str, ...]:
    """The elements of a list, origins or not."""
    if len(value) > MAX_CHARACTERS:
        raise InvalidValueError(f"it has more than {MAX_CHARACTERS} characters")
    if not value.strip(" ") or not _OF_ORIGINS.fullmatch(value.replace(" ", "")):
        raise InvalidValueError
    return tuple(dict.fromkeys(each.strip(" ") for each in value.split(",")))


def _listed(words: str, expression: re.Pattern[str]) -> Grammar[str]:
    """Text that an expression matches without its blanks."""

    def parse(value: str) -> str:
        if len(value) > MAX_CHARACTERS:
            raise InvalidValueError(f"it has more than {MAX_CHARACTERS} characters")
        if not expression.fullmatch(value.replace(" ", "")):
            raise InvalidValueError
        return value.strip(" ")

    return Grammar(words, parse)


ENABLE: Final = Annotation("enable-cors", _FAMILY, BOOLEAN, "false")
ORIGIN: Final = Annotation(
    "cors-allow-origin",
    _FAMILY,
    Grammar("a list of origins (https://app.example.com, https://*.example.com, null) with commas, or *", _origins),
    _ANY,
    verdict=Verdict.APPROXIMATE,
    note="an origin is compared from its beginning on; answers that depend on the origin have Vary: origin; a list "
    "that can't be read allows nobody, while ingress-nginx allows everybody",
)
METHODS: Final = Annotation(
    "cors-allow-methods", _FAMILY, _listed("names of methods with commas", _METHODS), DEFAULT_METHODS
)
HEADERS: Final = Annotation(
    "cors-allow-headers", _FAMILY, _listed("names of headers with commas", _HEADERS), DEFAULT_HEADERS
)
EXPOSED: Final = Annotation(
    "cors-expose-headers", _FAMILY, _listed("names of headers with commas, or *", _EXPOSED), "none"
)
CREDENTIALS: Final = Annotation("cors-allow-credentials", _FAMILY, BOOLEAN, "true")
MAX_AGE: Final = Annotation("cors-max-age", _FAMILY, INTEGER, str(DEFAULT_MAX_AGE_SECONDS))
_DETAILS: Final = (ORIGIN, METHODS, HEADERS, EXPOSED, CREDENTIALS, MAX_AGE)
ANNOTATIONS: Final = (ENABLE, *_DETAILS)


def read(reader: AnnotationReader, max_regex_size: int) -> Cors | None:
    """The policy; None without CORS.

    Args:
        reader: Of the Ingress.
        max_regex_size: The size of a compiled expression above which proxies reject the expression.
    """
    if not reader.get(ENABLE):
        for annotation in _DETAILS:
            if reader.text(annotation):
                reader.report(
                    annotation.full_name,
                    Reason.ANNOTATION_UNSUPPORTED,
                    f"annotation {annotation.full_name} has no effect without enable-cors",
                    f'Set {ENABLE.full_name} to "true", or remove the annotation.',
                )
        return None
    origins = _allowed(reader, max_regex_size)
    credentials, max_age = reader.get(CREDENTIALS), reader.get(MAX_AGE)
    found = Cors(
        origins or (),
        methods=reader.get(METHODS) or DEFAULT_METHODS,
        headers=reader.get(HEADERS) or DEFAULT_HEADERS,
        exposed_headers=reader.get(EXPOSED) or "",
        credentials=credentials is not False,
        max_age_seconds=DEFAULT_MAX_AGE_SECONDS if max_age is None else max_age,
    )
    return None if origins is None else found


def _allowed(reader: AnnotationReader, max_regex_size: int) -> tuple[tuple[str, ...], ...] | None:
    """The groups of origins; empty: any origin. None: no origin at all."""
    written = reader.text(ORIGIN)
    try:
        listed = ORIGIN.grammar.parse(written or _ANY)
    except InvalidValueError as error:
        why = f" ({error})" if str(error) else ""
        message = f"cors-allow-origin is {shown(written or '')}, which is not {ORIGIN.grammar.words}{why}; {_NO_CORS}"
        reader.report(ORIGIN.full_name, Reason.ANNOTATION_INVALID, message, _REMEDY)
        return None
    if _ANY in listed:
        return ()
    usable = tuple(each for each in listed if _ORIGIN.fullmatch(each) and is_comparable(each, max_regex_size))
    if left_out := [shown(each) for each in listed if each not in usable]:
        named = ", ".join(left_out[:3]) + (", …" if left_out[3:] else "")
        rest = "the others count" if usable else _NO_CORS
        message = f"cors-allow-origin has {named}, which is no origin or too long a one; {rest}"
        reader.report(ORIGIN.full_name, Reason.ANNOTATION_INVALID, message, _REMEDY)
    return grouped(usable, max_regex_size) if usable else None
