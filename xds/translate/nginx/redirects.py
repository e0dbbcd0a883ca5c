"""permanent-redirect, temporal-redirect, their codes and relative-redirects: an answer in place of the backend's."""

from typing import Final

from xds.traffic.actions import LocationBase, Redirect
from xds.translate.nginx.annotation import Annotation, Grammar, Verdict
from xds.translate.nginx.grammars import BOOLEAN, INTEGER, matching
from xds.translate.nginx.reader import AnnotationReader

_FAMILY: Final = "redirects"
_URL: Final[Grammar[str]] = matching(
    "a URL of letters, digits and - . _ ~ / : , ? & =", r"https?://[A-Za-z0-9._~/:,?&=-]+"
)
_URL_OR_PATH: Final[Grammar[str]] = matching(
    "a URL or a path of letters, digits and - . _ ~ / : , ? & =", r"(https?:/)?/[A-Za-z0-9._~/:,?&=-]*"
)

PERMANENT: Final = Annotation(
    "permanent-redirect",
    _FAMILY,
    _URL_OR_PATH,
    verdict=Verdict.APPROXIMATE,
    note="on wildcard hosts, a redirect to a path keeps the port of the request; elsewhere "
    "--public-http-port and --public-https-port are named, unless 80 and 443",
)
PERMANENT_CODE: Final = Annotation("permanent-redirect-code", _FAMILY, INTEGER, "301")
TEMPORAL: Final = Annotation("temporal-redirect", _FAMILY, _URL)
TEMPORAL_CODE: Final = Annotation("temporal-redirect-code", _FAMILY, INTEGER, "302")
RELATIVE: Final = Annotation("relative-redirects", _FAMILY, BOOLEAN, "false")
ANNOTATIONS: Final = (PERMANENT, PERMANENT_CODE, TEMPORAL, TEMPORAL_CODE, RELATIVE)

_WITH_LOCATION: Final = (301, 302, 303, 307, 308)
"""ingress-nginx also takes 300 and 304 to 306, with which nginx sends no Location."""


def read(reader: AnnotationReader) -> Redirect | None:
    """The redirect; None where the paths forward. A temporal redirect precedes a permanent one.

    Source: https://github.com/kubernetes/ingress-nginx/blob/controller-v1.15.1/internal/ingress/annotations/redirect
    """
    is_relative = reader.get(RELATIVE) or False
    temporal = reader.get(TEMPORAL)
    if temporal is not None:
        return Redirect(_code(reader, TEMPORAL_CODE, 302, 307), temporal)
    permanent = reader.get(PERMANENT)
    if permanent is not None:
        base = LocationBase.HOST if permanent.startswith("/") and not is_relative else LocationBase.NONE
        return Redirect(_code(reader, PERMANENT_CODE, 301, 308), permanent, base)
    return None


def _code(reader: AnnotationReader, annotation: Annotation[int], default: int, highest: int) -> int:
    code = reader.get(annotation)
    if code is None:
        return default
    if code not in _WITH_LOCATION or code > highest:
        reader.report_invalid(annotation, "no redirect has this code")
        return default
    return code
