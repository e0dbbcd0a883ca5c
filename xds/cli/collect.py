"""`xds collect`."""

import gzip
import io
import json
import os
import platform
import sys
import tarfile
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

import click

from xds.api.v1 import debug_pb2 as pb
from xds.cli.attention import attention
from xds.cli.client import Client
from xds.cli.help import Command
from xds.cli.ingresses import STATES, ingress_data
from xds.cli.options import FILE, Failed, Server, plain_option, server_option, warn
from xds.cli.output import problem_data, resource_data, revision_data, size
from xds.cli.ports import port_data
from xds.cli.proxies import proxy_data
from xds.cli.scrub import scrub
from xds.cli.status import certificate_data, status_data
from xds.cli.text import counted, printable
from xds.problems.redaction import scrub_text
from xds.server.debug.brief import short_type

FOLDER: Final = "xds-collect"
"""The folder in the archive."""

README: Final = """\
Written by xds collect. Private keys, passwords, their users and hashes are left out, and so is text that looks like
one. Names of hosts, namespaces, Services and addresses are in here: read the files before you send them to
strangers.

status.json        replicas, source, leader, figures, certificates that end soon, and states that need attention
ingresses.json     Ingresses with state, hosts, addresses and counts of problems
ports.json         ports of TCP and UDP that ConfigMaps and Services ask for, with state and endpoints
problems.json      problems with remedies
proxies.json       connected proxies of all replicas: versions sent, acknowledged and rejected
snapshot.json      the resources of the newest revision
revisions.json     the last revisions
certificates.json  certificates: names and dates
metrics.txt        as /metrics of --admin
log.txt            the last lines of the log
flags.json         flags of xds serve
versions.json      versions of the server's parts and of this command
errors.txt         parts that are missing, and why
"""

Part = Callable[[Client], str]


@click.command(
    cls=Command, examples=["xds collect", "xds collect --output /tmp/report.tar.gz", "xds collect -o - | tar -tz"]
)
@server_option
@plain_option(
    "-o",
    "--output",
    type=FILE,
    default=f"{FOLDER}.tar.gz",
    metavar="FILE",
    help="The archive, or - for standard output.",
)
def collect(*, server: Server, output: Path) -> None:
    """Write an archive for a bug report: status, Ingresses, problems, proxies, snapshot, figures, log lines, flags and
    versions.

    Private keys, passwords, their users and hashes are left out. A part that can't be had is a line in errors.txt; the
    exit code is 3 then.
    """
    if str(output) == "-" and sys.stdout.isatty():
        raise click.UsageError("the archive is binary; write it to a file, or to a pipe")
    if not output.name:
        raise click.UsageError("--output is no file; name the file to write")
    files, errors = _collected(Client(server))
    archive = _archive({"README.txt": README, **files, **({"errors.txt": "".join(errors)} if errors else {})})
    _save(archive, output)
    for line in errors:
        warn(line.rstrip())
    written = f"{output}: {counted(len(files), 'file')}, {size(len(archive))}; read it before you send it"
    click.echo(printable(written).replace("\n", " "), err=True)
    if errors:
        missing = f"{counted(len(errors), 'part')} of {len(PARTS)} {'is' if len(errors) == 1 else 'are'} missing"
        raise Failed(f"{missing}; errors.txt in the archive says why")


def _collected(client: Client) -> tuple[dict[str, str], list[str]]:
    """The files, and a line for each that is missing.

    Raises:
        click.ClickException: nothing can be had.
    """
    files: dict[str, str] = {}
    errors: list[str] = []
    first: click.ClickException | None = None
    for name, part in PARTS.items():
        try:
            files[name] = part(client)
        except click.ClickException as error:
            first = first or error
            errors.append(scrub_text(f"{name}: {' '.join(error.message.split())}\n"))
    if first and not files.keys() - {"versions.json"}:
        raise first
    return files, errors


def _json(data: Any) -> str:
    return json.dumps(scrub(data), ensure_ascii=False, indent=1) + "\n"


def _status(client: Client) -> str:
    replicas, certificates = client.replicas(), client.certificates()
    return _json(status_data(replicas, certificates, list(attention(replicas, certificates))))


def _ingresses(client: Client) -> str:
    found, _ = client.ingresses(pb.ListIngressesRequest(states=STATES.values()))
    return _json([ingress_data(each) for each in found])


def _proxies(client: Client) -> str:
    response = client.proxies(all_replicas=True)
    unreachable = [{"address": each.address, "error": each.error} for each in response.unreachable]
    return _json({"proxies": [proxy_data(each) for each in response.proxies], "unreachable": unreachable})


def _snapshot(client: Client) -> str:
    head, resources = client.resources(pb.ListResourcesRequest(view=pb.RESOURCE_VIEW_FULL))
    versions = {each.type_url: each.version for each in head.types}
    data = {
        **revision_data(head.revision),
        "versions": versions,
        "resources": [resource_data(each) for each in resources],
    }
    return _json(data)


def _revisions(client: Client) -> str:
    return _json([_revision_data(each) for each in client.revisions()])


def _revision_data(each: pb.RevisionSummary) -> dict[str, Any]:
    changes = {
        short_type(of.type_url): {"added": of.added, "changed": of.changed, "removed": of.removed}
        for of in each.changes
    }
    return {**revision_data(each.revision), "changes": changes, "unfinished": each.unfinished}


def _flags(client: Client) -> str:
    return _json({each.name: each.value for each in client.diagnostics().settings})


def _versions(client: Client) -> str:
    own = {"xds-ingress": version("xds-ingress"), "python": platform.python_version(), "system": platform.platform()}
    return _json({"server": {each.name: each.version for each in client.diagnostics().versions}, "command": own})


PARTS: Final[Mapping[str, Part]] = {
    "status.json": _status,
    "ingresses.json": _ingresses,
    "ports.json": lambda client: _json([port_data(each) for each in client.ports()]),
    "problems.json": lambda client: _json([problem_data(each) for each in client.problems()]),
    "proxies.json": _proxies,
    "snapshot.json": _snapshot,
    "revisions.json": _revisions,
    "certificates.json": lambda client: _json([certificate_data(each) for each in client.certificates()]),
    "metrics.txt": lambda client: scrub_text(client.diagnostics().metrics),
    "log.txt": lambda client: scrub_text("".join(f"{line}\n" for line in client.diagnostics().log_lines)),
    "flags.json": _flags,
    "versions.json": _versions,
}


def _archive(files: Mapping[str, str]) -> bytes:
    content = io.BytesIO()
    with gzip.GzipFile(fileobj=content, mode="wb") as packed, tarfile.open(fileobj=packed, mode="w") as archive:
        for name, text in files.items():
            data = text.encode(errors="backslashreplace")
            entry = tarfile.TarInfo(f"{FOLDER}/{name}")
            entry.size, entry.mtime, entry.mode = len(data), int(time.time()), 0o600
            archive.addfile(entry, io.BytesIO(data))
    return content.getvalue()


def _save(archive: bytes, output: Path) -> None:
    """Write the file for the own user only, at once.

    Raises:
        Failed: the file can't be written.
    """
    if str(output) == "-":
        click.echo(archive, nl=False)
        return
    unfinished = output.with_name(f"{output.name}.part")
    try:
        unfinished.unlink(missing_ok=True)
        with open(os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:  # noqa: PTH123
            file.write(archive)
        unfinished.replace(output)
    except (OSError, ValueError) as error:
        with suppress(OSError, ValueError):
            unfinished.unlink()
        reason = error.strerror if isinstance(error, OSError) else error
        raise Failed(f"{output} can't be written: {reason}; name another place with --output") from None
