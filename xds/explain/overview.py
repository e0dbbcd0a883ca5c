"""The summary of every Ingress, kept as long as what it was made from is the same.

An explanation of each Ingress at each look would cost seconds with ten thousand of them. A sweep compares the inputs of
each summary by identity instead, which costs microseconds, and makes only summaries again whose inputs differ. Nothing
is noted when a change comes, so that no change costs anything.
"""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from operator import is_
from typing import Any, Final

from xds.explain.facts import StateReader
from xds.explain.ingress import Acceptance, Unit, UnitStatus, acceptance, is_served, unit_statuses
from xds.explain.ingress_facts import unit_facts
from xds.explain.traffic_index import TrafficIndex
from xds.kube.ingress_class import ClassClaim, class_name
from xds.kube.objects import Ingress
from xds.problems.problem import Key, Problem
from xds.problems.reasons import Level
from xds.steps import Steps
from xds.traffic.backends import BackendKey

OURS: Final = (Acceptance.ACCEPTED, Acceptance.PARTLY, Acceptance.NOT_SERVED)


@dataclass(frozen=True, slots=True)
class IngressSummary:
    """What became of an Ingress, in brief.

    Attributes:
        ingress: The Ingress.
        acceptance: As in IngressExplanation.
        claim: Whether the Ingress is ours, and why.
        hosts: Of rules and TLS entries, and further names, in lower case; NO_HOST for rules without host.
        errors: Number of problems that leave something out.
        warnings: Number of other problems.
        units: Number of parts; 0 for an Ingress that is not ours.
        unserved: Number of parts that are not served.
        without_endpoints: Number of parts that answer 503, as no endpoint is ready.
        words: Everything that a search finds, in lower case.
    """

    ingress: Ingress
    acceptance: Acceptance
    claim: ClassClaim
    hosts: tuple[str, ...]
    errors: int
    warnings: int
    units: int
    unserved: int
    without_endpoints: int
    words: str

    @property
    def key(self) -> Key:
        return self.ingress.key


@dataclass(frozen=True, slots=True)
class OverviewCounts:
    """Numbers of Ingresses.

    Attributes:
        by_acceptance: Every state has a number.
        without_endpoints: Those with a part that answers 503, as no endpoint is ready.
    """

    by_acceptance: Mapping[Acceptance, int]
    without_endpoints: int = 0


@dataclass(frozen=True, slots=True)
class _Entry:
    """A summary, and its inputs.

    Attributes:
        inputs: Compared by identity.
        problems: Compared by value.
        asked: The backends of the Ingress' routes.
    """

    summary: IngressSummary
    inputs: tuple[Any, ...]
    problems: list[Problem]
    asked: tuple[BackendKey, ...]


class Overview:
    """The summaries of all Ingresses, as of the last sweep. For the loop that changes the state.

    Args:
        reader: Reads the live state.
    """

    def __init__(self, reader: StateReader) -> None:
        self._reader = reader
        self._entries: dict[Key, _Entry] = {}
        self._acceptances: Counter[Acceptance] = Counter()
        self._without_endpoints = 0
        self._generation: tuple[int, int] | None = None
        self._revision = 0

    @property
    def counts(self) -> OverviewCounts:
        return OverviewCounts({each: self._acceptances[each] for each in Acceptance}, self._without_endpoints)

    @property
    def summaries(self) -> list[IngressSummary]:
        """In no order."""
        return [each.summary for each in self._entries.values()]

    @property
    def has_states(self) -> bool:
        """Whether the states are current: no Ingress' routing or problem changed since the last sweep."""
        return self._generation is not None and self._generation == self._current_generation()

    @property
    def is_current(self) -> bool:
        """Whether everything is current, the numbers of parts without endpoints included."""
        return self.has_states and self._revision == self._reader.store.revision

    def sweep(self) -> Steps[None]:
        """Bring all summaries up to date. Changes during the sweep are missed, and `is_current` says so."""
        generation, revision = self._current_generation(), self._reader.store.revision
        index = TrafficIndex()
        ingresses = self._reader.state.ingresses()
        for ingress in ingresses:
            self._check(ingress, index)
            yield
        for gone in self._entries.keys() - {each.key for each in ingresses}:
            self._replace(gone, None)
        self._generation, self._revision = generation, revision

    def _current_generation(self) -> tuple[int, int] | None:
        """None while an update is under way: the traffic model is a mixture."""
        routing = self._reader.traffic.generation
        return None if routing is None else (routing, self._reader.problems.generation)

    def _check(self, ingress: Ingress, index: TrafficIndex) -> None:
        reader, known = self._reader, self._entries.get(ingress.key)
        claim = reader.state.claim(ingress)
        if not claim.ours:
            if known is None or known.summary.ingress is not ingress or known.summary.claim != claim:
                self._replace(ingress.key, _Entry(_foreign(ingress, claim), (), [], ()))
            return
        problems = reader.problems.of([ingress.ref])
        if known and known.summary.ingress is ingress and known.summary.claim == claim and known.problems == problems:
            inputs = self._inputs(ingress, known.asked)
            if len(inputs) == len(known.inputs) and all(map(is_, inputs, known.inputs)):
                return
        facts = unit_facts(reader, ingress, index)
        summary = _summary(ingress, claim, unit_statuses(facts), problems, [each.name for each in facts.names])
        self._replace(ingress.key, _Entry(summary, self._inputs(ingress, facts.asked), problems, facts.asked))

    def _inputs(self, ingress: Ingress, asked: tuple[BackendKey, ...]) -> tuple[Any, ...]:
        """Everything beside problems and class that decides over the parts of an Ingress of ours."""
        reader, spec = self._reader, ingress.spec
        traffic, found = reader.traffic, list[Any]()
        found.append(traffic.annotations if ingress.metadata.annotations else None)
        found.append(traffic.default)
        found.append(traffic.tls if spec.tls else None)
        for rule in spec.rules or ():
            host = rule.hostname
            found.append(traffic.hosts.get(host))
            found.extend(traffic.names_of(host))
        for each in asked:
            found.append(traffic.backends.get(each))
            found.extend(reader.state.slices(each.service_key))
        return tuple(found)

    def _replace(self, key: Key, new: _Entry | None) -> None:
        old = self._entries.pop(key, None)
        if old:
            self._acceptances[old.summary.acceptance] -= 1
            self._without_endpoints -= bool(old.summary.without_endpoints)
        if new:
            self._entries[key] = new
            self._acceptances[new.summary.acceptance] += 1
            self._without_endpoints += bool(new.summary.without_endpoints)


def _foreign(ingress: Ingress, claim: ClassClaim) -> IngressSummary:
    hosts = tuple(dict.fromkeys(_hosts(ingress)))
    words = _words(ingress, hosts, ())
    return IngressSummary(ingress, Acceptance.NOT_OURS, claim, hosts, 0, 0, 0, 0, 0, words)


def _summary(
    ingress: Ingress, claim: ClassClaim, units: tuple[Unit, ...], problems: list[Problem], names: list[str]
) -> IngressSummary:
    hosts = tuple(dict.fromkeys((*_hosts(ingress), *names)))
    errors = sum(each.reason.level is Level.ERROR for each in problems)
    return IngressSummary(
        ingress,
        acceptance(units),
        claim,
        hosts,
        errors,
        len(problems) - errors,
        len(units),
        len(units) - sum(map(is_served, units)),
        sum(each.status is UnitStatus.NO_ENDPOINTS for each in units),
        _words(ingress, hosts, problems),
    )


def _hosts(ingress: Ingress) -> Iterator[str]:
    for rule in ingress.spec.rules or ():
        yield rule.hostname
    for entry in ingress.spec.tls or ():
        yield from (host.lower() for host in entry.hosts or ())


def _words(ingress: Ingress, hosts: tuple[str, ...], problems: list[Problem] | tuple[()]) -> str:
    spec = ingress.spec
    paths = [path for rule in spec.rules or () for path in rule.paths]
    backends = [path.backend for path in paths] + ([spec.default_backend] if spec.default_backend else [])
    found = (
        str(ingress.key),
        class_name(ingress) or "",
        *hosts,
        *(path.path or "" for path in paths),
        *(each.service.name for each in backends if each.service),
        *(entry.secret_name or "" for entry in spec.tls or ()),
        *(each.reason for each in problems),
    )
    return "\n".join(dict.fromkeys(found)).lower()
