"""`xds explain`."""

from collections.abc import Iterable, Iterator
from typing import Any, Final

import click
from rich.text import Text
from rich.tree import Tree

from xds.api.v1 import debug_pb2 as pb
from xds.cli.client import Client
from xds.cli.delivery import add_proxies, delivery_data, problem_text
from xds.cli.help import Command
from xds.cli.offline import server_or_manifests, server_or_manifests_options
from xds.cli.options import Server, argument, exit_code_option, output_option, plain_option
from xds.cli.output import object_name, problem_data, reference_data, write, write_data
from xds.cli.text import printable
from xds.controlplane.pipeline import Pipeline
from xds.explain.layer4 import connection_facts, explain_connection
from xds.explain.layer4_question import layer4_question
from xds.explain.narration import explain_now
from xds.explain.url import QuestionError, question
from xds.server.debug.brief import shown_routes
from xds.server.debug.explanation_messages import explain_response
from xds.server.debug.layer4_messages import connection_response

CONNECTIONS: Final = {
    pb.CONNECTION_FORWARDED: "forwarded",
    pb.CONNECTION_TERMINATED: "terminated",
    pb.CONNECTION_CLOSED: "closed",
    pb.CONNECTION_REFUSED: "refused",
}
"""Values in JSON. Scripts depend on them."""

_REACHED: Final = (pb.CONNECTION_FORWARDED, pb.CONNECTION_TERMINATED)


class Header(click.ParamType):  # type: ignore[type-arg]  # not generic in every version
    name = "NAME: VALUE"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> pb.Header:
        if isinstance(value, pb.Header):
            return value
        name, colon, content = str(value).partition(":")
        if not colon:
            self.fail(f"{value!r} is not 'name: value'", param, ctx)
        return pb.Header(name=name.strip(), value=content.strip())


@click.command(
    cls=Command,
    examples=[
        "xds explain https://shop.example.com/cart",
        "xds explain http://10.0.0.1/ -H 'Host: shop.example.com' --method POST",
        "xds explain shop.localhost/ --from k8s/demo",
        "xds explain http://shop.example.com --address 192.0.2.1",
        "xds explain tcp://db.example.com:5432",
        "xds explain tls://mail.example.com --source 203.0.113.7",
    ],
)
@argument("url")
@plain_option(
    "-H",
    "--header",
    "headers",
    type=Header(),
    multiple=True,
    help="A header of the request; Host, x-forwarded-proto, Origin, and headers that canaries name matter.",
)
@plain_option("--method", default="GET", metavar="M", help="The method of the request.")
@plain_option(
    "--source",
    "source_address",
    default="",
    metavar="ADDRESS",
    help="The address that proxies know the client by, for lists of addresses.",
)
@plain_option(
    "--address",
    default="",
    metavar="ADDRESS",
    help="The address that the client connects to, of a Gateway.",
)
@server_or_manifests_options
@output_option
@exit_code_option
def explain(
    *,
    url: str,
    headers: tuple[pb.Header, ...],
    method: str,
    source_address: str,
    address: str,
    server: Server,
    from_: tuple[str, ...],
    output: str,
    exit_code: bool,
    **traffic: Any,
) -> int:
    """Explain the answer to a request for URL, step by step, with the objects behind each step, and the number of
    proxies in sync.

    The SNI is the URL's host, as with curl, and the path is sent as typed. The port of the URL counts for the Host
    header, and for the listener of a Gateway. Without --address, the listeners of Ingress answer where rules name the
    host, else a Gateway that has routes for the host.

    With --from, no server is needed; then give the flags of `xds serve` that influence the answer.

    tcp://HOST:PORT and udp://HOST:PORT explain the end of connections, or of datagrams, to a port that proxies bind;
    tls://HOST explains the choice by SNI on the port of HTTPS.

    With --exit-code, the exit code is 0 for a status below 400: a backend answers, Envoy redirects, or an annotation
    has a fixed answer. It is 1 for every other status, such as 404 and 503, and for a closed or refused connection.
    """
    asked = pb.ExplainRequest(url=url, method=method, headers=headers, source=source_address, address=address)
    source = server_or_manifests(server, from_, traffic)
    response = _offline(source, asked) if isinstance(source, Pipeline) else Client(source).explain(asked)
    if output != "table":
        write_data(_data(response), output)
    else:
        write(_tree(asked, response, online=not isinstance(source, Pipeline)))
    return int(exit_code and not answers(response))


def answers(response: pb.ExplainResponse) -> bool:
    """Whether the status is none of an error, as for `curl --fail`, or a connection reaches Service or proxy."""
    return 0 < response.status < 400 or response.connection in _REACHED


def _offline(pipeline: Pipeline, asked: pb.ExplainRequest) -> pb.ExplainResponse:
    try:
        is_plain = asked.method == "GET" and not asked.headers
        if about := layer4_question(asked.url, asked.source, asked.address, is_plain=is_plain):
            return connection_response(explain_connection(connection_facts(pipeline.state_reader, about)))
        headers = [(each.name, each.value) for each in asked.headers]
        request = question(asked.url, asked.method, headers, asked.source, asked.address)
        return explain_response(explain_now(pipeline.state_reader, request))
    except QuestionError as error:
        raise click.UsageError(str(error), click.get_current_context()) from None


def _tree(asked: pb.ExplainRequest, response: pb.ExplainResponse, *, online: bool) -> Tree:
    is_good = response.status in (200, 204, 308) or response.connection in _REACHED
    title = asked.url if response.connection else f"{asked.method} {asked.url}"
    outcome = (printable(response.outcome), f"bold {'green' if is_good else 'red'}")
    tree = Tree(Text.assemble(printable(title), "\n", outcome))
    for step in response.steps:
        branch = tree.add(Text.assemble((f"{step.stage}: ", "bold"), printable(step.text)))
        if step.objects:
            branch.add(Text(", ".join(map(object_name, step.objects)), "dim"))
        for line in _routes(step.routes):
            branch.add(line)
    if response.problems:
        branch = tree.add(Text("problems", "bold yellow"))
        for problem in response.problems:
            branch.add(problem_text(problem))
    if online:
        add_proxies(tree, response)
    return tree


def _routes(routes: Iterable[pb.TriedRoute]) -> Iterator[Text]:
    kept, more = shown_routes(routes)
    for route in kept:
        text = f"{route.path_type} {printable(route.path)} {route.why}"
        sources = f" ({object_name(route.ingress)}, {object_name(route.service)})"
        yield Text.assemble((text, "green" if route.taken else ""), (sources, "dim"))
    if more:
        yield Text(f"… and {more} more with another path; -o json has them")


def _data(response: pb.ExplainResponse) -> dict[str, Any]:
    return {
        "status": response.status,
        "connection": CONNECTIONS.get(response.connection),
        "outcome": response.outcome,
        "location": response.location,
        "cluster": response.cluster,
        "steps": [_step_data(step) for step in response.steps],
        "problems": [problem_data(each) for each in response.problems],
        **delivery_data(response),
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
