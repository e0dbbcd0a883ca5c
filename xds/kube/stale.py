"""Stale units of translation: the result of a change of Kubernetes objects."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from xds.problems.problem import Key, ObjectRef


@dataclass(frozen=True, slots=True)
class Stale:
    """The units of translation that a change makes stale.

    Attributes:
        hosts: In lower case.
        ingresses: Of ours.
        endpoints: Services whose EndpointSlices changed, also unused Services: their user may still be pending.
        default_backend: Whether the default backend is stale.
        tls: Whether the TLS table is stale.
        reported: Whether the source's own problems changed.
        config_maps: Of those that flags name.
        services: Each Service that changed, used by an Ingress or not.
        gateway: Objects of the Gateway API that changed; while a GatewayClass exists, Services, Secrets and ConfigMaps
            too.
    """

    hosts: frozenset[str] = frozenset()
    ingresses: frozenset[Key] = frozenset()
    endpoints: frozenset[Key] = frozenset()
    default_backend: bool = False
    tls: bool = False
    reported: bool = False
    config_maps: frozenset[Key] = frozenset()
    services: frozenset[Key] = frozenset()
    gateway: frozenset[ObjectRef] = frozenset()

    @property
    def asks_routing(self) -> bool:
        """Whether more than endpoints and reports is stale."""
        parts = (
            self.hosts,
            self.ingresses,
            self.default_backend,
            self.tls,
            self.config_maps,
            self.services,
            self.gateway,
        )
        return any(parts)

    @classmethod
    def union(cls, stales: Iterable["Stale"]) -> "Stale":
        stales = [stale for stale in stales if stale is not NOTHING_STALE]
        if len(stales) < 2:
            return stales[0] if stales else NOTHING_STALE
        return cls(
            hosts=frozenset[str]().union(*(stale.hosts for stale in stales)),
            ingresses=frozenset[Key]().union(*(stale.ingresses for stale in stales)),
            endpoints=frozenset[Key]().union(*(stale.endpoints for stale in stales)),
            default_backend=any(stale.default_backend for stale in stales),
            tls=any(stale.tls for stale in stales),
            reported=any(stale.reported for stale in stales),
            config_maps=frozenset[Key]().union(*(stale.config_maps for stale in stales)),
            services=frozenset[Key]().union(*(stale.services for stale in stales)),
            gateway=frozenset[ObjectRef]().union(*(stale.gateway for stale in stales)),
        )


NOTHING_STALE: Final = Stale()
