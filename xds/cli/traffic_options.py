"""The flags that influence the translation of Ingresses, shared by `serve` and the offline commands."""

from typing import Any

import click

from xds.cli.options import PORT, F, IpAddress, option
from xds.problems.problem import Key
from xds.resources.options import ProxyOptions
from xds.translate.names import is_subdomain
from xds.translate.translator import TranslateOptions


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


_DEFAULTS = ProxyOptions()

_OPTIONS = (
    option("--ingress-class", type=ClassName(), default="envoy", metavar="NAME", help="The IngressClass to serve."),
    option("--http-port", type=PORT, default=_DEFAULTS.http_port, help="The port of Envoy's plain listener."),
    option("--https-port", type=PORT, default=_DEFAULTS.https_port, help="The port of Envoy's TLS listener."),
    option(
        "--listener-address",
        type=IpAddress(),
        default=_DEFAULTS.listener_address,
        help="The address of Envoy's listeners.",
    ),
    option("--allow-external-name", is_flag=True, help="Route to Services of type ExternalName."),
    option("--redirect-https", is_flag=True, help="Redirect plain requests for hosts with TLS to HTTPS."),
    option("--default-tls-secret", type=ObjectName(), help="The certificate for connections that no other one fits."),
    option(
        "--trusted-hops",
        type=click.IntRange(0, 100),
        default=_DEFAULTS.trusted_hops,
        help="The number of proxies in front that append to x-forwarded-for.",
    ),
    option("--proxy-protocol", is_flag=True, help="Expect a PROXY protocol header on every connection."),
    option("--no-vhds", is_flag=True, help="Send virtual hosts inside RouteConfigurations, to every proxy."),
)


def traffic_options(command: F) -> F:
    """Adds the flags, for `translate_options` and `proxy_options`."""
    for decorate in reversed(_OPTIONS):
        command = decorate(command)
    return command


def translate_options(flags: dict[str, Any]) -> TranslateOptions:
    return TranslateOptions(
        allow_external_name=flags["allow_external_name"], default_tls_secret=flags["default_tls_secret"]
    )


def proxy_options(flags: dict[str, Any]) -> ProxyOptions:
    if flags["http_port"] == flags["https_port"]:
        raise click.UsageError("--http-port and --https-port can't be the same")
    return ProxyOptions(
        listener_address=flags["listener_address"],
        http_port=flags["http_port"],
        https_port=flags["https_port"],
        redirect_https=flags["redirect_https"],
        trusted_hops=flags["trusted_hops"],
        proxy_protocol=flags["proxy_protocol"],
        vhds=not flags["no_vhds"],
    )
