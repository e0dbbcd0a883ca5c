"""Parts of an Ingress, and users of a Service, in `xds why`."""

from typing import Any, Final

from rich.text import Text

from xds.api.v1 import debug_pb2 as pb
from xds.cli.output import iso, reference_data
from xds.cli.text import printable

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


def unit_text(unit: pb.Unit) -> Text:
    endpoints = f", {unit.healthy_endpoints} healthy, {unit.draining_endpoints} draining"
    counts = unit.healthy_endpoints or unit.draining_endpoints or not unit.why
    facts = [f" → {unit.cluster}{endpoints if counts else ''}"] if unit.cluster else []
    facts += [f": {unit.why}"] if unit.why else []
    facts += [f", valid until {unit.expires.ToJsonString()[:10]}"] if unit.HasField("expires") else []
    coloured = (status(unit), COLOURS.get(unit.status, "red"))
    return Text.assemble(
        (printable(unit.text), "bold"), " ", coloured, printable("".join(facts)), (f" ({unit.field})", "dim")
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
