"""Attached routes: translations, places in tables and at sockets, and conditions."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Final, NamedTuple

from xds.kube.gateway_objects import ROUTE_KINDS, GRPCRoute, HTTPRoute, Route, TLSRoute
from xds.kube.state import seniority
from xds.problems.problem import Key, ObjectRef, Problem
from xds.problems.reasons import Reason
from xds.traffic.backends import Backend, BackendKey
from xds.translate.gateway.attached.attachment import (
    AttachedListener,
    Attachment,
    ParentRef,
    attach,
    hostname_at,
    namespaces_read,
    parent_of,
)
from xds.translate.gateway.attached.forwards import ForwardClaim, SocketPlace
from xds.translate.gateway.attached.kind_conflicts import Wish
from xds.translate.gateway.attached.tables import Claim, TablePlace
from xds.translate.gateway.context import GatewayContext, ParentUse
from xds.translate.gateway.gateways import Gateways
from xds.translate.gateway.listening.slots import SlotKey
from xds.translate.gateway.rules.grpc_route import translate_grpc_route
from xds.translate.gateway.rules.http_route import translate_http_route
from xds.translate.gateway.rules.layer4_route import translate_layer4_route
from xds.translate.gateway.status import Condition, ParentStatus, RouteStatus
from xds.translate.gateway.statuses import problem
from xds.translate.gateway.translated import Refusal, TranslatedRoute


class RouteUse(NamedTuple):
    """The use that a parent makes of a route, which decides over the translation.

    Attributes:
        terminates_tls: Whether the listener terminates the TLS of connections that a TLSRoute passes on.
    """

    parent: ParentUse
    terminates_tls: bool = False


KINDS: Final[Mapping[str, type[Route]]] = {kind.kind: kind for kind in ROUTE_KINDS}


_DROPPED: Final = "Dropped Rule"
"""The prefix that the API asks for in the message of `PartiallyInvalid`."""


@dataclass(frozen=True, slots=True)
class ParentOutcome:
    """A parentRef that names a parent of ours, with the outcome.

    Attributes:
        translations: One for each use of the route by the parent.
        attached: The listeners that accept the route, each with the translation.
        refused: Why the route isn't accepted; None: it is.
    """

    attachment: Attachment
    translations: tuple[TranslatedRoute, ...]
    attached: tuple[tuple[AttachedListener, TranslatedRoute], ...]
    refused: Refusal | None

    def conditions(self) -> Iterator[Condition]:
        yield Condition.of("Accepted", self.refused)
        yield Condition.of(
            "ResolvedRefs", next((each.unresolved for each in self.translations if each.unresolved), None)
        )
        partially = next((each.partially for each in self.translations if each.partially), None)
        if partially and self.refused is None:
            message = partially.condition_message
            dropped = message if message.startswith(_DROPPED) else f"{_DROPPED}: {message}"
            yield Condition.true("PartiallyInvalid", partially.reason, dropped)


@dataclass(frozen=True, slots=True)
class RouteOutcome:
    """A route with a parent of ours.

    Attributes:
        parents: The outcome of each parentRef with a parent of ours.
        translated: The translation for each use of the route.
        references: The objects that were looked at.
        slots: The listeners that the route is attached to.
        claims: The places of the route in route tables.
        forwards: The places of the route at sockets whose connections are passed on.
    """

    route: Route
    parents: tuple[ParentOutcome, ...]
    translated: Mapping[RouteUse, TranslatedRoute]
    references: frozenset[ObjectRef]
    slots: frozenset[SlotKey]
    claims: Mapping[TablePlace, Claim]
    forwards: Mapping[SocketPlace, ForwardClaim]

    @property
    def gateways(self) -> frozenset[Key]:
        """The Gateways that the route is attached to."""
        return frozenset(each.attachment.parent.gateway for each in self.parents if each.refused is None)

    @property
    def backends(self) -> Mapping[BackendKey, Backend]:
        if len(self.translated) == 1:
            return next(iter(self.translated.values())).backends
        return {key: each for translated in self.translated.values() for key, each in translated.backends.items()}

    def status(self) -> RouteStatus:
        parents = (ParentStatus(each.attachment.parent.reference, tuple(each.conditions())) for each in self.parents)
        return RouteStatus(self.route.metadata.generation, tuple(parents))

    def problems(self) -> Iterator[Problem]:
        ref = self.route.ref
        for each in self.parents:
            if refused := each.attachment.refused or each.attachment.lost:
                at = refused.field or each.attachment.parent.field
                yield problem(ref, Reason.ROUTE_REFUSED, replace(refused, field=at))
        for translated in self.translated.values():
            for wrong in translated.left_out or filter(None, (translated.refused, translated.partially)):
                yield problem(ref, Reason.ROUTE_REFUSED, wrong)
            for wrong in translated.broken or filter(None, (translated.unresolved,)):
                yield problem(ref, Reason.REFERENCE_UNRESOLVED, wrong)


def parents_of(route: Route) -> frozenset[ObjectRef]:
    """The Gateways and ListenerSets that a route names, ours or not."""
    return frozenset(filter(None, (parent_of(each, route.key) for each in route.spec.parent_refs or ())))


class Attachments(NamedTuple):
    """The outcomes of the parentRefs with a parent of ours.

    Attributes:
        looked_at: The objects that decided over the attachments.
    """

    parents: tuple[Attachment, ...] = ()
    looked_at: frozenset[ObjectRef] = frozenset()


def attachments(context: GatewayContext, gateways: Gateways, route: Route) -> Attachments:
    """Attach a route to the listeners of each parentRef with a parent of ours."""
    found: list[Attachment] = []
    references: frozenset[ObjectRef] = frozenset()
    for index, each in enumerate(route.spec.parent_refs or ()):
        parent = parent_of(each, route.key)
        ours = gateways.slots_of(parent) if parent else None
        if ours is not None:
            plan, slots = ours
            found.append(attach(context.state, route, ParentRef(each, index, plan.gateway.key, plan.use.parent), slots))
            references |= namespaces_read(slots, route)
    return Attachments(tuple(found), references)


def wishes(route: Route, attached: Iterable[Attachment]) -> Mapping[SlotKey, Wish]:
    """The names of listeners that the route would have, which routes of two kinds can't share."""
    if not isinstance(route, HTTPRoute | GRPCRoute):
        return {}
    rank = seniority(route)
    return {listener.slot.key: Wish(rank, listener.domains) for each in attached for listener in each.listeners}


def outcome(
    context: GatewayContext,
    route: Route,
    attached: Attachments,
    known: Mapping[RouteUse, TranslatedRoute],
) -> RouteOutcome:
    """Translate a route for its parents.

    Args:
        context: The surroundings.
        route: As it is.
        attached: The outcomes of the parentRefs.
        known: Translations that still hold.
    """
    translated: dict[RouteUse, TranslatedRoute] = {}

    def of(use: RouteUse) -> TranslatedRoute:
        if use not in translated:
            translated[use] = known[use] if use in known else _translate(context, route, use)
        return translated[use]

    parents = tuple(_parent_outcome(route, each, of) for each in attached.parents)
    references = attached.looked_at.union(*(each.references for each in translated.values()))
    claims, forwards = _places(route, parents)
    slots = frozenset(listener.slot.key for each in parents if each.refused is None for listener, _ in each.attached)
    return RouteOutcome(route, parents, translated, references, slots, claims, forwards)


def _parent_outcome(route: Route, attachment: Attachment, of: Callable[[RouteUse], TranslatedRoute]) -> ParentOutcome:
    use = attachment.parent.use
    is_passed = isinstance(route, TLSRoute)
    attached = tuple((each, of(RouteUse(use, is_passed and each.slot.terminates_tls))) for each in attachment.listeners)
    # The conditions for a parent that doesn't accept the route need a translation, too.
    translations = tuple({id(each): each for _, each in attached}.values()) or (of(RouteUse(use)),)
    refused = attachment.refused or next((each.refused for each in translations if each.refused), None)
    return ParentOutcome(attachment, translations, attached, refused)


def _places(
    route: Route, parents: Iterable[ParentOutcome]
) -> tuple[Mapping[TablePlace, Claim], Mapping[SocketPlace, ForwardClaim]]:
    rank = seniority(route)
    claims: dict[TablePlace, Claim] = {}
    forwards: dict[SocketPlace, ForwardClaim] = {}
    for listener, translated in (pair for each in parents for pair in each.attached):
        slot = listener.slot
        if not slot.is_served:
            continue
        for socket in slot.sockets:
            for domain in listener.domains:
                # A hostname that is wider than the listener's gives way to other routes' names there.
                hostname = hostname_at(domain, route) if domain == slot.domain else domain
                if slot.speaks_http and translated.routes:
                    claim = Claim(slot.domain, hostname, rank, translated.routes)
                    claims[slot.table(socket), domain, slot.domain] = claim
                elif not slot.speaks_http and translated.forward:
                    forwards[socket, domain, slot.domain] = ForwardClaim(hostname, rank, translated.forward)
    return claims, forwards


def _translate(context: GatewayContext, route: Route, use: RouteUse) -> TranslatedRoute:
    match route:
        case HTTPRoute():
            return translate_http_route(context, route, use.parent)
        case GRPCRoute():
            return translate_grpc_route(context, route, use.parent)
        case _:
            return translate_layer4_route(context, route, use.parent, terminates_tls=use.terminates_tls)
