"""CORS filters.

Source: https://gateway-api.sigs.k8s.io/geps/gep-1767/
"""

import re
from collections.abc import Iterable
from typing import Final

from xds.kube.gateway_objects import HTTPCORSFilter
from xds.problems.field_path import FieldPath
from xds.problems.text import shown
from xds.traffic.cors import ANY_ORIGIN, NO_ORIGIN, Cors, grouped, is_comparable
from xds.translate.gateway.context import GatewayContext
from xds.translate.gateway.rules.findings import invalid_value

_ANY: Final = "*"
_ORIGIN: Final = re.compile(
    r"(?P<scheme>https?)://(?P<host>\*|(?:\*\.)?(?:[A-Za-z0-9-]+\.)*[A-Za-z0-9-]+)(?::(?P<port>[0-9]{1,5}))?"
)
_DEFAULT_PORTS: Final = {"http": 80, "https": 443}
_TOKEN: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,256}")


def cors(context: GatewayContext, written: HTTPCORSFilter, at: FieldPath) -> Cors:
    """The policy of a filter.

    Raises:
        InvalidRuleError: a value isn't valid.
    """
    exposed = _names(written.expose_headers, at.child("exposeHeaders"))
    if written.allow_credentials:  # browsers take `*` for the name of a header
        exposed = tuple(each for each in exposed if each != _ANY)
    if not 0 < written.max_age < 2**31:
        raise invalid_value(f"{written.max_age} is no number of seconds from 1 on", at.child("maxAge"))
    return Cors(
        _origins(context, written, at.child("allowOrigins")),
        methods=", ".join(_names(written.allow_methods, at.child("allowMethods"))),
        headers=", ".join(_names(written.allow_headers, at.child("allowHeaders"))),
        exposed_headers=", ".join(exposed),
        credentials=written.allow_credentials,
        max_age_seconds=written.max_age,
        is_strict=True,
    )


def _origins(context: GatewayContext, written: HTTPCORSFilter, at: FieldPath) -> tuple[tuple[str, ...], ...]:
    if not written.allow_origins:
        return ((NO_ORIGIN,),)
    if _ANY in written.allow_origins:
        # With credentials, the origin is to be named in answers.
        return ((ANY_ORIGIN,),) if written.allow_credentials else ()
    found: dict[str, None] = {}
    for index, text in enumerate(written.allow_origins):
        origin = _origin(text)
        if origin is None:
            why = f"{shown(text)} is no origin, such as https://app.example.com or https://*.example.com"
            raise invalid_value(why, at.child(index))
        if not is_comparable(origin, context.max_regex_size):
            raise invalid_value(f"{shown(text)} is too long to be compared by Envoy", at.child(index))
        found[origin] = None
    return grouped(tuple(found), context.max_regex_size)


def _origin(text: str) -> str | None:
    """The origin as browsers send it, with `**` for any number of labels; None for other text."""
    found = _ORIGIN.fullmatch(text)
    if found is None:
        return None
    port = int(found["port"] or _DEFAULT_PORTS[found["scheme"]])
    if not 0 < port <= 65535:
        return None
    host = found["host"].lower().replace("*", "**")
    return f"{found['scheme']}://{host}" + ("" if port == _DEFAULT_PORTS[found["scheme"]] else f":{port}")


def _names(names: Iterable[str] | None, at: FieldPath) -> tuple[str, ...]:
    """Names of methods or headers; `*` alone, if it is among them."""
    listed = tuple(dict.fromkeys(names or ()))
    for index, name in enumerate(listed):
        if not _TOKEN.fullmatch(name):
            raise invalid_value(f"{shown(name)} is no name of a method or header", at.child(index))
    return listed
