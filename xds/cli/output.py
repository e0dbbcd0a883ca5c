"""Tables for people, and JSON and YAML for programs."""

import json
import time
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, Literal

import click
from google.protobuf.timestamp_pb2 import Timestamp
from rich.console import Console, RenderableType
from rich.text import Text

from xds.api.v1 import debug_pb2 as pb
from xds.cli.table import Table
from xds.cli.text import printable
from xds.server.debug.brief import short_type
from xds.yaml_text import to_yaml

PIPE_COLUMNS: Final = 10_000
"""The width of output that is not a terminal: every row fits on one line, with names in full."""


def console(*, stderr: bool = False) -> Console:
    found = Console(stderr=stderr, highlight=False)
    return found if found.is_terminal else Console(stderr=stderr, highlight=False, width=PIPE_COLUMNS)


def write(content: RenderableType, *, stderr: bool = False) -> None:
    """Print without truncation or trailing spaces, in colour only on a terminal."""
    out = console(stderr=stderr)
    with out.capture() as captured:
        out.print(content, soft_wrap=isinstance(content, Text))
    text = "\n".join(line.rstrip() for line in captured.get().split("\n"))
    click.echo(text, nl=False, err=stderr, color=True)


def write_data(data: Any, form: str) -> None:
    """Print one document."""
    write_utf8(to_yaml(data) if form == "yaml" else json.dumps(data, ensure_ascii=False, indent=2) + "\n")


def write_line(data: Any) -> None:
    write_utf8(json.dumps(data, ensure_ascii=False, separators=(",", ":")) + "\n")


def write_utf8(text: str) -> None:
    """Print for programs, which expect UTF-8 whatever the terminal has."""
    click.echo(text.encode(), nl=False)


def table(columns: Sequence[str], rows: Iterable[Sequence[str | Text]], *, numbers: Sequence[str] = ()) -> Table:
    """A table without borders. The columns in `numbers` are aligned to the right."""
    cells = [[printable(cell) if isinstance(cell, str) else cell for cell in row] for row in rows]
    return Table(columns, cells, frozenset(columns.index(each) for each in numbers))


def size(octets: int) -> str:
    """A size for people, in B, kB or MB."""
    if octets < 10_000:
        return f"{octets} B"
    return f"{octets / 1000:.0f} kB" if octets < 10_000_000 else f"{octets / 1_000_000:.0f} MB"


def age(timestamp: Timestamp) -> str:
    """The time since then for people: `12s`, `3m`, `2h5m`, `4d`."""
    seconds = max(0, int(time.time() - timestamp.seconds))
    if seconds < 120:
        return f"{seconds}s"
    minutes, hours = seconds // 60, seconds // 3600
    if minutes < 120:
        return f"{minutes}m"
    return f"{hours}h{minutes % 60}m" if hours < 48 else f"{hours // 24}d"


def clock(timestamp: Timestamp) -> str:
    """The local time of day, to the millisecond."""
    local = time.strftime("%H:%M:%S", time.localtime(timestamp.seconds))
    return f"{local}.{timestamp.nanos // 1_000_000:03}"


def iso(message: Any, field: str) -> str | None:
    """A Timestamp field in RFC 3339; None if the field is not set, or outside the calendar."""
    try:
        return getattr(message, field).ToJsonString() if message.HasField(field) else None
    except ValueError:
        return None


def revision_data(revision: pb.Revision) -> dict[str, Any]:
    return {
        "revision": revision.number,
        "read_at": iso(revision, "read_at"),
        "committed_at": iso(revision, "committed_at"),
    }


def resource_data(resource: pb.Resource) -> dict[str, Any]:
    """Includes the content in the full view."""
    data: dict[str, Any] = {"type": resource.type_url, "name": resource.name, "version": resource.version}
    return {**data, "resource": json.loads(resource.json)} if resource.json else data


def change_data(change: pb.ResourceChange) -> dict[str, Any]:
    return {
        "type": change.type_url,
        "name": change.name,
        "old": _side_data(change, "old"),
        "new": _side_data(change, "new"),
    }


def _side_data(change: pb.ResourceChange, side: Literal["old", "new"]) -> dict[str, Any] | None:
    if not change.HasField(side):
        return None
    resource: pb.Resource = getattr(change, side)
    return {"version": resource.version, "resource": json.loads(resource.json)}


def resource_table(resources: Iterable[pb.Resource]) -> Table:
    rows = ((short_type(each.type_url), each.name, each.version, size(each.size)) for each in resources)
    return table(("TYPE", "NAME", "VERSION", "SIZE"), rows, numbers=("SIZE",))


def problem_table(problems: Iterable[pb.Problem]) -> Table:
    rows = ((_origin(each), each.reason, _explanation(each)) for each in problems)
    return table(("OBJECT", "REASON", "PROBLEM AND REMEDY"), rows)


LEVELS: Final = {pb.LEVEL_ERROR: "error", pb.LEVEL_WARNING: "warning"}
"""Values in JSON. Scripts depend on them."""


def _origin(problem: pb.Problem) -> Text:
    places = "".join(f"\n{place}" for place in (problem.field, problem.location) if place)
    return Text.assemble(object_name(problem.object), (places, "dim"))


def _explanation(problem: pb.Problem) -> Text:
    return Text.assemble(problem.message, "\n", (problem.remedy, "green"))


def object_name(reference: pb.ObjectReference) -> str:
    name = f"{reference.namespace}/{reference.name}" if reference.namespace else reference.name
    return f"{reference.kind} {name}"


def reference_data(reference: pb.ObjectReference) -> dict[str, str]:
    return {"kind": reference.kind, "namespace": reference.namespace, "name": reference.name}


def problem_data(problem: pb.Problem) -> Mapping[str, Any]:
    return {
        "object": reference_data(problem.object),
        "reason": problem.reason,
        "level": LEVELS.get(problem.level, "unspecified"),
        "message": problem.message,
        "remedy": problem.remedy,
        "field": problem.field,
        "location": problem.location,
    }
