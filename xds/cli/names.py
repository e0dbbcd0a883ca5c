"""Values of flags that are names: of objects, classes, controllers, protocols and servers."""

import re
from typing import Any, Final

import click

from xds.problems.problem import Key
from xds.reporting.reporter import MAX_LEASE_NAME_LENGTH
from xds.translate.names import is_subdomain


class ObjectName(click.ParamType):  # type: ignore[type-arg]  # not generic in every version
    name = "NS/NAME"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Key:
        if isinstance(value, Key):
            return value
        namespace, _, name = str(value).partition("/")
        if not namespace or not name or "/" in name:
            self.fail(f"{value!r} is not NS/NAME", param, ctx)
        return Key(namespace, name)


class ClassName(click.ParamType):  # type: ignore[type-arg]
    name = "NAME"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        if not is_subdomain(str(value)):
            self.fail(f"{value!r} can't be the name of an IngressClass", param, ctx)
        return str(value)


class LeaseName(click.ParamType):  # type: ignore[type-arg]
    """The name of a Lease, which is also part of the `reportingController` of Events."""

    name = "NAME"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        if not is_subdomain(str(value)) or len(str(value)) > MAX_LEASE_NAME_LENGTH:
            rule = f"at most {MAX_LEASE_NAME_LENGTH} characters of a-z, 0-9, - and ."
            self.fail(f"{value!r} can't be the name of a Lease: {rule}", param, ctx)
        return str(value)


class ControllerName(click.ParamType):  # type: ignore[type-arg]
    """A domain-prefixed path, as the API server demands of `spec.controller`.

    Source: https://kubernetes.io/docs/reference/kubernetes-api/service-resources/ingress-class-v1/#IngressClassSpec
    """

    name = "DOMAIN/PATH"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        domain, _, path = str(value).partition("/")
        if not is_subdomain(domain) or not _CONTROLLER_PATH.fullmatch(path) or len(str(value)) > _MAX_CONTROLLER_LENGTH:
            self.fail(f"{value!r} is not DOMAIN/PATH, as in spec.controller of an IngressClass", param, ctx)
        return str(value)


class UpgradeName(click.ParamType):  # type: ignore[type-arg]
    """A protocol, with or without a version.

    Envoy never passes h2c, and takes CONNECT for the method.
    Source: https://www.rfc-editor.org/rfc/rfc9110#section-7.8
    """

    name = "PROTOCOL"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        if not _PROTOCOL.fullmatch(str(value)) or str(value).lower() in ("connect", "h2c"):
            self.fail(f"{value!r} is not a protocol that can be passed, such as websocket or SPDY/3.1", param, ctx)
        return str(value)


class ServerName(click.ParamType):  # type: ignore[type-arg]
    """The value of a Server header; `off` becomes empty."""

    name = "TEXT"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        text = str(value)
        if not _PRINTABLE.fullmatch(text):
            self.fail(f"{value!r} can't be the value of a header; write `off` for no header", param, ctx)
        return "" if text == "off" else text


_PROTOCOL: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+(?:/[!#$%&'*+.^_`|~0-9A-Za-z-]+)?")
_PRINTABLE: Final = re.compile(r"[!-~](?:[ -~]*[!-~])?")

_CONTROLLER_PATH: Final = re.compile(r"[A-Za-z0-9/\-._~%!$&'()*+,;=:]+")
_MAX_CONTROLLER_LENGTH: Final = 250
