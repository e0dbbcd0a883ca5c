"""Keeps resources that Envoy would reject out of the snapshot: one bad resource makes Envoy reject its whole response.

Translation leaves out input that cannot be served, and explains why in the user's words. Validation is the net below
translation, for mistakes that nobody has foreseen.
"""

import typing
from collections.abc import Callable, Collection, Hashable, Iterable, Iterator

from xds.envoyapi import codec
from xds.envoyapi.constraints import Violation, violations
from xds.envoyapi.messages import Route, VirtualHost
from xds.problems.problem import ObjectRef, Problem
from xds.problems.reasons import Reason
from xds.problems.text import shown
from xds.resources.origin import origin_of
from xds.snapshot.resource import ResourceType

if typing.TYPE_CHECKING:
    from betterproto2 import Message


class Validator:
    """Checks resources against the rules of Envoy's API before they enter the snapshot.

    Args:
        report: Takes the problems of a unit, all that stand; an empty iterable once they are solved.
    """

    def __init__(self, report: Callable[[Hashable, Iterable[Problem]], None]) -> None:
        self._report = report
        self._invalid_units: set[Hashable] = set()
        self._valid_shapes: set[Hashable] = set()

    def accepts(
        self,
        type_: ResourceType,
        name: str,
        message: "Callable[[], Message]",
        owner: ObjectRef,
        *,
        shape: Hashable = None,
    ) -> bool:
        """Whether the resource is valid. If not, the snapshot should keep the last good one.

        Args:
            type_: Of the resource.
            name: Of the resource.
            message: Makes the resource, not encoded.
            owner: The object that problems are reported for.
            shape: Valid for one message means valid for every message of the type and shape, because they differ only
                in names, addresses and ports, which translation has checked. None: check each message.
        """
        if shape is not None and (type_, shape) in self._valid_shapes:
            self._note((type_, name), ())
            return True
        broken = violations(message())
        if shape is not None and not broken:
            self._valid_shapes.add((type_, shape))
        subject = f"the {type_.message.rpartition('.')[2]} {shown(name)}"
        self._note((type_, name), [_problem(owner, subject, each, "the last good one stays") for each in broken[:1]])
        return not broken

    def valid_virtual_host(self, unit: Hashable, built: VirtualHost, last: bytes | None) -> bytes | None:
        """The encoded virtual host, with each invalid route left out, or in its last good form; None if impossible.

        Args:
            unit: Identifies the virtual host.
            built: The virtual host as it should be.
            last: The last result for the unit.
        """
        broken = violations(built)
        if not broken:
            self._note(unit, ())
            return codec.encode(built)
        bad = {index: violation for violation in reversed(broken) if (index := _route_index(violation)) is not None}
        self._note(unit, _virtual_host_problems(built, broken, bad))
        mended = _without(built, bad.keys(), codec.decode(VirtualHost, last) if last else None)
        return last if violations(mended) else codec.encode(mended)

    def note_unbuildable(self, unit: str, owners: Iterable[ObjectRef], why: str) -> None:
        """Report a virtual host that can't be built at all. The snapshot should keep the last good one."""
        subject, effect = f"the virtual host {shown(unit)}", "the last good one stays"
        reason = Reason.ENVOY_WOULD_REFUSE
        message = f"Envoy can't be told {subject} ({shown(why)}); {effect}"
        self._note(unit, [Problem(owner, reason, message, reason.remedy) for owner in owners])

    def forget(self, unit: Hashable) -> None:
        """The unit no longer exists."""
        self._note(unit, ())

    def _note(self, unit: Hashable, problems: Iterable[Problem]) -> None:
        problems = tuple(problems)
        if problems or unit in self._invalid_units:
            self._report(("validation", unit), problems)
            (self._invalid_units.add if problems else self._invalid_units.discard)(unit)


def _problem(owner: ObjectRef, subject: str, broken: Violation, effect: str) -> Problem:
    reason = Reason.ENVOY_WOULD_REFUSE
    return Problem(owner, reason, f"Envoy would reject {subject} ({broken}); {effect}", reason.remedy)


def _route_index(violation: Violation) -> int | None:
    """The index of the route that breaks a rule; None if the virtual host itself does."""
    field, bracket, rest = violation.path.partition("[")
    return int(rest.partition("]")[0]) if field == "routes" and bracket else None


def _virtual_host_problems(
    built: VirtualHost, broken: Iterable[Violation], bad: dict[int, Violation]
) -> Iterator[Problem]:
    for index, violation in bad.items():
        route = built.routes[index]
        for owner in _owners([route]):
            effect = "the route is left out, or stays as it was last"
            yield _problem(owner, f"the route {shown(route.name)}", violation, effect)
    for violation in broken:
        if _route_index(violation) is None:
            for owner in _owners(built.routes):
                effect = "the virtual host stays as it was last"
                yield _problem(owner, f"the virtual host {shown(built.name)}", violation, effect)


def _owners(routes: Iterable[Route]) -> list[ObjectRef]:
    """The objects that routes come from."""
    return sorted(filter(None, {origin_of(route.metadata) for route in routes}))


def _without(built: VirtualHost, bad: Collection[int], last: VirtualHost | None) -> VirtualHost:
    """The virtual host with its bad routes, by index, as in `last`; a bad route that `last` lacks is left out."""
    good = {route.name: route for route in last.routes} if last else {}
    routes = [good.get(each.name) if index in bad else each for index, each in enumerate(built.routes)]
    mended = codec.upb(VirtualHost())
    mended.CopyFrom(codec.upb(built))
    mended.ClearField("routes")
    remaining: typing.Any = mended
    remaining.routes.extend(route for route in routes if route is not None)
    return typing.cast("VirtualHost", mended)
