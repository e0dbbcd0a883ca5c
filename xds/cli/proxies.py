"""`xds proxies`."""

import time
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from fnmatch import fnmatchcase
from typing import Any, TypeAlias
from urllib.parse import unquote

import click
from rich.text import Text

from xds.api.v1 import debug_pb2 as pb
from xds.cli.client import Client
from xds.cli.help import Command
from xds.cli.options import Failed, Server, output_option, plain_option, server_option
from xds.cli.output import age, iso, table, write, write_data
from xds.cli.text import counted, printable
from xds.protocol.status import BEHIND_SECONDS
from xds.server.debug.brief import short_type, sync_state

_STATE_COLOURS = {"rejected": "red", "on trial": "yellow", "in sync": "green", "sending": "yellow"}

VARIANTS = {pb.VARIANT_DELTA: "delta", pb.VARIANT_SOTW: "sotw"}

Row: TypeAlias = tuple[str | Text, ...]


@click.command(
    cls=Command,
    examples=["xds proxies", "xds proxies --all-replicas --rejecting", "xds proxies --node envoy-7f9c* -o json"],
)
@server_option
@plain_option("--all-replicas", is_flag=True, help="Ask the other replicas, too, as far as the server knows --peers.")
@plain_option("--node", "nodes", multiple=True, help="A part of the node id, or a pattern with * ? [ ]. Repeatable.")
@plain_option("--behind", is_flag=True, help=f"Proxies without an answer to a response for {BEHIND_SECONDS:.0f} s.")
@plain_option("--rejecting", is_flag=True, help="Proxies that reject a resource.")
@plain_option("--stuck", is_flag=True, help="Proxies without progress. Of several such flags, one has to apply.")
@output_option
def proxies(
    *,
    server: Server,
    all_replicas: bool,
    nodes: tuple[str, ...],
    behind: bool,
    rejecting: bool,
    stuck: bool,
    output: str,
) -> None:
    """List the connected Envoys, and for each resource type the versions sent, acknowledged and rejected.

    The last line counts the Envoys by state. The exit code is 3 if a replica gives no answer to --all-replicas; the
    Envoys of the others are listed.
    """
    response = Client(server).proxies(all_replicas=all_replicas)
    wanted = {is_behind: behind, is_rejecting: rejecting, is_stuck: stuck}
    found = [
        each
        for each in response.proxies
        if (not any(wanted.values()) or any(test(each) for test, asked in wanted.items() if asked))
        and (not nodes or any(_matches(each.node_id, node) for node in nodes))
    ]
    if output != "table":
        write_data([proxy_data(proxy) for proxy in found], output)
    elif found:
        _write_tables(found, replicas=response.replicas if all_replicas else 0)
    else:
        text = f"no proxies match, of {len(response.proxies)}" if response.proxies else "no proxies are connected"
        click.echo(text, err=True)
    if response.unreachable:
        raise Failed(unreachable_text(response.unreachable))


def is_behind(proxy: pb.Proxy) -> bool:
    now = time.time()
    return any(each.in_flight and now - each.sent_at.seconds > BEHIND_SECONDS for each in proxy.types)


def is_rejecting(proxy: pb.Proxy) -> bool:
    return any(each.rejected_resources for each in proxy.types)


def is_stuck(proxy: pb.Proxy) -> bool:
    return bool(proxy.stuck)


def is_in_sync(proxy: pb.Proxy) -> bool:
    return bool(proxy.types) and all(each.in_sync for each in proxy.types)


def unreachable_text(replicas: Sequence[pb.Replica]) -> str:
    texts = "; ".join(f"{each.address}: {each.error.rstrip('.')}, {each.remedy.rstrip('.')}" for each in replicas)
    return f"{counted(len(replicas), 'replica')} gave no answer: {texts}"


def summary(proxies: Sequence[pb.Proxy], *, replicas: int = 0) -> str:
    """The proxies by state: `3 proxies, 2 in sync, 1 rejects cds`.

    Args:
        proxies: The proxies to count.
        replicas: The number of replicas that answered; 0 for one that nobody counted.
    """
    parts = [counted(len(proxies), "proxy", "proxies") + (f" on {counted(replicas, 'replica')}" if replicas else "")]
    parts.append(f"{sum(map(is_in_sync, proxies))} in sync")
    rejected = Counter(each.type_url for proxy in proxies for each in proxy.types if each.rejected_resources)
    parts += [f"{count} reject{'s' if count == 1 else ''} {short_type(type_)}" for type_, count in rejected.items()]
    reasons = Counter(each.reason for proxy in proxies for each in proxy.stuck)
    parts += [f"{count} stuck ({reason})" for reason, count in reasons.items()]
    if behind := sum(map(is_behind, proxies)):
        parts.append(f"{behind} behind")
    return ", ".join(parts)


def _matches(name: str, wanted: str) -> bool:
    return fnmatchcase(name, wanted) if any(sign in wanted for sign in "*?[") else wanted in name


def _write_tables(proxies: list[pb.Proxy], *, replicas: int) -> None:
    count = Counter(proxy.node_id for proxy in proxies)
    labelled = [(_label(proxy, unique=count[proxy.node_id] == 1), proxy) for proxy in proxies]
    columns = ["NODE", "CLUSTER", "SOFTWARE", "VARIANT", "PEER", "CONNECTED", "STUCK"]
    columns += ["REPLICA"] if replicas else []
    rows = (_proxy_row(label, proxy) for label, proxy in labelled)
    write(table(columns, [row[: len(columns)] for row in rows]))
    types = (_type_row(label, type_) for label, proxy in labelled for type_ in proxy.types)
    click.echo()
    write(table(("NODE", "TYPE", "NAMES", "SENT", "ACKED", "STATE", "SINCE"), types, numbers=("NAMES",)))
    rejections = list(_rejection_rows(labelled))
    if rejections:
        click.echo()
        write(table(("NODE", "TYPE", "REJECTED", "RESOURCES", "SINCE", "MESSAGE"), rejections))
    click.echo()
    write(Text(printable(summary(proxies, replicas=replicas)), "bold"))


def _label(proxy: pb.Proxy, *, unique: bool) -> str:
    name = proxy.node_id or "(no name yet)"
    return name if unique else f"{name} @{peer_address(proxy.peer)}"


def peer_address(peer: str) -> str:
    """The address without gRPC's scheme: `10.0.0.7:51234` of `ipv4:10.0.0.7:51234`."""
    scheme, _, address = peer.partition(":")
    return unquote(address) if scheme in ("ipv4", "ipv6") else peer


def _proxy_row(label: str, proxy: pb.Proxy) -> Row:
    stuck = Text(", ".join(map(_stuck_text, proxy.stuck)), "red")
    variant, connected = VARIANTS.get(proxy.variant, ""), age(proxy.connected_at)
    return (
        label,
        proxy.node_cluster,
        proxy.user_agent,
        variant,
        peer_address(proxy.peer),
        connected,
        stuck,
        proxy.replica,
    )


def _stuck_text(stuck: pb.Stuck) -> str:
    reason = f"{stuck.reason} {short_type(stuck.type_url)}" if stuck.type_url else stuck.reason
    return f"{reason} for {age(stuck.since)}"


def _type_row(label: str, type_: pb.ProxyType) -> Row:
    name, subscribed = short_type(type_.type_url), "*" if type_.wildcard else str(type_.subscribed_names)
    return label, name, subscribed, type_.sent_version, type_.acked_version, _state(type_), _since(type_)


def _state(type_: pb.ProxyType) -> Text:
    state = sync_state(type_)
    return Text(state, _STATE_COLOURS[state])


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


def proxy_data(proxy: pb.Proxy) -> dict[str, Any]:
    return {
        "node_id": proxy.node_id,
        "replica": proxy.replica,
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
