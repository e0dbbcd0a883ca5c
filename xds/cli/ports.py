"""`xds ports`."""

from typing import Any, Final

import click
from rich.text import Text

from xds.api.v1 import debug_pb2 as pb
from xds.cli.client import Client
from xds.cli.help import Command
from xds.cli.options import Server, output_option, server_option
from xds.cli.output import object_name, reference_data, table, write, write_data
from xds.cli.text import printable
from xds.cli.units import COLOURS, STATUSES

UNNAMED: Final = "-"
"""In place of a port that the entry doesn't name."""


@click.command(cls=Command, examples=["xds ports", "xds ports -o json | jq '.[] | select(.status != \"served\")'"])
@server_option
@output_option
def ports(*, server: Server, output: str) -> None:
    """List the ports of TCP and UDP that ConfigMaps and Services ask for: with the Service, endpoints, and the reason
    where a port is not served, or not by each proxy.
    """
    found = Client(server).ports()
    if output != "table":
        write_data([port_data(each) for each in found], output)
    elif found:
        rows = [_row(each) for each in found]
        write(table(("PORT", "STATE", "SERVICE", "HEALTHY", "SOURCE", "WHY"), rows, numbers=("HEALTHY",)))
    else:
        click.echo("no ConfigMap and no Service asks for a port", err=True)


def port_data(port: pb.Port) -> dict[str, Any]:
    return {
        "name": port.name,
        "source": reference_data(port.source),
        "field": port.field,
        "text": port.text,
        "status": STATUSES.get(port.status, "unspecified"),
        "why": port.why,
        "service": reference_data(port.service) if port.HasField("service") else None,
        "cluster": port.cluster,
        "healthy_endpoints": port.healthy_endpoints,
        "draining_endpoints": port.draining_endpoints,
        "losers": [reference_data(each) for each in port.losers],
        "rejecting_proxies": port.rejecting_proxies,
        "rejection": port.rejection,
    }


def _row(port: pb.Port) -> tuple[str | Text, ...]:
    status = (STATUSES.get(port.status, "unspecified"), COLOURS.get(port.status, "red"))
    service = f"{port.service.namespace}/{port.service.name}" if port.HasField("service") else ""
    why = [port.rejection] if port.rejection else []
    why += [port.why] if port.why else []
    why += [f"{object_name(each)} asks for it, too" for each in port.losers]
    return (
        port.name or UNNAMED,
        Text.assemble(("rejected", "red") if port.rejecting_proxies else status),
        service,
        str(port.healthy_endpoints) if port.cluster else "",
        f"{object_name(port.source)} {port.text if port.source.kind == 'Service' else port.field}",
        printable("; ".join(why)),
    )
