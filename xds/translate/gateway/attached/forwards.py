"""Connections that are passed on: the routes of listeners that don't speak HTTP."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TypeAlias

from xds.problems.problem import Key, ObjectRef
from xds.traffic.bound import ListenerKey
from xds.traffic.layer4 import Layer4Route
from xds.translate.gateway.attached.hostnames import specificity

SocketPlace: TypeAlias = tuple[ListenerKey, str, str]
"""A socket, a domain of a route, and the domain of the listener that the route is attached to."""


@dataclass(frozen=True, slots=True)
class ForwardClaim:
    """A route at a domain of a listener, which the most specific hostname has, and then the senior route.

    Attributes:
        hostname: The route's, which covers the domain.
        rank: The seniority of the route.
    """

    hostname: str
    rank: tuple[datetime, Key]
    forward: Layer4Route


class Forwards:
    """The claims of routes, by socket, domain of the listener, and domain of the route."""

    def __init__(self) -> None:
        self._claims: dict[tuple[ListenerKey, str], dict[str, dict[ObjectRef, ForwardClaim]]] = {}

    def claim(self, place: SocketPlace, route: ObjectRef, claim: ForwardClaim | None) -> bool:
        """Replace the claim of a route at a place, and return whether anything changed.

        Args:
            place: The place.
            route: Claims the place.
            claim: None: the route has no claim.
        """
        socket, domain, listener = place
        domains = self._claims.get((socket, listener), {})
        claims = domains.get(domain, {})
        if claims.get(route) == claim:
            return False
        if claim is not None:
            self._claims.setdefault((socket, listener), {}).setdefault(domain, {})[route] = claim
            return True
        del claims[route]
        if not claims:
            del domains[domain]
        if not domains:
            del self._claims[socket, listener]
        return True

    def at(self, socket: ListenerKey, listener: str) -> Mapping[str, Layer4Route]:
        """The route of each domain at a listener, the most specific domain first.

        Args:
            socket: Of the listener.
            listener: Its domain.
        """
        found = self._claims.get((socket, listener), {})
        ordered = sorted(found, key=lambda each: (specificity(each), each))
        return {domain: min(found[domain].values(), key=_precedence).forward for domain in ordered}


def _precedence(claim: ForwardClaim) -> tuple[tuple[bool, int], tuple[datetime, Key]]:
    return specificity(claim.hostname), claim.rank
