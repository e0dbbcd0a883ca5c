"""The Gateway API, kept in step with its objects: bound listeners, route tables and statuses."""

from collections.abc import Hashable, Iterable, Iterator, Mapping, Set
from dataclasses import dataclass, field
from datetime import datetime
from itertools import chain
from typing import Final

from xds.kube.gateway_objects import (
    BackendTLSPolicy,
    Gateway,
    GatewayClass,
    ListenerSet,
    ReferenceGrant,
    Route,
)
from xds.kube.objects import ConfigMap, KubeObject, Secret
from xds.kube.stale import Stale
from xds.kube.state import KubeState
from xds.problems.problem import Key, ObjectRef, Problem
from xds.problems.reasons import Reason
from xds.steps import Steps
from xds.traffic.backend_tls import Credential, CredentialKey
from xds.traffic.bound import BoundListener, ListenerKey, TableKey
from xds.traffic.regex import DEFAULT_MAX_REGEX_SIZE
from xds.traffic.routes import VirtualHost
from xds.traffic.tls import Certificate
from xds.translate.backend_use import UseBackends
from xds.translate.certificate_dates import DatePeriod
from xds.translate.certificates import Verdict
from xds.translate.findings import ReportProblems
from xds.translate.gateway.attached.forwards import Forwards
from xds.translate.gateway.attached.kind_conflicts import KindConflicts
from xds.translate.gateway.attached.listeners import BoundListeners
from xds.translate.gateway.attached.tables import RouteTables
from xds.translate.gateway.context import GatewayContext
from xds.translate.gateway.gateways import Gateways
from xds.translate.gateway.grants import Grants
from xds.translate.gateway.listening.plans import GatewayPlan
from xds.translate.gateway.listening.services import GatewayService
from xds.translate.gateway.listening.slots import SlotKey
from xds.translate.gateway.options import GatewayOptions
from xds.translate.gateway.referrers import Referrers
from xds.translate.gateway.routes import KINDS, Attachments, RouteOutcome, attachments, outcome, parents_of, wishes
from xds.translate.gateway.shared.shared_listeners import SharedListener, shared_listeners
from xds.translate.gateway.status import WantedStatus
from xds.translate.gateway.statuses import (
    class_refusal,
    class_status,
    gateway_problems,
    gateway_status,
    problem,
    set_status,
)
from xds.translate.gateway.tls_policy.policy_status import PolicyOutcome
from xds.translate.gateway.tls_policy.policy_use import PolicyUse

_NO_SLOTS: Final[frozenset[SlotKey]] = frozenset()
_NO_REFERENCES: Final[frozenset[ObjectRef]] = frozenset()
_NOT_ATTACHED: Final = Attachments()
_NAMING_SECRETS: Final = frozenset(
    each.kind for each in (Secret, ConfigMap, GatewayClass, Gateway, ListenerSet, ReferenceGrant, BackendTLSPolicy)
)
_UNREAD: Final[tuple[type[KubeObject], ...]] = (GatewayClass, Gateway, ListenerSet, *KINDS.values(), BackendTLSPolicy)


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


class GatewayApi:
    """Translates GatewayClasses, Gateways, and attached ListenerSets, routes and policies.

    Args:
        use: Takes the backends of each route.
        report: Takes the problems of each object.
        allow_external_name: Whether Services of type ExternalName can be used.
        max_regex_size: The largest regular expression, in steps of Envoy's program.
    """

    def __init__(
        self,
        state: KubeState,
        options: GatewayOptions,
        use: UseBackends,
        report: ReportProblems,
        *,
        allow_external_name: bool = False,
        max_regex_size: int = DEFAULT_MAX_REGEX_SIZE,
    ) -> None:
        self._context = GatewayContext(
            state, options, Grants(state), allow_external_name, max_regex_size=max_regex_size
        )
        self._use = use
        self._report = report
        self._unread = True
        self._gateways = Gateways(self._context)
        self._routes: dict[ObjectRef, RouteOutcome] = {}
        self._children: Referrers[ObjectRef] = Referrers()
        self._referrers: Referrers[ObjectRef] = Referrers()
        self._attached: dict[SlotKey, set[ObjectRef]] = {}
        self._conflicts = KindConflicts()
        self._policies = PolicyUse(self._context, self._gateways_of)
        self._tables = RouteTables()
        self._forwards = Forwards()
        self._listeners = BoundListeners(self._tables, self._forwards, options.is_shared)
        self._certificates: dict[Key, Certificate] = {}
        self._credentials: dict[CredentialKey, Credential] = {}
        self._statuses: dict[ObjectRef, WantedStatus] = {}
        self._stale_owners: set[ObjectRef] = set()
        self._changed_statuses: set[ObjectRef] = set()
        self._gateways_changed = False

    @property
    def listeners(self) -> Mapping[ListenerKey, BoundListener]:
        return self._listeners.current

    @property
    def tables(self) -> Mapping[TableKey, Mapping[str, VirtualHost]]:
        """The virtual hosts of each route table, by domain: a name, a wildcard for any number of labels, or `*`."""
        return self._tables.current

    @property
    def certificates(self) -> Mapping[Key, Certificate]:
        """The certificates in use, by Secret."""
        return self._certificates

    def verdict(self, secret: Key) -> Verdict | None:
        """The latest verdict on a Secret that a listener names; None for a missing or unused Secret."""
        return self._context.certificates.verdict(secret)

    def served_verdict(self, secret: Key) -> Verdict | None:
        """The verdict on the certificate that is served from a Secret: the last good one; None: none is served."""
        return self._context.certificates.last_good(secret) if secret in self._certificates else None

    @property
    def credentials(self) -> Mapping[CredentialKey, Credential]:
        """The authorities of clients in use."""
        return self._credentials

    @property
    def shared_listeners(self) -> tuple[SharedListener, ...]:
        """The listeners with TLS that share the port of Ingress, the senior first."""
        socket = self._context.options.https_socket
        if not self._context.options.is_shared(socket):
            return ()
        slots = self._gateways.slots_at({socket})[socket]
        return shared_listeners(self._state, slots, self._gateways.current) if slots else ()

    @property
    def date_period(self) -> DatePeriod:
        """The period in which the judgements of certificates hold."""
        return self._gateways.period

    @property
    def gateways(self) -> Mapping[Key, GatewayPlan]:
        """The Gateways of ours with all their listeners."""
        return self._gateways.current

    @property
    def routes(self) -> Mapping[ObjectRef, RouteOutcome]:
        """The routes that name a Gateway or ListenerSet of ours."""
        return self._routes

    @property
    def statuses(self) -> Mapping[ObjectRef, WantedStatus]:
        """The status that each object of ours should have."""
        return self._statuses

    @property
    def services(self) -> Mapping[Key, GatewayService]:
        """The Service that each Gateway should have, with `--gateway-services`."""
        return {key: each.service for key, each in self.gateways.items() if not each.refused}

    def take_changed_gateways(self) -> bool:
        """Whether a Gateway or its Service changed since the last call."""
        taken, self._gateways_changed = self._gateways_changed, False
        return taken

    def take_changed_statuses(self) -> Set[ObjectRef]:
        """The objects whose status changed since the last call, and objects that are no longer ours."""
        taken, self._changed_statuses = self._changed_statuses, set()
        return taken

    def update(self, stale: Stale, now: datetime) -> Steps[GatewayChange]:
        """Translate stale objects again, and return what changed.

        Args:
            stale: `stale.gateway` counts.
            now: Decides which certificates are valid.
        """
        touched = stale.gateway
        if self._unread:
            self._unread = False
            touched |= {each.ref for kind in _UNREAD for each in self._state.all_of(kind).values()}
        if not touched and now in self._gateways.period:
            return GatewayChange()
        self._context.grants.note(touched)
        self._policies.follow(touched)
        self._update_classes(each.key for each in touched if each.kind == GatewayClass.kind)
        before = yield from self._gateways.update(touched, now)
        self._gateways_changed |= bool(before)
        stale_routes = self._stale_routes(touched)
        attached = yield from self._attach(stale_routes | self._attached_anew(before))
        sockets = self._sockets(before.values()) | self._sockets(map(self._gateways.current.get, before))
        for ref in sorted(attached):
            sockets |= self._update_route(ref, attached[ref], keeps_translation=ref not in stale_routes)
            yield
        listeners = self._listeners.update(sockets, self._gateways.slots_at(sockets))
        tables = yield from self._tables.update()
        certificates = bool(before) and self._update_certificates()
        yield from self._write_statuses(before, touched)
        if any(each.kind in _NAMING_SECRETS for each in touched):
            self._forget_unused()
        return GatewayChange(listeners, tables, certificates)

    @property
    def _state(self) -> KubeState:
        return self._context.state

    def _update_classes(self, touched: Iterable[Key]) -> None:
        for key in touched:
            found = self._state.all_of(GatewayClass).get(key)
            ours = found if found and self._gateways.is_ours(found) else None
            ref = ObjectRef(GatewayClass.kind, *key)
            self._set_status(ref, class_status(ours) if ours else None)
            refused = class_refusal(ours) if ours else None
            self._report(("gateway-class", key), [problem(ref, Reason.GATEWAY_REFUSED, refused)] if refused else ())

    def _stale_routes(self, touched: Iterable[ObjectRef]) -> set[ObjectRef]:
        """The changed routes, and the routes that looked at a changed object."""
        found: set[ObjectRef] = set()
        for each in touched:
            found |= self._referrers.of(each)
            if each.kind in KINDS:
                route = self._route(each)
                self._children.set(each, parents_of(route) if route else frozenset())
                found.add(each)
        return found

    def _attached_anew(self, before: Mapping[Key, GatewayPlan | None]) -> set[ObjectRef]:
        """The routes of Gateways and ListenerSets whose listeners differ."""
        found: set[ObjectRef] = set()
        for key, former in before.items():
            present = self._gateways.current.get(key)
            owners = {owner for each in (former, present) if each for owner in each.owners}
            for owner in owners:
                if _offer(former, owner) != _offer(present, owner):
                    found |= self._children.of(owner)
        return found

    def _sockets(self, plans: Iterable[GatewayPlan | None]) -> set[ListenerKey]:
        return {socket for plan in plans if plan for slot in plan.all_slots for socket in slot.sockets}

    def _route(self, ref: ObjectRef) -> Route | None:
        return self._state.all_of(KINDS[ref.kind]).get(ref.key)

    def _attach(self, stale: Iterable[ObjectRef]) -> Steps[Mapping[ObjectRef, Attachments]]:
        """Attach routes again, and routes of another kind that have names in common with them."""
        found: dict[ObjectRef, Attachments] = {}
        for ref in stale:
            route = self._route(ref)
            found[ref] = attachments(self._context, self._gateways, route) if route else _NOT_ATTACHED
            self._conflicts.put(ref, wishes(route, found[ref].parents) if route else {})
            yield
        for ref in self._conflicts.resolve() - found.keys():
            if route := self._route(ref):
                found[ref] = attachments(self._context, self._gateways, route)
        return found

    def _update_route(self, ref: ObjectRef, attached: Attachments, *, keeps_translation: bool) -> set[ListenerKey]:
        """Translate a route again, and return the sockets whose listeners may differ."""
        route, before = self._route(ref), self._routes.pop(ref, None)
        known = before.translated if before and keeps_translation else {}
        after: RouteOutcome | None = None
        if route and attached.parents:
            if lost := self._conflicts.lost(ref):
                attached = attached._replace(parents=tuple(each.without(lost) for each in attached.parents))
            after = self._routes[ref] = outcome(self._context, route, attached, known)
        references = after.references if after else _NO_REFERENCES
        self._referrers.set(ref, references)
        self._policies.route_changed(before.references if before else _NO_REFERENCES, references)
        self._claim(ref, before, after)
        sockets = self._forward(ref, before, after)
        self._count(ref, before, after)
        self._use(("route", ref), after.backends if after else {})
        self._report(("route", ref), after.problems() if after else ())
        self._set_status(ref, after.status() if after else None)
        return sockets

    def _claim(self, ref: ObjectRef, before: RouteOutcome | None, after: RouteOutcome | None) -> None:
        gone, claims = before.claims if before else {}, after.claims if after else {}
        for place in gone.keys() - claims.keys():
            self._tables.claim(place, ref, None)
        for place, claim in claims.items():
            self._tables.claim(place, ref, claim)

    def _forward(self, ref: ObjectRef, before: RouteOutcome | None, after: RouteOutcome | None) -> set[ListenerKey]:
        gone, claims = before.forwards if before else {}, after.forwards if after else {}
        places = {place: claims.get(place) for place in gone.keys() | claims.keys()}
        return {place[0] for place, claim in places.items() if self._forwards.claim(place, ref, claim)}

    def _count(self, ref: ObjectRef, before: RouteOutcome | None, after: RouteOutcome | None) -> None:
        """Count the routes of each listener."""
        gone, slots = before.slots if before else _NO_SLOTS, after.slots if after else _NO_SLOTS
        for slot in gone - slots:
            self._attached[slot].discard(ref)
            if not self._attached[slot]:
                del self._attached[slot]
        for slot in slots - gone:
            self._attached.setdefault(slot, set()).add(ref)
        self._stale_owners.update(slot.owner for slot in gone ^ slots)

    def _gateways_of(self, service: ObjectRef) -> Iterator[Key]:
        return (key for route in self._referrers.of(service) for key in self._routes[route].gateways)

    def _update_certificates(self) -> bool:
        """Gather the certificates and credentials in use, and return whether a certificate changed."""
        plans = self._gateways.current.values()
        before, self._certificates = (
            self._certificates,
            {key: each for plan in plans for key, each in plan.certificates},
        )
        self._credentials = {key: each for plan in plans for key, each in plan.credentials}
        return self._certificates != before

    def _forget_unused(self) -> None:
        """Forget the content of Secrets and ConfigMaps that nothing names any more."""
        referents = chain(self._gateways.referents, self._referrers.referents, self._policies.referents)
        self._context.keep({each.key for each in referents if each.kind in (Secret.kind, ConfigMap.kind)})

    def _write_statuses(self, before: Mapping[Key, GatewayPlan | None], touched: Iterable[ObjectRef]) -> Steps[None]:
        for key, former in before.items():
            plan = self._gateways.current.get(key)
            self._report(("gateway", key), gateway_problems(plan) if plan else ())
            self._stale_owners.update(_told_otherwise(former, plan))
        # A ListenerSet may have left for a Gateway that isn't ours.
        self._stale_owners.update(each for each in touched if each.kind in (Gateway.kind, ListenerSet.kind))
        for owner in self._stale_owners:
            self._set_status(owner, self._owner_status(owner))
            yield
        self._stale_owners.clear()
        for key, found in self._policies.update():
            ref = ObjectRef(BackendTLSPolicy.kind, *key)
            self._set_status(ref, found.status if found else None)
            self._report(("policy", key), _policy_problems(ref, found) if found else ())
            yield

    def _owner_status(self, owner: ObjectRef) -> WantedStatus | None:
        found = self._gateways.slots_of(owner)
        if found is None:
            return None
        plan, slots = found
        attached = {each.key: len(self._attached.get(each.key, ())) for each in slots}
        if owner.kind == Gateway.kind:
            return gateway_status(plan, attached)
        return set_status(plan, owner, attached)

    def _set_status(self, ref: ObjectRef, status: WantedStatus | None) -> None:
        if self._statuses.get(ref) == status:
            return
        self._changed_statuses.add(ref)
        if status is None:
            del self._statuses[ref]
        else:
            self._statuses[ref] = status


def _policy_problems(ref: ObjectRef, found: PolicyOutcome) -> Iterator[Problem]:
    if found.refused:
        yield problem(ref, Reason.POLICY_REFUSED, found.refused)
    if found.unresolved:
        yield problem(ref, Reason.REFERENCE_UNRESOLVED, found.unresolved)


def _told_otherwise(former: GatewayPlan | None, present: GatewayPlan | None) -> Iterator[ObjectRef]:
    """The owners whose status may differ between two plans of a Gateway."""
    if former is None or present is None or (former.refused, former.pending) != (present.refused, present.pending):
        yield from (owner for each in (former, present) if each for owner in each.owners)
        return
    for owner in former.owners.keys() | present.owners.keys():
        before, after = ((each.owners.get(owner), each.slots.get(owner)) for each in (former, present))
        if before != after or owner.kind == Gateway.kind:
            yield owner


def _offer(plan: GatewayPlan | None, owner: ObjectRef) -> Hashable:
    """The part of a plan that decides over routes of a Gateway or ListenerSet."""
    return (plan.use.parent, plan.slots.get(owner)) if plan and owner in plan.owners else None
