"""By-products of a translation: the backends in use, the problems, and the ciphers of a host."""

from collections.abc import Iterable
from dataclasses import dataclass, field

from xds.problems.field_path import FieldPath
from xds.problems.problem import ObjectRef, Problem
from xds.problems.reasons import Reason
from xds.traffic.backends import Backend, BackendKey
from xds.traffic.routes import Route
from xds.traffic.tls import CipherChoice


@dataclass(frozen=True, slots=True)
class HostCiphers:
    """The ciphers of a host, and the oldest Ingress that asks for them."""

    choice: CipherChoice
    owner: ObjectRef


@dataclass(slots=True)
class UnitFindings:
    """By-products of a translation.

    Attributes:
        backends: Those that the routes use.
        problems: Of the unit, all that stand.
        ciphers: Of a host; None: those of all hosts.
    """

    backends: dict[BackendKey, Backend] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)
    ciphers: HostCiphers | None = None

    def report(self, about: ObjectRef, reason: Reason, message: str, at: FieldPath, remedy: str = "") -> None:
        """Add a problem. Without a remedy, the reason's usual one is shown."""
        self.problems.append(Problem(about, reason, message, remedy or reason.remedy, at))

    def keep(self, routes: Iterable[Route | None]) -> None:
        """Drop the backends that none of the routes uses. A route that lost a conflict may have added a backend."""
        used = {key for route in routes if route is not None for key in route.backends}
        self.backends = {key: backend for key, backend in self.backends.items() if key in used}
