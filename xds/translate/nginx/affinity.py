"""affinity and session-cookie-*: sessions, each of which stays with one endpoint.

Source: https://github.com/kubernetes/ingress-nginx/blob/controller-v1.15.1/internal/ingress/annotations/sessionaffinity/main.go
"""

from typing import Final

from xds.problems.reasons import Reason
from xds.traffic.affinity import Affinity, SameSite
from xds.translate.nginx.annotation import Annotation, Grammar, InvalidValueError, Verdict
from xds.translate.nginx.grammars import BOOLEAN, INTEGER, matching, one_of
from xds.translate.nginx.reader import AnnotationReader

_FAMILY: Final = "affinity"
_DEFAULT_COOKIE: Final = "INGRESSCOOKIE"


def _same_site(value: str) -> SameSite:
    """One of the words, in upper or lower case."""
    try:
        return SameSite(value.strip(" ").capitalize())
    except ValueError:
        raise InvalidValueError from None


AFFINITY: Final = Annotation(
    "affinity",
    _FAMILY,
    one_of("cookie"),
    verdict=Verdict.APPROXIMATE,
    note="sessions of ingress-nginx start anew; scaling up moves no session; the cookie holds the address of the "
    "endpoint; a new client of an endpoint that fails gets the failure; the Ingress of a path decides, and no other "
    "Ingress of the Service",
)
MODE: Final = Annotation(
    "affinity-mode",
    _FAMILY,
    one_of("balanced", "persistent"),
    "balanced",
    verdict=Verdict.APPROXIMATE,
    note="balanced moves no session to new endpoints either",
)
CANARY_BEHAVIOR: Final = Annotation(
    "affinity-canary-behavior",
    _FAMILY,
    one_of("sticky", "legacy"),
    "sticky",
    verdict=Verdict.APPROXIMATE,
    note="a second cookie, NAME.canary, keeps sessions at the canary; with legacy a canary has no sessions",
)
NAME: Final = Annotation(
    "session-cookie-name",
    _FAMILY,
    # Beside a canary, a second cookie has a longer name, and Envoy compares no name of more than 1024 bytes.
    matching("up to 512 letters, digits and - . _ ~ / :", r"[A-Za-z0-9._~/:-]{1,512}"),
    _DEFAULT_COOKIE,
)
PATH: Final = Annotation(
    "session-cookie-path",
    _FAMILY,
    matching("a path of letters, digits and - . _ ~ / : ? & =", r"[A-Za-z0-9._~/:?&=-]+"),
    "the path of the rule",
    verdict=Verdict.APPROXIMATE,
    note="a rule whose path is an expression has a cookie for /, as no browser would send one for the expression",
)
MAX_AGE: Final = Annotation("session-cookie-max-age", _FAMILY, INTEGER, "until the browser ends")
EXPIRES: Final = Annotation(
    "session-cookie-expires",
    _FAMILY,
    INTEGER,
    "until the browser ends",
    verdict=Verdict.APPROXIMATE,
    note="the cookie has Max-Age with the same number of seconds, unless session-cookie-max-age says another",
)
DOMAIN: Final = Annotation(
    "session-cookie-domain", _FAMILY, matching("a name of letters, digits and - . _ ~ / :", r"[A-Za-z0-9._~/:-]+")
)
SAME_SITE: Final = Annotation(
    "session-cookie-samesite",
    _FAMILY,
    Grammar("None, Lax or Strict", _same_site),
    verdict=Verdict.APPROXIMATE,
    note="the words count in lower case too",
)
SECURE: Final = Annotation("session-cookie-secure", _FAMILY, BOOLEAN, "false")
CHANGE_ON_FAILURE: Final = Annotation(
    "session-cookie-change-on-failure",
    _FAMILY,
    BOOLEAN,
    "false",
    verdict=Verdict.APPROXIMATE,
    note="with false, no failure of a path with sessions is tried again",
)
_OF_COOKIE: Final = (NAME, PATH, MAX_AGE, EXPIRES, DOMAIN, SAME_SITE, SECURE, CHANGE_ON_FAILURE)
ANNOTATIONS: Final = (AFFINITY, MODE, CANARY_BEHAVIOR, *_OF_COOKIE)


def read(reader: AnnotationReader) -> Affinity | None:
    """The sessions of an Ingress; None without. The mode decides nothing here, and is read for its problems."""
    _report_on_primary(reader)
    reader.get(MODE)
    if reader.get(AFFINITY) is None:
        for annotation in (MODE, *_OF_COOKIE):
            if reader.text(annotation):
                message = f"{annotation.name} has no effect without affinity, in ingress-nginx too"
                remedy = f'Set {AFFINITY.full_name} to "cookie", or remove the annotation.'
                reader.report(annotation.full_name, Reason.ANNOTATION_UNSUPPORTED, message, remedy)
        return None
    return Affinity(
        cookie=reader.get(NAME) or _DEFAULT_COOKIE,
        path=reader.get(PATH) or "",
        domain=reader.get(DOMAIN) or "",
        max_age=_max_age(reader),
        same_site=reader.get(SAME_SITE),
        secure=reader.get(SECURE) is True,
        moves_on_failure=reader.get(CHANGE_ON_FAILURE) is True,
    )


def is_sticky(reader: AnnotationReader) -> bool:
    """Whether sessions stay with a canary, or stay off the canary. Read from the canary's own Ingress."""
    return reader.get(CANARY_BEHAVIOR) != "legacy"


def _max_age(reader: AnnotationReader) -> int | None:
    expires, max_age = reader.get(EXPIRES), reader.get(MAX_AGE)
    for annotation, seconds in ((EXPIRES, expires), (MAX_AGE, max_age)):
        if seconds is not None and seconds <= 0:
            message = f"{annotation.name} is {seconds}, so browsers drop the cookie at once and there are no sessions"
            remedy = "Write the seconds of a session, or remove the annotation for sessions until the browser ends."
            reader.report(annotation.full_name, Reason.ANNOTATION_UNSUPPORTED, message, remedy)
    return expires if max_age is None else max_age


def _report_on_primary(reader: AnnotationReader) -> None:
    if reader.get(CANARY_BEHAVIOR) == "legacy":
        message = f"{CANARY_BEHAVIOR.name} has no effect on an Ingress that is no canary, in ingress-nginx too"
        remedy = "Move the annotation to the Ingress of the canary."
        reader.report(CANARY_BEHAVIOR.full_name, Reason.ANNOTATION_UNSUPPORTED, message, remedy)
