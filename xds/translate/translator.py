"""Keeps the traffic model in step with `KubeState`: only what became stale is translated again."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime

from xds.kube.state import KubeState, Stale
from xds.problems.problem import Key, Problem
from xds.problems.registry import ProblemRegistry
from xds.steps import Steps
from xds.traffic.model import NO_HOST, Backend, BackendKey, Certificate, Locality, Route, TlsTable, VirtualHost
from xds.traffic.traffic import TrafficChange
from xds.translate.certificates import Verdict
from xds.translate.endpoints import localities
from xds.translate.hosts import TranslationContext, UnitFindings, default_route, translate_host, translate_ingress
from xds.translate.tls import CertificateStore, TlsTranslation


@dataclass(frozen=True, slots=True)
class TranslateOptions:
    """What the operator allows and adds."""

    allow_external_name: bool = False
    default_tls_secret: Key | None = None


class Translator:
    """Holds the traffic model. `update` is the only way to change it; all else are questions.

    While an update is under way the model is half of what it was and half of what it will be; `published` is whole.
    """

    def __init__(self, state: KubeState, options: TranslateOptions, problems: ProblemRegistry) -> None:
        self._problems = problems
        self._state = state
        self._options = options
        self._scope = TranslationContext(state, options.allow_external_name)
        self._certificate_store = CertificateStore()
        self._default_secret_due = options.default_tls_secret is not None
        self._hosts: dict[str, VirtualHost] = {}
        self._default: Route | None = None
        self._tls = TlsTable()
        self._certificates: dict[Key, Certificate] = {}
        self._backends = _BackendUse()

    @property
    def hosts(self) -> Mapping[str, VirtualHost]:
        return self._hosts

    @property
    def default(self) -> Route | None:
        """What answers where neither a route nor a host's own default does: the senior default backend."""
        return self._default

    @property
    def tls(self) -> TlsTable:
        return self._tls

    @property
    def certificates(self) -> Mapping[Key, Certificate]:
        """Those that terminate TLS, by Secret."""
        return self._certificates

    def verdict(self, secret: Key) -> Verdict | None:
        """What a Secret that a TLS entry names is good for; None if it doesn't exist, or nothing names it."""
        return self._certificate_store.known(secret)

    @property
    def backends(self) -> Mapping[BackendKey, Backend]:
        """The backends that a route uses."""
        return self._backends.known

    @property
    def published(self) -> Mapping[BackendKey, Backend]:
        """`backends` as of the last `publish`."""
        return self._backends.published

    def used_of(self, services: Iterable[Key]) -> frozenset[BackendKey]:
        """The backends that are ports of these Services."""
        return frozenset(key for key in self._backends.of_services(services) if key in self._backends.known)

    def published_of(self, services: Iterable[Key]) -> list[BackendKey]:
        """The published ones that are ports of these Services."""
        return [key for key in self._backends.of_services(services) if key in self._backends.published]

    def localities(self, backend: Backend) -> tuple[Locality, ...]:
        """The endpoints of a backend in use, as of now; none of an ExternalName, which DNS knows."""
        key = backend.key
        problems: list[Problem] = []
        found = () if backend.external_name else localities(backend, self._state.slices(key.service_key), problems)
        self._problems.report(("endpoints", key), problems)
        return found

    def publish(self) -> None:
        """What `update` made is what counts from now on."""
        self._backends.publish()

    def update(self, stale: Stale, now: datetime) -> Steps[TrafficChange]:
        """Translate what became stale. `now` tells which certificates have expired."""
        self._problems.set_time(now)
        if self._default_secret_due:  # no change says that it is missing from the start
            stale, self._default_secret_due = replace(stale, tls=True), False
        if stale.reported:
            self._problems.report("source", self._state.reported)
        if stale.hosts or stale.ingresses or stale.default_backend or stale.tls:
            return (yield from self._update_routing(stale, now))
        return TrafficChange(endpoints=(yield from self._used(stale.endpoints)))

    def _used(self, services: Iterable[Key]) -> Steps[frozenset[BackendKey]]:
        found: set[BackendKey] = set()
        for service in services:
            found |= self.used_of([service])
            yield
        return frozenset(found)

    def _update_routing(self, stale: Stale, now: datetime) -> Steps[TrafficChange]:
        for key in stale.ingresses:
            self._translate_ingress(key)
            yield
        hosts = yield from self._translate_hosts(stale.hosts)
        default = stale.default_backend and self._translate_default()
        tls, certificates = (yield from self._translate_tls(now)) if stale.tls else (False, False)
        backends, gone = yield from self._backends.changes()
        for backend in gone:
            self._problems.report(("endpoints", backend), ())
            yield
        used = yield from self._used(stale.endpoints)
        return TrafficChange(hosts, default, tls, certificates, backends, used | backends)

    def _translate_ingress(self, key: Key) -> None:
        findings = UnitFindings()
        ingress = self._state.ingress(key)
        if ingress is not None:
            translate_ingress(self._scope, ingress, findings)
        self._problems.report(("ingress", key), findings.problems)

    def _translate_hosts(self, hosts: Iterable[str]) -> Steps[frozenset[str]]:
        """Returns those that changed."""
        changed: set[str] = set()
        for host in hosts:
            if (yield from self._translate_host(host)):
                changed.add(host)
        return frozenset(changed)

    def _translate_host(self, host: str) -> Steps[bool]:
        findings = UnitFindings()
        virtual_host = yield from translate_host(self._scope, host, findings)
        self._problems.report(("host", host), findings.problems)
        self._backends.use(("host", host), findings.backends)
        if virtual_host == self._hosts.get(host):
            return False
        if virtual_host is None:
            del self._hosts[host]
        else:
            self._hosts[host] = virtual_host
        return True

    def _translate_default(self) -> bool:
        findings = UnitFindings()
        default = default_route(self._scope, self._state.ingresses_with_default_backend(), findings)
        self._backends.use(("default", NO_HOST), findings.backends)
        if default == self._default:
            return False
        self._default = default
        return True

    def _translate_tls(self, now: datetime) -> Steps[tuple[bool, bool]]:
        """Whether the table changed, and whether a certificate did."""
        findings = UnitFindings()
        secret = self._options.default_tls_secret
        before = (self._tls, self._certificates)
        translation = TlsTranslation(self._state, self._certificate_store, secret, now, findings)
        self._tls, self._certificates = yield from translation.run()
        self._problems.report(("tls", NO_HOST), findings.problems)
        return self._tls != before[0], self._certificates != before[1]


class _BackendUse:
    """Which backends are used, and by how many: a backend without a user is not in the snapshot."""

    def __init__(self) -> None:
        self.known: dict[BackendKey, Backend] = {}
        self.published: dict[BackendKey, Backend] = {}
        self._users: dict[BackendKey, int] = {}
        self._uses: dict[object, Mapping[BackendKey, Backend]] = {}
        self._by_service: dict[Key, set[BackendKey]] = {}
        self._touched: set[BackendKey] = set()

    def use(self, user: object, backends: Mapping[BackendKey, Backend]) -> None:
        """The user (a host, say) now uses just these."""
        if self._uses.get(user, {}) == backends and all(self.known[key] == each for key, each in backends.items()):
            return
        released = self._uses.pop(user, {})
        if backends:
            self._uses[user] = backends
        for key, backend in backends.items():
            self._touched.add(key)
            self._users[key] = self._users.get(key, 0) + 1
            self.known[key] = backend
            self._by_service.setdefault(key.service_key, set()).add(key)
        for key in released:
            self._release(key)

    def changes(self) -> Steps[tuple[frozenset[BackendKey], list[BackendKey]]]:
        """The backends that are new, different or gone since `publish`, and of these the ones that are gone."""
        changed: set[BackendKey] = set()
        for key in self._touched:
            if self.known.get(key) != self.published.get(key):
                changed.add(key)
            yield
        return frozenset(changed), [key for key in changed if key not in self.known]

    def publish(self) -> None:
        for key in self._touched:
            if key in self.known:
                self.published[key] = self.known[key]
            else:
                self.published.pop(key, None)
                self._unfile(key)
        self._touched.clear()

    def of_services(self, services: Iterable[Key]) -> Iterator[BackendKey]:
        """Known or published."""
        return (key for service in services for key in self._by_service.get(service, ()))

    def _release(self, key: BackendKey) -> None:
        self._touched.add(key)
        self._users[key] -= 1
        if not self._users[key]:
            del self._users[key], self.known[key]

    def _unfile(self, key: BackendKey) -> None:
        ports = self._by_service[key.service_key]
        ports.discard(key)
        if not ports:
            del self._by_service[key.service_key]
