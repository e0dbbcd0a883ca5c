"""`xds proxies` and `xds problems`."""

from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Any

import click
from rich.text import Text

from xds.api.v1 import debug_pb2 as pb
from xds.cli.client import Client
from xds.cli.options import Server, output_option, server_option
from xds.cli.output import age, iso, problem_data, problem_table, short, table, write, write_data

VARIANTS = {pb.VARIANT_DELTA: "delta", pb.VARIANT_SOTW: "sotw"}


@click.command()
@server_option
@output_option
def problems(*, server: Server, output: str) -> None:
    """What could not be honoured, of which object, why, and the remedy."""
    found = Client(server).problems()
    if output != "table":
        write_data([problem_data(each) for each in found], output)
    elif found:
        write(problem_table(found))
    else:
        click.echo("no problems", err=True)


@click.command()
@server_option
@output_option
def proxies(*, server: Server, output: str) -> None:
    """What each connected Envoy was sent, what it accepted, what it rejected and why, and since when."""
    found = Client(server).proxies()
    if output != "table":
        write_data([_proxy_data(each) for each in found], output)
    elif found:
        _write_tables(found)
    else:
        click.echo("no proxies are connected", err=True)


def _write_tables(found: list[pb.Proxy]) -> None:
    counted = Counter(proxy.node_id for proxy in found)
    named = [(_called(proxy, alone=counted[proxy.node_id] == 1), proxy) for proxy in found]
    write(table(("NODE", "CLUSTER", "SOFTWARE", "VARIANT", "PEER", "CONNECTED", "STUCK"), map(_who, named)))
    rows = (_what(name, type_) for name, proxy in named for type_ in proxy.types)
    click.echo()
    write(table(("NODE", "TYPE", "NAMES", "SENT", "ACKED", "STATE", "SINCE"), rows, numbers=("NAMES",)))
    rejections = list(_rejections(named))
    if rejections:
        click.echo()
        write(table(("NODE", "TYPE", "REJECTED", "RESOURCES", "SINCE", "WHY"), rejections))


def _called(proxy: pb.Proxy, *, alone: bool) -> str:
    name = proxy.node_id or "(no name yet)"
    return name if alone else f"{name} @{proxy.peer}"


def _who(named: tuple[str, pb.Proxy]) -> tuple[str | Text, ...]:
    name, proxy = named
    variant, stuck = VARIANTS.get(proxy.variant, ""), Text(", ".join(map(_why_stuck, proxy.stuck)), "red")
    return name, proxy.node_cluster, proxy.user_agent, variant, proxy.peer, age(proxy.connected_at), stuck


def _why_stuck(stuck: pb.Stuck) -> str:
    what = f"{stuck.reason} {short(stuck.type_url)}" if stuck.type_url else stuck.reason
    return f"{what} for {age(stuck.since)}"


def _what(name: str, type_: pb.ProxyType) -> tuple[str | Text, ...]:
    names = "*" if type_.wildcard else str(type_.subscribed_names)
    return name, short(type_.type_url), names, type_.sent_version, type_.acked_version, _state(type_), _since(type_)


def _state(type_: pb.ProxyType) -> Text:
    if type_.refused_resources:
        return Text("rejected", "red")
    return Text("in sync", "green") if type_.in_sync else Text("sending", "yellow")


def _since(type_: pb.ProxyType) -> str:
    if type_.refused_resources:
        return age(type_.rejection.rejected_at)
    field = "acked_at" if type_.in_sync else "sent_at"
    return age(getattr(type_, field)) if type_.HasField(field) else ""


def _rejections(named: Iterable[tuple[str, pb.Proxy]]) -> Iterator[tuple[str | Text, ...]]:
    """What still stands: what was refused and has been replaced since is history, and in the JSON."""
    for name, proxy in named:
        for type_ in proxy.types:
            if type_.refused_resources:
                why, since = type_.rejection, age(type_.rejection.rejected_at)
                names = "\n".join(type_.refused_names)
                yield name, short(type_.type_url), why.version, names, since, Text(why.message)


def _proxy_data(proxy: pb.Proxy) -> dict[str, Any]:
    return {
        "node_id": proxy.node_id,
        "node_cluster": proxy.node_cluster,
        "user_agent": proxy.user_agent,
        "peer": proxy.peer,
        "variant": VARIANTS.get(proxy.variant, ""),
        "connected_at": iso(proxy, "connected_at"),
        "types": [_type_data(each) for each in proxy.types],
        "unserved_types": list(proxy.unserved_types),
        "stuck": [
            {"reason": each.reason, "type": each.type_url or None, "since": iso(each, "since")} for each in proxy.stuck
        ],
    }


def _type_data(type_: pb.ProxyType) -> dict[str, Any]:
    return {
        "type": type_.type_url,
        "wildcard": type_.wildcard,
        "subscribed_names": type_.subscribed_names,
        "sent_version": type_.sent_version,
        "sent_at": iso(type_, "sent_at"),
        "acked_version": type_.acked_version,
        "acked_at": iso(type_, "acked_at"),
        "in_sync": type_.in_sync,
        "in_flight": type_.in_flight,
        "waiting_changes": type_.waiting_changes,
        "refused_resources": type_.refused_resources,
        "refused_names": list(type_.refused_names),
        "rejection": _rejection_data(type_.rejection) if type_.HasField("rejection") else None,
    }


def _rejection_data(rejection: pb.Rejection) -> dict[str, Any]:
    return {
        "version": rejection.version,
        "message": rejection.message,
        "rejected_at": iso(rejection, "rejected_at"),
        "resources": [{"name": each.name, "version": each.version} for each in rejection.resources],
    }
