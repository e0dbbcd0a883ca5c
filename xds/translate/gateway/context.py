"""The surroundings of the translation of a route."""

from dataclasses import dataclass

from xds.kube.state import KubeState
from xds.problems.problem import Key
from xds.traffic.regex import DEFAULT_MAX_REGEX_SIZE
from xds.translate.gateway.grants import Grants
from xds.translate.gateway.options import GatewayOptions


@dataclass(frozen=True, slots=True)
class GatewayContext:
    """The surroundings of the translation of a route.

    Attributes:
        allow_external_name: Whether Services of type ExternalName can be used.
        max_regex_size: The size of a compiled expression above which proxies reject the expression.
    """

    state: KubeState
    options: GatewayOptions
    grants: Grants
    allow_external_name: bool = False
    max_regex_size: int = DEFAULT_MAX_REGEX_SIZE


@dataclass(frozen=True, slots=True)
class ParentUse:
    """The facts of a Gateway that the translation of an attached route depends on.

    Attributes:
        client_certificate: The Secret with the certificate that backends with TLS are shown; None: they are shown none.
    """

    client_certificate: Key | None = None


NO_USE = ParentUse()
