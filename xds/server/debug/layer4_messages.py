"""Explanations of layer 4 as messages of the debug API."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Final

from xds.api.v1 import debug_pb2 as pb
from xds.explain.connection import Connection, ConnectionExplanation, ListenerRejection
from xds.explain.layer4_list import ListedPort
from xds.explain.layer4_objects import ObjectExplanation, Use, claim_use
from xds.explain.layer4_ports import rejection_words
from xds.problems.problem import ObjectRef
from xds.problems.reasons import Reason
from xds.server.debug import messages
from xds.server.debug.explanation_messages import deliveries_of, dependency, step, unit
from xds.server.debug.messages import ProxyDelivery, ProxyStatus, WallClock
from xds.server.debug.overview_messages import ACCEPTANCES
from xds.snapshot.resource import ResourceType

_CONNECTIONS: Final = {
    Connection.FORWARDED: pb.CONNECTION_FORWARDED,
    Connection.TERMINATED: pb.CONNECTION_TERMINATED,
    Connection.CLOSED: pb.CONNECTION_CLOSED,
    Connection.REFUSED: pb.CONNECTION_REFUSED,
}


def connection_response(
    value: ConnectionExplanation, deliveries: Sequence[ProxyDelivery] = (), *, pending: bool = False
) -> pb.ExplainResponse:
    return pb.ExplainResponse(
        outcome=value.outcome,
        cluster=str(value.cluster) if value.cluster else "",
        steps=map(step, value.steps),
        problems=map(messages.problem, value.problems),
        resources=map(dependency, value.resources),
        proxies=deliveries_of(deliveries),
        pending=pending,
        connection=_CONNECTIONS[value.connection],
    )


def why_object_response(
    value: ObjectExplanation,
    at: WallClock | None = None,
    deliveries: Sequence[ProxyDelivery] = (),
    *,
    pending: bool = False,
) -> pb.WhyObjectResponse:
    """The explanation of a ConfigMap or Service. Without a clock (`at` None), the response has no `since`."""
    return pb.WhyObjectResponse(
        object=messages.reference(value.object),
        acceptance=ACCEPTANCES[value.acceptance],
        role=value.role,
        since=at(value.since) if at and value.since is not None else None,
        units=map(_unit, value.uses),
        problems=[pb.DatedProblem(problem=messages.problem(each), since=since) for each, since in value.problems],
        resources=map(dependency, value.resources),
        proxies=deliveries_of(deliveries),
        pending=pending,
    )


def _unit(value: Use) -> pb.Unit:
    found = unit(value.unit)
    found.object.CopyFrom(messages.reference(value.object))
    if value.winner:
        found.senior.CopyFrom(messages.reference(value.winner))
    return found


def rejected_listeners(proxy: ProxyStatus) -> Iterator[str]:
    """The names of the listeners that a proxy has rejected."""
    for each in proxy.stream.types:
        if each.type is ResourceType.LISTENER:
            yield from each.rejected_names


def port(value: ListedPort, rejections: Mapping[str, Sequence[ListenerRejection]], proxies: int) -> pb.Port:
    name = str(value.port or "")
    rejecting = rejections.get(name, ()) if value.facts.listener else ()
    facts = value.facts
    if rejecting:  # the field `rejection` has the message
        problems = (each for each in facts.problems if each.reason is not Reason.REJECTED_BY_PROXY)
        facts = replace(facts, problems=tuple(problems))
    claim, found = facts.claim, unit(claim_use(facts).unit)
    return pb.Port(
        name=name,
        source=messages.reference(claim.source),
        field=found.field,
        text=claim.text,
        status=found.status,
        why=found.why.removeprefix(f"listener {name}, "),
        service=messages.reference(ObjectRef("Service", *claim.service)) if claim.service else None,
        cluster=found.cluster,
        healthy_endpoints=found.healthy_endpoints,
        draining_endpoints=found.draining_endpoints,
        losers=map(messages.reference, value.losers),
        rejecting_proxies=len(rejecting),
        rejection=rejection_words(name, rejecting, proxies),
    )
