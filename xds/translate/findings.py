"""By-products of a translation: the backends and rates in use, the problems, and the ciphers of a host."""

from collections.abc import Callable, Hashable, Iterable
from dataclasses import dataclass, field
from typing import TypeAlias

from xds.kube.objects import Ingress
from xds.problems.field_path import FieldPath
from xds.problems.problem import ObjectRef, Problem
from xds.problems.reasons import Reason
from xds.traffic.actions import Forward
from xds.traffic.backends import Backend, BackendKey
from xds.traffic.rate_limits import Rate
from xds.traffic.routes import Route
from xds.traffic.tls import CipherChoice

ReportProblems: TypeAlias = Callable[[Hashable, Iterable[Problem]], None]
"""Takes a unit, such as a claim, with its present problems, which replace the former ones."""


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
        rates: Those of the limits that the routes use.
        problems: Of the unit, all that stand.
        ciphers: Of a host; None: those of all hosts.
        owner: The Ingress whose namespace a host belongs to; None where hosts are shared.
    """

    backends: dict[BackendKey, Backend] = field(default_factory=dict)
    rates: frozenset[Rate] = frozenset()
    problems: list[Problem] = field(default_factory=list)
    ciphers: HostCiphers | None = None
    owner: Ingress | None = None

    def report(self, about: ObjectRef, reason: Reason, message: str, at: FieldPath, remedy: str = "") -> None:
        """Add a problem. Without a remedy, the reason's usual one is shown."""
        self.problems.append(Problem(about, reason, message, remedy or reason.remedy, at))

    def keep(self, routes: Iterable[Route | None]) -> None:
        """Note the rates of the routes, and drop the backends that none of them uses.

        A route that lost a conflict may have added a backend.
        """
        kept = [route for route in routes if route is not None]
        used = {key for route in kept for key in route.backends}
        self.backends = {key: backend for key, backend in self.backends.items() if key in used}
        limits = [
            route.policy.rate_limits
            for route in kept
            if route.policy.rate_limits is not None and isinstance(route.action, Forward)
        ]
        if limits:
            self.rates = frozenset(rate for each in limits for rate in each.rates)
