"""Keeps out of the snapshot what Envoy would refuse: one bad resource would take others of its response with it.

Translation leaves out what can't be honoured, and says why in the user's words. This is the net below it, for mistakes
that nobody has thought of.
"""

import typing
from collections.abc import Callable, Hashable, Iterable, Iterator

from xds.envoyapi import codec
from xds.envoyapi.constraints import Violation, violations
from xds.envoyapi.messages import Route, VirtualHost
from xds.problems.problem import ObjectRef, Problem
from xds.problems.reasons import Reason
from xds.problems.text import shown
from xds.resources import names
from xds.snapshot.resource import ResourceType

if typing.TYPE_CHECKING:
    from betterproto2 import Message


class Gate:
    """Decides what enters. `report` is told what is wrong with a unit, and then that nothing is any more."""

    def __init__(self, report: Callable[[Hashable, Iterable[Problem]], None]) -> None:
        self._report = report
        self._out: set[Hashable] = set()
        self._shapes: set[Hashable] = set()

    def admits(
        self, type_: ResourceType, name: str, message: "Message", about: ObjectRef, *, shape: Hashable = None
    ) -> bool:
        """Whether the resource may enter; if not, the last good one is to stay.

        `shape`: messages of the same type and shape differ only in names, addresses and ports, which translation has
        checked, so the rules are asked of the first one alone.
        """
        seen = shape is not None and (type_, shape) in self._shapes
        broken = () if seen else violations(message)
        if shape is not None and not broken:
            self._shapes.add((type_, shape))
        what = f"the {type_.message.rpartition('.')[2]} {shown(name)}"
        self._tell((type_, name), [_problem(about, what, each, "the last good one stays") for each in broken[:1]])
        return not broken

    def virtual_host(self, unit: Hashable, made: VirtualHost, last: bytes | None) -> bytes | None:
        """The virtual host encoded, each bad route in the form that was good last, or left out; None: it can't enter.

        `unit` tells virtual hosts apart, `last` is what entered last as this one.
        """
        broken = violations(made)
        if not broken:
            self._tell(unit, ())
            return codec.encode(made)
        bad = {index: violation for violation in reversed(broken) if (index := _route_of(violation)) is not None}
        self._tell(unit, _host_problems(made, broken, bad))
        mended = _without(made, bad.keys(), codec.decode(VirtualHost, last) if last else None)
        return last if violations(mended) else codec.encode(mended)

    def forget(self, unit: Hashable) -> None:
        """The unit is no more."""
        self._tell(unit, ())

    def _tell(self, unit: Hashable, problems: Iterable[Problem]) -> None:
        problems = tuple(problems)
        if problems or unit in self._out:
            self._report(("gate", unit), problems)
            (self._out.add if problems else self._out.discard)(unit)


def _problem(about: ObjectRef, what: str, broken: Violation, effect: str) -> Problem:
    reason = Reason.ENVOY_WOULD_REFUSE
    return Problem(about, reason, f"Envoy would refuse {what} ({broken}); {effect}", reason.remedy)


def _route_of(violation: Violation) -> int | None:
    """The index of the route that breaks a rule; None: it is the virtual host itself."""
    field, bracket, rest = violation.path.partition("[")
    return int(rest.partition("]")[0]) if field == "routes" and bracket else None


def _host_problems(made: VirtualHost, broken: Iterable[Violation], bad: dict[int, Violation]) -> Iterator[Problem]:
    for index, violation in bad.items():
        route = made.routes[index]
        for ingress in _ingresses([route]):
            yield _problem(ingress, f"the route {shown(route.name)}", violation, "it is left out, or as it was last")
    for violation in broken:
        if _route_of(violation) is None:
            for ingress in _ingresses(made.routes):
                yield _problem(ingress, f"the virtual host {shown(made.name)}", violation, "it stays as it was last")


def _ingresses(routes: Iterable[Route]) -> list[ObjectRef]:
    """Those that routes come from."""
    origins = [route.metadata.filter_metadata for route in routes if route.metadata]
    ours = [origin[names.METADATA].fields for origin in origins if names.METADATA in origin]
    keys = {str(fields["ingress"].string_value).partition("/") for fields in ours}
    return [ObjectRef("Ingress", namespace, name) for namespace, _, name in sorted(keys)]


def _without(made: VirtualHost, bad: typing.Collection[int], last: VirtualHost | None) -> VirtualHost:
    good = {route.name: route for route in last.routes} if last else {}
    routes = [good.get(each.name) if index in bad else each for index, each in enumerate(made.routes)]
    mended = codec.upb(VirtualHost())
    mended.CopyFrom(codec.upb(made))
    mended.ClearField("routes")
    remaining: typing.Any = mended
    remaining.routes.extend(route for route in routes if route is not None)
    return typing.cast("VirtualHost", mended)
