"""`xds explain`."""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Final

import click
from rich.text import Text
from rich.tree import Tree

from xds.api.v1 import debug_pb2 as pb
from xds.cli.client import Client
from xds.cli.delivery import add_proxies, problem_text, standing_data
from xds.cli.offline import chosen, source_options
from xds.cli.options import Server, output_option
from xds.cli.output import named, problem_data, reference_data, shown, write, write_data
from xds.controlplane.pipeline import Pipeline
from xds.explain.narration import explained
from xds.explain.url import QuestionError, question
from xds.server.debug.explain import explanation

DIFFERENT: Final = "is another path"
SHOWN: Final = 20
"""Routes with just another path that are shown to people, at most: there may be thousands."""


class Header(click.ParamType):  # type: ignore[type-arg]  # not generic in every version
    name = "NAME: VALUE"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> pb.Header:
        if isinstance(value, pb.Header):
            return value
        name, colon, content = str(value).partition(":")
        if not colon:
            self.fail(f"{value!r} is not 'name: value'", param, ctx)
        return pb.Header(name=name.strip(), value=content.strip())


@click.command()
@click.argument("url")
@click.option("-H", "--header", "headers", type=Header(), multiple=True, help="Host and x-forwarded-proto count.")
@click.option("--method", default="GET", show_default=True, metavar="M", help="Of HTTP/1.1.")
@source_options
@output_option
def explain(
    *,
    url: str,
    headers: tuple[pb.Header, ...],
    method: str,
    server: Server,
    from_: Path | None,
    ingress_class: str,
    output: str,
    **traffic: Any,
) -> None:
    """What becomes of a request to URL, step by step, with the objects that each step comes from; and which of the
    connected proxies have what it takes. With --from it needs no server, and the flags of `xds serve` that matter.

    The SNI is the URL's host, as with curl; the path goes out as it is written.

    Example: xds explain https://shop.example.com/cart -H 'Host: other.example.com'
    """
    asked = pb.ExplainRequest(url=url, method=method, headers=headers)
    source = chosen(server, from_, ingress_class, traffic)
    told = _offline(source, asked) if isinstance(source, Pipeline) else Client(source).explain(asked)
    if output != "table":
        write_data(_data(told), output)
    else:
        write(_tree(asked, told, online=not isinstance(source, Pipeline)))


def _offline(pipeline: Pipeline, asked: pb.ExplainRequest) -> pb.ExplainResponse:
    try:
        request = question(asked.url, asked.method, [(each.name, each.value) for each in asked.headers])
    except QuestionError as error:
        raise click.UsageError(str(error), click.get_current_context()) from None
    return explanation(explained(pipeline.state_reader, request))


def _tree(asked: pb.ExplainRequest, told: pb.ExplainResponse, *, online: bool) -> Tree:
    colour = "green" if told.status in (200, 308) else "red"
    tree = Tree(Text.assemble(shown(f"{asked.method} {asked.url}"), "\n", (shown(told.outcome), f"bold {colour}")))
    for step in told.steps:
        branch = tree.add(Text.assemble((f"{step.stage}: ", "bold"), shown(step.text)))
        if step.objects:
            branch.add(Text(", ".join(map(named, step.objects)), "dim"))
        for line in _routes(step.routes):
            branch.add(line)
    if told.problems:
        branch = tree.add(Text("problems", "bold yellow"))
        for problem in told.problems:
            branch.add(problem_text(problem))
    if online:
        add_proxies(tree, told)
    return tree


def _routes(routes: Iterable[pb.TriedRoute]) -> Iterator[Text]:
    left, more = SHOWN, 0
    for route in routes:
        if route.why == DIFFERENT and left == 0:
            more += 1
            continue
        left -= route.why == DIFFERENT
        text = f"{route.path_type} {shown(route.path)} {route.why}"
        sources = f" ({named(route.ingress)}, {named(route.service)})"
        yield Text.assemble((text, "green" if route.taken else ""), (sources, "dim"))
    if more:
        yield Text(f"… and {more} more with another path; -o json has them")


def _data(told: pb.ExplainResponse) -> dict[str, Any]:
    return {
        "status": told.status,
        "outcome": told.outcome,
        "location": told.location,
        "cluster": told.cluster,
        "steps": [_step_data(step) for step in told.steps],
        "problems": [problem_data(each) for each in told.problems],
        **standing_data(told),
    }


def _step_data(step: pb.Step) -> dict[str, Any]:
    data = {"stage": step.stage, "text": step.text, "objects": [reference_data(each) for each in step.objects]}
    return {**data, "routes": [_route_data(each) for each in step.routes]} if step.stage == "path" else data


def _route_data(route: pb.TriedRoute) -> dict[str, Any]:
    return {
        "path_type": route.path_type,
        "path": route.path,
        "ingress": reference_data(route.ingress),
        "service": reference_data(route.service),
        "taken": route.taken,
        "why": route.why,
    }
