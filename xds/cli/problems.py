"""`xds problems`."""

import click

from xds.cli.client import Client
from xds.cli.help import Command
from xds.cli.options import Server, output_option, plain_option, server_option
from xds.cli.output import problem_data, problem_table, write, write_data
from xds.cli.reason_name import ReasonName


@click.command(
    cls=Command,
    examples=["xds problems", "xds problems -n shop --reason SecretNotFound", "xds problems -o json | jq '.[].reason'"],
)
@server_option
@plain_option("-n", "--namespace", metavar="NS", help="Problems of objects in this namespace.")
@plain_option(
    "--reason",
    "reasons",
    type=ReasonName(),
    multiple=True,
    metavar="REASON",
    help="Problems of this reason. Repeatable.",
)
@output_option
def problems(*, server: Server, namespace: str | None, reasons: tuple[str, ...], output: str) -> None:
    """List the problems of Kubernetes objects, with reasons and remedies."""
    found = [
        each
        for each in Client(server).problems()
        if (not reasons or each.reason in reasons) and (not namespace or each.object.namespace == namespace)
    ]
    if output != "table":
        write_data([problem_data(problem) for problem in found], output)
    elif found:
        write(problem_table(found))
    else:
        click.echo("no problems match" if namespace or reasons else "no problems", err=True)
