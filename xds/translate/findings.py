"""By-products of a translation: the backends in use, and the problems."""

from collections.abc import Iterable
from dataclasses import dataclass, field

from xds.problems.field_path import FieldPath
from xds.problems.problem import ObjectRef, Problem
from xds.problems.reasons import Reason
from xds.traffic.backends import Backend, BackendKey
from xds.traffic.routes import Route


@dataclass(slots=True)
class UnitFindings:
    """By-products of a translation: the backends that the routes use, and the problems."""

    backends: dict[BackendKey, Backend] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)

    def report(self, about: ObjectRef, reason: Reason, message: str, at: FieldPath, remedy: str = "") -> None:
        """Add a problem. Without a remedy, the reason's usual one is shown."""
        self.problems.append(Problem(about, reason, message, remedy or reason.remedy, at))

    def keep(self, routes: Iterable[Route | None]) -> None:
        """Drop the backends that none of the routes uses. A route that lost a conflict may have added a backend."""
        used = {key for route in routes if route is not None for key in route.backends}
        self.backends = {key: backend for key, backend in self.backends.items() if key in used}
