"""`xds ingresses`."""

from typing import Any, Final, TypeAlias

import click
from rich.text import Text

from xds.api.v1 import debug_pb2 as pb
from xds.cli.client import Client
from xds.cli.help import Command
from xds.cli.options import Server, argument, plain_option, server_option
from xds.cli.output import age, iso, table, write, write_data
from xds.cli.text import counted

STATES: Final = {
    "accepted": pb.ACCEPTANCE_ACCEPTED,
    "partly_accepted": pb.ACCEPTANCE_PARTLY,
    "not_served": pb.ACCEPTANCE_NOT_SERVED,
    "not_ours": pb.ACCEPTANCE_NOT_OURS,
}
"""Values of --state and in JSON, and of the label of the metric. Scripts depend on them."""

_NAMES: Final = {number: name for name, number in STATES.items()}

_COLOURS: Final = {
    pb.ACCEPTANCE_ACCEPTED: "green",
    pb.ACCEPTANCE_PARTLY: "yellow",
    pb.ACCEPTANCE_NOT_SERVED: "red",
    pb.ACCEPTANCE_NOT_OURS: "dim",
}

SHOWN_HOSTS: Final = 2
"""Hosts in the table, at most. An Ingress may have hundreds."""

Row: TypeAlias = tuple[str | Text, ...]


@click.command(
    cls=Command,
    examples=[
        "xds ingresses",
        "xds ingresses -n shop --problems",
        "xds ingresses --host shop.example.com -o wide",
        "xds ingresses --state not_served --state partly_accepted -o json",
    ],
)
@argument("words", metavar="[WORD]...", nargs=-1)
@server_option
@plain_option("-n", "--namespace", metavar="NS", help="Ingresses of this namespace.")
@plain_option("--host", metavar="HOST", help="Ingresses with a rule or a TLS entry for this host.")
@plain_option(
    "--state",
    "states",
    type=click.Choice(list(STATES)),
    multiple=True,
    metavar="STATE",
    help=f"One of {', '.join(STATES)}. Repeatable. Default: all but not_ours.",
)
@plain_option("--problems", "with_problems", is_flag=True, help="Ingresses with a problem.")
@plain_option("--no-endpoints", "without_endpoints", is_flag=True, help="Ingresses with a part without endpoints.")
@plain_option(
    "-o",
    "--output",
    type=click.Choice(["table", "wide", "json", "yaml"]),
    default="table",
    help="wide has more columns; json and yaml are for programs, and contain every field.",
)
def ingresses(
    *,
    words: tuple[str, ...],
    server: Server,
    namespace: str | None,
    host: str | None,
    states: tuple[str, ...],
    with_problems: bool,
    without_endpoints: bool,
    output: str,
) -> None:
    """List the Ingresses with their state, hosts, published addresses and problems.

    Each WORD has to be a part of the name, the namespace, the class, a host, a path, a Service, a Secret, or the reason
    of a problem.
    """
    request = pb.ListIngressesRequest(
        namespace=namespace or "",
        host=host or "",
        states=[STATES[each] for each in states],
        text=" ".join(words),
        with_problems=with_problems,
        without_endpoints=without_endpoints,
    )
    found, last = Client(server).ingresses(request)
    if output in ("json", "yaml"):
        write_data([ingress_data(each) for each in found], output)
    elif found:
        _write_table(found, last, wide=output == "wide", all_states=not states)
    else:
        click.echo("no Ingresses match" if _filters(request) else "no Ingresses", err=True)


def _filters(request: pb.ListIngressesRequest) -> bool:
    return request != pb.ListIngressesRequest()


def _write_table(
    found: list[pb.IngressSummary], last: pb.ListIngressesResponse, *, wide: bool, all_states: bool
) -> None:
    columns = ["INGRESS", "STATE", "DOWN", *(["CLASS"] if wide else []), "HOSTS", "ADDRESS", "PROBLEMS", "AGE"]
    write(table(columns, [_row(each, wide=wide) for each in found]))
    click.echo()
    write(summary(last, all_states=all_states))


def _row(each: pb.IngressSummary, *, wide: bool) -> Row:
    name = f"{each.ingress.namespace}/{each.ingress.name}"
    shown = len(each.hosts) if wide else SHOWN_HOSTS
    hosts = ", ".join(map(_host, each.hosts[:shown]))
    hosts += f" +{len(each.hosts) - shown}" if len(each.hosts) > shown else ""
    class_name = (each.class_name,) if wide else ()
    created = age(each.created_at) if each.HasField("created_at") else ""
    addresses = ", ".join(each.addresses)
    return name, _state(each), _down(each), *class_name, hosts, addresses, _problems(each, wide=wide), created


def _host(each: pb.IngressHost) -> str:
    return f"{each.host or '*'}{' (TLS)' if each.tls else ''}"


def _state(each: pb.IngressSummary) -> Text:
    name = _NAMES.get(each.acceptance, "unspecified").replace("_accepted", "").replace("_", " ")
    return Text(name, _COLOURS.get(each.acceptance, ""))


def _down(each: pb.IngressSummary) -> Text:
    """The parts that are not served or have no endpoint, of all parts; empty without such a part."""
    down = each.unserved_units + each.units_without_endpoints
    return Text(f"{down}/{each.units}" if down else "", "red")


def _problems(each: pb.IngressSummary, *, wide: bool) -> Text:
    """The number of errors, and that of warnings in a wide table, or without an error."""
    counts = [counted(each.errors, "error")] if each.errors else []
    counts += [counted(each.warnings, "warning")] if each.warnings and (wide or not each.errors) else []
    return Text(", ".join(counts), "red" if each.errors else "yellow")


def summary(last: pb.ListIngressesResponse, *, all_states: bool) -> Text:
    """The number of Ingresses that pass the filter, and with a filter for all states the number of each."""
    counts = last.counts
    states = {
        "accepted": counts.accepted,
        "partly accepted": counts.partly_accepted,
        "not served": counts.not_served,
        "with parts without endpoints": counts.without_endpoints,
        "of other controllers": counts.not_ours,
    }
    text = ", ".join(f"{number} {state}" for state, number in states.items() if number and all_states)
    pending = "; changes are pending" if last.pending else ""
    return Text(f"{counted(last.total, 'Ingress', 'Ingresses')} listed{': ' if text else ''}{text}{pending}")


def ingress_data(each: pb.IngressSummary) -> dict[str, Any]:
    return {
        "namespace": each.ingress.namespace,
        "name": each.ingress.name,
        "state": _NAMES.get(each.acceptance, "unspecified"),
        "class": each.class_name,
        "claim": each.claim,
        "hosts": [{"host": host.host, "tls": host.tls} for host in each.hosts],
        "addresses": list(each.addresses),
        "errors": each.errors,
        "warnings": each.warnings,
        "parts": each.units,
        "unserved_parts": each.unserved_units,
        "parts_without_endpoints": each.units_without_endpoints,
        "created_at": iso(each, "created_at"),
    }
