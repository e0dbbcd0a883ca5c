"""The flags of the Gateway API."""

from collections.abc import Iterable
from dataclasses import replace
from ipaddress import ip_address
from pathlib import Path
from typing import Any, Final

import click

from xds.cli.options import option
from xds.controlplane.settings import ClusterSource
from xds.problems.problem import Key
from xds.reporting.status import LoadBalancerAddress
from xds.traffic.layer4 import PortKey, Transport
from xds.translate.gateway.options import GatewayOptions, TargetPorts
from xds.translate.layer4.entries import MAX_PORT, port_number
from xds.translate.layer4.options import Layer4Options


class IpAddress(click.ParamType):  # type: ignore[type-arg]  # not generic in every version
    """An IP address."""

    name = "ADDRESS"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        try:
            return str(ip_address(str(value)))
        except ValueError:
            self.fail(f"{value!r} is no IP address", param, ctx)


class PortNumbers(click.ParamType):  # type: ignore[type-arg]
    """`20000-20999`."""

    name = "FIRST-LAST"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> TargetPorts:
        if isinstance(value, TargetPorts):
            return value
        first, _, last = str(value).partition("-")
        lowest, highest = port_number(first), port_number(last)
        if lowest is None or highest is None or lowest > highest:
            self.fail(f"{value!r} is no range of ports from 1 to {MAX_PORT}, such as 20000-20999", param, ctx)
        return TargetPorts(lowest, highest)


GATEWAY_OPTIONS: Final = (
    option(
        "--gateway-class",
        metavar="NAME",
        default="",
        help="Serve Gateways of this GatewayClass alone. Default: of each with the controllerName "
        "xds-ingress.dev/gateway-controller.",
    ),
    option(
        "--gateway-address",
        type=IpAddress(),
        multiple=True,
        help="An IP address for Gateways, which proxies bind: each Gateway takes one. Not behind a Service of "
        "kube-proxy, which rewrites the destination. Repeatable.",
    ),
    option(
        "--gateway-services",
        type=PortNumbers(),
        help="Keep a Service for each Gateway, in the namespace and with the selector of --publish-service, whose "
        "target ports are of this range, such as 20000-20999.",
    ),
)


def gateway_options(flags: dict[str, Any], layer4: Layer4Options) -> GatewayOptions:
    """The choices of the flags."""
    if flags["gateway_address"] and flags["gateway_services"]:
        raise click.UsageError("--gateway-address and --gateway-services can't both give Gateways their addresses")
    return GatewayOptions(
        gateway_class=flags["gateway_class"],
        addresses=tuple(dict.fromkeys(flags["gateway_address"])),
        target_ports=flags["gateway_services"],
        listener_address=flags["listener_address"],
        http_ports=(flags["http_port"], flags["public_http_port"]),
        https_ports=(flags["https_port"], flags["public_https_port"]),
        layer4=layer4,
    )


def beside_gateways(layer4: Layer4Options, ports: TargetPorts | None) -> Layer4Options:
    """The choices of layer 4, without the ports of --gateway-services."""
    if ports is None:
        return layer4
    numbers = range(ports.first, ports.last + 1)
    taken = (PortKey(transport, number) for transport in Transport for number in numbers)
    return replace(layer4, reserved=layer4.reserved.union(taken))


def placed(
    options: GatewayOptions,
    source: Path | ClusterSource,
    addresses: Iterable[LoadBalancerAddress],
    service: Key | None,
) -> GatewayOptions:
    """The choices with those of the source, --publish-address and --publish-service.

    Raises:
        click.UsageError: --gateway-services doesn't go with the other flags.
    """
    shared = frozenset({str(ip_address(each.ip)) for each in addresses if each.ip} | {options.listener_address})
    records = isinstance(source, ClusterSource)
    if options.target_ports is not None:
        _check_services(options.target_ports, options, source, service)
    fleet = service.namespace if service is not None else ""
    return replace(options, shared_addresses=shared, published=service, records=records, fleet=fleet)


def _check_services(
    ports: TargetPorts, options: GatewayOptions, source: Path | ClusterSource, service: Key | None
) -> None:
    if not isinstance(source, ClusterSource) or service is None:
        raise click.UsageError("--gateway-services needs --kubeconfig or --in-cluster, and --publish-service")
    if source.namespaces and service.namespace not in source.namespaces:
        raise click.UsageError(f"--gateway-services needs --namespace {service.namespace}, which has the Services, too")
    for port in (*options.http_ports, *options.https_ports):
        if ports.first <= port <= ports.last:
            raise click.UsageError(f"--gateway-services has port {port}, which is a port of Ingress; choose others")
    for reserved in options.layer4.reserved:
        if ports.first <= reserved.number <= ports.last:
            raise click.UsageError(f"--gateway-services has port {reserved}, which is reserved; choose others")
