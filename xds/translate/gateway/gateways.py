"""The Gateways of ours, judged again as their objects change."""

from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import replace
from datetime import datetime

from xds.kube.gateway_objects import GROUP, Gateway, GatewayClass, Listener, ListenerSet, ReferenceGrant, namespace_of
from xds.kube.objects import Service
from xds.kube.state import seniority
from xds.problems.problem import Key, ObjectRef
from xds.steps import Steps
from xds.traffic.bound import ListenerKey
from xds.translate.certificate_dates import DatePeriod
from xds.translate.gateway.context import GatewayContext
from xds.translate.gateway.listening.addresses import Assignment, assign_addresses, canonical
from xds.translate.gateway.listening.listener_tls import ListenerTls, listener_tls
from xds.translate.gateway.listening.plans import Claimant, GatewayPlan, JudgeTls, plans
from xds.translate.gateway.listening.service_record import NAME_PREFIX
from xds.translate.gateway.listening.services import assign_services
from xds.translate.gateway.listening.slots import Owner, Slot, SlotKey
from xds.translate.gateway.referrers import Referrers
from xds.translate.gateway.statuses import class_refusal
from xds.translate.gateway.translated import grants


class Gateways:
    """Keeps the plans of all Gateways of ours in step with their objects.

    Attributes:
        current: The plan of each Gateway of ours.
        classes: The names of GatewayClasses of ours.
        period: The period in which the judgements of certificates hold.
    """

    def __init__(self, context: GatewayContext) -> None:
        self.current: dict[Key, GatewayPlan] = {}
        self.classes: frozenset[str] = frozenset()
        self.period = DatePeriod()
        self._context = context
        self._options = context.options
        self._assignments: dict[Key, Assignment] = {}
        self._by_address: dict[str, set[Key]] = {}
        self._referrers: Referrers[Key] = Referrers()
        self._sets: dict[Key, set[Key]] = {}
        self._parents: dict[Key, Key] = {}

    @property
    def referents(self) -> Iterator[ObjectRef]:
        """The objects that Gateways looked at."""
        return self._referrers.referents

    def slots_of(self, parent: ObjectRef) -> tuple[GatewayPlan, tuple[Slot, ...]] | None:
        """The Gateway that a parent of routes is or belongs to, and the parent's listeners; None: it isn't ours."""
        key = parent.key if parent.kind == Gateway.kind else self._parents.get(parent.key)
        plan = self.current.get(key) if key else None
        return (plan, plan.slots.get(parent, ())) if plan else None

    def slots_at(self, sockets: Set[ListenerKey]) -> Mapping[ListenerKey, Sequence[Slot]]:
        """The listeners that hold each socket, in order of precedence."""
        found: dict[ListenerKey, list[Slot]] = {each: [] for each in sockets}
        for address in {each.address for each in sockets}:
            plans = (self.current[key] for key in self._by_address.get(address, ()))
            for plan in sorted(plans, key=lambda each: seniority(each.gateway)):
                for slot in plan.all_slots:
                    for socket in slot.sockets:
                        if socket.address == address and socket in found:
                            found[socket].append(slot)
        return found

    def update(self, touched: frozenset[ObjectRef], now: datetime) -> Steps[Mapping[Key, GatewayPlan | None]]:
        """Judge touched Gateways again, and return the former plans of Gateways that differ."""
        kinds = {each.kind for each in touched}
        stale = {key for each in touched for key in self._referrers.of(each)}
        stale |= self._follow_sets(each.key for each in touched if each.kind == ListenerSet.kind)
        if now not in self.period:
            stale |= {key for key, each in self.current.items() if any(each.dates)}
        if not kinds.isdisjoint((GatewayClass.kind, Gateway.kind)) or self._has_record(touched):
            stale |= {each.key for each in touched if each.kind == Gateway.kind}
            stale |= self._assign()
        before: dict[Key, GatewayPlan | None] = {}
        for group in self._groups(stale):
            judge = self._judge_tls(touched, now)
            for plan in (yield from plans(self._context, [self._claimant(key) for key in group], judge)):
                known = self.current.get(plan.gateway.key)
                if known != plan:
                    before[plan.gateway.key] = known
                    self._set(plan.gateway.key, plan)
            yield
        for key in self.current.keys() - self._assignments.keys():
            before[key] = self.current[key]
            self._set(key, None)
        if before or now not in self.period:
            self.period = DatePeriod.around(now, (date for each in self.current.values() for date in each.dates))
        return before

    def _judge_tls(self, touched: frozenset[ObjectRef], now: datetime) -> JudgeTls:
        """A function that judges TLS termination at listeners. Unchanged listeners keep the last judgement."""
        stale = touched | {grants(each.namespace) for each in touched if each.kind == ReferenceGrant.kind}
        is_current = now in self.period

        def judge(gateway: Gateway, owner: Owner, listener: Listener) -> ListenerTls:
            plan = self.current.get(gateway.key)
            known = plan.tls.get(SlotKey(owner.ref, listener.name)) if plan else None
            if (
                plan
                and known
                and is_current
                and plan.owners.get(owner.ref) is owner
                and plan.gateway.spec.tls == gateway.spec.tls
                and known.references.isdisjoint(stale)
            ):
                return known
            return listener_tls(self._context, gateway, owner, listener, now)

        return judge

    def _set(self, key: Key, plan: GatewayPlan | None) -> None:
        self._referrers.set(key, plan.references if plan else frozenset())
        if plan is None:
            del self.current[key]
        else:
            self.current[key] = plan

    def _follow_sets(self, changed: Iterable[Key]) -> set[Key]:
        """Note the Gateways that ListenerSets name, and return the Gateways concerned."""
        stale: set[Key] = set()
        for key in changed:
            found = self._context.state.all_of(ListenerSet).get(key)
            parent = found.spec.parent_ref if found else None
            is_gateway = parent is not None and (parent.group, parent.kind) == (GROUP, Gateway.kind)
            after = Key(namespace_of(parent.namespace, key), parent.name) if parent and is_gateway else None
            before = self._parents.pop(key, None)
            if before is not None:
                self._sets[before].discard(key)
                if not self._sets[before]:
                    del self._sets[before]
                stale.add(before)
            if after is not None:
                self._parents[key] = after
                self._sets.setdefault(after, set()).add(key)
                stale.add(after)
        return stale

    def _assign(self) -> set[Key]:
        """Assign addresses to all Gateways of ours again, and return those with another assignment."""
        self._share_published_addresses()
        state, options = self._context.state, self._context.options
        self.classes = frozenset(
            each.metadata.name for each in state.all_of(GatewayClass).values() if self.is_ours(each)
        )
        accepted = {
            name
            for name in self.classes
            if (found := state.all_of(GatewayClass).get(Key("", name))) and class_refusal(found) is None
        }
        ours = [each for each in state.all_of(Gateway).values() if each.spec.gateway_class_name in accepted]
        before = self._assignments
        self._assignments = (
            assign_services(state, options, ours) if options.target_ports else assign_addresses(ours, options)
        )
        self._by_address = {}
        for key, assignment in self._assignments.items():
            for address in map(options.bound_address, assignment.addresses):
                self._by_address.setdefault(address, set()).add(key)
            if assignment.record:
                self._by_address.setdefault(options.listener_address, set()).add(key)
        return {
            key
            for key, assignment in self._assignments.items()
            if before.get(key) != assignment or key not in self.current
        }

    def _share_published_addresses(self) -> None:
        """Share the addresses that the Service of `--publish-service` has now."""
        published = self._options.published
        service = self._context.state.service(published) if published else None
        entries = (service.status.load_balancer.ingress or ()) if service else ()
        addresses = frozenset(filter(None, (canonical(each.ip) for each in entries)))
        options = replace(self._options, shared_addresses=self._options.shared_addresses | addresses)
        self._context = replace(self._context, options=options)

    def _has_record(self, touched: Iterable[ObjectRef]) -> bool:
        """Whether a Service whose addresses are those of Gateways is among the objects."""
        options = self._context.options
        services = {each.key for each in touched if each.kind == Service.kind}
        if options.published in services:
            return True
        return options.target_ports is not None and any(
            each.namespace == options.fleet and each.name.startswith(NAME_PREFIX) for each in services
        )

    def is_ours(self, gateway_class: GatewayClass) -> bool:
        """Whether a GatewayClass names our controller, and the operator serves it."""
        return self._context.options.owns_class(gateway_class)

    def _groups(self, stale: set[Key]) -> Iterator[list[Key]]:
        """Groups of Gateways that share an address, with a stale Gateway in each; the senior first."""
        by_address, bound = self._by_address, self._context.options.bound_address
        gone = (each for key in stale if (each := self.current.get(key)))
        touched = {bound(address) for each in gone for address in each.assignment.addresses}
        left = {key for address in touched for key in by_address.get(address, ())} | (stale & self._assignments.keys())
        while left:
            group = {left.pop()}
            pending = set(group)
            while pending:
                assignment = self._assignments[pending.pop()]
                beside = {key for address in map(bound, assignment.addresses) for key in by_address[address]} - group
                group |= beside
                pending |= beside
            left -= group
            gateways = self._context.state.all_of(Gateway)
            yield sorted(group, key=lambda key: seniority(gateways[key]))

    def _claimant(self, key: Key) -> Claimant:
        state = self._context.state
        sets = [state.all_of(ListenerSet)[each] for each in self._sets.get(key, ())]
        return Claimant(state.all_of(Gateway)[key], self._assignments[key], tuple(sorted(sets, key=seniority)))
