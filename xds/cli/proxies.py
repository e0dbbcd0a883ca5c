"""`xds proxies`."""

from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Any, TypeAlias

import click
from rich.text import Text

from xds.api.v1 import debug_pb2 as pb
from xds.cli.client import Client
from xds.cli.help import Command
from xds.cli.options import Server, output_option, server_option
from xds.cli.output import age, iso, short_type, table, write, write_data

VARIANTS = {pb.VARIANT_DELTA: "delta", pb.VARIANT_SOTW: "sotw"}

Row: TypeAlias = tuple[str | Text, ...]


@click.command(
    cls=Command,
    examples=[
        "xds proxies",
    ],
)
@server_option
@output_option
def proxies(*, server: Server, output: str) -> None:
    """List the connected Envoys, and for each resource type the versions sent, acknowledged and rejected."""
    found = Client(server).proxies()
    if output != "table":
        write_data([_proxy_data(proxy) for proxy in found], output)
    elif found:
        _write_tables(found)
    else:
        click.echo("no proxies are connected", err=True)


def _write_tables(proxies: list[pb.Proxy]) -> None:
    count = Counter(proxy.node_id for proxy in proxies)
    labelled = [(_label(proxy, unique=count[proxy.node_id] == 1), proxy) for proxy in proxies]
    rows = (_proxy_row(label, proxy) for label, proxy in labelled)
    write(table(("NODE", "CLUSTER", "SOFTWARE", "VARIANT", "PEER", "CONNECTED", "STUCK"), rows))
    rows = (_type_row(label, type_) for label, proxy in labelled for type_ in proxy.types)
    click.echo()
    write(table(("NODE", "TYPE", "NAMES", "SENT", "ACKED", "STATE", "SINCE"), rows, numbers=("NAMES",)))
    rejections = list(_rejection_rows(labelled))
    if rejections:
        click.echo()
        write(table(("NODE", "TYPE", "REJECTED", "RESOURCES", "SINCE", "MESSAGE"), rejections))


def _label(proxy: pb.Proxy, *, unique: bool) -> str:
    name = proxy.node_id or "(no name yet)"
    return name if unique else f"{name} @{proxy.peer}"


def _proxy_row(label: str, proxy: pb.Proxy) -> Row:
    stuck = Text(", ".join(map(_stuck_text, proxy.stuck)), "red")
    variant, connected = VARIANTS.get(proxy.variant, ""), age(proxy.connected_at)
    return label, proxy.node_cluster, proxy.user_agent, variant, proxy.peer, connected, stuck


def _stuck_text(stuck: pb.Stuck) -> str:
    reason = f"{stuck.reason} {short_type(stuck.type_url)}" if stuck.type_url else stuck.reason
    return f"{reason} for {age(stuck.since)}"


def _type_row(label: str, type_: pb.ProxyType) -> Row:
    name, subscribed = short_type(type_.type_url), "*" if type_.wildcard else str(type_.subscribed_names)
    return label, name, subscribed, type_.sent_version, type_.acked_version, _state(type_), _since(type_)


def _state(type_: pb.ProxyType) -> Text:
    if type_.rejected_resources:
        return Text("rejected", "red")
    if type_.on_trial_resources:
        return Text("on trial", "yellow")
    return Text("in sync", "green") if type_.in_sync else Text("sending", "yellow")


def _since(type_: pb.ProxyType) -> str:
    if type_.rejected_resources:
        return age(type_.rejection.rejected_at)
    field = "acked_at" if type_.in_sync else "sent_at"
    return age(getattr(type_, field)) if type_.HasField(field) else ""


def _rejection_rows(labelled: Iterable[tuple[str, pb.Proxy]]) -> Iterator[Row]:
    """Current rejections. Former ones, whose resources have changed since, are only in the JSON."""
    for label, proxy in labelled:
        for type_ in proxy.types:
            if type_.rejected_resources:
                rejection, names = type_.rejection, "\n".join(type_.rejected_names)
                since, message = age(rejection.rejected_at), Text(rejection.message)
                yield label, short_type(type_.type_url), rejection.version, names, since, message


def _proxy_data(proxy: pb.Proxy) -> dict[str, Any]:
    return {
        "node_id": proxy.node_id,
        "node_cluster": proxy.node_cluster,
        "user_agent": proxy.user_agent,
        "peer": proxy.peer,
        "variant": VARIANTS.get(proxy.variant, ""),
        "connected_at": iso(proxy, "connected_at"),
        "types": [_type_data(type_) for type_ in proxy.types],
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
        "waiting_changes": type_.pending_changes,
        "refused_resources": type_.rejected_resources,
        "refused_names": list(type_.rejected_names),
        "on_trial_resources": type_.on_trial_resources,
        "rejection": _rejection_data(type_.rejection) if type_.HasField("rejection") else None,
    }


def _rejection_data(rejection: pb.Rejection) -> dict[str, Any]:
    return {
        "version": rejection.version,
        "message": rejection.message,
        "rejected_at": iso(rejection, "rejected_at"),
        "resources": [{"name": each.name, "version": each.version} for each in rejection.resources],
    }
