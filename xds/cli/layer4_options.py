"""The flags of layer 4: ports of TCP and UDP, and TLS passthrough."""

from typing import Any, Final

import click

from xds.address import HostPort
from xds.cli.names import ObjectName
from xds.cli.options import option
from xds.kube.decode import is_namespace
from xds.traffic.layer4 import PortKey, Transport
from xds.translate.layer4.entries import MAX_PORT, port_number
from xds.translate.layer4.options import Layer4Options, PortRange

DEFAULT_RESERVED: Final = (9901, 9902)
"""Envoy's admin and stats ports in the manifests. They are in Envoy's bootstrap, which the server doesn't see."""


class ExposedPorts(click.ParamType):  # type: ignore[type-arg]  # not generic in every version
    """`9000-9100=NS` or `53/udp=NS`: a number or a range, for TCP and UDP unless a protocol is named."""

    name = "PORTS[/tcp|/udp]=NS"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> PortRange:
        if isinstance(value, PortRange):
            return value
        ports, _, namespace = str(value).partition("=")
        numbers, slash, protocol = ports.partition("/")
        first, dash, last = numbers.partition("-")
        lowest, highest = port_number(first), port_number(last if dash else first)
        if (slash and protocol not in tuple(Transport)) or not is_namespace(namespace):
            self.fail(f"{value!r} is not {self.name}, such as 9000-9100=team-a or 53/udp=dns", param, ctx)
        if lowest is None or highest is None or lowest > highest:
            self.fail(f"{value!r} is no port or range of ports from 1 to {MAX_PORT}", param, ctx)
        return PortRange(lowest, highest, namespace, (Transport(protocol),) if slash else tuple(Transport))


class ReservedPorts(click.ParamType):  # type: ignore[type-arg]
    """Numbers separated by commas."""

    name = "PORT,…"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[int, ...]:
        if isinstance(value, tuple):
            return value
        numbers = [port_number(part) for part in str(value).split(",") if part.strip()]
        if None in numbers:
            self.fail(f"{value!r} is not a list of ports such as 9901,9902", param, ctx)
        return tuple(number for number in numbers if number is not None)


LAYER4_OPTIONS: Final = (
    option(
        "--tcp-services-configmap",
        type=ObjectName(),
        help="The ConfigMap of TCP ports, as of ingress-nginx: PORT: NS/SERVICE:PORT[:PROXY][:PROXY].",
    ),
    option("--udp-services-configmap", type=ObjectName(), help="The ConfigMap of UDP ports: PORT: NS/SERVICE:PORT."),
    option(
        "--expose-ports",
        type=ExposedPorts(),
        multiple=True,
        help="Ports that Services of a namespace may claim by the annotation xds-ingress.dev/expose, such as "
        "9000-9100=team-a or 53/udp=dns. Repeatable; default: none.",
    ),
    option(
        "--reserved-ports",
        type=ReservedPorts(),
        default=",".join(map(str, DEFAULT_RESERVED)),
        help="Envoy's own TCP ports, which no ConfigMap and no Service may claim.",
    ),
    option(
        "--enable-ssl-passthrough",
        is_flag=True,
        help="Let Ingresses ask for TLS passthrough: connections of their hosts go to the Service undecrypted.",
    ),
)


def layer4_options(flags: dict[str, Any]) -> Layer4Options:
    """The choices of the flags. Ports of HTTP and of `xds authz` are reserved, too."""
    authz = flags["authz"]
    tcp = {flags["http_port"], flags["https_port"], *flags["reserved_ports"]}
    tcp |= {authz.port} if isinstance(authz, HostPort) else set()
    http3 = PortKey(Transport.UDP, flags["https_port"])
    named = {Transport.TCP: flags["tcp_services_configmap"], Transport.UDP: flags["udp_services_configmap"]}
    return Layer4Options(
        config_maps={transport: key for transport, key in named.items() if key},
        exposed=tuple(flags["expose_ports"]),
        reserved=frozenset({*(PortKey(Transport.TCP, number) for number in tcp), http3}),
    )
