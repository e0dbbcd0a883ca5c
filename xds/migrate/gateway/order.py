"""The order of trial of a host's paths, which the Gateway API decides by the kind and the length of each match."""

import re
from collections.abc import Iterator, Sequence
from typing import Any, Final, NamedTuple

from xds.migrate.gateway.rules import UnsaidError, path_match
from xds.traffic.routes import PathType, Route

_RANKS: Final = {"Exact": 0, "RegularExpression": 1, "PathPrefix": 2}
_LITERAL: Final = re.compile(r"(?:[^\\^$.|?*+()\[\]{}]|\\.)*")
"""The beginning of an expression that matches itself."""


class _Tried(NamedTuple):
    """A path in the order of trial.

    Attributes:
        place: Sorts paths in the order of the Gateway API.
        head: Every request path that matches begins so, whatever the case of letters.
    """

    route: Route
    place: tuple[int, int]
    head: str


def tried_otherwise(routes: Sequence[Route]) -> Iterator[tuple[Route, Route]]:
    """Pairs of routes that match a common request, and that the Gateway API tries in the other order.

    Args:
        routes: Of a host, in the order of trial.
    """
    if not any(each.path_type is PathType.REGEX for each in routes):
        return
    tried = [each for route in routes if not route.conditions and (each := _tried(route))]
    for index, earlier in enumerate(tried):
        for later in tried[index + 1 :]:
            if later.place < earlier.place and _may_meet(earlier.head, later.head):
                yield earlier.route, later.route


def _tried(route: Route) -> _Tried | None:
    try:
        found: dict[str, Any] = path_match(route)
    except UnsaidError:
        return None
    literal = _LITERAL.match(route.path) if route.path_type is PathType.REGEX else None
    head = (literal[0].replace("\\", "") if literal else route.path).lower()
    return _Tried(route, (_RANKS[found["type"]], -len(found["value"])), head)


def _may_meet(one: str, other: str) -> bool:
    return one.startswith(other) or other.startswith(one)
