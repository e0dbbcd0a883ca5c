"""proxy-redirect-from and -to, proxy-cookie-path and -domain: names of a backend that its clients don't know.

Source: https://nginx.org/en/docs/http/ngx_http_proxy_module.html#proxy_redirect
"""

import re
from typing import Final

from xds.problems.reasons import Reason
from xds.traffic.backend_names import BackendNames, Replacement
from xds.translate.nginx import redirects
from xds.translate.nginx.annotation import Annotation, Grammar, InvalidValueError, Verdict
from xds.translate.nginx.grammars import MAX_CHARACTERS, matching
from xds.translate.nginx.reader import AnnotationReader

_CHARACTERS: Final = "letters, digits and - . _ ~ / : , ? & ="
_URL: Final = r"[A-Za-z0-9._~/:,?&=-]+"
_LITERAL: Final = r"[A-Za-z0-9._/:,?&=-][A-Za-z0-9._~/:,?&=-]*"
"""nginx takes a text that begins with ~ for an expression."""

_EXPRESSION: Final = "a text to look for that begins with ~, an expression in nginx, is a bad value"


def _words(words: str, pattern: str) -> Grammar[Replacement | None]:
    """Two words, or `off` for none."""
    compiled = re.compile(pattern)

    def parse(value: str) -> Replacement | None:
        if (text := value.strip(" ")) == "off":
            return None
        found = compiled.fullmatch(text) if len(text) <= MAX_CHARACTERS else None
        if found is None:
            raise InvalidValueError
        return Replacement(found[1], found[2])

    return Grammar(words, parse)


REDIRECT_FROM: Final = Annotation(
    "proxy-redirect-from",
    "redirects",
    matching(f"off, default, or a text of {_CHARACTERS}", _LITERAL),
    "off",
    verdict=Verdict.APPROXIMATE,
    note=_EXPRESSION,
)
REDIRECT_TO: Final = Annotation(
    "proxy-redirect-to", "redirects", matching(f"off, or a text of {_CHARACTERS}", _URL), "off"
)
COOKIE_PATH: Final = Annotation(
    "proxy-cookie-path",
    "cookies",
    _words(f"off, or two words of {_CHARACTERS}", rf"({_LITERAL}) +({_URL})"),
    "off",
    verdict=Verdict.APPROXIMATE,
    note=_EXPRESSION,
)
COOKIE_DOMAIN: Final = Annotation(
    "proxy-cookie-domain",
    "cookies",
    _words(
        "off, or two words of letters, digits and - . _ ~ / :",
        r"([A-Za-z0-9._/:-][A-Za-z0-9._~/:-]*) +([A-Za-z0-9._~/:-]+)",
    ),
    "off",
    verdict=Verdict.APPROXIMATE,
    note=_EXPRESSION,
)
ANNOTATIONS: Final = (REDIRECT_FROM, REDIRECT_TO, COOKIE_PATH, COOKIE_DOMAIN)

_NO_REPLACEMENT: Final = ("off", "default")
"""nginx's `default` replaces its own name of all backends, which no backend knows."""


def read(reader: AnnotationReader) -> BackendNames | None:
    """The replacements; None: none is asked for."""
    location = _location(reader)
    is_path = location is not None and location.by.startswith("/")
    completes_paths = is_path and not reader.get(redirects.RELATIVE)
    names = BackendNames(location, reader.get(COOKIE_PATH), _domain(reader.get(COOKIE_DOMAIN)), completes_paths)
    return names if names != BackendNames() else None


def _location(reader: AnnotationReader) -> Replacement | None:
    found, by = reader.get(REDIRECT_FROM), reader.get(REDIRECT_TO)
    if found in _NO_REPLACEMENT or by == "off":
        return None
    if found and by:
        return Replacement(found, by)
    for alone, missing in ((REDIRECT_FROM, REDIRECT_TO), (REDIRECT_TO, REDIRECT_FROM)):
        if reader.get(alone) and reader.text(alone):
            message = f"{alone.name} has no effect without a valid {missing.name}, in ingress-nginx too"
            reader.report(alone.full_name, Reason.ANNOTATION_UNSUPPORTED, message, f"Add {missing.name}, or remove it.")
    return None


def _domain(words: Replacement | None) -> Replacement | None:
    """Without the dots in front, which nginx ignores."""
    return Replacement(words.found.removeprefix(".").lower(), words.by.removeprefix(".")) if words else None
