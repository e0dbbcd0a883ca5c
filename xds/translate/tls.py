"""From the `tls` entries of all Ingresses to which Secret's certificate serves which hosts."""

from collections.abc import Iterator, Set
from datetime import datetime
from typing import Final

from xds.kube.objects import Ingress, IngressTLS, Secret
from xds.kube.state import KubeState
from xds.problems.field_path import WHOLE_OBJECT, FieldPath
from xds.problems.problem import Key, ObjectRef, Problem
from xds.problems.reasons import Reason
from xds.problems.text import shown
from xds.steps import Steps
from xds.traffic.model import Certificate, Termination, TlsTable
from xds.translate.certificates import Verdict, judge
from xds.translate.hosts import UnitFindings
from xds.translate.names import InvalidError, valid_host

_EFFECT: Final = "HTTPS for its hosts is off, HTTP goes on"


class CertificateStore:
    """Judges each Secret once, and remembers the last good certificate of those that went bad.

    The memory lasts as long as the Secret exists and is used, and the process lives.
    """

    def __init__(self) -> None:
        self._judged: dict[Key, tuple[Secret, Verdict]] = {}
        self._last_good: dict[Key, Certificate] = {}

    def forget(self, key: Key) -> None:
        self._judged.pop(key, None)
        self._last_good.pop(key, None)

    def keep(self, used: Set[Key]) -> None:
        """Forget the Secrets that nothing uses any more: nobody says when they are deleted."""
        for key in self._judged.keys() - used:
            self.forget(key)

    def judge(self, secret: Secret) -> Verdict:
        """What the Secret is good for now."""
        known = self._judged.get(secret.key)
        if known is None or known[0] != secret:
            known = (secret, judge(secret))
            self._judged[secret.key] = known
            if known[1].certificate:
                self._last_good[secret.key] = known[1].certificate
        return known[1]

    def known(self, key: Key) -> Verdict | None:
        """What was found of the Secret when it was last judged; None if it is not used."""
        judged = self._judged.get(key)
        return judged[1] if judged else None

    def last_good(self, key: Key) -> Certificate | None:
        return self._last_good.get(key)


class TlsTranslation:
    """One pass over all TLS entries. The first to claim a host with a usable certificate has it."""

    def __init__(
        self,
        state: KubeState,
        store: CertificateStore,
        default_secret: Key | None,
        now: datetime,
        findings: UnitFindings,
    ) -> None:
        self._state = state
        self._store = store
        self._default_secret = default_secret
        self._now = now
        self._findings = findings
        self._owners: dict[str, tuple[Key, Ingress]] = {}
        self._refused: dict[str, Ingress] = {}
        self._certificates: dict[Key, Certificate | None] = {}

    def run(self) -> Steps[tuple[TlsTable, dict[Key, Certificate]]]:
        """The terminations, and the certificates that they use by Secret."""
        for ingress in self._state.ingresses_with_tls():
            for index, entry in enumerate(ingress.spec.tls or ()):
                self._claim(ingress, entry, FieldPath.of("spec", "tls", index))
                yield
        default = self._default_certificate()
        self._store.keep(self._certificates.keys())
        table = self._table(default.secret if default else None)
        found = {each.secret: self._certificates[each.secret] for each in table.terminations}
        return table, {secret: certificate for secret, certificate in found.items() if certificate}

    def _table(self, default: Key | None) -> TlsTable:
        hosts_of: dict[Key, list[str]] = {default: []} if default else {}
        for host, (secret, _) in self._owners.items():
            hosts_of.setdefault(secret, []).append(host)
        terminations = (
            Termination(secret, tuple(sorted(hosts_of[secret])), is_default=secret == default)
            for secret in sorted(hosts_of)
        )
        owners = {host: ingress.key for host, ingress in self._refused.items()}
        owners |= {host: ingress.key for host, (_, ingress) in self._owners.items()}
        return TlsTable(tuple(terminations), tuple(sorted(self._refused.keys() - self._owners.keys())), owners)

    def _claim(self, ingress: Ingress, entry: IngressTLS, at: FieldPath) -> None:
        hosts = list(self._hosts(ingress, entry, at))
        secret = Key(ingress.key.namespace, entry.secret_name) if entry.secret_name else self._default_secret
        if secret is None:
            self._report_no_default(ingress, at)
        if secret is None or self._certificate(secret, ingress.ref, at.child("secretName")) is None:
            for host in hosts:
                self._refused.setdefault(host, ingress)
            return
        for host in hosts:
            self._own(host, secret, ingress, at)

    def _report_no_default(self, ingress: Ingress, at: FieldPath) -> None:
        self._findings.report(
            ingress,
            Reason.NO_DEFAULT_CERTIFICATE,
            f"the TLS entry names no Secret and the server has no default one; {_EFFECT}",
            at,
        )

    def _hosts(self, ingress: Ingress, entry: IngressTLS, at: FieldPath) -> Iterator[str]:
        """The hosts of an entry; those of its Ingress' rules if it has none."""
        if not entry.hosts:
            yield from self._rule_hosts(ingress, at)
            return
        for index, host in enumerate(entry.hosts):
            try:
                yield valid_host(host)
            except InvalidError as error:
                message = f"TLS host {error}; it gets no HTTPS"
                self._findings.report(ingress, error.reason, message, at.child("hosts", index))

    def _rule_hosts(self, ingress: Ingress, at: FieldPath) -> Iterator[str]:
        named = [rule.host for rule in ingress.spec.rules or () if rule.host]
        if not named:
            self._findings.report(
                ingress,
                Reason.TLS_HOSTS_MISSING,
                "neither the TLS entry nor a rule of the Ingress names a host, so the certificate is never chosen",
                at,
            )
        for host in named:
            try:
                yield valid_host(host)
            except InvalidError:
                continue  # the rule's own translation reports it

    def _own(self, host: str, secret: Key, ingress: Ingress, at: FieldPath) -> None:
        owner, senior = self._owners.setdefault(host, (secret, ingress))
        if owner != secret:
            self._findings.report(
                ingress,
                Reason.CERTIFICATE_CONFLICT,
                f"TLS host {shown(host)} is served with Secret {owner} of the senior Ingress {senior.key}",
                at,
            )

    def _default_certificate(self) -> Certificate | None:
        if self._default_secret is None:
            return None
        return self._certificate(self._default_secret, ObjectRef("Secret", *self._default_secret), WHOLE_OBJECT)

    def _certificate(self, key: Key, user: ObjectRef, at: FieldPath) -> Certificate | None:
        """The certificate to serve from a Secret; what is wrong with it is told to each that uses it."""
        secret = self._state.secret(key)
        if secret is None:
            self._store.forget(key)
            self._certificates[key] = None
            self._problem(user, at, Reason.SECRET_NOT_FOUND, f"Secret {shown(str(key))} doesn't exist; {_EFFECT}")
            return None
        verdict = self._store.judge(secret)
        certificate = verdict.certificate or self._store.last_good(key)
        if verdict.certificate is None:
            self._problem(user, at, Reason.SECRET_INVALID, _invalid(key, verdict, certificate))
        else:
            self._check_time(user, at, key, verdict)
        self._certificates[key] = certificate
        return certificate

    def _check_time(self, user: ObjectRef, at: FieldPath, key: Key, verdict: Verdict) -> None:
        """A certificate out of its time is served all the same: clients may be told, or have another clock."""
        if verdict.expires is not None and verdict.expires < self._now:
            message = (
                f"the certificate in Secret {key} expired on {verdict.expires:%Y-%m-%d}; it is served all the same"
            )
            self._problem(user, at, Reason.CERTIFICATE_EXPIRED, message)
        if verdict.begins is not None and verdict.begins > self._now:
            message = f"the certificate in Secret {key} is not valid before {verdict.begins:%Y-%m-%d %H:%M} UTC"
            self._problem(user, at, Reason.CERTIFICATE_NOT_YET_VALID, message)

    def _problem(self, user: ObjectRef, at: FieldPath, reason: Reason, message: str) -> None:
        self._findings.problems.append(Problem(user, reason, message, reason.remedy, at))


def _invalid(key: Key, verdict: Verdict, last_good: Certificate | None) -> str:
    effect = _EFFECT if last_good is None else "its last good certificate is still served"
    return f"Secret {key} can't be used: {verdict.why_not}; {effect}"
