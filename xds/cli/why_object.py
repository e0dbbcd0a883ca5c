"""`xds why configmap`, `xds why service`, and the kinds of the Gateway API."""

from typing import Any

import click
from rich.text import Text
from rich.tree import Tree

from xds.api.v1 import debug_pb2 as pb
from xds.cli.client import Client
from xds.cli.delivery import add_proxies, delivery_data
from xds.cli.help import Command
from xds.cli.names import ObjectName
from xds.cli.offline import server_or_manifests, server_or_manifests_options
from xds.cli.options import Failed, Server, argument, exit_code_option, output_option
from xds.cli.output import iso, object_name, problem_data, reference_data, write, write_data
from xds.cli.text import printable
from xds.cli.units import acceptance, add_problems, answers, heading, unit_data, unit_text
from xds.controlplane.pipeline import Pipeline
from xds.explain.gateway_facts import KINDS, gateway_facts
from xds.explain.gateway_objects import explain_gateway_object
from xds.explain.layer4_object_facts import object_facts
from xds.explain.layer4_objects import explain_object
from xds.problems.problem import Key, ObjectRef
from xds.server.debug.layer4_messages import why_object_response


@click.command(
    cls=Command,
    examples=[
        "xds why configmap ingress-nginx/tcp-services",
        "xds why configmap edge/tcp --from k8s --tcp-services-configmap edge/tcp",
    ],
)
@argument("name", metavar="NS/NAME", type=ObjectName())
@server_or_manifests_options
@output_option
@exit_code_option
def configmap(
    *, name: Key, server: Server, from_: tuple[str, ...], output: str, exit_code: bool, **traffic: Any
) -> int:
    """Explain the state of a ConfigMap of ports: each entry that is served or left out and why, endpoints, problems,
    and the number of proxies in sync.

    With --from, no server is needed; then give the flag of `xds serve` that names the ConfigMap. With --exit-code, the
    exit code is 0 if each entry is served and has endpoints, else 1.
    """
    return why_object(ObjectRef("ConfigMap", *name), server, from_, output, traffic, exit_code=exit_code)


@click.command(
    cls=Command,
    examples=[
        "xds why service db/postgres",
        "xds why service db/postgres --from k8s --expose-ports 5432=db",
    ],
)
@argument("name", metavar="NS/NAME", type=ObjectName())
@server_or_manifests_options
@output_option
@exit_code_option
def service(*, name: Key, server: Server, from_: tuple[str, ...], output: str, exit_code: bool, **traffic: Any) -> int:
    """Explain the uses of a Service: its ports by annotation and by ConfigMap, TLS passthrough, and paths of Ingresses;
    each with its state and endpoints, and the number of proxies in sync.

    With --from, no server is needed. With --exit-code, the exit code is 0 if the Service is used, and each use is
    served and has endpoints, else 1.
    """
    return why_object(ObjectRef("Service", *name), server, from_, output, traffic, exit_code=exit_code)


def why_object(
    about: ObjectRef,
    server: Server,
    from_: tuple[str, ...],
    output: str,
    traffic: dict[str, Any],
    *,
    exit_code: bool,
) -> int:
    source = server_or_manifests(server, from_, traffic)
    if isinstance(source, Pipeline):
        response = _offline(source, about)
    else:
        reference = pb.ObjectReference(kind=about.kind, namespace=about.namespace, name=about.name)
        response = Client(source).why_object(pb.WhyObjectRequest(object=reference))
    if output != "table":
        write_data(_data(response), output)
    else:
        write(_tree(response, online=not isinstance(source, Pipeline)))
    return int(exit_code and not answers(response))


def _offline(pipeline: Pipeline, about: ObjectRef) -> pb.WhyObjectResponse:
    reader = pipeline.state_reader
    if about.kind in KINDS:
        of_gateway = gateway_facts(reader, about)
        found = explain_gateway_object(of_gateway) if of_gateway else None
    else:
        facts = object_facts(reader, about)
        found = explain_object(facts) if facts else None
    if found is None:
        raise Failed(f"there is no {about} in the manifests; check namespace and name")
    return why_object_response(found)


def _tree(response: pb.WhyObjectResponse, *, online: bool) -> Tree:
    tree = Tree(heading(response.object, response))
    if response.role:
        tree.add(Text.assemble(("role: ", "bold"), printable(response.role)))
    for unit in response.units:
        branch = tree.add(unit_text(unit))
        if unit.object != response.object:
            branch.add(Text(object_name(unit.object), "dim"))
    add_problems(tree, response.problems, online=online)
    if online and response.acceptance != pb.ACCEPTANCE_NOT_OURS:
        add_proxies(tree, response)
    return tree


def _data(response: pb.WhyObjectResponse) -> dict[str, Any]:
    return {
        "object": reference_data(response.object),
        "acceptance": acceptance(response),
        "role": response.role,
        "since": iso(response, "since"),
        "units": [{"object": reference_data(each.object), **unit_data(each)} for each in response.units],
        "problems": [{**problem_data(each.problem), "since": iso(each, "since")} for each in response.problems],
        **delivery_data(response),
    }
