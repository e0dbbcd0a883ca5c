"""`xds problems`."""

import click

from xds.cli.client import Client
from xds.cli.help import Command
from xds.cli.options import Server, output_option, server_option
from xds.cli.output import problem_data, problem_table, write, write_data


@click.command(
    cls=Command,
    examples=[
        "xds problems",
        "xds problems -o json | jq '.[].reason'",
    ],
)
@server_option
@output_option
def problems(*, server: Server, output: str) -> None:
    """List the problems of Kubernetes objects, with reasons and remedies."""
    found = Client(server).problems()
    if output != "table":
        write_data([problem_data(problem) for problem in found], output)
    elif found:
        write(problem_table(found))
    else:
        click.echo("no problems", err=True)
