"""Messages about Gateways."""

from typing import Final

from xds.api.v1 import debug_pb2 as pb
from xds.explain.facts import StateReader
from xds.explain.gateway_list import ListedGateway, acceptance, attached, is_faulty
from xds.explain.gateway_objects import is_failed
from xds.explain.ingress import Acceptance
from xds.problems.problem import Key, ObjectRef
from xds.server.debug import messages
from xds.server.debug.overview_messages import ACCEPTANCES
from xds.server.debug.slices import in_slices
from xds.translate.gateway.status import Condition, GatewayStatus

_STATUSES: Final = {True: "True", False: "False", None: "Unknown"}


async def counts(reader: StateReader) -> pb.GatewayCounts:
    """The Gateways and routes by state, read in slices."""
    api, found = reader.traffic.gateway, pb.GatewayCounts()
    async for plan in in_slices(list(api.gateways.values())):
        state = acceptance(api.statuses.get(plan.gateway.ref))
        found.accepted += state is Acceptance.ACCEPTED
        found.partly_accepted += state is Acceptance.PARTLY
        found.not_served += state is Acceptance.NOT_SERVED
    async for ref in in_slices(list(api.routes)):
        found.routes += 1
        found.faulty_routes += is_faulty(api.statuses.get(ref))
    return found


async def listed(reader: StateReader) -> list[ListedGateway]:
    """The Gateways by namespace and name, read in slices."""
    api, routes = reader.traffic.gateway, dict[Key, list[ObjectRef]]()
    async for outcome in in_slices(list(api.routes.values())):
        for gateway, route in attached(outcome):
            routes.setdefault(gateway, []).append(route)
    found = []
    async for key, plan in in_slices(sorted(api.gateways.items(), key=lambda each: each[0])):
        status = api.statuses.get(plan.gateway.ref)
        if isinstance(status, GatewayStatus):
            found.append(ListedGateway(plan, status, acceptance(status), tuple(sorted(routes.get(key, ())))))
    return found


def summary(value: ListedGateway) -> pb.GatewaySummary:
    return pb.GatewaySummary(
        gateway=messages.reference(value.plan.gateway.ref),
        class_name=value.plan.gateway.spec.gateway_class_name,
        addresses=[each.value for each in value.status.addresses],
        acceptance=ACCEPTANCES[value.acceptance],
        conditions=map(_condition, value.status.conditions),
        listeners=sum(1 for _ in value.plan.all_slots),
        routes=map(messages.reference, value.routes),
    )


def _condition(value: Condition) -> pb.GatewayCondition:
    return pb.GatewayCondition(
        type=value.type,
        status=_STATUSES[value.status],
        reason=value.reason,
        message=value.message,
        failed=is_failed(value),
    )
