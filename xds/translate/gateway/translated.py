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
    """Why a condition is false.

    Attributes:
        reason: The condition's, of the Gateway API where there is one, such as `RefNotPermitted`.
        message: Names the object and tells what happens instead, and without a remedy what to do.
        field: The part of the object that is to blame.
        remedy: What to do; empty: the message tells.
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
        left_out: Why each rule that is left out is, and each share.
        broken: Why each reference that can't be followed can't be.
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
