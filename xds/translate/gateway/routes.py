"""Routes that are attached to Gateways of ours: their translations, their places, and their conditions."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from xds.kube.gateway_objects import ROUTE_KINDS, GRPCRoute, HTTPRoute, Route, TLSRoute
from xds.kube.objects import Service
from xds.kube.state import seniority
from xds.problems.problem import Key, ObjectRef, Problem
from xds.problems.reasons import Reason
from xds.traffic.backends import Backend, BackendKey
from xds.traffic.bound import ListenerKey, TableKey
from xds.translate.gateway.attachment import Attachment, Hold, ParentRef, attach, namespaces_read, parent_of
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


class Use(NamedTuple):
    """The use that a parent makes of a route, which decides over the translation.

    Attributes:
        ends_tls: Whether the listener ends the TLS of connections that a TLSRoute passes on.
    """

    parent: ParentUse
    ends_tls: bool = False


KINDS: Final[Mapping[str, type[Route]]] = {kind.kind: kind for kind in ROUTE_KINDS}


_DROPPED: Final = "Dropped Rule"
"""The prefix that the API asks for in the message of `PartiallyInvalid`."""


@dataclass(frozen=True, slots=True)
class RouteOutcome:
    """A route with a parent of ours.

    Attributes:
        translated: The translation for each use of the route.
        references: The objects that were looked at.
    """

    route: Route
    attachments: tuple[Attachment, ...]
    translated: Mapping[Use, TranslatedRoute] = field(default_factory=dict)
    references: frozenset[ObjectRef] = frozenset()

    @property
    def accepted(self) -> Iterator[Attachment]:
        return (each for each in self.attachments if not self._refused(each))

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

    @property
    def _held(self) -> Iterator[tuple[Hold, TranslatedRoute]]:
        """The listeners that serve the route, each with the translation."""
        for each in self.attachments:
            for hold in each.holds:
                if hold.slot.is_served:
                    yield hold, self.translated[_use(self.route, each, hold)]

    def _of(self, attachment: Attachment) -> tuple[TranslatedRoute, ...]:
        return tuple(self.translated[use] for use in _uses(self.route, attachment))

    def _refused(self, attachment: Attachment) -> Refusal | None:
        return attachment.refused or next((each.refused for each in self._of(attachment) if each.refused), None)

    def claims(self) -> dict[tuple[TableKey, str, str], Claim]:
        """The places of the route in route tables: table, domain, and the domain of the listener."""
        rank = seniority(self.route)
        return {
            (hold.slot.table(socket), domain, hold.slot.domain): Claim(hold.slot.domain, rank, translated.routes)
            for hold, translated in self._held
            if hold.slot.speaks_http and translated.routes
            for socket in hold.slot.sockets
            for domain in hold.domains
        }

    def forwards(self) -> dict[tuple[ListenerKey, str, str], ForwardClaim]:
        """The places of the route at sockets whose connections are passed on: likewise."""
        rank = seniority(self.route)
        return {
            (socket, domain, hold.slot.domain): ForwardClaim(rank, translated.forward)
            for hold, translated in self._held
            if not hold.slot.speaks_http and translated.forward
            for socket in hold.slot.sockets
            for domain in hold.domains
        }

    def status(self) -> RouteStatus:
        parents = (ParentStatus(each.parent.reference, tuple(self._conditions(each))) for each in self.attachments)
        return RouteStatus(self.route.metadata.generation, tuple(parents))

    def _conditions(self, attachment: Attachment) -> Iterator[Condition]:
        refused, translated = self._refused(attachment), self._of(attachment)
        yield Condition.of("Accepted", refused)
        yield Condition.of("ResolvedRefs", next((each.unresolved for each in translated if each.unresolved), None))
        partially = next((each.partially for each in translated if each.partially), None)
        if partially and refused is None:
            message = partially.message
            dropped = message if message.startswith(_DROPPED) else f"{_DROPPED}: {message}"
            yield Condition.true("PartiallyInvalid", partially.reason, dropped)

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


def _use(route: Route, attachment: Attachment, hold: Hold) -> Use:
    return Use(attachment.parent.use, isinstance(route, TLSRoute) and hold.slot.ends_tls)


def _uses(route: Route, attachment: Attachment) -> Iterable[Use]:
    """The uses of a route by a parent. A parent that doesn't accept the route has one, too, for its conditions."""
    return dict.fromkeys(_use(route, attachment, each) for each in attachment.holds) or (Use(attachment.parent.use),)


def parents_of(route: Route) -> frozenset[ObjectRef]:
    """The Gateways and ListenerSets that a route names, ours or not."""
    return frozenset(filter(None, (parent_of(each, route.key) for each in route.spec.parent_refs or ())))


def outcome(
    context: GatewayContext, gateways: Gateways, route: Route, known: Mapping[Use, TranslatedRoute]
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
    uses = dict.fromkeys(use for each in attachments for use in _uses(route, each))
    translated = {use: known[use] if use in known else _translate(context, route, use) for use in uses}
    references.update(*(each.references for each in translated.values()))
    return RouteOutcome(route, tuple(attachments), translated, frozenset(references))


def _translate(context: GatewayContext, route: Route, use: Use) -> TranslatedRoute:
    match route:
        case HTTPRoute():
            return translate_http_route(context, route, use.parent)
        case GRPCRoute():
            return translate_grpc_route(context, route, use.parent)
        case _:
            return translate_layer4_route(context, route, use.parent, ends_tls=use.ends_tls)
