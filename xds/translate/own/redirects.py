"""redirect: a redirect of the path to a URL, which may keep path and query of the request."""

import re
from typing import Final

from xds.traffic.actions import KEPT_PATH, KEPT_PATH_AND_QUERY, Redirect
from xds.translate.nginx import redirects
from xds.translate.nginx.annotation import OWN_PREFIX, Annotation, Grammar, InvalidValueError
from xds.translate.nginx.grammars import MAX_CHARACTERS
from xds.translate.nginx.reader import AnnotationReader

_REDIRECT: Final = re.compile(r"(301|302|303|307|308)\s+(https?://[A-Za-z0-9._~:@!$&'()*+,;=/?#%\[\]{}-]+)")
_PLACEHOLDER: Final = re.compile(r"[{}]")


def _redirect(text: str) -> Redirect:
    matched = _REDIRECT.fullmatch(text.strip())
    if matched is None or len(text) > MAX_CHARACTERS:
        raise InvalidValueError
    url = matched[2]
    for kept in (KEPT_PATH_AND_QUERY, KEPT_PATH):
        rest = url.replace(kept, "", 1)
        if not _PLACEHOLDER.search(rest):
            return Redirect(int(matched[1]), url, keeps=kept if rest != url else "")
    raise InvalidValueError


REDIRECT: Final = Annotation(
    "redirect",
    "redirects",
    Grammar(
        "301, 302, 303, 307 or 308, and a URL, once with {path} or {path}?{query} for those of the request", _redirect
    ),
    prefix=OWN_PREFIX,
    instead=(redirects.PERMANENT.full_name, redirects.TEMPORAL.full_name),
)
ANNOTATIONS: Final = (REDIRECT,)


def read(reader: AnnotationReader) -> Redirect | None:
    """The redirect; None where the annotation asks for none."""
    return reader.get(REDIRECT)
