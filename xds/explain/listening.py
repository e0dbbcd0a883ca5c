"""The listener that a request is for: one of the two of Ingress, or a bound listener at an address of its own."""

from xds.explain.bound import BoundExcerpt, bound_excerpt, listener_at, listeners_of
from xds.explain.matcher import TrafficExcerpt, excerpt, is_named
from xds.explain.request import Request
from xds.explain.url import QuestionError
from xds.problems.text import shown
from xds.traffic.layer4 import Transport
from xds.traffic.model import TrafficModel


def listened(model: TrafficModel, request: Request) -> TrafficExcerpt | BoundExcerpt:
    """The part of the traffic model that decides about a request.

    Without an address, the listeners of Ingress count where rules name the host; else a bound listener that has the
    host, the closest domain first.

    Raises:
        QuestionError: nothing listens at the address that the client connects to.
    """
    if request.address:
        found = listener_at(model, request.address, request)
        if found:
            return bound_excerpt(model, found, request)
        if any(key.address == request.address for key in model.bound):
            raise QuestionError(_nothing(model, request))
        return excerpt(model, request)
    if model.bound and not is_named(model, request):
        first, *others = listeners_of(model, request) or (None,)
        if first:
            return bound_excerpt(model, first, request, tuple(others))
    return excerpt(model, request)


def _nothing(model: TrafficModel, request: Request) -> str:
    ports = sorted(
        each.public_port
        for key, each in model.bound.items()
        if (key.address, key.transport) == (request.address, Transport.TCP)
    )
    listed = ", ".join(map(str, ports)) or "none of TCP"
    return f"nothing listens on port {request.public_port} of {shown(request.address)}; its ports are {listed}"
