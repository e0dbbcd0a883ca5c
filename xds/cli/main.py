"""The entry point. The module of a command is imported only when the command runs."""

import contextlib
import errno
import importlib
import io
import os
import sys
import traceback
from collections.abc import Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Final, NamedTuple, NoReturn

import click
from click.shell_completion import CompletionItem

from xds.cli.help import Group
from xds.cli.options import version_option
from xds.cli.text import printable
from xds.server import grpc_log


class Entry(NamedTuple):
    """A command.

    Attributes:
        place: The definition, as `module:name`.
        help: The line in the list of commands.
    """

    place: str
    help: str


SECTIONS: Final = {
    "Servers": {
        "serve": Entry("xds.cli.serve:serve", "Serve Ingresses to a fleet of Envoys."),
        "authz": Entry("xds.cli.authz:authz", "Check passwords for the Envoy beside it."),
        "bootstrap": Entry("xds.cli.bootstrap:bootstrap", "Write the bootstrap configuration of an Envoy."),
    },
    "Questions to a control plane": {
        "status": Entry("xds.cli.status:status", "Show control plane, fleet and Ingresses on one screen."),
        "ingresses": Entry("xds.cli.ingresses:ingresses", "List Ingresses, with state, hosts, addresses and problems."),
        "ports": Entry("xds.cli.ports:ports", "List ports of TCP and UDP, with Service, endpoints and state."),
        "proxies": Entry("xds.cli.proxies:proxies", "List connected Envoys, with versions and rejections."),
        "problems": Entry("xds.cli.problems:problems", "List problems of objects, with remedies."),
        "explain": Entry("xds.cli.explain:explain", "Explain the answer to a request, or the end of a connection."),
        "why": Entry("xds.cli.why:why", "Explain the state of an Ingress, Service or ConfigMap."),
        "snapshot": Entry(
            "xds.cli.snapshot:snapshot", "Show, compare and watch the resources that proxies should have."
        ),
        "collect": Entry("xds.cli.collect:collect", "Write an archive for a bug report, without secrets."),
    },
    "Manifests": {
        "translate": Entry("xds.cli.translate:translate", "Translate manifests to resources and problems, offline."),
        "lint": Entry("xds.cli.lint:lint", "Check manifests for problems, in CI pipelines."),
        "migrate": Entry(
            "xds.cli.migrate:migrate", "Report what a switch from ingress-nginx changes, before the switch."
        ),
    },
    "Shell": {
        "completion": Entry("xds.cli.completion:completion", "Write the script for completion in bash, zsh or fish."),
    },
}

COMMANDS: Final = {name: entry for entries in SECTIONS.values() for name, entry in entries.items()}


OUTPUT_ERRORS: Final = {errno.EPIPE, errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.EBADF}
"""Errors of writing to standard output."""

BUG: Final = "an error of xds itself"

BUG_PLACES: Final = 4


class Commands(Group):
    """Imports the module of a command when the command runs, not for `--help`.

    Args:
        sections: The commands by heading.
    """

    def __init__(self, *args: Any, sections: Mapping[str, Mapping[str, Entry]] = SECTIONS, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._sections = sections
        self._entries = {name: entry for entries in sections.values() for name, entry in entries.items()}

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002
        return list(self._entries)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        if cmd_name not in self._entries:
            return None
        module, _, name = self._entries[cmd_name].place.partition(":")
        command: click.Command = getattr(importlib.import_module(module), name)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        name = args[0]
        if name not in self._entries and not name.startswith("-") and not ctx.resilient_parsing:
            near = get_close_matches(name, self._entries, 1)
            ctx.fail(f"No such command {name!r}. {f'Did you mean {near[0]!r}?' if near else ''}".rstrip())
        return super().resolve_command(ctx, args)

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem[str]]:
        commands = [CompletionItem(name, help=entry.help) for name, entry in self._entries.items()]
        return [
            *(each for each in commands if each.value.startswith(incomplete)),
            *click.Command.shell_complete(self, ctx, incomplete),
        ]

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        width = max(map(len, self._entries))
        for heading, entries in self._sections.items():
            with formatter.section(heading):
                formatter.write_dl([(f"{name:{width}}", entry.help) for name, entry in entries.items()])


@click.group(
    cls=Commands,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="Flags of serve, authz and bootstrap, and those of connections, have an environment variable, which --help "
    "of the command names. A flag wins.",
    examples=["xds serve --from k8s/demo", "xds explain https://shop.example.com/cart"],
)
@version_option
def cli() -> None:
    """An Envoy control plane for Kubernetes Ingress."""


def run(arguments: list[str], program: click.Group = cli, name: str = "xds") -> int:
    """Run a command and return its exit code: 0 done, 1 problems or no answer, 2 wrong usage, 3 could not be done."""
    try:
        return int(program.main(arguments, prog_name=name, standalone_mode=False) or 0)
    except click.exceptions.NoArgsIsHelpError as error:
        click.echo(error.format_message(), err=True)
        return error.exit_code
    except click.UsageError as error:
        path = error.ctx.command_path if error.ctx else name
        return _print_error(f"{error.format_message().rstrip('.')}; see '{path} --help'", 2)
    except click.ClickException as error:
        return _print_error(error.format_message(), error.exit_code)
    except click.Abort:
        return 130  # the shell's exit code for a process that SIGINT ended
    except Exception as error:  # noqa: BLE001 -- nobody behind a terminal can do anything with a traceback
        return _unexpected(error)


def _unexpected(error: Exception) -> int:
    """Report an error of the output, or of the program with the last places of the traceback."""
    if isinstance(error, OSError) and error.errno in OUTPUT_ERRORS and error.filename is None:
        return _output_failed(error)
    frames = reversed(traceback.extract_tb(error.__traceback__)[-BUG_PLACES:])
    places = " < ".join(f"{Path(frame.filename).name}:{frame.lineno}" for frame in frames)
    text = f"{BUG}: {type(error).__name__}: {error} ({places}); report this line with the command, please"
    return _print_error(text, 3)


def _output_failed(error: OSError) -> int:
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # takes the rest, written at the exit
    if error.errno == errno.EPIPE:  # the reader, such as `head`, closed the pipe
        return 0
    return _print_error(f"the output can't be written: {error.strerror}; write it to another place", 3)


def main() -> NoReturn:
    prepare_streams()
    if sys.argv[1:2] == ["serve"]:
        grpc_log.take_over()
    # The error of an address that can't be bound is printed by the command, in one line; gRPC would print it again.
    os.environ.setdefault("GRPC_VERBOSITY", "NONE")
    sys.exit(run(sys.argv[1:]))


def prepare_streams() -> None:
    _open_standard_streams()
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # a terminal without UTF-8


def _open_standard_streams() -> None:
    """Open /dev/null for streams that the caller closed; otherwise, the next file or socket would take their place."""
    for descriptor, name in enumerate(("stdin", "stdout", "stderr")):
        try:
            os.fstat(descriptor)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # takes the lowest free number
            stream = open(descriptor, "w" if descriptor else "r", encoding="utf-8", closefd=False)  # noqa: SIM115
            setattr(sys, name, stream)


def _print_error(message: str, code: int) -> int:
    with contextlib.suppress(OSError):  # the exit code remains
        click.echo(f"xds: {printable(' '.join(message.split()))}", err=True)
    return code
