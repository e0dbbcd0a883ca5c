"""The result of the translation of a route, wherever the route is attached."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from xds.kube.gateway_objects import BackendTLSPolicy, ReferenceGrant
from xds.problems.field_path import WHOLE_OBJECT, FieldPath
from xds.problems.problem import ObjectRef
from xds.traffic.backends import Backend, BackendKey
from xds.traffic.layer4 import Layer4Route
from xds.traffic.routes import Route


@dataclass(frozen=True, slots=True)
class Refusal:
    """The reason for a false condition.

    Attributes:
        reason: The reason of the condition, such as `RefNotPermitted`, from the Gateway API if the API has one.
        message: Names the object and the effect; without `remedy`, also the remedy.
        field: The part of the object that is to blame.
        remedy: Empty: the message has the remedy.
    """

    reason: str
    message: str
    field: FieldPath = WHOLE_OBJECT
    remedy: str = ""

    @property
    def condition_message(self) -> str:
        """The message of a condition, which has no field and no remedy of its own."""
        return f"{self.field}: {self.message}. {self.remedy}" if self.remedy else self.message


@dataclass(frozen=True, slots=True)
class TranslatedRoute:
    """The result of the translation of a route.

    Attributes:
        routes: Of an HTTPRoute or GRPCRoute, in the order of rules and matches, for any hostname.
        forward: Of a TLSRoute, TCPRoute or UDPRoute; None for other kinds, and without a valid rule.
        backends: Those that the routes use.
        refused: Why the route isn't accepted: nothing of the route is served. None: it is accepted.
        partially: Rules that are left out while others are served (condition `PartiallyInvalid`); None: none is.
        unresolved: Why references can't be followed (condition `ResolvedRefs`); their share of requests is answered
            500. None: all can.
        left_out: The fault of each rule that is left out, and of each share that answers an error.
        broken: The fault of each reference that can't be followed.
        references: Each object that was looked at, existing or not, so that its change makes the route stale; `grants`
            and `policies` of a namespace among them.
    """

    routes: tuple[Route, ...] = ()
    forward: Layer4Route | None = None
    backends: Mapping[BackendKey, Backend] = field(default_factory=dict)
    refused: Refusal | None = None
    partially: Refusal | None = None
    unresolved: Refusal | None = None
    left_out: tuple[Refusal, ...] = ()
    broken: tuple[Refusal, ...] = ()
    references: frozenset[ObjectRef] = frozenset()


def grants(namespace: str) -> ObjectRef:
    """Stands for all ReferenceGrants of a namespace."""
    return ObjectRef(ReferenceGrant.kind, namespace, "")


def policies(namespace: str) -> ObjectRef:
    """Stands for all BackendTLSPolicies of a namespace."""
    return ObjectRef(BackendTLSPolicy.kind, namespace, "")
