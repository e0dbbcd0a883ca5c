"""The ports of layer 4, kept in step with ConfigMaps and Services."""

from collections.abc import Hashable, Iterable, Mapping
from functools import partial
from typing import Final, TypeVar

from xds.kube.objects import Service
from xds.kube.stale import Stale
from xds.kube.state import KubeState
from xds.problems.problem import Key, ObjectRef, Problem
from xds.problems.reasons import Reason
from xds.problems.text import shown
from xds.steps import Steps
from xds.traffic.layer4 import PortKey, PortListener
from xds.translate.backend_use import UseBackends
from xds.translate.findings import ReportProblems
from xds.translate.layer4.claims import Claim, ClaimState, Fault, PortClaim, Rank
from xds.translate.layer4.conflicts import lost
from xds.translate.layer4.entries import MAX_PORT
from xds.translate.layer4.options import STREAM_DEFAULTS, Layer4Options, StreamDefaults
from xds.translate.layer4.routes import PortOutcome, add_annotation_problem, port_outcome
from xds.translate.layer4.sources import PortConfigMap, Position, service_claims
from xds.translate.own.service import EXPOSE, report_unknown

_K = TypeVar("_K", Key, PortKey)

_NOTHING: Final = PortOutcome()


class Layer4Ports:
    """Decides each port: of all claims the first by `Rank` has the port, whether or not its Service can be used.

    Args:
        allow_external_name: Whether Services of type ExternalName can be used.
        use: Takes the backends of each port.
        report: Takes the problems of each claim.
    """

    def __init__(
        self,
        state: KubeState,
        options: Layer4Options,
        use: UseBackends,
        report: ReportProblems,
        *,
        allow_external_name: bool = False,
    ) -> None:
        self._state = state
        self._options = options
        self._allow_external_name = allow_external_name
        self._use = use
        self._report = report
        self._config_maps = tuple(PortConfigMap(each, key, options) for each, key in options.config_maps.items())
        self._unread = True
        self._defaults = STREAM_DEFAULTS
        self._claims: dict[Hashable, dict[Position, Claim]] = {}
        self._by_port: dict[PortKey, dict[Claim, None]] = {}
        self._forbidden: dict[PortKey, dict[Claim, None]] = {}
        self._by_service: dict[Key, dict[Claim, None]] = {}
        self._outcomes: dict[PortKey, tuple[Claim, PortOutcome]] = {}
        self._ports: dict[PortKey, PortListener] = {}
        self._touched: dict[PortKey, None] = {}
        self._unreported: set[Claim] = set()
        self._misnamed: set[ObjectRef] = set()

    @property
    def current(self) -> Mapping[PortKey, PortListener]:
        return self._ports

    def claims_of(self, source: ObjectRef) -> tuple[PortClaim, ...]:
        """The claims of a ConfigMap or Service, in the order of their fields."""
        groups = (source, *(each for each in self._config_maps if each.ref == source))
        found = [claim for group in groups for claim in self._claims.get(group, {}).values()]
        return tuple(map(self._with_outcome, sorted(found, key=_order)))

    def claims_for(self, port: PortKey) -> tuple[PortClaim, ...]:
        """All claims of a port: the winner first, and claims that may not hold the port last."""
        found = (*sorted(self._by_port.get(port, ()), key=_rank), *sorted(self._forbidden.get(port, ()), key=_rank))
        return tuple(map(self._with_outcome, found))

    @property
    def sources(self) -> tuple[ObjectRef, ...]:
        """The ConfigMaps and Services with claims, ConfigMaps first."""
        # A group may be empty between two steps of an update.
        claims = [next(iter(group.values())) for group in self._claims.values() if group]
        return tuple({claim.source: None for claim in sorted(claims, key=_rank_of_source)})

    def ports_of_service(self, service: Key) -> frozenset[PortKey]:
        """The ports whose winner names the Service."""
        claims = self._by_service.get(service, ())
        return frozenset(each.held for each in claims if each.held and self._winner(each.held) is each)

    def use_defaults(self, defaults: StreamDefaults) -> None:
        """Take new defaults, and decide all ports again if they differ."""
        if defaults != self._defaults:
            self._defaults = defaults
            self._touched.update(dict.fromkeys(self._by_port))

    def update(self, stale: Stale) -> Steps[frozenset[PortKey]]:
        """Translate stale ConfigMaps and Services again, and return the ports that changed, appeared or are gone."""
        for config_map in self._config_maps:
            if self._unread or config_map.ref.key in stale.config_maps:
                yield from self._replace(config_map, *config_map.read(self._state))
                self._report(("ports", config_map), [config_map.problem] if config_map.problem else ())
        self._unread = False
        for key in stale.services:
            yield from self._read_service(key)
        changed: set[PortKey] = set()
        while self._touched:
            port, _ = self._touched.popitem()
            if self._decide(port):
                changed.add(port)
            yield
        return frozenset(changed)

    def _read_service(self, key: Key) -> Steps[None]:
        service, source = self._state.service(key), ObjectRef(Service.kind, *key)
        self._check_names(source, service.annotations if service else {})
        before = self._claims.get(source, {})
        if before or (service is not None and EXPOSE.full_name in service.annotations):
            yield from self._replace(source, *service_claims(service, self._options, before))
        for claim in self._by_service.get(key, ()):
            if claim.held and self._winner(claim.held) is claim:
                self._touched[claim.held] = None
        yield

    def _check_names(self, source: ObjectRef, annotations: Mapping[str, str]) -> None:
        """Report misspelt annotations. A Service with a misspelt claim may have no other user that reports it."""
        problems: list[Problem] = []
        report_unknown(annotations, partial(add_annotation_problem, problems, source))
        if problems or source in self._misnamed:
            self._report(("annotations", source), problems)
            (self._misnamed.add if problems else self._misnamed.discard)(source)

    def _replace(
        self, group: Hashable, gone: Iterable[Position], changed: Iterable[tuple[Position, Claim]]
    ) -> Steps[None]:
        claims = self._claims.setdefault(group, {})
        for position in gone:
            self._remove(claims.pop(position))
            yield
        for position, claim in changed:
            if position in claims:
                self._remove(claims[position])
            claims[position] = claim
            self._add(claim)
            yield
        if not claims:
            del self._claims[group]

    def _add(self, claim: Claim) -> None:
        if claim.held is None:
            self._report_claim(claim, ())
            if claim.entry.port:
                self._forbidden.setdefault(claim.entry.port, {})[claim] = None
            return
        self._by_port.setdefault(claim.held, {})[claim] = None
        self._unreported.add(claim)
        self._touched[claim.held] = None
        if claim.entry.service:
            self._by_service.setdefault(claim.entry.service, {})[claim] = None

    def _remove(self, claim: Claim) -> None:
        self._report(("claim", claim), ())
        if claim.held is None:
            if claim.entry.port:
                _discard(self._forbidden, claim.entry.port, claim)
            return
        self._unreported.discard(claim)
        self._touched[claim.held] = None
        _discard(self._by_port, claim.held, claim)
        if claim.entry.service:
            _discard(self._by_service, claim.entry.service, claim)

    def _decide(self, port: PortKey) -> bool:
        """Give the port to the first of its claims, and return whether its listener changed."""
        claims, before = self._by_port.get(port, {}), self._winner(port)
        winner = min(claims, key=_rank, default=None)
        found = _NOTHING
        if winner is None:
            self._outcomes.pop(port, None)
        else:
            allowed = self._allow_external_name
            found = port_outcome(self._state, port, winner, self._defaults, allow_external_name=allowed)
            self._outcomes[port] = (winner, found)
            self._report_claim(winner, (found.fault,) if found.fault else ())
            for claim in claims if winner is not before else self._unreported.intersection(claims):
                if claim is not winner:
                    self._report_claim(claim, (lost(claim, winner),))
            self._unreported.difference_update(claims)
        self._use(("port", port), {found.backend.key: found.backend} if found.backend else {})
        self._report(("port", port), found.problems)
        listener = self._ports.get(port)
        if found.listener:
            self._ports[port] = found.listener
        else:
            self._ports.pop(port, None)
        return found.listener != listener

    def _winner(self, port: PortKey) -> Claim | None:
        known = self._outcomes.get(port)
        return known[0] if known else None

    def _report_claim(self, claim: Claim, further: Iterable[Fault]) -> None:
        faults = (*claim.entry.faults, *further)
        self._report(("claim", claim), [_problem(claim, *each) for each in faults])

    def _with_outcome(self, claim: Claim) -> PortClaim:
        entry, winner, state = claim.entry, None, ClaimState.INVALID
        if claim.held is not None and (known := self._outcomes.get(claim.held)):
            if known[0] is not claim:
                winner, state = known[0].source, ClaimState.LOST
            elif known[1].listener:
                state = ClaimState.SERVED
        return PortClaim(
            claim.source,
            claim.field,
            claim.text,
            entry.port,
            entry.service,
            entry.service_port,
            entry.decodes_proxy,
            entry.proxy_header,
            state,
            winner,
        )


def _problem(claim: Claim, reason: Reason, message: str, remedy: str) -> Problem:
    """The problem of a claim. All items of an annotation share a field, so the message quotes the item."""
    item = shown(claim.text) if claim.rank.is_of_service and claim.text else ""
    text = message if item in message else f"{item}: {message}"
    return Problem(claim.source, reason, text, remedy, claim.field)


def _rank(claim: Claim) -> Rank:
    return claim.rank


def _rank_of_source(claim: Claim) -> tuple[bool, Key]:
    return claim.rank.is_of_service, claim.rank.source


def _order(claim: Claim) -> tuple[int, Rank]:
    """The sort key of claims of one source: entries of a ConfigMap by port, items of an annotation as written."""
    number = claim.entry.port.number if claim.entry.port else MAX_PORT + 1
    return (0 if claim.rank.is_of_service else number, claim.rank)


def _discard(index: dict[_K, dict[Claim, None]], key: _K, claim: Claim) -> None:
    found = index[key]
    del found[claim]
    if not found:
        del index[key]
