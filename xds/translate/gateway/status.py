"""The status that each object of the Gateway API should have, as values. `xds.reporting` writes them.

Source: https://gateway-api.sigs.k8s.io/reference/spec/, and https://gateway-api.sigs.k8s.io/geps/gep-1364/
"""

from dataclasses import dataclass
from typing import Final, TypeAlias

from xds.kube.gateway_objects import GatewayAddress, ParentReference, RouteGroupKind
from xds.translate.gateway.translated import Refusal

MAX_ANCESTORS: Final = 16
"""Of `status.ancestors`: https://gateway-api.sigs.k8s.io/reference/spec/#policystatus"""


@dataclass(frozen=True, slots=True)
class Condition:
    """A condition, without the time of its last change and the generation.

    Attributes:
        type: Such as `Accepted`.
        status: None: unknown.
        reason: One word in CamelCase.
        message: For people: what to do, if anything.
    """

    type: str
    status: bool | None
    reason: str
    message: str = ""

    @classmethod
    def true(cls, name: str, reason: str = "", message: str = "") -> "Condition":
        """A condition that is true; without another reason, with its own name as the reason."""
        return cls(name, True, reason or name, message)  # noqa: FBT003 - as the API writes it

    @classmethod
    def false(cls, name: str, reason: str, message: str = "") -> "Condition":
        return cls(name, False, reason, message)  # noqa: FBT003

    @classmethod
    def of(cls, name: str, wrong: Refusal | None) -> "Condition":
        """A condition that is false for a reason, or true if there is none."""
        return cls.false(name, wrong.reason, wrong.condition_message) if wrong else cls.true(name)


@dataclass(frozen=True, slots=True)
class ListenerStatus:
    """The status of a listener of a Gateway or ListenerSet.

    Attributes:
        supported_kinds: The kinds of routes that may attach: those of `allowedRoutes` that the protocol has.
        attached_routes: Number of routes that the listener accepted, whatever else is wrong with them.
    """

    name: str
    supported_kinds: tuple[RouteGroupKind, ...]
    attached_routes: int
    conditions: tuple[Condition, ...]


@dataclass(frozen=True, slots=True)
class ClassStatus:
    """The status of a GatewayClass."""

    generation: int
    conditions: tuple[Condition, ...]
    supported_features: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class GatewayStatus:
    """The status of a Gateway. The addresses are the record of the address that the Gateway has."""

    generation: int
    conditions: tuple[Condition, ...]
    listeners: tuple[ListenerStatus, ...]
    addresses: tuple[GatewayAddress, ...] = ()
    attached_listener_sets: int = 0


@dataclass(frozen=True, slots=True)
class ListenerSetStatus:
    """The status of a ListenerSet."""

    generation: int
    conditions: tuple[Condition, ...]
    listeners: tuple[ListenerStatus, ...]


@dataclass(frozen=True, slots=True)
class ParentStatus:
    """The conditions of a route for one of its parents, or of a policy for one of its ancestors."""

    parent: ParentReference
    conditions: tuple[Condition, ...]


@dataclass(frozen=True, slots=True)
class RouteStatus:
    """The part of a route's `status.parents` that is ours; the entries of other controllers stay."""

    generation: int
    parents: tuple[ParentStatus, ...]


@dataclass(frozen=True, slots=True)
class PolicyStatus:
    """The part of a policy's `status.ancestors` that is ours; the entries of other controllers stay."""

    generation: int
    ancestors: tuple[ParentStatus, ...]


WantedStatus: TypeAlias = ClassStatus | GatewayStatus | ListenerSetStatus | RouteStatus | PolicyStatus
