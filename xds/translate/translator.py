"""Keeps the traffic model in step with `KubeState`: a change translates only the units that became stale."""

from collections.abc import Hashable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime

from xds.kube.objects import Ingress
from xds.kube.stale import Stale
from xds.kube.state import KubeState
from xds.problems.problem import Key, Problem
from xds.problems.registry import ProblemRegistry
from xds.steps import Steps
from xds.traffic.backend_tls import Credential, CredentialKey
from xds.traffic.backends import Backend, BackendKey
from xds.traffic.bound import BoundListener, ListenerKey, TableKey
from xds.traffic.endpoints import Locality
from xds.traffic.hosts import NO_HOST, is_wildcard
from xds.traffic.layer4 import PortKey, PortListener
from xds.traffic.listeners import OWN_LISTENERS, ListenerPolicy
from xds.traffic.model import TrafficChange
from xds.traffic.rate_limits import Rate
from xds.traffic.routes import Route, VirtualHost
from xds.traffic.tls import Certificate, TlsTable
from xds.translate.backend_use import BackendUse
from xds.translate.certificate_dates import DatePeriod
from xds.translate.certificates import Verdict
from xds.translate.checked_hosts import CheckedHosts, closed_if_checked, expired_authorities
from xds.translate.credentials import CredentialUse
from xds.translate.endpoints import localities
from xds.translate.findings import HostCiphers, UnitFindings
from xds.translate.further_names import FurtherName, FurtherNames
from xds.translate.gateway.api import GatewayApi
from xds.translate.gateway.shared.shared_hosts import SharedHosts
from xds.translate.gateway.shared.shared_listeners import SharedListener
from xds.translate.hosts import authorized, translate_host
from xds.translate.layer4.ports import Layer4Ports
from xds.translate.nginx.canary import Canary
from xds.translate.nginx.options import AnnotationOptions
from xds.translate.nginx.paths_policy import IngressPolicy
from xds.translate.nginx_config import NginxConfigTracker
from xds.translate.options import TranslateOptions
from xds.translate.ownership import HostOwners
from xds.translate.passthrough import PassthroughTranslation
from xds.translate.rate_use import RateUse
from xds.translate.routes import (
    TranslationContext,
    default_route,
    service_route,
    translate_ingress,
)
from xds.translate.served_certificates import CertificateStore
from xds.translate.tls import TlsTranslation


@dataclass(slots=True)
class TouchedTraffic:
    """Hosts and Ingresses whose outcome may have changed since the last call of `take_touched`.

    Attributes:
        everything: Whether all Ingresses may be concerned.
        tls: Whether the TLS table changed.
    """

    hosts: set[str] = field(default_factory=set)
    ingresses: set[Key] = field(default_factory=set)
    everything: bool = False
    tls: bool = False


class Translator:
    """Holds the traffic model, a `TrafficModel`. Only `update` and `publish` change the model.

    While an update is under way, the model is a mixture of the old state and the new one; only `published` is whole.

    Args:
        problems: Problems of the translation are reported here.
    """

    def __init__(self, state: KubeState, options: TranslateOptions, problems: ProblemRegistry) -> None:
        self._problems = problems
        self._state = state
        self._options = options
        self._config = NginxConfigTracker(
            options.nginx_configmap,
            is_compatible=options.is_compatible,
            ignored=options.ignored_annotations,
            max_regex_size=options.max_regex_size,
            has_tracer=options.has_tracer,
            has_authz=options.has_authz,
            passes_tls=options.passes_tls,
        )
        self._config_due = True
        self._context = TranslationContext(
            state,
            options.allow_external_name,
            self._config.annotations,
            options.max_regex_size,
            options.allow_cross_namespace,
            redirects_to_slash=options.is_compatible,
            host_ownership=options.host_ownership,
            published=options.published,
        )
        self._certificate_store = CertificateStore()
        self._default_secret_due = options.default_tls_secret is not None
        self._hosts: dict[str, VirtualHost] = {}
        self._names = FurtherNames(options.host_ownership)
        self._owners = HostOwners()
        self._canaries_with_tls: set[Key] = set()
        self._default: Route | None = None
        self._tls = TlsTable()
        self._ciphers: dict[str, HostCiphers] = {}
        self._ciphers_changed = False
        self._checked = CheckedHosts(self._hosts)
        self._certificates: dict[Key, Certificate] = {}
        self._all_certificates: Mapping[Key, Certificate] = {}
        self._date_period = self._authority_period = DatePeriod()
        self._backends = BackendUse()
        self._credentials = CredentialUse()
        self._rates = RateUse()
        self._layer4 = Layer4Ports(
            state, options.layer4, self._use, problems.report, allow_external_name=options.allow_external_name
        )
        self._gateway = GatewayApi(
            state,
            options.gateway,
            self._use,
            problems.report,
            allow_external_name=options.allow_external_name,
            max_regex_size=options.max_regex_size,
        )
        self._shared_listeners: tuple[SharedListener, ...] = ()
        self._shared_hosts = SharedHosts(state, options.gateway, problems.report)
        self._updates = 0
        self._is_updating = False
        self._touched = TouchedTraffic()

    @property
    def options(self) -> TranslateOptions:
        return self._options

    @property
    def hosts(self) -> Mapping[str, VirtualHost]:
        return self._hosts

    def hosts_of(self, *, tls: bool) -> Mapping[str, VirtualHost]:
        return self._shared_hosts.hosts(self._hosts, tls=tls)

    @property
    def default(self) -> Route | None:
        """The route to the senior default backend; answers where neither a route nor a host's own default does."""
        return self._default

    @property
    def tls(self) -> TlsTable:
        return self._tls

    @property
    def certificates(self) -> Mapping[Key, Certificate]:
        """The certificates in use, by Secret: another object after each change."""
        return self._all_certificates

    @property
    def listeners(self) -> ListenerPolicy:
        return self._config.current.listeners

    def verdict(self, secret: Key) -> Verdict | None:
        """The verdict on a Secret that a TLS entry or a listener names; None for a missing or unused Secret."""
        return self._certificate_store.verdict(secret) or self._gateway.verdict(secret)

    def served_verdict(self, secret: Key) -> Verdict | None:
        """The verdict on the certificate that is served from a Secret: the last good one; None: none is served."""
        if secret in self._certificates:
            return self._certificate_store.last_good(secret)
        return self._gateway.served_verdict(secret)

    @property
    def date_period(self) -> DatePeriod:
        """The period in which the problems of certificates hold. Outside, the TLS table is stale."""
        return self._date_period.within(self._authority_period).within(self._gateway.date_period)

    @property
    def certificate_expiry(self) -> Mapping[Key, datetime]:
        """`notAfter` of the certificates in use, by Secret."""
        served = {key: self.served_verdict(key) for key in self._all_certificates}
        return {key: each.expires for key, each in served.items() if each and each.expires}

    @property
    def backends(self) -> Mapping[BackendKey, Backend]:
        """The backends in use."""
        return self._backends.current

    @property
    def ports(self) -> Mapping[PortKey, PortListener]:
        return self._layer4.current

    @property
    def layer4(self) -> Layer4Ports:
        """The ports of layer 4 with all their claims, for explanations."""
        return self._layer4

    @property
    def bound(self) -> Mapping[ListenerKey, BoundListener]:
        return self._gateway.listeners

    @property
    def tables(self) -> Mapping[TableKey, Mapping[str, VirtualHost]]:
        return self._gateway.tables

    @property
    def gateway(self) -> GatewayApi:
        """The Gateway API with all statuses, for reports and explanations."""
        return self._gateway

    @property
    def rates(self) -> frozenset[Rate]:
        """The rates of limits in use: the same object as long as no rate appears or vanishes."""
        return self._rates.current

    @property
    def published(self) -> Mapping[BackendKey, Backend]:
        """The backends in use, as of the last `publish`."""
        return self._backends.published

    @property
    def credentials(self) -> Mapping[CredentialKey, Credential]:
        """The credentials in use for TLS to backends."""
        return self._credentials.current

    def used_of(self, services: Iterable[Key]) -> frozenset[BackendKey]:
        """The backends in use that are ports of some Services."""
        return frozenset(key for key in self._backends.of_services(services) if key in self._backends.current)

    def published_of(self, services: Iterable[Key]) -> list[BackendKey]:
        """The published backends that are ports of some Services."""
        return [key for key in self._backends.of_services(services) if key in self._backends.published]

    def localities(self, backend: Backend) -> tuple[Locality, ...]:
        """The current endpoints of a backend in use; none of an ExternalName, whose endpoints come from DNS.

        Problems of the EndpointSlices are reported.
        """
        key = backend.key
        if backend.joined:  # each of both backends has a cluster of its own, too, whose problems are reported
            alone, behind = (
                localities(each, self._state.slices(each.key.service_key)) for each in (backend, backend.joined)
            )
            return (*alone, *(replace(zone, priority=1) for zone in behind))
        problems: list[Problem] = []
        found = localities(backend, self._state.slices(key.service_key), problems) if backend.has_slices else ()
        self._problems.report(("endpoints", key), problems)
        return found

    def names_of(self, host: str) -> Iterable[FurtherName]:
        """The aliases of a host, and the names that are redirected to the host."""
        return self._names.of_host(host)

    def policy(self, ingress: Ingress) -> IngressPolicy:
        return self._context.policy(ingress)

    def canary(self, ingress: Ingress) -> Canary | None:
        """The requests for a canary; None for an ordinary Ingress."""
        return self._context.canary(ingress)

    @property
    def annotations(self) -> AnnotationOptions:
        """The operator's choices for annotations: the same object as long as none changes."""
        return self._context.annotations

    @property
    def generation(self) -> int | None:
        """Grows with each update; None while one is under way."""
        return None if self._is_updating else self._updates

    def take_touched(self) -> TouchedTraffic:
        """The hosts and Ingresses that updates since the last call may have changed."""
        touched, self._touched = self._touched, TouchedTraffic()
        return touched

    def publish(self) -> None:
        """Make the backends of the last `update` the published ones."""
        self._backends.publish()
        self._is_updating = False

    def report_source(self) -> None:
        """Report the problems of the source."""
        self._problems.report("source", self._state.reported)

    def update(self, stale: Stale, now: datetime) -> Steps[TrafficChange]:
        """Translate the stale units again.

        Args:
            stale: Hosts, Ingresses, Services and so on that changes touched since the last update.
            now: Decides which certificates are valid (see `date_period`), and dates new problems.
        """
        self._problems.set_time(now)
        self._is_updating, self._updates = True, self._updates + 1
        if self._default_secret_due:  # no change tells of a Secret that never existed
            stale, self._default_secret_due = replace(stale, tls=True), False
        if stale.reported:
            self.report_source()
        listeners = False
        if stale.config_maps or self._config_due:
            stale, listeners = self._read_config(stale)
        if stale.asks_routing:
            change = yield from self._update_routing(stale, now)
        else:
            change = TrafficChange(endpoints=(yield from self._used(stale.endpoints)))
        return replace(change, listeners=True) if listeners else change

    def _read_config(self, stale: Stale) -> tuple[Stale, bool]:
        """Read ingress-nginx's ConfigMap, and return what is stale, and whether the policy of listeners changed.

        Every Ingress is stale if a default of annotations changed.
        """
        before = OWN_LISTENERS if self._config_due else self.listeners
        if self._config_due and self._options.default_service:  # no change tells of a Service that never existed
            stale = replace(stale, default_backend=True)
        if self._config_due:  # likewise of ConfigMaps
            stale = replace(stale, config_maps=stale.config_maps | self._options.config_maps)
        self._config_due = False
        self._config.read(self._state)
        self._problems.report("nginx-configmap", self._config.problems)
        self._layer4.use_defaults(self._config.current.streams)
        annotations = self._config.annotations
        if annotations != self._context.annotations:
            self._context = replace(self._context, annotations=annotations)
            stale = Stale.union((stale, self._state.everything(), Stale(tls=self._state.has_passthrough)))
        return stale, self.listeners != before

    def _used(self, services: Iterable[Key]) -> Steps[frozenset[BackendKey]]:
        found: set[BackendKey] = set()
        for service in services:
            found |= self.used_of([service])
            yield
        return frozenset(found)

    def _update_routing(self, stale: Stale, now: datetime) -> Steps[TrafficChange]:
        canaries_changed = False
        for key in stale.ingresses:
            self._translate_ingress(key)
            canaries_changed |= self._note_canary(key)
            yield
        hosts, owners_changed = yield from self._translate_hosts(stale.hosts)
        if owners_changed and (self._state.keys_with_tls or self._state.has_passthrough):
            stale = replace(stale, tls=True)
        default = stale.default_backend and self._translate_default()
        gateway = yield from self._gateway.update(stale, now)
        self._credentials.use("gateways", self._gateway.credentials)
        hosts |= self._shared_hosts.update(self._hosts, hosts, self._gateway.tables, gateway.tables)
        tls_is_stale, self._ciphers_changed = stale.tls or self._ciphers_changed or canaries_changed, False
        tls_is_stale |= self._note_shared_listeners()
        tls_is_stale = self._checked.take_changed() or tls_is_stale
        tls, certificates = (yield from self._translate_tls(now)) if tls_is_stale else (False, False)
        if certificates or gateway.certificates:
            self._all_certificates = {**self._gateway.certificates, **self._certificates}
        if tls_is_stale or not self._checked.names.isdisjoint(stale.hosts):
            self._use_authorities(now)
        ports = yield from self._layer4.update(stale)
        backends, gone = yield from self._backends.changes()
        for backend in gone:
            self._problems.report(("endpoints", backend), ())
            yield
        used = yield from self._used(stale.endpoints)
        # Last: a look between the steps takes what is noted, and still sees parts of the model as they were.
        self._touched.hosts |= stale.hosts
        self._touched.ingresses |= stale.ingresses
        self._touched.everything |= default
        self._touched.tls |= tls_is_stale
        credentials = self._credentials.take_changes()
        self._context.password_files.keep(self._state.secret)
        if credentials:
            self._context.credential_store.keep({each for key in self._credentials.current for each in key.holders})
        return TrafficChange(
            frozenset(hosts),
            default,
            tls,
            certificates or gateway.certificates,
            backends,
            used | backends,
            credentials=credentials,
            ports=ports,
            bound=gateway.listeners,
            tables=gateway.tables,
        )

    def _note_shared_listeners(self) -> bool:
        """Note the listeners of Gateways that share the port of Ingress, and return whether they differ."""
        before, self._shared_listeners = self._shared_listeners, self._gateway.shared_listeners
        return before != self._shared_listeners

    def _translate_ingress(self, key: Key) -> None:
        findings = UnitFindings()
        ingress = self._state.ingress(key)
        if ingress is not None:
            translate_ingress(self._context, ingress, findings)
        self._problems.report(("ingress", key), findings.problems)

    def _note_canary(self, key: Key) -> bool:
        """Note whether the TLS entries of an Ingress count for nothing, and return whether that changed."""
        ingress = self._state.ingress(key) if key in self._state.keys_with_tls else None
        is_canary = ingress is not None and self._context.is_canary(ingress)
        if is_canary == (key in self._canaries_with_tls):
            return False
        (self._canaries_with_tls.add if is_canary else self._canaries_with_tls.discard)(key)
        return True

    def _translate_hosts(self, stale: Iterable[str]) -> Steps[tuple[set[str], bool]]:
        """Translate hosts, and return changed virtual hosts, and whether a TLS host may have another owner.

        A further name has another owner once it is another host's.
        """
        changed: set[str] = set()
        undecided: set[str] = set()
        owners_changed = False
        for host in stale:
            findings = UnitFindings()
            virtual_host, names = yield from translate_host(self._context, host, findings)
            self._problems.report(("host", host), findings.problems)
            self._use(("host", host), findings.backends)
            self._use_ciphers(host, findings.ciphers)
            self._rates.use(("host", host), findings.rates)
            owners_changed |= self._owners.note(host, findings.owner)
            is_changed = self._replace(host, virtual_host, is_alias=False)
            if is_changed:
                changed.add(host)
            undecided.update(self._names.follow(host, names, changed=is_changed))
            if self._state.has_passthrough and any(self._names.of_host(host)):
                owners_changed = True  # the age of the host's Ingresses decides below a passed-through wildcard
        if any(map(is_wildcard, changed)):
            undecided |= self._names.wildcards
        for name in sorted(undecided):
            findings, before = UnitFindings(), self._names.owners.get(name)
            virtual_host = self._names.decide(name, self._hosts, self._state, findings)
            self._problems.report(("name", name), findings.problems)
            if self._replace(name, virtual_host, is_alias=True):
                changed.add(name)
            after = self._names.owners.get(name)
            owners_changed = owners_changed or before != after
            self._touched.hosts.update(host for host in (before, after) if host is not None)
            yield
        return changed, owners_changed

    def _replace(self, host: str, after: VirtualHost | None, *, is_alias: bool) -> bool:
        """Replace a virtual host of rules, or an alias, and return whether anything changed."""
        before = self._hosts.get(host)
        if after == before or (after is None and before is not None and before.is_alias != is_alias):
            return False
        self._checked.follow(host, after, is_known=before is not None)
        if after is None:
            del self._hosts[host]
        else:
            self._hosts[host] = after
        return True

    def _use_authorities(self, now: datetime) -> None:
        """Use the authorities of clients that the TLS table names, and report those that have expired."""
        authorities = self._context.client_authorities(self._tls)
        self._credentials.use("clients", authorities)
        problems, self._authority_period = expired_authorities(authorities, self._context, now)
        self._problems.report(("authorities", NO_HOST), problems)

    def _use_ciphers(self, host: str, ciphers: HostCiphers | None) -> None:
        if self._ciphers.get(host) == ciphers:
            return
        self._ciphers_changed = True
        if ciphers:
            self._ciphers[host] = ciphers
        else:
            del self._ciphers[host]

    def _use(self, user: Hashable, backends: Mapping[BackendKey, Backend]) -> None:
        self._backends.use(user, backends)
        self._credentials.use(user, self._context.credentials(backends.values()))

    def _translate_default(self) -> bool:
        findings = UnitFindings()
        default = default_route(self._context, self._state.ingresses_with_default_backend(), findings)
        default = default and closed_if_checked(default, self._context, findings)
        if default is None and self._options.default_service:
            default = service_route(self._context, self._options.default_service, findings)
        default = authorized(self._context, NO_HOST, [default], findings)[0] if default else None
        self._problems.report(("default", NO_HOST), findings.problems)
        findings.keep([default])
        self._use(("default", NO_HOST), findings.backends)
        self._rates.use(("default", NO_HOST), findings.rates)
        if default == self._default:
            return False
        self._default = default
        return True

    def _translate_tls(self, now: datetime) -> Steps[tuple[bool, bool]]:
        """Translate all TLS entries, and return whether the table and whether a certificate changed."""
        findings = UnitFindings()
        secret = self._options.default_tls_secret
        table, certificates = self._tls, self._certificates
        skips = self._context.is_canary
        passthrough = PassthroughTranslation(self._context, findings, self._hosts, self._names, self._owners.current)
        undecrypted = yield from passthrough.run()
        translation = TlsTranslation(
            self._state,
            self._certificate_store,
            secret,
            now,
            findings,
            skips=skips,
            further=self._names.owners,
            ciphers=self._ciphers,
            checked=self._checked.names,
            check_of=self._checked.find,
            owners=self._owners.current,
            undecrypted=undecrypted,
            shared=self._shared_listeners,
        )
        self._tls, self._certificates = yield from translation.run()
        self._date_period = translation.period
        self._problems.report(("tls", NO_HOST), findings.problems)
        self._use(("tls", NO_HOST), findings.backends)
        return self._tls != table, self._certificates != certificates
