"""Explanations as messages of the debug API."""

from collections.abc import Iterator, Sequence
from typing import Final

from xds.api.v1 import debug_pb2 as pb
from xds.explain.annotations import AnnotationOutcome
from xds.explain.explanation import ExplainStep, NarratedRoute, RequestExplanation, path_type_word
from xds.explain.ingress import IngressExplanation, Unit
from xds.problems.problem import ObjectRef
from xds.protocol.messages import Node
from xds.protocol.status import DeliveryState, OutOfSync
from xds.server.debug import messages
from xds.server.debug.messages import ProxyDelivery, WallClock
from xds.server.debug.overview_messages import ACCEPTANCES
from xds.snapshot.resource import Resource


def explain_response(
    value: RequestExplanation, deliveries: Sequence[ProxyDelivery] = (), *, pending: bool = False
) -> pb.ExplainResponse:
    return pb.ExplainResponse(
        status=value.status,
        outcome=value.outcome,
        location=value.location,
        cluster=str(value.backend.key) if value.backend else "",
        steps=map(step, value.steps),
        problems=map(messages.problem, value.problems),
        resources=map(dependency, value.resources),
        proxies=deliveries_of(deliveries),
        pending=pending,
    )


def step(value: ExplainStep) -> pb.Step:
    objects, routes = map(messages.reference, value.objects), map(_route, value.routes)
    return pb.Step(stage=value.title, text=value.text, objects=objects, routes=routes)


def _route(value: NarratedRoute) -> pb.TriedRoute:
    return pb.TriedRoute(
        path_type=path_type_word(value.route),
        path=value.route.path,
        ingress=messages.reference(value.route.origin.object),
        service=messages.reference(ObjectRef("Service", *value.route.service)),
        taken=value.taken,
        why=value.why,
    )


def why_ingress_response(
    value: IngressExplanation,
    at: WallClock | None = None,
    deliveries: Sequence[ProxyDelivery] = (),
    *,
    pending: bool = False,
) -> pb.WhyIngressResponse:
    """The explanation of an Ingress. Without a clock (`at` None), the response has no `since`."""
    return pb.WhyIngressResponse(
        ingress=messages.reference(ObjectRef("Ingress", *value.ingress)),
        acceptance=ACCEPTANCES[value.acceptance],
        claim=value.claim.why,
        since=at(value.since) if at and value.since is not None else None,
        units=map(unit, value.units),
        problems=[pb.DatedProblem(problem=messages.problem(each), since=since) for each, since in value.problems],
        resources=map(dependency, value.resources),
        proxies=deliveries_of(deliveries),
        pending=pending,
        annotations=map(_annotation, value.annotations),
    )


def unit(value: Unit) -> pb.Unit:
    return pb.Unit(
        field=str(value.field),
        text=value.text,
        status=f"UNIT_STATUS_{value.status.name}",
        why=value.why,
        senior=messages.reference(ObjectRef("Ingress", *value.senior)) if value.senior else None,
        cluster=str(value.backend) if value.backend else "",
        healthy_endpoints=value.healthy,
        draining_endpoints=value.draining,
        expires=value.expires,
    )


def _annotation(value: AnnotationOutcome) -> pb.Annotation:
    status = f"ANNOTATION_STATUS_{value.status.name}"
    return pb.Annotation(name=value.name, value=value.value, status=status, text=value.text)


def dependency(value: Resource) -> pb.Dependency:
    return pb.Dependency(type_url=value.type, name=value.name, version=value.version)


def deliveries_of(values: Sequence[ProxyDelivery]) -> Iterator[pb.ProxyDelivery]:
    return map(_delivery, sorted(values, key=_by_node))


def _by_node(value: ProxyDelivery) -> tuple[str, str]:
    return (value.node or Node("")).id, value.peer


def _delivery(value: ProxyDelivery) -> pb.ProxyDelivery:
    return pb.ProxyDelivery(
        node_id=value.node.id if value.node else "",
        peer=value.peer,
        in_sync=not value.out_of_sync,
        out_of_sync=map(_out_of_sync, value.out_of_sync),
    )


def _out_of_sync(value: OutOfSync) -> pb.OutOfSync:
    state = _DELIVERY_STATES[value.state]
    return pb.OutOfSync(type_url=value.type, name=value.name, state=state, message=value.message)


_DELIVERY_STATES: Final = {
    DeliveryState.SYNCED: pb.DELIVERY_STATE_SYNCED,
    DeliveryState.IN_FLIGHT: pb.DELIVERY_STATE_IN_FLIGHT,
    DeliveryState.PENDING: pb.DELIVERY_STATE_PENDING,
    DeliveryState.REJECTED: pb.DELIVERY_STATE_REJECTED,
    DeliveryState.ON_TRIAL: pb.DELIVERY_STATE_ON_TRIAL,
    DeliveryState.NOT_SUBSCRIBED: pb.DELIVERY_STATE_NOT_SUBSCRIBED,
}
