"""Session affinity: a cookie names the endpoint that answers the requests of a client."""

from xds.envoyapi.messages import HttpFilter, StatefulSession
from xds.resources.filters.switched import off

NAME = "session-affinity"


def session_affinity() -> HttpFilter:
    return off(NAME, StatefulSession())
