"""From the TLS entries of all Ingresses to the certificate for each TLS host."""

from collections import deque
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence, Set
from datetime import datetime
from types import MappingProxyType
from typing import Final

from xds.kube.cert_manager import makes_secrets
from xds.kube.objects import Ingress, IngressTLS, KubeObject
from xds.kube.state import KubeState, seniority, why_first
from xds.problems.field_path import WHOLE_OBJECT, FieldPath
from xds.problems.problem import Key, ObjectRef
from xds.problems.reasons import Reason
from xds.problems.text import shown
from xds.steps import Steps
from xds.traffic.client_certificates import CheckedHost
from xds.traffic.hosts import NO_HOST, wildcard_of
from xds.traffic.tls import Certificate, TlsTable
from xds.translate import cert_manager
from xds.translate.certificate_dates import DatePeriod
from xds.translate.findings import HostCiphers, UnitFindings
from xds.translate.gateway.shared.shared_listeners import SharedListener
from xds.translate.names import InvalidError, valid_host
from xds.translate.ownership import NO_OWNERS, belonging
from xds.translate.served_certificates import CertificateStore, served_certificate
from xds.translate.tls_hosts import Claim, TlsHosts
from xds.translate.undecrypted import NOTHING_UNDECRYPTED, Undecrypted, UndecryptedHosts

_EFFECT: Final = "HTTPS for its hosts is off; HTTP goes on, or redirects with --redirect-https"


_LISTED_NAMES: Final = 3


def unchecked(host: str) -> None:
    """No demands, where no host has any."""
    del host


NO_CIPHERS: Final[Mapping[str, HostCiphers]] = MappingProxyType({})


class TlsTranslation:
    """One pass over all TLS entries, the senior Ingress first.

    The first entry that claims a host with a usable certificate owns the host; `TlsHosts` has the exceptions.

    Args:
        skips: Whether the entries of an Ingress count for nothing.
        ciphers: Of hosts with a choice of their own.
        further: The host of rules by name, for names beside the hosts of rules.
        checked: The names with demands on clients' certificates.
        check_of: Finds the demands for the connections of a TLS host; None: there are none.
        owners: The Ingress whose namespace a host of rules belongs to; hosts that are absent are shared.
        undecrypted: The hosts whose TLS is passed through, or closed.
        shared: The listeners of Gateways that share the port of Ingress, the senior first.
    """

    def __init__(
        self,
        state: KubeState,
        store: CertificateStore,
        default_secret: Key | None,
        now: datetime,
        findings: UnitFindings,
        *,
        skips: Callable[[Ingress], bool],
        further: Mapping[str, str],
        ciphers: Mapping[str, HostCiphers] = NO_CIPHERS,
        checked: Collection[str] = (),
        check_of: Callable[[str], CheckedHost | None] = unchecked,
        owners: Mapping[str, Ingress] = NO_OWNERS,
        undecrypted: UndecryptedHosts = NOTHING_UNDECRYPTED,
        shared: Sequence[SharedListener] = (),
    ) -> None:
        self._shared = shared
        self._checked = checked
        self._check_of = check_of
        self._further = further
        self._owners = owners
        self._skips = skips
        self._ciphers = ciphers
        self._state = state
        self._store = store
        self._default_secret = default_secret
        self._now = now
        self._findings = findings
        self._undecrypted = undecrypted.hosts
        self._tls_hosts = TlsHosts(undecrypted)
        self._certificates: dict[Key, Certificate | None] = {}
        self._default_of_gateway: Certificate | None = None
        self._dates: dict[tuple[Key, str], tuple[datetime, ...]] = {}

    @property
    def period(self) -> DatePeriod:
        """The period in which the problems found hold."""
        return DatePeriod.around(self._now, (date for dates in self._dates.values() for date in dates))

    def run(self) -> Steps[tuple[TlsTable, dict[Key, Certificate]]]:
        """The table, and the certificates that the table uses, by Secret."""
        shared = deque(self._shared)
        for ingress in self._state.ingresses_with_tls():
            while shared and seniority(shared[0].claimant) < seniority(ingress):
                self._claim_shared(shared.popleft())
            for index, entry in enumerate(() if self._skips(ingress) else ingress.spec.tls or ()):
                self._claim(ingress, entry, FieldPath.of("spec", "tls", index))
                yield
        for each in shared:
            self._claim_shared(each)
        self._tls_hosts.share(self._further, self._names)
        for host in sorted(self._ciphers):
            self._choose(host, self._ciphers[host])
        for name, host in self._further.items():
            if name not in self._ciphers and host in self._ciphers:
                self._tls_hosts.choose(name, self._ciphers[host].choice)
        if self._checked:
            self._tls_hosts.check(self._checked, self._check_of)
        table = self._tls_hosts.table(self._default_certificate())
        self._store.keep(self._certificates.keys())
        found = {secret: self._certificates[secret] for each in table.terminations for secret in each.secrets}
        return table, {secret: certificate for secret, certificate in found.items() if certificate}

    def _choose(self, host: str, ciphers: HostCiphers) -> None:
        if not self._tls_hosts.choose(host, ciphers.choice):
            at = FieldPath.of("metadata", "annotations")
            place = f"host {shown(host)}" if host else "the rules without host"
            why = "its TLS is not terminated" if host in self._undecrypted else "no TLS entry names the host"
            message = f"the cipher suites of {place} have no effect: {why}"
            remedy = "Add a TLS entry for the host. Suites of the default certificate are those of --https-cipher."
            self._findings.report(ciphers.owner, Reason.ANNOTATION_UNSUPPORTED, message, at, remedy)

    def _claim(self, ingress: Ingress, entry: IngressTLS, at: FieldPath) -> None:
        hosts = [host for host in self._hosts(ingress, entry, at) if self._may_claim(ingress, host, at)]
        named, hosts = hosts, [host for host in hosts if host not in self._undecrypted]
        for host in named:
            if found := self._undecrypted.get(host):
                self._report_unused(host, found, ingress, entry, at)
        if named and not hosts:
            return
        secret = Key(ingress.key.namespace, entry.secret_name) if entry.secret_name else self._default_secret
        if secret is None:
            message = f"the TLS entry names no Secret and the server has no default one; {_EFFECT}"
            self._findings.report(ingress.ref, Reason.NO_DEFAULT_CERTIFICATE, message, at)
        certificate = self._certificate(secret, ingress.ref, at.child("secretName"), ingress) if secret else None
        if certificate is None:
            for host in hosts:
                self._tls_hosts.claim_without_certificate(host, ingress)
            return
        served = [host for host in hosts if self._own(host, Claim(certificate, ingress), at)]
        self._check_names(served, certificate.secret, ingress.ref, at)

    def _claim_shared(self, listener: SharedListener) -> None:
        """Claim the host of a Gateway's listener. The Gateway reports the certificates themselves."""
        host = listener.host
        if host in self._undecrypted:
            message = f"TLS of host {shown(host)} is that of {self._undecrypted[host].ingress.ref}, not decrypted here"
            self._findings.report(listener.ref, Reason.PASSTHROUGH_CONFLICT, message, listener.field)
            return
        if not self._may_claim(listener.claimant, host, listener.field, "listener"):
            return
        self._certificates |= {each.secret: each for each in listener.certificates}
        if host == NO_HOST:
            self._claim_default(listener)
        elif not listener.certificates:
            self._tls_hosts.claim_without_certificate(host, listener.claimant)
            self._tls_hosts.deepen(host)
        for certificate in listener.certificates if host else ():
            if self._own(host, Claim(certificate, listener.claimant), listener.field):
                self._tls_hosts.deepen(host)

    def _claim_default(self, listener: SharedListener) -> None:
        """Serve the certificate of a listener without hostname for names that no TLS host covers."""
        if self._default_secret is None and self._default_of_gateway is None and listener.certificates:
            self._default_of_gateway = listener.certificates[0]
            return
        if self._default_of_gateway in listener.certificates:
            return
        first = self._default_secret or (self._default_of_gateway and self._default_of_gateway.secret)
        message = f"connections for names that no TLS host covers are served with Secret {first}" if first else ""
        if message:
            self._findings.report(listener.ref, Reason.CERTIFICATE_CONFLICT, message, listener.field)

    def _report_unused(self, host: str, found: Undecrypted, ingress: Ingress, entry: IngressTLS, at: FieldPath) -> None:
        """Report an entry for a host whose TLS isn't terminated. The entry still redirects plain requests."""
        done = "passed through" if found.backend else "closed"
        if found.ingress.key != ingress.key:
            why = f"{found.ingress.ref} decides, {why_first(found.ingress, ingress)}"
            message = f"TLS of host {shown(host)} is {done}: {why}"
            self._findings.report(ingress.ref, Reason.PASSTHROUGH_CONFLICT, message, at)
        elif entry.secret_name:
            message = f"TLS of host {shown(host)} is {done}, so Secret {shown(entry.secret_name)} is not served"
            self._findings.report(ingress.ref, Reason.CERTIFICATE_UNUSED, message, at)

    def _check_names(self, hosts: list[str], secret: Key, user: ObjectRef, at: FieldPath) -> None:
        """Report hosts that the certificate doesn't name. They are served: clients may not check the name."""
        names = self._names(secret)
        others = [host for host in hosts if host not in names and wildcard_of(host) not in names]
        if others:
            stands = f"names {_listed(sorted(names))}" if names else "has no DNS name"
            message = f"the certificate of Secret {secret} {stands}, and not {_listed(others)}; it is still served"
            self._findings.report(user, Reason.CERTIFICATE_NAMES_OTHERS, message, at)

    def _names(self, secret: Key) -> Set[str]:
        """The DNS names of the certificate that is served from a Secret."""
        verdict = self._store.last_good(secret)
        return verdict.names if verdict else frozenset()

    def _hosts(self, ingress: Ingress, entry: IngressTLS, at: FieldPath) -> Iterator[str]:
        """The hosts of an entry; the hosts of the Ingress' rules if the entry has none."""
        if not entry.hosts:
            yield from self._rule_hosts(ingress, at)
            return
        for index, host in enumerate(entry.hosts):
            try:
                yield valid_host(host)
            except InvalidError as error:
                message = f"TLS host {error}; it gets no HTTPS"
                self._findings.report(ingress.ref, error.reason, message, at.child("hosts", index))

    def _rule_hosts(self, ingress: Ingress, at: FieldPath) -> Iterator[str]:
        named = [rule.host for rule in ingress.spec.rules or () if rule.host]
        if not named:
            message = "neither the TLS entry nor a rule of the Ingress names a host, so the certificate is never chosen"
            self._findings.report(ingress.ref, Reason.TLS_HOSTS_MISSING, message, at)
        for host in named:
            try:
                yield valid_host(host)
            except InvalidError:
                continue  # the translation of the rule reports the host

    def _may_claim(self, claimant: KubeObject, host: str, at: FieldPath, what: str = "TLS entry") -> bool:
        """Whether a host, or the host of a further name, belongs to the namespace of a claimant, or to none."""
        owner = self._owners.get(self._further.get(host, host))
        if owner is None or owner.key.namespace == claimant.key.namespace:
            return True
        message = f"{belonging(host, owner, claimant)}; the {what} is left out for the host"
        self._findings.report(claimant.ref, Reason.HOST_OF_OTHER_NAMESPACE, message, at)
        return False

    def _own(self, host: str, claim: Claim, at: FieldPath) -> bool:
        """Whether the certificate of the claim is served for the host."""
        first = self._tls_hosts.claim(host, claim)
        if first is None:
            return True
        whose = f"{first.claimant.ref}, {why_first(first.claimant, claim.claimant)}"
        message = f"TLS host {shown(host)} is served with Secret {first.certificate.secret} of {whose}"
        self._findings.report(claim.claimant.ref, Reason.CERTIFICATE_CONFLICT, message, at)
        return False

    def _default_certificate(self) -> Certificate | None:
        if self._default_secret is None:
            return self._default_of_gateway
        return self._certificate(self._default_secret, ObjectRef("Secret", *self._default_secret), WHOLE_OBJECT)

    def _certificate(
        self, key: Key, user: ObjectRef, at: FieldPath, ingress: Ingress | None = None
    ) -> Certificate | None:
        """The certificate to serve from a Secret. Problems of the Secret are reported for each object that uses it.

        Args:
            key: The Secret.
            user: The object that names the Secret.
            at: The field of the user.
            ingress: The user; None for the default certificate.
        """
        secret = self._state.secret(key)
        if secret is None:
            self._store.forget(key)
            self._certificates[key] = None
            self._report_missing(key, user, at, ingress)
            return None
        served = served_certificate(self._store, secret, self._now)
        for reason, fault in served.faults:
            message = f"{fault}; {_EFFECT}" if served.certificate is None else fault
            self._findings.report(user, reason, message, at)
        self._dates[key, "certificate"] = served.dates
        self._certificates[key] = served.certificate
        return served.certificate

    def _report_missing(self, key: Key, user: ObjectRef, at: FieldPath, ingress: Ingress | None) -> None:
        """Report a Secret that doesn't exist, unless cert-manager is about to make the Secret."""
        if ingress and (until := cert_manager.issue_deadline(ingress)):
            self._dates[key, f"issue for {ingress.key}"] = (until,)
            if self._now < until:
                return
        message = f"Secret {shown(str(key))} doesn't exist; {_EFFECT}"
        remedy = cert_manager.REMEDY if ingress and makes_secrets(ingress) else ""
        self._findings.report(user, Reason.SECRET_NOT_FOUND, message, at, remedy)


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - _LISTED_NAMES} more" if len(names) > _LISTED_NAMES else ""
    return ", ".join(map(shown, names[:_LISTED_NAMES])) + more
