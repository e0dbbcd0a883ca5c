"""`xds translate`."""

from collections.abc import Iterator
from typing import Any

import click

from xds.api.v1 import debug_pb2 as pb
from xds.cli.help import Command
from xds.cli.offline import offline_pipeline, read, sources_argument, warn_of_other_classes
from xds.cli.options import filter_options, output_option
from xds.cli.output import problem_data, problem_table, resource_data, resource_table, write, write_data
from xds.cli.traffic_options import traffic_options
from xds.server.debug import messages
from xds.server.debug.rendering import Filter, UnknownTypeError
from xds.snapshot.resource import ResourceType
from xds.snapshot.store import Store


@click.command(
    cls=Command,
    examples=[
        "xds translate k8s/demo",
        "helm template charts/shop | xds translate -",
        "xds translate k8s/demo -t cds -n default/web -o yaml",
    ],
)
@sources_argument
@traffic_options
@filter_options
@output_option
def translate(
    *, sources: tuple[str, ...], types: tuple[str, ...], names: tuple[str, ...], output: str, **traffic: Any
) -> int:
    """Translate manifests to resources on standard output and problems on standard error.

    SOURCE is a file, a folder, or - for standard input; all sources together are one set of objects. -o json and
    -o yaml print one document with both. The exit code is 1 if there are problems.
    """
    try:
        chosen = Filter.parse(types, names)
    except UnknownTypeError as error:
        raise click.UsageError(str(error)) from None
    reading = read(sources)
    pipeline = offline_pipeline(reading, traffic)
    resources = list(_resources(pipeline.store, chosen, full=output != "table"))
    problems = [messages.problem(each) for each in pipeline.problems]
    if output != "table":
        listed = {"resources": [resource_data(each) for each in resources]}
        write_data({**listed, "problems": [problem_data(each) for each in problems]}, output)
    else:
        warn_of_other_classes(reading, pipeline)
        _write_tables(resources, problems)
    return 1 if problems else 0


def _write_tables(resources: list[pb.Resource], problems: list[pb.Problem]) -> None:
    if resources:
        write(resource_table(resources))
    if problems:
        write(problem_table(problems), stderr=True)


def _resources(store: Store, chosen: Filter, *, full: bool) -> Iterator[pb.Resource]:
    for type_ in ResourceType:
        for name, resource in sorted(store.resources(type_).items()):
            if chosen.matches(type_, name):
                yield messages.resource(resource, full=full)
