"""upstream-vhost: the Host of the backend's request.

Source: https://github.com/kubernetes/ingress-nginx/blob/controller-v1.15.1/internal/ingress/annotations/upstreamvhost
"""

import re
from collections.abc import Mapping
from typing import Final

from xds.problems.text import shown
from xds.traffic.upstream_host import CLIENTS_HOST, CLIENTS_HOST_AND_PORT
from xds.translate.nginx.annotation import Annotation, Grammar, InvalidValueError, Verdict
from xds.translate.nginx.grammars import MAX_CHARACTERS
from xds.translate.nginx.reader import AnnotationReader

_CHARACTERS: Final = re.compile(r"[A-Za-z0-9._~/:^$\[\](){}*+?|&=\\-]+")
_VARIABLE: Final = re.compile(r"\$(?:\{(?P<braced>\w+)\}|(?P<bare>\w*))", re.ASCII)

_OF_REQUEST: Final = {"host": CLIENTS_HOST, "http_host": CLIENTS_HOST_AND_PORT}
_OF_ROUTE: Final = ("namespace", "service_name", "service_port", "ingress_name")


def _template(value: str) -> str:
    """The text with all variables in braces."""
    text = value.strip(" ")
    if len(text) > MAX_CHARACTERS:
        raise InvalidValueError(f"it has more than {MAX_CHARACTERS} characters")
    if not _CHARACTERS.fullmatch(text):
        raise InvalidValueError
    return _VARIABLE.sub(_in_braces, text)


def _in_braces(found: re.Match[str]) -> str:
    name = found["braced"] or found["bare"]
    if name not in _OF_REQUEST and name not in _OF_ROUTE:
        raise InvalidValueError(f"{shown(found[0])} is not such a variable")
    return _OF_REQUEST.get(name, f"${{{name}}}")


UPSTREAM_VHOST: Final = Annotation(
    "upstream-vhost",
    "headers",
    Grammar(
        "a host, with the variables $host, $http_host, $namespace, $service_name, $service_port and $ingress_name",
        _template,
    ),
    "the Host of the client",
    verdict=Verdict.APPROXIMATE,
    note="for wildcard hosts, and rules without host, $host is as the client wrote it, with port and capital letters",
)
ANNOTATIONS: Final = (UPSTREAM_VHOST,)


def read(reader: AnnotationReader) -> str:
    """The Host with the variables of `on_route`, and with those of an UpstreamHost; empty: the client's."""
    return reader.get(UPSTREAM_VHOST) or ""


def on_route(template: str, values: Mapping[str, str]) -> str:
    """The Host on one route.

    Args:
        template: As read.
        values: Of the variables namespace, service_name, service_port and ingress_name.
    """
    return _VARIABLE.sub(lambda found: values.get(found["braced"], found[0]), template)
