"""proxy-body-size, proxy-request-buffering and proxy-buffering: bodies of requests and answers."""

import re
from typing import Final

from xds.problems.reasons import Reason
from xds.traffic.bodies import ANY_BODIES, Bodies
from xds.translate.nginx.annotation import Annotation, Grammar, InvalidValueError, Verdict
from xds.translate.nginx.grammars import SIZE, one_of
from xds.translate.nginx.reader import AnnotationReader

_FAMILY: Final = "bodies"

_SIZE: Final = re.compile(r"[0-9]+[kmg]?", re.IGNORECASE)
MAX_BYTES: Final = 2**63 - 1
"""Of nginx's numbers for sizes."""

MAX_BUFFERED_BYTES: Final = 8 * 1024 * 1024
"""Bound of the bodies that a proxy keeps in memory as a whole."""


def _body_size(value: str) -> int:
    """A size. Other annotations also know the unit b, and blanks within."""
    text = value.strip()
    if not _SIZE.fullmatch(text) or (size := SIZE.parse(text)) > MAX_BYTES:
        raise InvalidValueError
    return size


BODY_SIZE: Final = Annotation(
    "proxy-body-size",
    _FAMILY,
    Grammar("a number of bytes, or a number with k, m or g; 0 for no bound", _body_size),
    "0, or 1m with --compatibility ingress-nginx",
)
REQUEST_BUFFERING: Final = Annotation(
    "proxy-request-buffering",
    _FAMILY,
    one_of("on", "off"),
    "on, without a buffer",
    verdict=Verdict.APPROXIMATE,
    note="uploads reach the backend as they come; where the annotation says on and proxy-body-size is 8m at most, "
    "bodies for backends that speak HTTP/1.1 are read whole, and have a length",
)
BUFFERING: Final = Annotation(
    "proxy-buffering",
    _FAMILY,
    one_of("on", "off"),
    "off",
    verdict=Verdict.APPROXIMATE,
    note="a slow client keeps the backend waiting, also with on: answers are not put on disk",
)
ANNOTATIONS: Final = (BODY_SIZE, REQUEST_BUFFERING, BUFFERING)


def read(reader: AnnotationReader) -> Bodies:
    reader.get(BUFFERING)
    max_bytes = reader.get(BODY_SIZE) or None
    buffered = reader.get(REQUEST_BUFFERING) == "on" and reader.text(REQUEST_BUFFERING) is not None
    if buffered and (max_bytes is None or max_bytes > MAX_BUFFERED_BYTES):
        _report_unbuffered(reader)
        buffered = False
    return Bodies(max_bytes, buffered) if max_bytes else ANY_BODIES


def _report_unbuffered(reader: AnnotationReader) -> None:
    reader.report(
        REQUEST_BUFFERING.full_name,
        Reason.ANNOTATION_UNSUPPORTED,
        "proxy-request-buffering is on, and proxy-body-size allows more than 8 MiB, which a proxy doesn't keep in "
        "memory; uploads reach the backend as they come",
        "Set proxy-body-size to 8m or less if the backend needs the length of bodies; else remove the annotation.",
    )
