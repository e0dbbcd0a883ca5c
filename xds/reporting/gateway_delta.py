"""The part of the Gateway API in a report."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from xds.problems.problem import Key, ObjectRef
from xds.translate.gateway.listening.services import GatewayService
from xds.translate.gateway.status import WantedStatus


@dataclass(frozen=True, slots=True)
class GatewayDelta:
    """Changes to report.

    Attributes:
        statuses: Those that changed; None for an object that is no longer ours.
        services: The Service of each Gateway; None: none changed.
    """

    statuses: Mapping[ObjectRef, WantedStatus | None] = field(default_factory=dict)
    services: Mapping[Key, GatewayService] | None = None


NO_GATEWAY_DELTA: Final = GatewayDelta()
