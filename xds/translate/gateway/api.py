"""The Gateway API, kept in step with its objects: bound listeners, route tables and statuses."""

from collections.abc import Callable, Hashable, Iterable, Mapping, Set
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final, TypeAlias

from xds.kube.gateway_objects import (
    ROUTE_KINDS,
    Gateway,
    GatewayClass,
    GRPCRoute,
    HTTPRoute,
    ReferenceGrant,
    Route,
)
from xds.kube.stale import Stale
from xds.kube.state import KubeState, seniority
from xds.problems.problem import Key, ObjectRef, Problem
from xds.problems.reasons import Reason
from xds.steps import Steps
from xds.traffic.backends import Backend, BackendKey
from xds.traffic.bound import BoundListener, Chain, ListenerKey, TableKey
from xds.traffic.routes import Origin, VirtualHost
from xds.traffic.tls import Certificate
from xds.translate.gateway.addresses import assign
from xds.translate.gateway.attachment import Attachment, ParentRef, attach, namespaces_read, parent_of
from xds.translate.gateway.context import GatewayContext
from xds.translate.gateway.gateways import GatewayPlan, gateway_status, plan
from xds.translate.gateway.grants import Grants
from xds.translate.gateway.grpc_route import translate_grpc_route
from xds.translate.gateway.hostnames import ANY
from xds.translate.gateway.http_route import translate_http_route
from xds.translate.gateway.layer4_route import translate_layer4_route
from xds.translate.gateway.options import CONTROLLER, GatewayOptions
from xds.translate.gateway.status import ClassStatus, Condition, ParentStatus, RouteStatus, WantedStatus
from xds.translate.gateway.tables import Claim, RouteTables
from xds.translate.gateway.translated import TranslatedRoute, grants

UseBackends: TypeAlias = Callable[[Hashable, Mapping[BackendKey, Backend]], None]
ReportProblems: TypeAlias = Callable[[Hashable, Iterable[Problem]], None]

_ROUTE_KINDS: Final = {kind.kind: kind for kind in ROUTE_KINDS}


@dataclass(frozen=True, slots=True)
class GatewayChange:
    """The difference between two states.

    Attributes:
        listeners: Those that changed, appeared or are gone.
        tables: The domains of each route table that changed, appeared or are gone. A table that is gone has none left.
        certificates: Whether a certificate in use changed.
    """

    listeners: frozenset[ListenerKey] = frozenset()
    tables: Mapping[TableKey, frozenset[str]] = field(default_factory=dict)
    certificates: bool = False


@dataclass(frozen=True, slots=True)
class _RouteOutcome:
    """Attributes: claims: The places of the route in route tables."""

    attachments: tuple[Attachment, ...]
    translated: TranslatedRoute
    references: frozenset[ObjectRef]
    claims: Mapping[tuple[TableKey, str, str], Claim]


class GatewayApi:
    """Translates GatewayClasses, Gateways and all that attaches to them.

    Args:
        use: Takes the backends of each route.
        report: Takes the problems of each object.
        allow_external_name: Whether Services of type ExternalName can be used.
    """

    def __init__(
        self,
        state: KubeState,
        options: GatewayOptions,
        use: UseBackends,
        report: ReportProblems,
        *,
        allow_external_name: bool = False,
    ) -> None:
        self._context = GatewayContext(state, options, Grants(state), allow_external_name)
        self._use = use
        self._report = report
        self._listeners: dict[ListenerKey, BoundListener] = {}
        self._tables = RouteTables()
        self._certificates: dict[Key, Certificate] = {}
        self._statuses: dict[ObjectRef, WantedStatus] = {}
        self._changed_statuses: set[ObjectRef] = set()
        self._unread = True
        self._plans: dict[Key, GatewayPlan] = {}
        self._routes: dict[ObjectRef, _RouteOutcome] = {}
        self._by_parent: dict[ObjectRef, set[ObjectRef]] = {}
        self._parents: dict[ObjectRef, frozenset[ObjectRef]] = {}
        self._by_reference: dict[ObjectRef, set[ObjectRef]] = {}

    @property
    def listeners(self) -> Mapping[ListenerKey, BoundListener]:
        return self._listeners

    @property
    def tables(self) -> Mapping[TableKey, Mapping[str, VirtualHost]]:
        """The virtual hosts of each route table, by domain: a name, a wildcard for any number of labels, or `*`."""
        return self._tables.current

    @property
    def certificates(self) -> Mapping[Key, Certificate]:
        """The certificates in use, by Secret."""
        return self._certificates

    @property
    def statuses(self) -> Mapping[ObjectRef, WantedStatus]:
        """The status that each object of ours should have."""
        return self._statuses

    def take_changed_statuses(self) -> Set[ObjectRef]:
        """The objects, since the last call, whose status changed, or that are no longer ours."""
        taken, self._changed_statuses = self._changed_statuses, set()
        return taken

    def update(self, stale: Stale, now: datetime) -> Steps[GatewayChange]:
        """Translate stale objects again, and return what changed.

        Args:
            stale: `stale.gateway` counts.
            now: Decides which certificates are valid.
        """
        del now
        touched = stale.gateway
        if self._unread:
            kinds = (GatewayClass, Gateway, *ROUTE_KINDS)
            touched |= {each.ref for kind in kinds for each in self._state.all_of(kind).values()}
            self._unread = False
        if not touched:
            return GatewayChange()
        kinds_touched = {each.kind for each in touched}
        routes = {each for each in touched if each.kind in _ROUTE_KINDS}
        for ref in routes:
            self._index_parents(ref)
        changed: frozenset[ListenerKey] = frozenset()
        if kinds_touched & {"GatewayClass", "Gateway", "ListenerSet"}:
            gateways = self._plan_gateways()
            changed = self._bind()
            routes |= {ref for each in gateways for ref in self._by_parent.get(ObjectRef("Gateway", *each), ())}
        for each in touched:
            routes |= self._by_reference.get(each, set())
            if each.kind == ReferenceGrant.kind:
                routes |= self._by_reference.get(grants(each.namespace), set())
        for ref in sorted(routes):
            self._update_route(ref)
            yield
        self._write_gateway_statuses()
        return GatewayChange(changed, self._tables.update())

    @property
    def _state(self) -> KubeState:
        return self._context.state

    def _index_parents(self, ref: ObjectRef) -> None:
        route = self._route(ref)
        references = (route.spec.parent_refs or ()) if route else ()
        after = frozenset(filter(None, (parent_of(each, ref.key) for each in references)))
        _reindex(self._by_parent, ref, self._parents.pop(ref, frozenset()), after)
        if after:
            self._parents[ref] = after

    def _route(self, ref: ObjectRef) -> Route | None:
        return self._state.all_of(_ROUTE_KINDS[ref.kind]).get(ref.key)

    def _plan_gateways(self) -> set[Key]:
        """Judge the Gateways of ours, and return those whose routes may be attached differently."""
        options = self._context.options
        ours = set()
        for each in self._state.all_of(GatewayClass).values():
            is_ours = each.spec.controller_name == CONTROLLER and options.gateway_class in ("", each.metadata.name)
            if is_ours:
                ours.add(each.metadata.name)
            accepted = Condition.true("Accepted")
            self._set_status(each.ref, ClassStatus(each.metadata.generation, (accepted,)) if is_ours else None)
        for ref in [each for each in self._statuses if each.kind == GatewayClass.kind and each.name not in ours]:
            self._set_status(ref, None)
        gateways = [each for each in self._state.all_of(Gateway).values() if each.spec.gateway_class_name in ours]
        leases = assign(gateways, options)
        plans = {each.key: plan(each, leases[each.key], (), records=options.records) for each in gateways}
        differing = {key for key in plans.keys() | self._plans.keys() if plans.get(key) != self._plans.get(key)}
        self._plans = plans
        return differing

    def _bind(self) -> frozenset[ListenerKey]:
        """Make the listeners, and return those that changed."""
        hostnames: dict[ListenerKey, set[str]] = {}
        origins: dict[ListenerKey, Origin] = {}
        for each in sorted(self._plans.values(), key=lambda each: seniority(each.gateway)):
            for slot in each.slots:
                for key in slot.sockets:
                    hostnames.setdefault(key, set()).add(slot.hostname or ANY)
                    origins.setdefault(key, Origin(slot.owner.ref, slot.field))
        for key in self._listeners.keys() - hostnames.keys():
            self._tables.set_listeners(TableKey(key), frozenset())
        before = dict(self._listeners)
        self._listeners.clear()
        for key, names in hostnames.items():
            self._tables.set_listeners(TableKey(key), frozenset(names))
            chain = Chain(table=TableKey(key))
            self._listeners[key] = BoundListener(key, (chain,), origins[key], key.port)
        keys = before.keys() | self._listeners.keys()
        return frozenset(key for key in keys if before.get(key) != self._listeners.get(key))

    def _update_route(self, ref: ObjectRef) -> None:
        route, before = self._route(ref), self._routes.pop(ref, None)
        after = self._outcome(route) if route and ref in self._parents else None
        if after is not None and not after.attachments:
            after = None
        if after is not None:
            self._routes[ref] = after
        claims_before, claims = (each.claims if each else {} for each in (before, after))
        for place in claims_before.keys() | claims.keys():
            table, domain, listener = place
            self._tables.claim(table, domain, (ref, listener), claims.get(place))
        _reindex(
            self._by_reference, ref, *(each.references if each else frozenset[ObjectRef]() for each in (before, after))
        )
        self._use(("route", ref), after.translated.backends if after else {})
        self._set_status(ref, _route_status(route, after) if route and after else None)
        self._report(("route", ref), _problems(ref, after) if after else ())

    def _outcome(self, route: Route) -> _RouteOutcome:
        attachments: list[Attachment] = []
        references: set[ObjectRef] = set()
        for index, each in enumerate(route.spec.parent_refs or ()):
            parent = parent_of(each, route.key)
            found = self._plans.get(parent.key) if parent and parent.kind == Gateway.kind else None
            if found is not None:
                attachments.append(attach(self._state, route, ParentRef(each, index, found.gateway.key), found.slots))
                references |= namespaces_read(found.slots, route)
        translated = self._translate(route) if attachments else TranslatedRoute()
        return _RouteOutcome(
            tuple(attachments), translated, translated.references | references, _claims(route, attachments, translated)
        )

    def _translate(self, route: Route) -> TranslatedRoute:
        match route:
            case HTTPRoute():
                return translate_http_route(self._context, route)
            case GRPCRoute():
                return translate_grpc_route(self._context, route)
            case _:
                return translate_layer4_route(self._context, route)

    def _set_status(self, ref: ObjectRef, status: WantedStatus | None) -> None:
        if self._statuses.get(ref) == status:
            return
        self._changed_statuses.add(ref)
        if status is None:
            del self._statuses[ref]
        else:
            self._statuses[ref] = status

    def _write_gateway_statuses(self) -> None:
        attached: dict[Key, dict[str, int]] = {}
        for outcome in self._routes.values():
            if outcome.translated.refused:
                continue
            for name in {hold.slot.key for each in outcome.attachments for hold in each.holds}:
                counts = attached.setdefault(name.owner.key, {})
                counts[name.name] = counts.get(name.name, 0) + 1
        for key, each in self._plans.items():
            self._set_status(each.gateway.ref, gateway_status(each, attached.get(key, {})))
        for ref in [each for each in self._statuses if each.kind == Gateway.kind and each.key not in self._plans]:
            self._set_status(ref, None)


def _claims(
    route: Route, attachments: Iterable[Attachment], translated: TranslatedRoute
) -> Mapping[tuple[TableKey, str, str], Claim]:
    return {
        (TableKey(socket), domain, hold.slot.hostname or ANY): Claim(
            hold.slot.hostname or ANY, seniority(route), translated.routes
        )
        for each in attachments
        for hold in each.holds
        for socket in hold.slot.sockets
        for domain in hold.domains
    }


def _route_status(route: Route, outcome: _RouteOutcome) -> RouteStatus:
    translated = outcome.translated
    parents = []
    for each in outcome.attachments:
        accepted = Condition.of("Accepted", each.refused or translated.refused)
        parents.append(
            ParentStatus(each.parent.reference, (accepted, Condition.of("ResolvedRefs", translated.unresolved)))
        )
    return RouteStatus(route.metadata.generation, tuple(parents))


def _problems(ref: ObjectRef, outcome: _RouteOutcome) -> Iterable[Problem]:
    for each in outcome.attachments:
        if each.refused:
            field = each.parent.field
            yield Problem(ref, Reason.ROUTE_REFUSED, each.refused.message, Reason.ROUTE_REFUSED.remedy, field)
    for refusal in (outcome.translated.refused, outcome.translated.partially):
        if refusal:
            yield Problem(ref, Reason.ROUTE_REFUSED, refusal.message, Reason.ROUTE_REFUSED.remedy, refusal.field)
    if unresolved := outcome.translated.unresolved:
        reason = Reason.REFERENCE_UNRESOLVED
        yield Problem(ref, reason, unresolved.message, reason.remedy, unresolved.field)


def _reindex(
    index: dict[ObjectRef, set[ObjectRef]], ref: ObjectRef, before: frozenset[ObjectRef], after: frozenset[ObjectRef]
) -> None:
    for each in before - after:
        index[each].discard(ref)
        if not index[each]:
            del index[each]
    for each in after - before:
        index.setdefault(each, set()).add(ref)
