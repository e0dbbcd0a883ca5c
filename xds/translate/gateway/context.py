"""The surroundings of the translation of a route."""

from collections.abc import Set
from dataclasses import dataclass, field

from xds.kube.state import KubeState
from xds.problems.problem import Key
from xds.traffic.regex import DEFAULT_MAX_REGEX_SIZE
from xds.translate.credentials import CredentialStore
from xds.translate.gateway.grants import Grants
from xds.translate.gateway.options import GatewayOptions
from xds.translate.gateway.tls_policy.policy_targets import PolicyTargets
from xds.translate.served_certificates import CertificateStore


@dataclass(frozen=True, slots=True)
class GatewayContext:
    """The surroundings of the translation of a route.

    Attributes:
        allow_external_name: Whether Services of type ExternalName can be used.
        max_regex_size: The size of a compiled expression above which proxies reject the expression.
        certificates: Judges the Secrets that listeners name.
        credentials: Judges the ConfigMaps with authorities, and the Secrets with certificates for backends.
        policies: The BackendTLSPolicies of each Service; `follow` keeps them in step.
    """

    state: KubeState
    options: GatewayOptions
    grants: Grants
    allow_external_name: bool = False
    max_regex_size: int = DEFAULT_MAX_REGEX_SIZE
    certificates: CertificateStore = field(default_factory=CertificateStore, compare=False)
    credentials: CredentialStore = field(default_factory=CredentialStore, compare=False)
    policies: PolicyTargets = field(default_factory=PolicyTargets, compare=False)

    def keep(self, used: Set[Key]) -> None:
        """Forget the content of all other Secrets and ConfigMaps: nothing announces that one is no longer watched."""
        self.certificates.keep(used)
        self.credentials.keep(used)


@dataclass(frozen=True, slots=True)
class ParentUse:
    """The facts of a Gateway that the translation of an attached route depends on.

    Attributes:
        client_certificate: The Secret with the certificate that backends with TLS are shown; None: they are shown none.
    """

    client_certificate: Key | None = None


NO_USE = ParentUse()
