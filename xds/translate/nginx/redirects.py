"""permanent-redirect and temporal-redirect, with their codes: an answer of the path instead of its backend."""

from typing import Final

from xds.traffic.actions import Redirect
from xds.translate.nginx.annotation import Annotation, Grammar, Verdict
from xds.translate.nginx.grammars import INTEGER, matching
from xds.translate.nginx.reader import AnnotationReader

_FAMILY: Final = "redirects"
_URL: Final[Grammar[str]] = matching(
    "a URL of letters, digits and - . _ ~ / : , ? & =", r"https?://[A-Za-z0-9._~/:,?&=-]+"
)
_URL_OR_PATH: Final[Grammar[str]] = matching(
    "a URL or a path of letters, digits and - . _ ~ / : , ? & =", r"(https?:/)?/[A-Za-z0-9._~/:,?&=-]*"
)

AFTER_HTTPS: Final = "with --redirect-https, hosts with TLS are redirected to HTTPS before"

PERMANENT: Final = Annotation(
    "permanent-redirect",
    _FAMILY,
    _URL_OR_PATH,
    verdict=Verdict.APPROXIMATE,
    note=f"{AFTER_HTTPS}; a redirect to a path keeps the port of the request, unless 80 or 443",
)
PERMANENT_CODE: Final = Annotation("permanent-redirect-code", _FAMILY, INTEGER, "301")
TEMPORAL: Final = Annotation("temporal-redirect", _FAMILY, _URL, verdict=Verdict.APPROXIMATE, note=AFTER_HTTPS)
TEMPORAL_CODE: Final = Annotation("temporal-redirect-code", _FAMILY, INTEGER, "302")
ANNOTATIONS: Final = (PERMANENT, PERMANENT_CODE, TEMPORAL, TEMPORAL_CODE)

_WITH_LOCATION: Final = (301, 302, 303, 307, 308)
"""ingress-nginx also takes 300 and 304 to 306, with which nginx sends no Location."""


def read(reader: AnnotationReader) -> Redirect | None:
    """The redirect; None where the paths forward. A temporal redirect precedes a permanent one.

    Source: https://github.com/kubernetes/ingress-nginx/blob/controller-v1.15.1/internal/ingress/annotations/redirect
    """
    temporal = reader.get(TEMPORAL)
    if temporal is not None:
        return Redirect(_code(reader, TEMPORAL_CODE, 302, 307), temporal)
    permanent = reader.get(PERMANENT)
    if permanent is not None:
        return Redirect(_code(reader, PERMANENT_CODE, 301, 308), permanent)
    return None


def _code(reader: AnnotationReader, annotation: Annotation[int], default: int, highest: int) -> int:
    code = reader.get(annotation)
    if code is None:
        return default
    if code not in _WITH_LOCATION or code > highest:
        reader.report_invalid(annotation, "no redirect has this code")
        return default
    return code
