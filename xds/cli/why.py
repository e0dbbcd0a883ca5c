"""`xds why`, and `xds why ingress`."""

from typing import Any, Final

import click
from rich.text import Text
from rich.tree import Tree

from xds.api.v1 import debug_pb2 as pb
from xds.cli.client import Client
from xds.cli.delivery import add_proxies, delivery_data
from xds.cli.help import Group
from xds.cli.names import ObjectName
from xds.cli.offline import server_or_manifests, server_or_manifests_options
from xds.cli.options import Failed, Server, argument, exit_code_option, output_option
from xds.cli.output import iso, problem_data, reference_data, write, write_data
from xds.cli.text import printable
from xds.cli.units import acceptance, add_problems, answers, heading, unit_data, unit_text
from xds.cli.why_gateway import GATEWAY_COMMANDS
from xds.cli.why_object import configmap, service
from xds.controlplane.pipeline import Pipeline
from xds.explain.ingress import explain_ingress
from xds.explain.ingress_facts import ingress_facts
from xds.problems.problem import Key
from xds.problems.reasons import Reason
from xds.problems.text import shown
from xds.server.debug.explanation_messages import why_ingress_response
from xds.translate.nginx.annotation import PREFIX

_ANNOTATION_STATUSES: Final = {
    pb.ANNOTATION_STATUS_IN_EFFECT: "in effect",
    pb.ANNOTATION_STATUS_NO_DIFFERENCE: "no difference",
    pb.ANNOTATION_STATUS_CLOSES: "closes",
    pb.ANNOTATION_STATUS_NOT_USED: "not used",
}

_ANNOTATION_COLOURS: Final = {
    pb.ANNOTATION_STATUS_IN_EFFECT: "green",
    pb.ANNOTATION_STATUS_NO_DIFFERENCE: "green",
    pb.ANNOTATION_STATUS_NOT_USED: "yellow",
}
"""The other status is red."""


class Kinds(Group):
    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if "/" in args[0] and not args[0].startswith("-") and not ctx.resilient_parsing:
            ctx.fail(f"name the kind before {args[0]!r}: xds why ingress {args[0]}")
        return super().resolve_command(ctx, args)


@click.group(
    cls=Kinds,
    examples=["xds why ingress default/shop", "xds why service default/web", "xds why httproute default/shop"],
)
def why() -> None:
    """Explain the state of an object."""


why.add_command(configmap)
why.add_command(service)
for each in GATEWAY_COMMANDS:
    why.add_command(each)


@why.command(
    examples=[
        "xds why ingress default/shop",
        "xds why ingress default/shop --from k8s/demo",
    ],
)
@argument("name", metavar="NS/NAME", type=ObjectName())
@server_or_manifests_options
@output_option
@exit_code_option
def ingress(*, name: Key, server: Server, from_: tuple[str, ...], output: str, exit_code: bool, **traffic: Any) -> int:
    """Explain the state of an Ingress: its class, the parts that are served or left out and why, backends,
    certificates, annotations, problems, the number of proxies in sync, and the time of the last change.

    With --from, no server is needed. With --exit-code, the exit code is 0 if the whole Ingress is accepted and no part
    lacks endpoints, else 1.
    """
    source = server_or_manifests(server, from_, traffic)
    if isinstance(source, Pipeline):
        response = _offline(source, name)
    else:
        response = Client(source).why_ingress(pb.WhyIngressRequest(namespace=name.namespace, name=name.name))
    if output != "table":
        write_data(_data(response), output)
    else:
        write(_tree(response, online=not isinstance(source, Pipeline)))
    return int(exit_code and not answers(response))


def _offline(pipeline: Pipeline, name: Key) -> pb.WhyIngressResponse:
    facts = ingress_facts(pipeline.state_reader, name)
    if facts is None:
        raise Failed(f"there is no Ingress {name} in the manifests; check namespace and name")
    return why_ingress_response(explain_ingress(facts))


def _tree(response: pb.WhyIngressResponse, *, online: bool) -> Tree:
    tree = Tree(heading(response.ingress, response))
    ours = "not ours" if response.acceptance == pb.ACCEPTANCE_NOT_OURS else "ours"
    tree.add(Text.assemble((f"{ours}: ", "bold"), response.claim))
    for unit in response.units:
        tree.add(unit_text(unit))
    if response.annotations:
        branch = tree.add(Text("annotations", "bold"))
        for annotation in response.annotations:
            branch.add(_annotation_text(annotation))
    add_problems(tree, response.problems, online=online)
    if online and response.acceptance != pb.ACCEPTANCE_NOT_OURS:
        add_proxies(tree, response)
    return tree


def _annotation_text(annotation: pb.Annotation) -> Text:
    status = _ANNOTATION_STATUSES.get(annotation.status, "unspecified")
    colour = _ANNOTATION_COLOURS.get(annotation.status, "red")
    text = f": {annotation.text}" if annotation.text else ""
    name = annotation.name.removeprefix(PREFIX)
    return Text.assemble((printable(name), "bold"), f" {shown(annotation.value)} ", (status, colour), printable(text))


def _data(response: pb.WhyIngressResponse) -> dict[str, Any]:
    return {
        "ingress": reference_data(response.ingress),
        "acceptance": acceptance(response),
        "claim": response.claim,
        "held": Reason.WITHDRAWAL_HELD in response.claim,  # the claim names this problem of the IngressClass
        "since": iso(response, "since"),
        "units": [unit_data(unit) for unit in response.units],
        "annotations": [_annotation_data(each) for each in response.annotations],
        "problems": [{**problem_data(each.problem), "since": iso(each, "since")} for each in response.problems],
        **delivery_data(response),
    }


def _annotation_data(annotation: pb.Annotation) -> dict[str, Any]:
    status = _ANNOTATION_STATUSES.get(annotation.status, "unspecified")
    return {"name": annotation.name, "value": annotation.value, "effect": status, "text": annotation.text}
