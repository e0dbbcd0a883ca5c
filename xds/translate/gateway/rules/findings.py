"""The findings of the translation of a route, beside its routes."""

from xds.kube.gateway_objects import GatewayObject
from xds.problems.field_path import FieldPath
from xds.problems.problem import ObjectRef
from xds.traffic.backends import Backend, BackendKey
from xds.translate.gateway.context import GatewayContext, ParentUse
from xds.translate.gateway.translated import Refusal


class InvalidRuleError(ValueError):
    """A rule that can't be served as written."""

    def __init__(self, refusal: Refusal) -> None:
        super().__init__(refusal.message)
        self.refusal = refusal


def invalid_value(why: str, at: FieldPath, remedy: str = "Correct the value.") -> InvalidRuleError:
    """The error of a rule with a value that can't be followed."""
    return InvalidRuleError(Refusal("UnsupportedValue", f"{why}, so requests of the rule get an error", at, remedy))


class RouteFindings:
    """Collects the findings of the translation of a route.

    Args:
        context: The objects and options.
        route: The route.
        use: The facts of the Gateway.

    Attributes:
        backends: Those that the routes use.
        references: Each object that was looked at.
        broken: The fault of each reference that can't be followed.
        left_out: Why rules are left out, by their number from 0.
        lessened: Why shares of rules that are served answer an error, by the number of the rule.
    """

    def __init__(self, context: GatewayContext, route: GatewayObject, use: ParentUse) -> None:
        self.context = context
        self.route = route
        self.use = use
        self.backends: dict[BackendKey, Backend] = {}
        self.references: set[ObjectRef] = set()
        self.broken: list[Refusal] = []
        self.left_out: dict[int, Refusal] = {}
        self.lessened: dict[int, Refusal] = {}

    def unresolve(self, refusal: Refusal) -> None:
        """Note a reference that can't be followed."""
        self.broken.append(refusal)

    @property
    def unresolved(self) -> Refusal | None:
        """The fault of the first reference that can't be followed; None: all references can."""
        return self.broken[0] if self.broken else None
