"""default-backend, custom-http-errors and disable-proxy-intercept-errors: another backend's answers in place of errors.

Source: https://kubernetes.github.io/ingress-nginx/user-guide/custom-errors/
"""

import re
from dataclasses import dataclass
from typing import Final

from xds.problems.reasons import Reason
from xds.translate.nginx.annotation import Annotation, Grammar, InvalidValueError, Verdict
from xds.translate.nginx.grammars import BOOLEAN, MAX_CHARACTERS, matching
from xds.translate.nginx.reader import AnnotationReader

_FAMILY: Final = "error pages"
_STATUS: Final = re.compile(r"[45][0-9][0-9]")
_NOT_IN_NGINX: Final = "499"
"""nginx's own code for a client that closed the connection."""


def _statuses(value: str) -> tuple[int, ...]:
    items = [item.strip(" ") for item in value[: MAX_CHARACTERS + 1].split(",")]
    if len(value) > MAX_CHARACTERS or not all(_STATUS.fullmatch(item) and item != _NOT_IN_NGINX for item in items):
        raise InvalidValueError
    return tuple(sorted({int(item) for item in items}))


DEFAULT_BACKEND: Final = Annotation(
    "default-backend",
    _FAMILY,
    matching("the name of a Service in the same namespace", r"[a-z]([-a-z0-9]{0,61}[a-z0-9])?"),
    verdict=Verdict.APPROXIMATE,
    note="a request with a body for a Service without endpoints gets the plain 503; so do all requests for a wildcard "
    "host with upstream-vhost",
)
CUSTOM_HTTP_ERRORS: Final = Annotation(
    "custom-http-errors",
    _FAMILY,
    Grammar("a list of codes from 400 to 599 but 499, with commas", _statuses),
    verdict=Verdict.APPROXIMATE,
    note="needs default-backend, which is asked by GET whatever the method is; 413, and errors of the proxy itself "
    "before the whole body has come, are not replaced, nor answers for a wildcard host with upstream-vhost; with "
    "auth-* annotations, or global-auth-url, 401 and 403 stay what they are",
)
DISABLE_INTERCEPT: Final = Annotation(
    "disable-proxy-intercept-errors",
    _FAMILY,
    BOOLEAN,
    "false",
    verdict=Verdict.APPROXIMATE,
    note="as custom-http-errors",
)
ANNOTATIONS: Final = (DEFAULT_BACKEND, CUSTOM_HTTP_ERRORS, DISABLE_INTERCEPT)

_GLOBAL_AUTH: Final = "global-auth-url"

_DENIALS: Final = (401, 403)
"""Answers that a client must not take for leave: https://nvd.nist.gov/vuln/detail/CVE-2026-24513"""


@dataclass(frozen=True, slots=True)
class DefaultBackend:
    """The default backend of an Ingress as written.

    Attributes:
        service: The name of its Service.
        statuses: As in ErrorPages; likewise the rest.
    """

    service: str
    statuses: tuple[int, ...] = ()
    kept_statuses: tuple[int, ...] = ()
    own_only: bool = False


def read(reader: AnnotationReader) -> DefaultBackend | None:
    """The default backend; None: errors stay."""
    service, statuses = reader.get(DEFAULT_BACKEND), reader.get(CUSTOM_HTTP_ERRORS) or ()
    own_only = reader.get(DISABLE_INTERCEPT) or False
    if service is None:
        if statuses:
            reader.report(
                CUSTOM_HTTP_ERRORS.full_name,
                Reason.ANNOTATION_UNSUPPORTED,
                "custom-http-errors has no effect without a valid default-backend; ingress-nginx would answer 404",
                "Name a Service of error pages in default-backend.",
            )
        return None
    asks_who = any(name.startswith("auth-") for name in reader.names()) or bool(reader.setting(_GLOBAL_AUTH))
    kept = tuple(status for status in statuses if status in _DENIALS) if asks_who else ()
    return DefaultBackend(service, statuses, kept, own_only)
