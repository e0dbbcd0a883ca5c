"""Sessions of a rule with several backends: a second cookie keeps a session with its backend, whatever the weights.

Source: https://gateway-api.sigs.k8s.io/geps/gep-1619/#traffic-splitting
"""

from collections.abc import Iterator
from dataclasses import replace

from xds.traffic.actions import Forward
from xds.traffic.affinity import mark_of
from xds.traffic.conditions import CookieCondition
from xds.traffic.routes import Route


def with_sessions(route: Route) -> Iterator[Route]:
    """A route for the sessions of each backend, and last the route itself, whose answers begin sessions."""
    action, affinity = route.action, route.policy.affinity
    if affinity is None or not isinstance(action, Forward) or len(action.backends) < 2:
        yield route
        return
    for share in action.backends:
        if share.key:
            # In the order of routes, a condition on a cookie comes behind all conditions that a rule can have.
            condition = CookieCondition(affinity.mark_cookie, mark_of(share.key))
            own = replace(action, backends=(replace(share, weight=1),))
            yield replace(route, action=own, conditions=(*route.conditions, condition))
    marked = tuple(replace(each, mark=mark_of(each.key) if each.key else "") for each in action.backends)
    yield replace(route, action=replace(action, backends=marked))
