"""`xds status`."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final

import click
from rich.table import Table
from rich.text import Text

from xds.api.v1 import debug_pb2 as pb
from xds.cli.attention import CERTIFICATE_DAYS, attention, days_left, end_text, owner, versions
from xds.cli.client import Client
from xds.cli.help import Command
from xds.cli.options import Server, output_option, plain_option, server_option
from xds.cli.output import age, iso, reference_data, revision_data, table, write, write_data
from xds.cli.text import counted, printable

SHOWN_CERTIFICATES: Final = 5

_USES: Final = {
    pb.CERTIFICATE_USE_SERVED: "served",
    pb.CERTIFICATE_USE_CONTROL_PLANE: "control_plane",
    pb.CERTIFICATE_USE_CLIENT_CA: "client_ca",
}
"""Values in JSON. Scripts depend on them."""


@click.command(
    cls=Command, examples=["xds status", "xds status --exit-code > /dev/null || echo look", "xds status -o json"]
)
@server_option
@output_option
@plain_option("--exit-code", is_flag=True, help="Exit with 1 if something needs attention, for scripts.")
def status(*, server: Server, output: str, exit_code: bool) -> int:
    """Show the state of the control plane, its replicas, the fleet and the Ingresses on one screen.

    With --exit-code, the exit code is 1 if the list of attention has an entry: the source is not current, there is no
    revision, a replica gives no answer or serves something else, no proxy is connected, a proxy is behind, stuck or
    rejects, or a certificate ends within a week. Problems of Ingresses don't count: they are their owners'.
    """
    client = Client(server)
    replicas, certificates = client.replicas(), client.certificates()
    soon = [each for each in certificates if days_left(each) <= CERTIFICATE_DAYS]
    found = list(attention(replicas, soon))
    if output != "table":
        write_data(status_data(replicas, soon, found), output)
    else:
        _write(replicas, soon, found)
    return int(exit_code and bool(found))


def _write(replicas: Sequence[pb.Replica], soon: Sequence[pb.Certificate], found: Sequence[str]) -> None:
    write(_grid((Text(name, "bold"), Text(printable(line))) for name, line in _lines(replicas[0].status)))
    if soon:
        write(_grid((Text("certificate", "bold"), Text(printable(line), "yellow")) for line in _certificates(soon)))
    if len(replicas) > 1:
        click.echo()
        columns = ("REPLICA", "VERSION", "UP", "LEADS", "SOURCE", "REVISION", "PROXIES", "IN SYNC")
        write(table(columns, map(_replica_row, replicas)))
    click.echo()
    if found:
        write(_grid(((Text("!", "bold red"), Text(printable(each))) for each in found), width=1))
    else:
        write(Text("nothing needs attention", "green"))


def _grid(rows: Iterable[tuple[Text, Text]], width: int = 12) -> Table:
    """Words and texts, which are wrapped beside their words."""
    grid = Table.grid(padding=(0, 1))
    grid.add_column(width=width)
    grid.add_column(overflow="fold")
    for row in rows:
        grid.add_row(*row)
    return grid


def _certificates(soon: Sequence[pb.Certificate]) -> Iterator[str]:
    for certificate in soon[:SHOWN_CERTIFICATES]:
        hosts = f" ({', '.join(certificate.hosts[:3])})" if certificate.hosts else ""
        yield f"{owner(certificate)}{hosts} {end_text(certificate)}"
    if len(soon) > SHOWN_CERTIFICATES:
        yield f"and {len(soon) - SHOWN_CERTIFICATES} more; -o json has them"


def _lines(status: pb.GetStatusResponse) -> Iterator[tuple[str, str]]:
    """The rows of the first block: a word and a text."""
    yield "replica", f"{status.replica}, version {status.version}, up {age(status.started_at)}"
    source = status.source
    since = f" for {age(source.behind_since)}" if source.HasField("behind_since") else ""
    yield "source", f"{source.name}: {'current' if source.current else f'not current{since}: {source.why}'}"
    yield "leader", _leader(status.leadership)
    revision = status.snapshot.revision
    pending = ", changes are pending" if status.pending else ""
    yield (
        "revision",
        f"{revision.number}, {age(revision.committed_at)} old{pending}" if status.HasField("snapshot") else "none yet",
    )
    yield "ingresses", _ingresses(status.ingresses)
    if any(_counts(status.gateways).values()):
        yield "gateways", _gateways(status.gateways)
    problems = status.problems
    more = ": xds problems" if problems.errors or problems.warnings else ""
    yield "problems", f"{counted(problems.errors, 'error')}, {counted(problems.warnings, 'warning')}{more}"
    yield "proxies", proxies_text(status.proxies)
    certificate = status.next_certificate
    if status.HasField("next_certificate"):
        yield "certificates", f"the first to end is that of {owner(certificate)}: {end_text(certificate)}"
    else:
        yield "certificates", "none"


def _leader(leadership: pb.Leadership) -> str:
    if not leadership.elects:
        return "none: with a folder, nothing is written"
    return "this replica" if leadership.leads else leadership.holder or "nobody yet"


def _ingresses(counts: pb.IngressCounts) -> str:
    idle = f"; {counts.without_endpoints} of them with parts without endpoints" if counts.without_endpoints else ""
    served = f"{counts.accepted} accepted, {counts.partly_accepted} partly accepted"
    return f"{served}, {counts.not_served} not served, {counts.not_ours} of other controllers{idle}"


def _gateways(counts: pb.GatewayCounts) -> str:
    served = f"{counts.accepted} accepted, {counts.partly_accepted} partly accepted, {counts.not_served} not served"
    faulty = f", {counts.faulty_routes} not served as written" if counts.faulty_routes else ""
    return f"{served}; {counted(counts.routes, 'route')}{faulty}"


def proxies_text(counts: pb.ProxyCounts) -> str:
    figures = (f"{counts.behind} behind", f"{counts.stuck} stuck", f"{counts.rejecting} rejecting")
    return f"{counts.connected} connected, {counts.in_sync} in sync, {', '.join(figures)}"


def _replica_row(each: pb.Replica) -> tuple[str | Text, ...]:
    if not each.HasField("status"):
        return each.address, "", "", "", Text(each.error, "red"), "", "", ""
    found = each.status
    current = Text("current", "green") if found.source.current else Text("not current", "red")
    revision = f"{age(found.snapshot.revision.committed_at)} old" if found.HasField("snapshot") else "none"
    leads = "yes" if found.leadership.leads else ""
    proxies = found.proxies
    return (
        *(found.replica, found.version, age(found.started_at), leads, current, revision),
        *(str(proxies.connected), str(proxies.in_sync)),
    )


def status_data(replicas: Sequence[pb.Replica], soon: Sequence[pb.Certificate], found: Sequence[str]) -> dict[str, Any]:
    return {
        "replicas": [_replica_data(each) for each in replicas],
        "certificates": [certificate_data(each) for each in soon],
        "attention": list(found),
    }


def _replica_data(each: pb.Replica) -> dict[str, Any]:
    status = _status_data(each.status) if each.HasField("status") else None
    return {"address": each.address, "self": each.self, "error": each.error, "remedy": each.remedy, "status": status}


def _status_data(status: pb.GetStatusResponse) -> dict[str, Any]:
    source, leadership = status.source, status.leadership
    return {
        "replica": status.replica,
        "version": status.version,
        "started_at": iso(status, "started_at"),
        "source": {
            "name": source.name,
            "current": source.current,
            "why": source.why,
            "behind_since": iso(source, "behind_since"),
        },
        "leader": {"elects": leadership.elects, "leads": leadership.leads, "holder": leadership.holder},
        **(revision_data(status.snapshot.revision) if status.HasField("snapshot") else {"revision": None}),
        "versions": versions(status),
        "pending": status.pending,
        "ingresses": _counts(status.ingresses),
        "gateways": _counts(status.gateways),
        "problems": _counts(status.problems),
        "proxies": _counts(status.proxies),
    }


def _counts(message: Any) -> dict[str, int]:
    """The figures of a message, also those that are 0."""
    return {field.name: getattr(message, field.name) for field in message.DESCRIPTOR.fields}


def certificate_data(each: pb.Certificate) -> dict[str, Any]:
    return {
        "use": _USES.get(each.use, "unspecified"),
        "secret": reference_data(each.secret) if each.HasField("secret") else None,
        "file": each.file,
        "names": list(each.names),
        "hosts": list(each.hosts),
        "not_before": iso(each, "not_before"),
        "not_after": iso(each, "not_after"),
    }
