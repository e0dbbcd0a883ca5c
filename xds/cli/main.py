"""The command line. Each command lives in a module of its own, which is imported when the command is used."""

import importlib
import os
import signal
import sys
from typing import Any, NamedTuple, NoReturn

import click

from xds.cli.options import version_option


class Entry(NamedTuple):
    """Where a command is defined, as `module:name`, and what the list of commands says of it."""

    place: str
    help: str


COMMANDS = {
    "serve": Entry("xds.cli.serve:serve", "Serve Ingresses to a fleet of Envoys."),
    "bootstrap": Entry("xds.cli.bootstrap:bootstrap", "Write what an Envoy is started with."),
    "snapshot": Entry("xds.cli.snapshot:snapshot", "What the fleet should have: show, diff, watch."),
    "proxies": Entry("xds.cli.proxies:proxies", "What each connected Envoy has."),
    "problems": Entry("xds.cli.proxies:problems", "What could not be honoured, and what to do."),
    "explain": Entry("xds.cli.explain:explain", "What becomes of a request, and why."),
    "why": Entry("xds.cli.why:why", "What became of an Ingress, and why."),
    "translate": Entry("xds.cli.translate:translate", "Manifests to resources and problems, offline."),
    "lint": Entry("xds.cli.lint:lint", "Problems in manifests, for CI pipelines."),
}


class Commands(click.Group):
    """Imports a command's module when it is asked for, and not for `--help`."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        if cmd_name not in COMMANDS:
            return None
        module, _, name = COMMANDS[cmd_name].place.partition(":")
        command: click.Command = getattr(importlib.import_module(module), name)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        with formatter.section("Commands"):
            formatter.write_dl([(name, entry.help) for name, entry in COMMANDS.items()])

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except BrokenPipeError:  # the reader (`head`, say) has seen enough
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            return 0


@click.group(
    cls=Commands,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="Each flag has an environment variable, XDS_ and the flag in capitals; a flag wins.",
)
@version_option
def cli() -> None:
    """An Envoy control plane for Kubernetes Ingress."""


def run(arguments: list[str]) -> int:
    """Run a command, and say what its exit code is: 0 done, 1 problems found, 2 wrong usage, 3 could not be done."""
    try:
        return int(cli.main(arguments, prog_name="xds", standalone_mode=False) or 0)
    except click.exceptions.NoArgsIsHelpError as error:
        click.echo(error.format_message(), err=True)
        return error.exit_code
    except click.UsageError as error:
        path = error.ctx.command_path if error.ctx else "xds"
        return _complain(f"{error.format_message().rstrip('.')}; see '{path} --help'", 2)
    except click.ClickException as error:
        return _complain(error.format_message(), error.exit_code)
    except click.Abort:
        return 130  # as a shell says of what SIGINT ended


def main() -> NoReturn:
    # What gRPC has to say of an address that can't be bound, we say too, in one line.
    os.environ.setdefault("GRPC_VERBOSITY", "NONE")
    if sys.argv[1:2] == ["serve"]:  # it ends well on these, also while it is still being imported
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, lambda *_: sys.exit(0))
    sys.exit(run(sys.argv[1:]))


def _complain(message: str, code: int) -> int:
    click.echo(f"xds: {' '.join(message.split())}", err=True)
    return code
