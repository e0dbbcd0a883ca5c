"""`xds snapshot show`, `diff` and `watch`."""

import difflib
import json
from collections.abc import Iterable, Iterator
from typing import Any, Final

import click
from rich.text import Text

from xds.api.v1 import debug_pb2 as pb
from xds.cli.client import Client
from xds.cli.help import Group
from xds.cli.options import Number, Server, argument, complete_type, filter_options, output_option, server_option
from xds.cli.output import (
    change_data,
    clock,
    resource_data,
    resource_table,
    revision_data,
    write,
    write_data,
    write_line,
    write_utf8,
)
from xds.server.debug.brief import short_type
from xds.yaml_text import to_yaml

MAX_REVISION: Final = 2**64 - 1
"""Of the type in the debug API."""

_COLOURS = {"+": "green", "-": "red", "@": "cyan"}
"""By the first character of a line in a diff."""


class RevisionNumber(Number):
    """A number of any size: the server says which revisions exist."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        return min(super().convert(value, param, ctx), MAX_REVISION)


@click.group(cls=Group, examples=["xds snapshot show"])
def snapshot() -> None:
    """Show the resources that every proxy should have, and their changes."""


@snapshot.command(
    short_help="List resources, or print them in full.",
    examples=["xds snapshot show", "xds snapshot show cds eds --name default/web -o yaml"],
)
@argument("filter_types", metavar="[TYPE]...", nargs=-1, shell_complete=complete_type)
@server_option
@filter_options
@output_option
def show(
    *,
    filter_types: tuple[str, ...],
    server: Server,
    types: tuple[str, ...],
    names: tuple[str, ...],
    output: str,
) -> None:
    """List the resources of the newest revision; -o yaml and -o json print them in full."""
    wanted = pb.ResourceFilter(types=[*filter_types, *types], names=names)
    head, resources = Client(server).resources(
        pb.ListResourcesRequest(filter=wanted, view=_view(full=output != "table"))
    )
    if output != "table":
        versions = {each.type_url: each.version for each in head.types}
        listed = [resource_data(each) for each in resources]
        write_data({**revision_data(head.revision), "versions": versions, "resources": listed}, output)
    elif resources:
        write(resource_table(resources))
    else:
        click.echo("no resources match" if names or wanted.types else "no resources", err=True)


@snapshot.command(
    short_help="Compare two revisions.", examples=["xds snapshot diff", "xds snapshot diff 3 5 --type vhds"]
)
@click.argument("start", metavar="[FROM]", required=False, type=RevisionNumber(min=0))
@click.argument("end", metavar="[TO]", required=False, type=RevisionNumber(min=0))
@server_option
@filter_options
@output_option
def diff(
    *,
    start: int | None,
    end: int | None,
    server: Server,
    types: tuple[str, ...],
    names: tuple[str, ...],
    output: str,
) -> None:
    """Compare two of the last revisions; by default, the newest with its predecessor.

    Revision 0 is the empty snapshot before the first one.
    """
    request = pb.DiffSnapshotsRequest(
        from_revision=start,
        to_revision=end,
        filter=pb.ResourceFilter(types=types, names=names),
        view=_view(full=True),
    )
    head, changes = Client(server).diff(request)
    if output != "table":
        ends = {"from": revision_data(head.start), "to": revision_data(head.end)}
        write_data({**ends, "changes": [change_data(each) for each in changes]}, output)
        return
    if not changes:
        click.echo(f"no difference between revisions {head.start.number} and {head.end.number}", err=True)
    for change in changes:
        write(_coloured(_unified(change, head.start.number, head.end.number)))


@snapshot.command(
    short_help="Print every new revision.", examples=["xds snapshot watch", "xds snapshot watch -t eds -o json"]
)
@server_option
@filter_options
@output_option
def watch(*, server: Server, types: tuple[str, ...], names: tuple[str, ...], output: str) -> None:
    """Print every new revision until Ctrl-C; -o json prints one object per line."""
    wanted = pb.ResourceFilter(types=types, names=names)
    responses = Client(server).watch(pb.WatchSnapshotRequest(filter=wanted, view=_view(full=output != "table")))
    try:
        next(responses)
        click.echo(f"watching {server}; Ctrl-C ends it", err=True)
        for response in responses:
            _write_revision(response, output)
    except KeyboardInterrupt:
        return


def _write_revision(response: pb.WatchSnapshotResponse, output: str) -> None:
    if output == "table":
        write(Text(f"{clock(response.revision.committed_at)} revision {response.revision.number}", "bold"))
        for change in response.changes:
            write(_line(change))
        return
    data = {**revision_data(response.revision), "changes": [change_data(each) for each in response.changes]}
    if output == "json":
        write_line(data)
    else:
        write_utf8(f"---\n{to_yaml(data)}")


def _line(change: pb.ResourceChange) -> Text:
    sign = "~" if change.HasField("old") and change.HasField("new") else "+" if change.HasField("new") else "-"
    return Text(f"  {sign} {short_type(change.type_url)} {change.name}", _COLOURS.get(sign, "yellow"))


def _view(*, full: bool) -> "pb.ResourceView":
    return pb.RESOURCE_VIEW_FULL if full else pb.RESOURCE_VIEW_BASIC


def _unified(change: pb.ResourceChange, start: int, end: int) -> Iterator[str]:
    """The change as lines of a unified diff."""
    name = f"{short_type(change.type_url)} {change.name}"
    old, new = _lines(change.old), _lines(change.new)
    from_name = f"{name} (revision {start})" if old else "/dev/null"
    to_name = f"{name} (revision {end})" if new else "/dev/null"
    return difflib.unified_diff(old, new, from_name, to_name, lineterm="")


def _lines(resource: pb.Resource) -> list[str]:
    return to_yaml(json.loads(resource.json)).splitlines() if resource.json else []


def _coloured(lines: Iterable[str]) -> Text:
    text = Text()
    for line in lines:
        heading = line.startswith(("--- ", "+++ "))
        text.append(line + "\n", "bold" if heading else _COLOURS.get(line[0], ""))
    text.rstrip()
    return text
