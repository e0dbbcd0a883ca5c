"""proxy-next-upstream with its tries and timeout: retries of failed requests.

Source: https://nginx.org/en/docs/http/ngx_http_proxy_module.html#proxy_next_upstream
"""

import re
from typing import Final

from xds.problems.reasons import Reason
from xds.traffic.retries import NO_RETRIES, Retries
from xds.translate.nginx.annotation import Annotation, Grammar, InvalidValueError, Verdict
from xds.translate.nginx.grammars import BOOLEAN, NATURAL
from xds.translate.nginx.reader import AnnotationReader

_FAMILY: Final = "timeouts and retries"

_STATUSES: Final = {f"http_{status}": status for status in (403, 404, 429, 500, 502, 503, 504)}
_OFF: Final = "off"
_ANY_METHOD: Final = "non_idempotent"
_WORDS: Final = ("error", "timeout", "invalid_header", *_STATUSES, _ANY_METHOD, _OFF)
_SEPARATED: Final = re.compile(r"\S+(?:[ \t]\S+)*[ \t]?")
"""Two blanks in a row are no separator in ingress-nginx."""

_DEFAULT_CONDITIONS: Final = frozenset(("error", "timeout"))
_DEFAULT_TRIES: Final = 3

MAX_TRIES: Final = 100
"""Bounds the work that one request makes."""

UNBOUNDED_TRIES: Final = 11
"""In place of 0, which has no bound in ingress-nginx: against endpoints that are all down, such tries never end."""


def _conditions(value: str) -> frozenset[str]:
    words = frozenset(value.split())
    if not _SEPARATED.fullmatch(value) or not words.issubset(_WORDS):
        raise InvalidValueError
    return words


NEXT_UPSTREAM: Final = Annotation(
    "proxy-next-upstream",
    _FAMILY,
    Grammar(f"a list of the words {', '.join(_WORDS)}", _conditions),
    "error timeout",
    verdict=Verdict.APPROXIMATE,
    note="requests with a body of more than 1 MiB are not sent again; timeout without error, or invalid_header, also "
    "stands for connections that break; without any annotation of the retries, and without --compatibility "
    "ingress-nginx, requests are sent again only if no backend has seen them, or if they are safe",
)
TRIES: Final = Annotation(
    "proxy-next-upstream-tries",
    _FAMILY,
    NATURAL,
    str(_DEFAULT_TRIES),
    verdict=Verdict.APPROXIMATE,
    note=f"{MAX_TRIES} at most, and {UNBOUNDED_TRIES} for 0, which has no bound in ingress-nginx",
)
TIMEOUT: Final = Annotation(
    "proxy-next-upstream-timeout",
    _FAMILY,
    NATURAL,
    "0",
    verdict=Verdict.APPROXIMATE,
    note="no effect: a request may take as many read timeouts as there are tries",
)
ANNOTATIONS: Final = (NEXT_UPSTREAM, TRIES, TIMEOUT)

_RETRY_NON_IDEMPOTENT: Final = "retry-non-idempotent"


def read(reader: AnnotationReader) -> Retries | None:
    """The retries; None where neither an annotation nor a default asks for any."""
    if reader.get(TIMEOUT) and reader.text(TIMEOUT):
        _report_timeout(reader)
    conditions, tries = reader.get(NEXT_UPSTREAM), _tries(reader)
    if conditions is None and tries is None:
        return None
    return _retries(
        conditions or _DEFAULT_CONDITIONS,
        tries or _DEFAULT_TRIES,
        any_method=BOOLEAN.parse(reader.setting(_RETRY_NON_IDEMPOTENT) or "false"),
    )


def _retries(conditions: frozenset[str], tries: int, *, any_method: bool) -> Retries:
    on_statuses = tuple(sorted(_STATUSES[word] for word in conditions & _STATUSES.keys()))
    on_error, on_timeout = "error" in conditions, "timeout" in conditions
    if _OFF in conditions or tries == 1 or not (on_error or on_timeout or on_statuses):
        return NO_RETRIES
    return Retries(tries, on_error, on_timeout, on_statuses, any_method or _ANY_METHOD in conditions)


def _tries(reader: AnnotationReader) -> int | None:
    """The number of tries, bounded; None without a valid one."""
    tries = reader.get(TRIES)
    if tries is None or 0 < tries <= MAX_TRIES:
        return tries
    bounded = MAX_TRIES if tries else UNBOUNDED_TRIES
    if reader.text(TRIES):
        reader.report(
            TRIES.full_name,
            Reason.ANNOTATION_UNSUPPORTED,
            f"proxy-next-upstream-tries is {tries or '0, for no bound'}; a request is sent {bounded} times at most",
            f"Write a number from 1 to {MAX_TRIES}.",
        )
    return bounded


def _report_timeout(reader: AnnotationReader) -> None:
    reader.report(
        TIMEOUT.full_name,
        Reason.ANNOTATION_UNSUPPORTED,
        "proxy-next-upstream-timeout has no effect: Envoy bounds the number of tries, not their time together",
        "Set proxy-next-upstream-tries, or remove the annotation.",
    )
