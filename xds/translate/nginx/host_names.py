"""server-alias and from-to-www-redirect: names that an Ingress asks for beside the hosts of its rules.

Source: https://github.com/kubernetes/ingress-nginx/blob/controller-v1.15.1/internal/ingress/annotations/alias
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from xds.problems.reasons import Reason
from xds.problems.text import shown
from xds.traffic.hosts import is_wildcard
from xds.translate.names import MAX_HOST_CHARACTERS, MAX_WILDCARD_CHARACTERS, MAX_WILDCARD_LABELS
from xds.translate.nginx import https_redirects
from xds.translate.nginx.annotation import Annotation, Grammar, InvalidValueError, Scope, Verdict
from xds.translate.nginx.grammars import BOOLEAN
from xds.translate.nginx.reader import AnnotationReader

_FAMILY: Final = "hosts"

MAX_ALIASES: Final = 100
"""Each alias is a copy of all routes of its host."""

_CHARACTERS: Final = re.compile(r"[A-Za-z0-9._~/:^$\[\](){}*+?|&=\\-]*")
"""Source: https://github.com/kubernetes/ingress-nginx/blob/controller-v1.15.1/internal/ingress/annotations/parser"""

_LABELS: Final = r"[a-z0-9_-]{1,63}(\.[a-z0-9_-]{1,63})*"
_NAME: Final = re.compile(rf"(\*\.|\.)?{_LABELS}|{_LABELS}\.\*")
"""A host as nginx compares one: underscores and addresses are names as well."""

_USUAL: Final = "names by commas, each such as example.com, *.example.com, .example.com or example.*"


def _aliases(value: str) -> tuple[str, ...]:
    """The names as written, without blanks around."""
    names = tuple(filter(None, (name.strip() for name in value.split(","))))
    if not all(map(_CHARACTERS.fullmatch, names)):
        raise InvalidValueError
    if len(names) > MAX_ALIASES:
        raise InvalidValueError(f"{len(names)} names, and {MAX_ALIASES} is the most")
    return names


SERVER_ALIAS: Final = Annotation(
    "server-alias",
    _FAMILY,
    Grammar(_USUAL, _aliases),
    scope=Scope.HOST,
    verdict=Verdict.APPROXIMATE,
    note="a regular expression (~…) is left out, and wildcards of rules and of TLS entries precede example.*",
    remedy="Write the names of a regular expression one by one, or a wildcard.",
)
FROM_TO_WWW: Final = Annotation(
    "from-to-www-redirect",
    _FAMILY,
    BOOLEAN,
    "false",
    Scope.HOST,
    Verdict.APPROXIMATE,
    "Location has no port where clients expect the port, and a slash at the end of a query stays",
)
ANNOTATIONS: Final = (SERVER_ALIAS, FROM_TO_WWW)


@dataclass(frozen=True, slots=True)
class HostNames:
    """The names that an Ingress asks for beside each host of its rules.

    Attributes:
        aliases: Other names of the host, sorted: names, wildcards for any number of labels, beginnings (`example.*`).
        www_status: The status of the redirect from the host with `www.` in front, or without; 0: there is none.
    """

    aliases: tuple[str, ...] = ()
    www_status: int = 0


NO_NAMES: Final = HostNames()


def read(reader: AnnotationReader) -> HostNames:
    aliases = {name for written in reader.get(SERVER_ALIAS) or () for name in _names(written, reader)}
    www_status = https_redirects.status(reader) if reader.get(FROM_TO_WWW) else 0
    return HostNames(tuple(sorted(aliases)), www_status) if aliases or www_status else NO_NAMES


def _names(written: str, reader: AnnotationReader) -> Iterator[str]:
    """The names that one element stands for; none, with a problem, for an element that can't be served."""
    name = written.lower()
    if name.startswith("~"):
        message = f"server-alias {shown(written)} is a regular expression, which no domain of Envoy is; it is left out"
        reader.report(SERVER_ALIAS.full_name, Reason.ANNOTATION_UNSUPPORTED, message, SERVER_ALIAS.remedy)
    elif len(name) > MAX_HOST_CHARACTERS or not _NAME.fullmatch(name) or _is_long_wildcard(name):
        message = f"server-alias {shown(written)} is no name; it is left out"
        reader.report(SERVER_ALIAS.full_name, Reason.ANNOTATION_INVALID, message, f"Write {_USUAL}.")
    elif name.startswith("."):
        yield name[1:]
        yield f"*{name}"
    else:
        yield name


def _is_long_wildcard(name: str) -> bool:
    """Whether the TLS listener would have an expression for the name that Envoy rejects."""
    if not is_wildcard(name) and not name.startswith("."):
        return False
    return len(name) >= MAX_WILDCARD_CHARACTERS or name.count(".") >= MAX_WILDCARD_LABELS
