"""Hosts whose clients are asked for certificates.

A host has the demands of its oldest Ingress that has any. They protect the paths of all other Ingresses, and the
aliases of the host.
"""

from collections.abc import Iterable, KeysView, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import TypeAlias

from xds.kube.objects import Ingress
from xds.kube.state import why_first
from xds.problems.field_path import WHOLE_OBJECT, FieldPath, MapKey
from xds.problems.problem import ObjectRef, Problem
from xds.problems.reasons import Reason
from xds.traffic.actions import Closed
from xds.traffic.backend_tls import CredentialKey
from xds.traffic.client_certificates import NO_AUTHORITIES, CheckedHost, ClientCertificates
from xds.traffic.hosts import NO_HOST, is_beginning, is_wildcard, wildcard_of, wildcards_of
from xds.traffic.policy import NO_POLICY
from xds.traffic.routes import Route, VirtualHost
from xds.translate.certificate_dates import DatePeriod
from xds.translate.findings import UnitFindings
from xds.translate.nginx.client_certificates import SECRET
from xds.translate.nginx.paths_policy import ClosedPaths, OpenPaths, PathsPolicy
from xds.translate.routes import TranslationContext

_Policies: TypeAlias = Sequence[tuple[Ingress, PathsPolicy]]
"""The Ingresses of a host, the oldest first."""


def checked(host: str, policies: _Policies, findings: UnitFindings) -> tuple[ClientCertificates | None, _Policies]:
    """The demands on the clients of a host, and the policies with those paths closed whose own demands aren't met."""
    asking = [
        (ingress, policy.client_certificates)
        for ingress, policy in policies
        if policy.client_certificates and not _is_bad_guest(ingress, policy, policies)
    ]
    if not asking:
        return None, policies
    first, demands = asking[0]
    if host == NO_HOST and demands is not NO_AUTHORITIES:
        message = f"{SECRET.name} needs a host: the rules without host answer 403"
        remedy = "Write the hosts into the rules. One certificate can't be asked for on behalf of all other hosts."
        findings.report(first.ref, Reason.PROTECTION_UNAVAILABLE, message, _AT, remedy)
        demands = NO_AUTHORITIES
    if demands is NO_AUTHORITIES:
        closed = [(each, _closed(policy, hosts=True) if each is first else policy) for each, policy in policies]
        return demands if host else None, closed
    unmet = [each for each, asked in asking if asked is not NO_AUTHORITIES and not demands.fulfils(asked)]
    for ingress, asked in asking[1:]:
        if asked not in (demands, NO_AUTHORITIES):
            _report(ingress, first, host, is_closed=ingress in unmet, findings=findings)
    return demands, [(each, _closed(policy) if each in unmet else policy) for each, policy in policies]


def _is_bad_guest(ingress: Ingress, policy: PathsPolicy, policies: _Policies) -> bool:
    """Whether an Ingress on a host of another namespace can't verify certificates: its own paths are closed alone.

    In ingress-nginx, any namespace closes any host by a Secret that doesn't exist.
    """
    return policy.client_certificates is NO_AUTHORITIES and ingress.key.namespace != policies[0][0].key.namespace


_AT = FieldPath.of("metadata", "annotations", MapKey(SECRET.full_name))


def _closed(policy: PathsPolicy, *, hosts: bool = False) -> ClosedPaths:
    annotations = (SECRET.full_name,)
    if isinstance(policy, ClosedPaths) and policy.client_certificates is NO_AUTHORITIES:
        return replace(policy, hosts=hosts)
    return ClosedPaths(annotations, hosts, policy.rewriting, policy.names, NO_AUTHORITIES)


def _report(ingress: Ingress, first: Ingress, host: str, *, is_closed: bool, findings: UnitFindings) -> None:
    message = f"the client certificates of {first.ref} count for host {host}, {why_first(first, ingress)}"
    if is_closed:
        message = f"{message}; they are not asked for as strictly, so its own paths answer 403"
    reason = Reason.PROTECTION_UNAVAILABLE if is_closed else Reason.PATH_CONFLICT
    findings.report(ingress.ref, reason, message, _AT, "Give all Ingresses of the host the same auth-tls annotations.")


def closed_if_checked(default: Route, context: TranslationContext, findings: UnitFindings) -> Route:
    """The default route of all hosts; closed if it is of an Ingress that asks the clients of its hosts alone."""
    ingress = context.state.ingress(default.origin.object.key)
    policy = context.policy(ingress) if ingress else None
    if not isinstance(policy, OpenPaths) or policy.client_certificates is None:
        return default
    message = "the default backend answers 403 on hosts of other Ingresses: no certificate is asked for there"
    findings.report(default.origin.object, Reason.PROTECTION_UNAVAILABLE, message, default.origin.field)
    return replace(default, action=Closed((SECRET.full_name,), 403), policy=NO_POLICY)


def expired_authorities(
    used: Iterable[CredentialKey], context: TranslationContext, now: datetime
) -> tuple[list[Problem], DatePeriod]:
    """The problems of Secrets whose authorities have all expired, and the period in which there are no others."""
    found = [(key.holder, context.state.secret(key.holder)) for key in used]
    judged = {key: context.credential_store.judge_authorities(secret) for key, secret in found if secret}
    dates = {key: each.expire for key, each in judged.items() if each.expire}
    reason = Reason.CERTIFICATE_EXPIRED
    problems = [
        Problem(
            ObjectRef("Secret", *key),
            reason,
            f"the authorities of Secret {key} have expired, the last on {expired:%Y-%m-%d %H:%M} UTC; no client's "
            "certificate is good",
            "Put the certificates of current authorities into ca.crt.",
            WHOLE_OBJECT,
        )
        for key, expired in sorted(dates.items())
        if expired <= now
    ]
    return problems, DatePeriod.around(now, dates.values())


class CheckedHosts:
    """The hosts and aliases with demands on their clients' certificates.

    Attributes:
        changed: Whether connections of a TLS host may be checked in another way since the last `take_changed`.
    """

    def __init__(self, hosts: Mapping[str, VirtualHost]) -> None:
        self._hosts = hosts
        self._of_name: dict[str, CheckedHost] = {}
        self._wildcards = 0
        self.changed = False

    @property
    def names(self) -> KeysView[str]:
        return self._of_name.keys()

    def follow(self, name: str, after: VirtualHost | None, *, is_known: bool) -> None:
        """Follow the change of a virtual host.

        Args:
            name: Of the virtual host.
            after: None for one that is gone.
            is_known: Whether there was one before.
        """
        found = after.checked if after else None
        if name == NO_HOST or is_beginning(name):  # no SNI of their own, and so no certificate is asked for
            return
        if self._of_name.get(name) == found:
            # A host of its own is no longer checked as the wildcard that covers it, or again.
            self.changed = self.changed or (self._wildcards > 0 and is_known is not (after is not None))
            return
        self.changed = True
        self._wildcards += is_wildcard(name) * ((found is not None) - (name in self._of_name))
        if found:
            self._of_name[name] = found
        else:
            del self._of_name[name]

    def take_changed(self) -> bool:
        changed, self.changed = self.changed, False
        return changed

    def find(self, host: str) -> CheckedHost | None:
        """The check of the connections for a TLS host: that of the virtual host that answers its requests."""
        hosts = self._hosts
        if host in hosts and not is_wildcard(host):
            return hosts[host].checked
        alias = next((each for each in map(hosts.get, wildcards_of(host)) if each and each.is_alias), None)
        found = alias or hosts.get(wildcard_of(host))
        return found.checked if found else None
