"""Routes that are attached to Gateways of ours: their translations, their places, and their conditions."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

from xds.kube.gateway_objects import ROUTE_KINDS, GRPCRoute, HTTPRoute, Route
from xds.kube.objects import Service
from xds.kube.state import seniority
from xds.problems.problem import Key, ObjectRef, Problem
from xds.problems.reasons import Reason
from xds.traffic.backends import Backend, BackendKey
from xds.traffic.bound import ListenerKey, TableKey
from xds.translate.gateway.attachment import Attachment, ParentRef, attach, namespaces_read, parent_of
from xds.translate.gateway.context import GatewayContext, ParentUse
from xds.translate.gateway.forwards import ForwardClaim
from xds.translate.gateway.gateways import Gateways
from xds.translate.gateway.grpc_route import translate_grpc_route
from xds.translate.gateway.http_route import translate_http_route
from xds.translate.gateway.layer4_route import translate_layer4_route
from xds.translate.gateway.slots import SlotKey
from xds.translate.gateway.status import Condition, ParentStatus, RouteStatus
from xds.translate.gateway.statuses import problem
from xds.translate.gateway.tables import Claim
from xds.translate.gateway.translated import Refusal, TranslatedRoute

KINDS: Final[Mapping[str, type[Route]]] = {kind.kind: kind for kind in ROUTE_KINDS}


@dataclass(frozen=True, slots=True)
class RouteOutcome:
    """A route with a parent of ours.

    Attributes:
        translated: The translation for each use that a Gateway makes of the route.
        references: The objects that were looked at.
    """

    route: Route
    attachments: tuple[Attachment, ...]
    translated: Mapping[ParentUse, TranslatedRoute] = field(default_factory=dict)
    references: frozenset[ObjectRef] = frozenset()

    @property
    def accepted(self) -> Iterator[Attachment]:
        return (each for each in self.attachments if each.refused is None and not self.of(each).refused)

    @property
    def slots(self) -> frozenset[SlotKey]:
        """The listeners that the route is attached to."""
        return frozenset(hold.slot.key for each in self.accepted for hold in each.holds)

    @property
    def services(self) -> frozenset[tuple[Key, Key]]:
        """The Services in use, each with a Gateway."""
        services = [each.key for each in self.references if each.kind == Service.kind]
        return frozenset((service, each.parent.gateway) for each in self.accepted for service in services)

    @property
    def backends(self) -> Mapping[BackendKey, Backend]:
        found: dict[BackendKey, Backend] = {}
        for each in self.translated.values():
            found |= each.backends
        return found

    def of(self, attachment: Attachment) -> TranslatedRoute:
        return self.translated[attachment.parent.use]

    def claims(self) -> dict[tuple[TableKey, str, str], Claim]:
        """The places of the route in route tables: table, domain, and the domain of the listener."""
        rank = seniority(self.route)
        return {
            (hold.slot.table(socket), domain, hold.slot.domain): Claim(hold.slot.domain, rank, self.of(each).routes)
            for each in self.attachments
            for hold in each.holds
            if hold.slot.speaks_http and hold.slot.is_served and self.of(each).routes
            for socket in hold.slot.sockets
            for domain in hold.domains
        }

    def forwards(self) -> dict[tuple[ListenerKey, str, str], ForwardClaim]:
        """The places of the route at sockets whose connections are passed on."""
        rank = seniority(self.route)
        return {
            (socket, domain, hold.slot.domain): ForwardClaim(rank, forward)
            for each in self.attachments
            if (forward := self.of(each).forward)
            for hold in each.holds
            if not hold.slot.speaks_http and hold.slot.is_served
            for socket in hold.slot.sockets
            for domain in hold.domains
        }

    def status(self) -> RouteStatus:
        parents = (ParentStatus(each.parent.reference, tuple(self._conditions(each))) for each in self.attachments)
        return RouteStatus(self.route.metadata.generation, tuple(parents))

    def _conditions(self, attachment: Attachment) -> Iterator[Condition]:
        translated = self.of(attachment)
        refused = attachment.refused or translated.refused
        yield Condition.of("Accepted", refused)
        yield Condition.of("ResolvedRefs", translated.unresolved)
        if translated.partially and refused is None:
            message = translated.partially.message
            dropped = message if message.startswith("Dropped Rule") else f"Dropped Rule: {message}"
            yield Condition.true("PartiallyInvalid", translated.partially.reason, dropped)

    def problems(self) -> Iterator[Problem]:
        ref = self.route.ref
        for each in self.attachments:
            if each.refused:
                refusal = Refusal(each.refused.reason, each.refused.message, each.refused.field or each.parent.field)
                yield problem(ref, Reason.ROUTE_REFUSED, refusal)
        for translated in self.translated.values():
            for refused in filter(None, (translated.refused, translated.partially)):
                yield problem(ref, Reason.ROUTE_REFUSED, refused)
            if translated.unresolved:
                yield problem(ref, Reason.REFERENCE_UNRESOLVED, translated.unresolved)


def parents_of(route: Route) -> frozenset[ObjectRef]:
    """The Gateways and ListenerSets that a route names, ours or not."""
    return frozenset(filter(None, (parent_of(each, route.key) for each in route.spec.parent_refs or ())))


def outcome(
    context: GatewayContext, gateways: Gateways, route: Route, known: Mapping[ParentUse, TranslatedRoute]
) -> RouteOutcome | None:
    """Attach and translate a route; None: it has no parent of ours.

    Args:
        context: The surroundings.
        gateways: Those of ours.
        route: As it is.
        known: Translations that still hold.
    """
    attachments: list[Attachment] = []
    references: set[ObjectRef] = set()
    for index, each in enumerate(route.spec.parent_refs or ()):
        parent = parent_of(each, route.key)
        found = gateways.slots_of(parent) if parent else None
        if found is not None:
            plan, slots = found
            named = ParentRef(each, index, plan.gateway.key, plan.use.use)
            attachments.append(attach(context.state, route, named, slots))
            references |= namespaces_read(slots, route)
    if not attachments:
        return None
    uses = dict.fromkeys(each.parent.use for each in attachments)
    translated = {use: known[use] if use in known else _translate(context, route, use) for use in uses}
    references.update(*(each.references for each in translated.values()))
    return RouteOutcome(route, tuple(attachments), translated, frozenset(references))


def _translate(context: GatewayContext, route: Route, use: ParentUse) -> TranslatedRoute:
    match route:
        case HTTPRoute():
            return translate_http_route(context, route, use)
        case GRPCRoute():
            return translate_grpc_route(context, route, use)
        case _:
            return translate_layer4_route(context, route)
