"""ssl-redirect, force-ssl-redirect, preserve-trailing-slash and use-port-in-redirects: the redirect to HTTPS.

Source: https://kubernetes.github.io/ingress-nginx/user-guide/tls/#server-side-https-enforcement-through-redirect
"""

from typing import Final

from xds.traffic.https_redirect import BY_OPERATOR, NO_HTTPS_REDIRECT, HttpsRedirect, RedirectWhen
from xds.translate.nginx.annotation import Annotation, Verdict
from xds.translate.nginx.grammars import BOOLEAN
from xds.translate.nginx.reader import AnnotationReader

_FAMILY: Final = "redirects"

SSL_REDIRECT: Final = Annotation(
    "ssl-redirect",
    _FAMILY,
    BOOLEAN,
    "as --redirect-https says",
    verdict=Verdict.APPROXIMATE,
    note="true redirects hosts that a TLS entry covers, and no other host of an Ingress with a TLS entry",
)
FORCE_SSL_REDIRECT: Final = Annotation("force-ssl-redirect", _FAMILY, BOOLEAN, "false")
PRESERVE_TRAILING_SLASH: Final = Annotation(
    "preserve-trailing-slash",
    _FAMILY,
    BOOLEAN,
    "false",
    verdict=Verdict.APPROXIMATE,
    note="without it too, the Location keeps a slash at the end of a query, and the slash of / on wildcard hosts; "
    "redirects that only --redirect-https asks for keep every slash",
)
USE_PORT_IN_REDIRECTS: Final = Annotation(
    "use-port-in-redirects",
    _FAMILY,
    BOOLEAN,
    "false",
    verdict=Verdict.APPROXIMATE,
    note="the port is --public-https-port; without it too, a port other than 443 is named, and 443 for a wildcard host "
    "if the request names a port other than 80",
)
ANNOTATIONS: Final = (SSL_REDIRECT, FORCE_SSL_REDIRECT, PRESERVE_TRAILING_SLASH, USE_PORT_IN_REDIRECTS)

CHALLENGES: Final = ("/.well-known/acme-challenge",)
"""Beginnings of the paths of Ingresses that are never redirected, unless the operator has others."""

_WHEN: Final = {None: RedirectWhen.OPERATOR, True: RedirectWhen.WITH_TLS, False: RedirectWhen.NEVER}
"""By the value of ssl-redirect, if any."""

_STATUSES: Final = {str(status): status for status in (301, 302, 307, 308)}


def read(reader: AnnotationReader) -> HttpsRedirect:
    """The redirect to HTTPS of all paths, but for those with a beginning of `plain_paths`."""
    force, ssl_redirect = reader.get(FORCE_SSL_REDIRECT), reader.get(SSL_REDIRECT)
    when = RedirectWhen.ALWAYS if force else _WHEN[ssl_redirect]
    keeps_slash = reader.get(PRESERVE_TRAILING_SLASH) or False
    names_port = reader.get(USE_PORT_IN_REDIRECTS) or False
    if when is RedirectWhen.OPERATOR:
        return BY_OPERATOR
    if when is RedirectWhen.NEVER:
        return NO_HTTPS_REDIRECT
    return HttpsRedirect(when, status(reader), keeps_slash, names_port)


def status(reader: AnnotationReader) -> int:
    """The status of redirects to HTTPS and to names with or without `www.`, a setting of all Ingresses."""
    return _STATUSES.get(reader.setting("http-redirect-code"), 308)


def plain_paths(reader: AnnotationReader) -> tuple[str, ...]:
    """Beginnings of the paths of Ingresses, as written, that are never redirected.

    Source: https://kubernetes.github.io/ingress-nginx/user-guide/nginx-configuration/configmap/#no-tls-redirect-locations
    """
    written = reader.setting("no-tls-redirect-locations")
    return tuple(each.strip() for each in written.split(",")) if written else CHALLENGES


def on_path(asked: HttpsRedirect, path: str, plain: tuple[str, ...]) -> HttpsRedirect:
    """The redirect of a path as written.

    The operator's own redirect has an exception of its own, for requests.
    """
    is_plain = asked.when is not RedirectWhen.OPERATOR and path.startswith(plain)
    return NO_HTTPS_REDIRECT if is_plain else asked


def without_host(asked: HttpsRedirect) -> HttpsRedirect:
    """The redirect of rules without host, which have no TLS of their own. As in nginx, only force redirects them."""
    return BY_OPERATOR if asked.when is RedirectWhen.WITH_TLS else asked
