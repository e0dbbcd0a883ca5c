"""The answers of `xds why`: the acceptance of an object, its parts or uses, and its problems."""

from collections.abc import Iterable
from typing import Any, Final, TypeAlias

from rich.text import Text
from rich.tree import Tree

from xds.api.v1 import debug_pb2 as pb
from xds.cli.delivery import problem_text
from xds.cli.output import age, iso, object_name, reference_data
from xds.cli.text import printable

WhyResponse: TypeAlias = pb.WhyIngressResponse | pb.WhyObjectResponse

STATUSES: Final = {
    pb.UNIT_STATUS_SERVED: "served",
    pb.UNIT_STATUS_SAME: "same",
    pb.UNIT_STATUS_NO_ENDPOINTS: "no endpoints",
    pb.UNIT_STATUS_BROKEN: "broken",
    pb.UNIT_STATUS_SHADOWED: "shadowed",
    pb.UNIT_STATUS_LEFT_OUT: "left out",
    pb.UNIT_STATUS_CLOSED: "closed",
}
"""Values in JSON and in the tree. Scripts depend on them, and on those of `ACCEPTANCES`."""

ACCEPTANCES: Final = {
    pb.ACCEPTANCE_NOT_OURS: "not ours",
    pb.ACCEPTANCE_ACCEPTED: "accepted",
    pb.ACCEPTANCE_PARTLY: "partly accepted",
    pb.ACCEPTANCE_NOT_SERVED: "refused",
}

COLOURS: Final = {
    pb.UNIT_STATUS_SERVED: "green",
    pb.UNIT_STATUS_SAME: "green",
    pb.UNIT_STATUS_NO_ENDPOINTS: "yellow",
}
"""Of accepted parts; all other statuses are red."""


def answers(response: WhyResponse) -> bool:
    """Whether the object is accepted, has parts, and each part can answer."""
    good = (pb.UNIT_STATUS_SERVED, pb.UNIT_STATUS_SAME)
    is_accepted = response.acceptance == pb.ACCEPTANCE_ACCEPTED
    return is_accepted and bool(response.units) and all(unit.status in good for unit in response.units)


def acceptance(response: WhyResponse) -> str:
    return ACCEPTANCES.get(response.acceptance, "unspecified")


def heading(about: pb.ObjectReference, response: WhyResponse) -> Text:
    """The object with its acceptance, and the number of its accepted parts if some are not."""
    good, total = sum(unit.status in COLOURS for unit in response.units), len(response.units)
    colour = "green" if answers(response) else "yellow" if good else "red"
    dead = sum(unit.status == pb.UNIT_STATUS_NO_ENDPOINTS for unit in response.units)
    parts = f", {good} of {total} parts" if response.acceptance == pb.ACCEPTANCE_PARTLY else ""
    parts += f", but {dead} of {total} parts without endpoints" if dead else ""
    unchanged = f", unchanged for {age(response.since)}" if response.HasField("since") else ""
    return Text.assemble(object_name(about), ": ", (f"{acceptance(response)}{parts}", f"bold {colour}"), unchanged)


def add_problems(tree: Tree, problems: Iterable[pb.DatedProblem], *, online: bool) -> None:
    """Add the problems, if there are any. Their age is known to a server only."""
    texts = [
        problem_text(each.problem, age(each.since) if online and each.HasField("since") else "") for each in problems
    ]
    if texts:
        branch = tree.add(Text("problems", "bold yellow"))
        for text in texts:
            branch.add(text)


def unit_text(unit: pb.Unit) -> Text:
    endpoints = f", {unit.healthy_endpoints} healthy, {unit.draining_endpoints} draining"
    counts = unit.healthy_endpoints or unit.draining_endpoints or not unit.why
    facts = [f" → {unit.cluster}{endpoints if counts else ''}"] if unit.cluster else []
    facts += [f": {unit.why}"] if unit.why else []
    facts += [f", valid until {unit.expires.ToJsonString()[:10]}"] if unit.HasField("expires") else []
    coloured = (status(unit), COLOURS.get(unit.status, "red"))
    return Text.assemble(
        (printable(unit.text), "bold"),
        " ",
        coloured,
        printable("".join(facts)),
        (f" ({unit.field})" if unit.field else "", "dim"),
    )


def unit_data(unit: pb.Unit) -> dict[str, Any]:
    return {
        "field": unit.field,
        "text": unit.text,
        "fate": status(unit),
        "why": unit.why,
        "senior": reference_data(unit.senior) if unit.HasField("senior") else None,
        "cluster": unit.cluster,
        "healthy_endpoints": unit.healthy_endpoints,
        "draining_endpoints": unit.draining_endpoints,
        "expires": iso(unit, "expires"),
    }


def status(unit: pb.Unit) -> str:
    return STATUSES.get(unit.status, "unspecified")
