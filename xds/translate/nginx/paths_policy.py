"""The policy of the paths of an Ingress: open, closed, or lent to another Ingress."""

from dataclasses import dataclass, replace
from typing import Final, TypeAlias

from xds.traffic.actions import Closed, DirectAnswer, Redirect
from xds.traffic.client_certificates import NO_AUTHORITIES, ClientCertificates
from xds.traffic.hashing import HashKey
from xds.traffic.policy import NO_POLICY, Policy
from xds.traffic.upstream import DEFAULT_UPSTREAM, Balancing, UpstreamPolicy
from xds.translate.nginx import https_redirects
from xds.translate.nginx.asked_backends import NO_BACKENDS, AskedBackends
from xds.translate.nginx.canary import Canary
from xds.translate.nginx.client_tls import NO_WISH, AskedCiphers
from xds.translate.nginx.host_names import NO_NAMES, HostNames
from xds.translate.nginx.rewriting import NO_REWRITING, Rewriting


@dataclass(frozen=True, slots=True)
class OpenPaths:
    """The paths of an Ingress whose protection, if any is asked for, is part of the policy.

    Attributes:
        policy: The policy of the paths.
        answer: The answer of the paths in place of their backends; None where they redirect or forward.
        redirect: The answer of the paths in place of their backends; None where they forward.
        plain_paths: Beginnings of paths, as written, without the policy's redirect to HTTPS.
        unauthenticated_paths: Beginnings of paths, as written, without the policy's passwords and authorizer.
        rewriting: How paths are compared and rewritten.
        upstream: The use of the backends by requests that came by plain HTTP.
        tls_upstream: By requests that came by TLS; None: the same.
        ciphers: For the hosts of the Ingress.
        asked_backends: The backends of the policy as written, which each route looks up.
        names: Names beside the hosts of the rules.
        client_certificates: For the hosts of the Ingress; None: no wish.
    """

    policy: Policy = NO_POLICY
    answer: DirectAnswer | None = None
    redirect: Redirect | None = None
    plain_paths: tuple[str, ...] = https_redirects.CHALLENGES
    unauthenticated_paths: tuple[str, ...] = https_redirects.CHALLENGES
    rewriting: Rewriting = NO_REWRITING
    upstream: UpstreamPolicy = DEFAULT_UPSTREAM
    tls_upstream: UpstreamPolicy | None = None
    ciphers: AskedCiphers = NO_WISH
    asked_backends: AskedBackends = NO_BACKENDS
    names: HostNames = NO_NAMES
    client_certificates: ClientCertificates | None = None


@dataclass(frozen=True, slots=True)
class ClosedPaths:
    """The paths of an Ingress that asks for a protection, or for a protocol, that can't be had.

    Attributes:
        annotations: Those that ask, by full name.
        hosts: Whether the hosts of the Ingress are closed, with the paths of other Ingresses.
        rewriting: How paths are compared. An expression closes every path of a request that the expression matches.
        names: Names beside the hosts of the rules, closed like the hosts.
        client_certificates: For the hosts of the Ingress; NO_AUTHORITIES where such a wish closes the paths.
    """

    annotations: tuple[str, ...]
    hosts: bool
    rewriting: Rewriting = NO_REWRITING
    names: HostNames = NO_NAMES
    client_certificates: ClientCertificates | None = None

    @property
    def answer(self) -> Closed:
        """The answer of the paths."""
        return Closed(self.annotations, 403 if self.client_certificates is NO_AUTHORITIES else 503)


@dataclass(frozen=True, slots=True)
class LentPaths:
    """The paths of an Ingress without routes of its own: its backends serve paths of another Ingress, as that one says.

    Attributes:
        canary: The requests for the backends.
        balancing: The choice of an endpoint.
        uses_cluster_ip: As in UpstreamPolicy.
        hash_keys: As in Policy.
        is_sticky: Whether sessions, if the other Ingress has any, stay with one of both backends.
        protections: The annotations that ask for a protection, by full name. The policy of the other Ingress holds, so
            that backends with a protection of their own get no request.
    """

    canary: Canary
    balancing: Balancing = Balancing.ROUND_ROBIN
    uses_cluster_ip: bool = False
    hash_keys: tuple[HashKey, ...] = ()
    is_sticky: bool = True
    protections: tuple[str, ...] = ()

    def shared(self, other: OpenPaths) -> OpenPaths:
        """The use of the backends for paths of another Ingress."""

        def used(policy: UpstreamPolicy) -> UpstreamPolicy:
            return replace(policy, balancing=self.balancing, uses_cluster_ip=self.uses_cluster_ip)

        tls_upstream = used(other.tls_upstream) if other.tls_upstream else None
        return OpenPaths(upstream=used(other.upstream), tls_upstream=tls_upstream)


PathsPolicy: TypeAlias = OpenPaths | ClosedPaths
"""Routes are built from either; nothing but the type tells which, so no route of a closed path can forward."""

IngressPolicy: TypeAlias = PathsPolicy | LentPaths

OPEN_PATHS: Final = OpenPaths()
