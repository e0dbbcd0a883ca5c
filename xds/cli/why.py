"""`xds why ingress`."""

from pathlib import Path
from typing import Any, Final

import click
from rich.text import Text
from rich.tree import Tree

from xds.api.v1 import debug_pb2 as pb
from xds.cli.client import Client
from xds.cli.delivery import add_proxies, problem_text, standing_data, word
from xds.cli.offline import chosen, source_options
from xds.cli.options import Failed, Server, output_option
from xds.cli.output import age, iso, named, problem_data, reference_data, shown, write, write_data
from xds.cli.traffic_options import ObjectName
from xds.controlplane.pipeline import Pipeline
from xds.explain.ingress import findings, record
from xds.problems.problem import Key
from xds.server.debug.explain import ingress_record

_COLOURS: Final = {pb.FATE_SERVED: "green", pb.FATE_SAME: "green", pb.FATE_NO_ENDPOINTS: "yellow"}
_GOOD: Final = tuple(_COLOURS)


@click.group()
def why() -> None:
    """What became of an object, and why."""


@why.command()
@click.argument("name", metavar="NS/NAME", type=ObjectName())
@source_options
@output_option
def ingress(*, name: Key, server: Server, from_: Path | None, ingress_class: str, output: str, **traffic: Any) -> None:
    """All that is known of an Ingress: whether it is ours, what of it is served and what isn't and why, its backends
    and certificates, its problems, how many proxies have what it leads to, and for how long that is unchanged. With
    --from it needs no server.
    """
    source = chosen(server, from_, ingress_class, traffic)
    offline = isinstance(source, Pipeline)
    asked = pb.WhyIngressRequest(namespace=name.namespace, name=name.name)
    told = _offline(source, name) if isinstance(source, Pipeline) else Client(source).why_ingress(asked)
    if output != "table":
        write_data(_data(told), output)
    else:
        write(_tree(told, online=not offline))


def _offline(pipeline: Pipeline, name: Key) -> pb.WhyIngressResponse:
    known = findings(pipeline.state_reader, name)
    if known is None:
        raise Failed(f"there is no Ingress {name} in the folder; check namespace and name")
    return ingress_record(record(known))


def _tree(told: pb.WhyIngressResponse, *, online: bool) -> Tree:
    good, all_ = sum(unit.fate in _GOOD for unit in told.units), len(told.units)
    colour = "green" if told.acceptance == pb.ACCEPTANCE_ACCEPTED else "yellow" if good else "red"
    count = f", {good} of {all_} parts" if told.acceptance == pb.ACCEPTANCE_PARTLY else ""
    unchanged = f", unchanged for {age(told.since)}" if told.HasField("since") else ""
    tree = Tree(Text.assemble(named(told.ingress), ": ", (f"{_acceptance(told)}{count}", f"bold {colour}"), unchanged))
    ours = "held" if told.held else "not ours" if told.acceptance == pb.ACCEPTANCE_NOT_OURS else "ours"
    tree.add(Text.assemble((f"{ours}: ", "bold"), told.claim))
    for unit in told.units:
        tree.add(_unit(unit))
    if told.problems:
        branch = tree.add(Text("problems", "bold yellow"))
        for each in told.problems:
            branch.add(problem_text(each.problem, age(each.since) if online and each.HasField("since") else ""))
    if online and told.acceptance != pb.ACCEPTANCE_NOT_OURS:
        add_proxies(tree, told)
    return tree


def _acceptance(told: pb.WhyIngressResponse) -> str:
    name = word(pb.Acceptance.Name(told.acceptance))
    return "partly accepted" if told.acceptance == pb.ACCEPTANCE_PARTLY else name


def _unit(unit: pb.Unit) -> Text:
    counts = f", {unit.healthy_endpoints} healthy, {unit.draining_endpoints} draining"
    facts = [f" → {unit.cluster}{counts if not unit.why else ''}"] if unit.cluster else []
    facts += [f": {unit.why}"] if unit.why else []
    facts += [f", valid until {unit.expires.ToJsonString()[:10]}"] if unit.HasField("expires") else []
    fate = (word(pb.Fate.Name(unit.fate)), _COLOURS.get(unit.fate, "red"))
    return Text.assemble((shown(unit.text), "bold"), " ", fate, shown("".join(facts)), (f" ({unit.field})", "dim"))


def _data(told: pb.WhyIngressResponse) -> dict[str, Any]:
    return {
        "ingress": reference_data(told.ingress),
        "acceptance": _acceptance(told),
        "claim": told.claim,
        "held": told.held,
        "since": iso(told, "since"),
        "units": [_unit_data(unit) for unit in told.units],
        "problems": [{**problem_data(each.problem), "since": iso(each, "since")} for each in told.problems],
        **standing_data(told),
    }


def _unit_data(unit: pb.Unit) -> dict[str, Any]:
    return {
        "field": unit.field,
        "text": unit.text,
        "fate": word(pb.Fate.Name(unit.fate)),
        "why": unit.why,
        "senior": reference_data(unit.senior) if unit.HasField("senior") else None,
        "cluster": unit.cluster,
        "healthy_endpoints": unit.healthy_endpoints,
        "draining_endpoints": unit.draining_endpoints,
        "expires": iso(unit, "expires"),
    }
