"""The summary of every Ingress, kept as long as its inputs are the same.

With ten thousand Ingresses, an explanation of each would cost seconds for every question. A sweep looks only at new
Ingresses, and at Ingresses that a change of a host, Service, problem or TLS entry may concern. The sweep compares their
inputs by identity, and makes a summary again if an input differs. The endpoint path records nothing for the overview:
the history of the snapshot has the names.
"""

from collections import Counter
from collections.abc import Hashable, Iterator, Mapping
from dataclasses import dataclass
from operator import is_
from typing import Any, Final

from xds.explain.facts import StateReader
from xds.explain.ingress import Acceptance, Unit, UnitStatus, acceptance, is_served, unit_statuses
from xds.explain.ingress_facts import index_hosts, secret_of, unit_facts
from xds.explain.traffic_index import TrafficIndex
from xds.kube.ingress_class import class_name
from xds.kube.objects import Ingress
from xds.problems.problem import Key, Problem
from xds.problems.reasons import Level
from xds.resources import names
from xds.snapshot.resource import ResourceType
from xds.steps import Steps
from xds.traffic.backends import BackendKey

KEYS_PER_STEP: Final = 500
"""Untouched Ingresses passed over in a step: 0.2 ms."""

OURS: Final = (Acceptance.ACCEPTED, Acceptance.PARTLY, Acceptance.NOT_SERVED)


@dataclass(frozen=True, slots=True)
class IngressSummary:
    """The state of an Ingress in figures.

    Attributes:
        acceptance: As in IngressExplanation.
        hosts: Hosts of rules and TLS entries, and further names, in lower case; NO_HOST for rules without a host.
        errors: Number of problems that leave something out.
        warnings: Number of other problems.
        units: Number of parts; 0 for an Ingress that is not ours.
        unserved: Number of parts that are not served.
        without_endpoints: Number of parts that answer 503, as no endpoint is ready.
        words: The text in which a search looks, in lower case.
    """

    key: Key
    ingress: Ingress
    acceptance: Acceptance
    hosts: tuple[str, ...]
    errors: int
    warnings: int
    units: int
    unserved: int
    without_endpoints: int
    words: str


@dataclass(frozen=True, slots=True)
class OverviewCounts:
    """Numbers of Ingresses.

    Attributes:
        by_acceptance: Every state has a number.
        without_endpoints: Ingresses with a part that answers 503, as no endpoint is ready.
    """

    by_acceptance: Mapping[Acceptance, int]
    without_endpoints: int = 0


@dataclass(frozen=True, slots=True)
class _Entry:
    """A summary, and its inputs; without inputs for an Ingress that is not ours.

    Attributes:
        inputs: Compared by identity.
        tls: The Secrets and the owner of each TLS host, compared by value.
        problems: Compared by value.
        asked: The backends of the Ingress' routes.
    """

    summary: IngressSummary
    inputs: tuple[Any, ...] = ()
    tls: tuple[Hashable, ...] = ()
    problems: tuple[Problem, ...] = ()
    asked: tuple[BackendKey, ...] = ()


class Overview:
    """The summaries of all Ingresses, as of the last sweep. For the loop that changes the state.

    Args:
        reader: Reads the live state. Problems and traffic note touched Ingresses for one overview only.
    """

    def __init__(self, reader: StateReader) -> None:
        self._reader = reader
        self._entries: dict[Key, _Entry] = {}
        self._touched: dict[Key, None] = {}
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
        """Bring all summaries up to date. Changes during the sweep are missed, and `is_current` says so.

        A sweep that is not brought to its end does no harm: the next one goes on.
        """
        generation = self._current_generation()
        yield from self._take_touched()
        ingresses, index = self._reader.state.all_ingresses, TrafficIndex()
        for number, key in enumerate(list(ingresses)):
            known = self._entries.get(key)
            if known is None or key in self._touched or known.summary.ingress is not ingresses.get(key):
                yield from self._check(key, index)
                yield
            elif number % KEYS_PER_STEP == 0:
                yield
        if len(self._entries) > len(ingresses):
            for gone in [key for key in self._entries if key not in ingresses]:
                self._replace(gone, None)
        self._generation = generation

    def _current_generation(self) -> tuple[int, int] | None:
        """None while an update is under way: the traffic model is a mixture."""
        routing = self._reader.traffic.generation
        return None if routing is None else (routing, self._reader.problems.generation)

    def _take_touched(self) -> Steps[None]:
        """Note the Ingresses that a change since the last call may concern."""
        state, touched = self._reader.state, self._reader.traffic.take_touched()
        self._touched |= dict.fromkeys(state.all_ingresses if touched.everything else touched.ingresses)
        if touched.tls:
            self._touched |= dict.fromkeys(state.keys_with_tls | state.keys_with_passthrough)
        for about in self._reader.problems.take_touched():
            if about.kind == Ingress.kind:
                self._touched[about.key] = None
        yield
        for host in touched.hosts:
            self._touched |= dict.fromkeys(state.keys_of_host(host))
            yield
        yield from self._take_endpoints()

    def _take_endpoints(self) -> Steps[None]:
        """Note the Ingresses of Services whose endpoints changed in the snapshot since the last call."""
        state, history, before = self._reader.state, self._reader.store.history, self._revision
        self._revision = self._reader.store.revision
        if before and history[0].number > before + 1:  # too long ago to know the Services
            self._touched |= dict.fromkeys(state.all_ingresses)
            return
        for revision in history if before else ():
            for change in revision.by_type.get(ResourceType.ENDPOINTS, ()) if revision.number > before else ():
                backend = names.backend(change.name)
                for each in backend.all if backend else ():
                    self._touched |= dict.fromkeys(state.keys_of_service(each.service_key))
                yield

    def _check(self, key: Key, index: TrafficIndex) -> Steps[None]:
        """Bring the summary of an Ingress up to date. The Ingress may be gone, or not ours."""
        ingress = self._reader.state.ingress(key)
        if ingress is None:
            foreign = self._reader.state.all_ingresses.get(key)
            self._replace(key, _Entry(_foreign(foreign)) if foreign else None)
        elif not self._is_same(ingress, index):
            yield from index_hosts(self._reader, ingress, index)
            self._summarize(key, index)
            for rule in ingress.spec.rules or ():
                if len(self._reader.state.keys_of_host(rule.hostname)) < 2:
                    index.forget(rule.hostname)
        self._touched.pop(key, None)

    def _is_same(self, ingress: Ingress, index: TrafficIndex) -> bool:
        """Whether an Ingress of ours has a summary with these very inputs."""
        known, reader = self._entries.get(ingress.key), self._reader
        if known is None or known.summary.ingress is not ingress or not known.inputs:
            return False
        if known.problems != tuple(reader.problems.of([ingress.ref])) or known.tls != _tls(ingress, reader, index):
            return False
        inputs = self._inputs(ingress, known.asked)
        return len(inputs) == len(known.inputs) and all(map(is_, inputs, known.inputs))

    def _summarize(self, key: Key, index: TrafficIndex) -> None:
        ingress = self._reader.state.ingress(key)
        if ingress is None:
            return  # changed during the steps before: the next sweep sees to it
        facts, tls = unit_facts(self._reader, ingress, index), _tls(ingress, self._reader, index)
        summary = _summary(ingress, unit_statuses(facts), facts.problems, [each.name for each in facts.names])
        self._replace(key, _Entry(summary, self._inputs(ingress, facts.asked), tls, facts.problems, facts.asked))

    def _inputs(self, ingress: Ingress, asked: tuple[BackendKey, ...]) -> tuple[Any, ...]:
        """The inputs that decide over the parts of an Ingress of ours, without problems, class and TLS."""
        traffic, found = self._reader.traffic, list[Any]()
        found.append(traffic.annotations if ingress.metadata.annotations else None)
        found.append(traffic.default)
        for rule in ingress.spec.rules or ():
            host = rule.hostname
            found.append(traffic.hosts.get(host))
            found.extend(traffic.names_of(host))
        for each in asked:
            found.append(traffic.backends.get(each))
            found.extend(self._reader.state.slices(each.service_key))
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


def _tls(ingress: Ingress, reader: StateReader, index: TrafficIndex) -> tuple[Hashable, ...]:
    """The inputs that decide over the TLS hosts of an Ingress of ours."""
    tls = reader.traffic.tls
    undecrypted = index.undecrypted(tls)
    if not (ingress.spec.tls or undecrypted):
        return ()
    holders = index.holders(tls)
    secrets = (secret_of(ingress, entry, reader.default_secret) for entry in ingress.spec.tls or ())
    return (
        *((holders.get(host), tls.owners.get(host), undecrypted.get(host, "")) for host in _hosts(ingress)),
        *(secret and tls.same.get(secret, secret) for secret in secrets),
    )


def _foreign(ingress: Ingress) -> IngressSummary:
    hosts = tuple(dict.fromkeys(_hosts(ingress)))
    return IngressSummary(
        ingress.key, ingress, Acceptance.NOT_OURS, hosts, 0, 0, 0, 0, 0, words=_words(ingress, hosts, ())
    )


def _summary(
    ingress: Ingress, units: tuple[Unit, ...], problems: tuple[Problem, ...], further: list[str]
) -> IngressSummary:
    hosts = tuple(dict.fromkeys((*_hosts(ingress), *further)))
    errors = sum(each.reason.level is Level.ERROR for each in problems)
    return IngressSummary(
        ingress.key,
        ingress,
        acceptance(units),
        hosts,
        errors,
        warnings=len(problems) - errors,
        units=len(units),
        unserved=len(units) - sum(map(is_served, units)),
        without_endpoints=sum(each.status is UnitStatus.NO_ENDPOINTS for each in units),
        words=_words(ingress, hosts, problems),
    )


def _hosts(ingress: Ingress) -> Iterator[str]:
    for rule in ingress.spec.rules or ():
        yield rule.hostname
    for entry in ingress.spec.tls or ():
        yield from (host.lower() for host in entry.hosts or ())


def _words(ingress: Ingress, hosts: tuple[str, ...], problems: tuple[Problem, ...]) -> str:
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
