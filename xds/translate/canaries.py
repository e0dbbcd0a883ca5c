"""Canaries: routes of an Ingress that only lends its backends, as alternatives of another Ingress's routes."""

from collections.abc import Iterable, Iterator
from dataclasses import replace

from xds.problems.reasons import Reason
from xds.problems.text import shown
from xds.traffic.actions import Forward, WeightedBackend
from xds.traffic.backends import Backend, BackendKey
from xds.traffic.policy import Policy
from xds.traffic.routes import PathType, Route
from xds.translate.findings import UnitFindings
from xds.translate.nginx.canary import Canary


def with_canaries(
    host: str, routes: Iterable[Route], lent: Iterable[tuple[Route, Canary]], findings: UnitFindings
) -> list[Route]:
    """The routes of a host, those of a path with a canary replaced. Sorting by precedence is left to the caller.

    Args:
        host: For messages.
        routes: Routes of ordinary Ingresses; one at most for each path and path type.
        lent: The routes that canaries would have if they were ordinary, the senior Ingress first.
        findings: Takes the problems, and the backends.
    """
    found = {(route.path, route.path_type): [route] for route in routes}
    primaries = {place: route for place, (route,) in found.items()}
    first: dict[tuple[str, PathType], Route] = {}
    for route, canary in lent:
        place = (route.path, route.path_type)
        primary = primaries.get(place)
        if why := _why_unused(host, route, primary, first.get(place)):
            findings.report(route.origin.object, Reason.CANARY_UNUSED, why, route.origin.field)
        elif primary is not None and first.setdefault(place, route) is route and route.backend:
            found[place] = list(_split(primary, route, canary, findings.backends))
    return [route for each in found.values() for route in each]


def _why_unused(host: str, lent: Route, primary: Route | None, first: Route | None) -> str:
    """Why a canary gets no request; empty for a canary that counts."""
    place = f"{lent.path_type} path {shown(lent.path)} of {f'host {host}' if host else 'the rules without host'}"
    if primary is None:
        return f"no Ingress but canaries has {place}, so the canary gets no request"
    owner = primary.origin.object
    if owner.namespace != lent.origin.object.namespace:
        return f"{place} belongs to {owner} of another namespace, so the canary gets no request"
    if primary.backend is None:
        return f"{place} of {owner} has no backend, so the canary gets no request"
    if primary.backend == lent.backend:
        return f"{place} of {owner} has the same Service and port, so the canary has no effect"
    if first is not None and (first.origin.object, first.backend) != (lent.origin.object, lent.backend):
        return f"{place} has the canary {first.origin.object} already, so this one gets no request"
    return ""


def _split(primary: Route, lent: Route, canary: Canary, backends: dict[BackendKey, Backend]) -> Iterator[Route]:
    """The routes of a path with a canary, in the order of trial. The primary's policy holds for all."""
    if primary.backend is None or lent.backend is None:
        return
    key = _with_fallback(lent.backend, primary.backend, backends)
    policy = _policy(primary, backends[primary.backend].host, backends[lent.backend].host)
    to_canary = replace(primary, action=Forward.to(key), origin=lent.origin, service=lent.service, policy=policy)
    for condition, is_taken in canary.rules:
        yield replace(to_canary if is_taken else primary, conditions=(condition,))
    yield _weighted(primary, to_canary, canary) if canary.weight else primary


def _weighted(primary: Route, to_canary: Route, canary: Canary) -> Route:
    shares = []
    for route, weight in ((primary, canary.total - canary.weight), (to_canary, canary.weight)):
        own = route.policy.upstream_host if primary.policy != to_canary.policy else ""
        shares += [WeightedBackend(each, weight, own) for each in route.backends]
    policy = primary.policy if primary.policy == to_canary.policy else replace(primary.policy, upstream_host="")
    return replace(primary, action=Forward(tuple(shares)), policy=policy)


def _policy(primary: Route, host: str, canary_host: str) -> Policy:
    """The primary's policy, with the Host that the canary's own Service asks for, and not the primary's."""
    if host == canary_host:
        return primary.policy
    kept = "" if primary.policy.upstream_host == host else primary.policy.upstream_host
    return replace(primary.policy, upstream_host=canary_host or kept)


def _with_fallback(canary: BackendKey, primary: BackendKey, backends: dict[BackendKey, Backend]) -> BackendKey:
    """The canary with the primary behind, which serves while the canary has no endpoint; added to `backends`.

    The canary alone where requests to both can't have the same Host and SNI, or where DNS has the endpoints.
    """
    own, other = backends[canary], backends[primary]
    alike = all(
        one == two
        for one, two in (
            (own.host, other.host),
            (own.protocol.uses_tls, other.protocol.uses_tls),
            (own.verification, other.verification),
        )
    )
    if not alike or not own.has_slices:
        return canary
    key = canary._replace(fallback=str(primary))
    backends[key] = replace(own, key=key)
    return key
