"""Canaries: routes of an Ingress that only lends its backends, as alternatives of another Ingress's routes."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace

from xds.kube.objects import IngressBackend
from xds.problems.problem import ObjectRef
from xds.problems.reasons import Reason
from xds.problems.text import shown
from xds.traffic.actions import Forward, WeightedBackend
from xds.traffic.affinity import mark_of
from xds.traffic.backends import Backend, BackendKey
from xds.traffic.conditions import SessionCondition
from xds.traffic.policy import Policy
from xds.traffic.routes import PathType, Route
from xds.traffic.upstream import Balancing
from xds.translate.findings import UnitFindings
from xds.translate.nginx.paths_policy import LentPaths, OpenPaths, PathsPolicy
from xds.translate.routes import TranslationContext


@dataclass(frozen=True, slots=True)
class LentRoute:
    """A path of a canary.

    Attributes:
        route: The route that the path would have in an ordinary Ingress.
        written: The backend of the path.
        lent: The rest of what the Ingress says.
    """

    route: Route
    written: IngressBackend
    lent: LentPaths


def with_canaries(
    context: TranslationContext,
    host: str,
    routes: Iterable[Route],
    lent: Iterable[LentRoute],
    *,
    policies: Mapping[ObjectRef, PathsPolicy],
    findings: UnitFindings,
) -> list[Route]:
    """The routes of a host, those of a path with a canary replaced. The order of trial is left to the caller.

    Args:
        context: The objects and options.
        host: For messages.
        routes: Routes of ordinary Ingresses; one at most for each path and path type.
        lent: The paths of canaries, those of the senior Ingress first.
        policies: Of the ordinary Ingresses.
        findings: Takes the problems, and the backends.
    """
    primaries = {(route.path, route.path_type): route for route in routes}
    found = {place: [route] for place, route in primaries.items()}
    first: dict[tuple[str, PathType], Route] = {}
    for each in lent:
        route, place = each.route, (each.route.path, each.route.path_type)
        primary = primaries.get(place)
        why = _why_unused(host, route, primary, first.get(place), across=context.allow_cross_namespace)
        if not why and (why := _why_withheld(each.lent)):
            first.setdefault(place, route)
        if why:
            findings.report(route.origin.object, Reason.CANARY_UNUSED, why, route.origin.field)
        elif primary is not None and first.setdefault(place, route) is route and route.backend:
            policy = policies[primary.origin.object]
            if isinstance(policy, OpenPaths):
                found[place] = list(_Split(context, primary, each, policy, findings).routes())
    return [route for each in found.values() for route in each]


def _why_unused(host: str, lent: Route, primary: Route | None, first: Route | None, *, across: bool) -> str:
    """Why a canary gets no request; empty for a canary that counts."""
    place = f"{lent.path_type} path {shown(lent.path)} of {f'host {host}' if host else 'the rules without host'}"
    if primary is None:
        return f"no Ingress but canaries has {place}, so the canary gets no request"
    owner = primary.origin.object
    if owner.namespace != lent.origin.object.namespace and not across:
        return (
            f"{place} belongs to {owner} of another namespace, so the canary gets no request without "
            "--allow-cross-namespace-resources"
        )
    if primary.backend is None:
        return f"{place} of {owner} has no backend, so the canary gets no request"
    if lent.backend and primary.backend[:3] == lent.backend[:3]:
        return f"{place} of {owner} has the same Service and port, so the canary has no effect"
    if first is not None and (first.origin.object, first.backend) != (lent.origin.object, lent.backend):
        return f"{place} has the canary {first.origin.object} already, so this one gets no request"
    return ""


def _why_withheld(lent: LentPaths) -> str:
    if not lent.protections:
        return ""
    return f"{', '.join(lent.protections)} would not protect a canary, so the canary gets no request"


class _Split:
    """Divides the requests for a path. The primary's policy holds for all of them."""

    def __init__(
        self, context: TranslationContext, primary: Route, lent: LentRoute, policy: OpenPaths, findings: UnitFindings
    ) -> None:
        self._primary = primary
        self._lent = lent
        self._backends = findings.backends
        # Problems of the backend are reported already.
        unreported = UnitFindings(backends=findings.backends)
        route, shared = lent.route, lent.lent.shared(policy)
        self._own = context.route(
            route.origin, lent.written, route.origin.field, (route.path, route.path_type), policy=shared,
            findings=unreported,
        )  # fmt: skip

    def routes(self) -> Iterator[Route]:
        """The routes of the path, in the order of trial."""
        primary, canary = self._primary, self._lent.lent.canary
        if self._own is None or not isinstance(primary.action, Forward) or not isinstance(self._own.action, Forward):
            yield primary
            return
        (main,), (own,) = primary.action.backends, self._own.action.backends
        if main.key is None or own.key is None:  # only routes of the Gateway API have such shares
            yield primary
            return
        joins = primary.policy.affinity is not None and self._lent.lent.is_sticky
        tls_keys = own.tls_key or own.key, main.tls_key or main.key
        share = WeightedBackend(
            self._with_fallback(own.key, main.key, joins=joins),
            self._with_fallback(*tls_keys, joins=joins) if own.tls_key or main.tls_key else None,
        )
        policy = self._policy(self._backends[main.key].host, self._backends[own.key].host)
        to_canary = replace(
            primary, action=Forward((share,)), origin=self._own.origin, service=self._own.service, policy=policy
        )
        if primary.policy.affinity and not self._lent.lent.is_sticky:
            share = replace(share, has_sessions=False)
            to_canary = replace(to_canary, policy=replace(policy, affinity=None))
        elif affinity := primary.policy.affinity:
            marks = mark_of(main.key), mark_of(own.key)
            for route, mark in zip((primary, to_canary), marks, strict=True):
                yield replace(route, conditions=(SessionCondition(affinity.mark_cookie, mark),))
            main, share = replace(main, mark=marks[0]), replace(share, mark=marks[1])
        primary, to_canary = (
            replace(route, action=Forward((each,))) for route, each in ((primary, main), (to_canary, share))
        )
        for condition, is_taken in canary.rules:
            yield replace(to_canary if is_taken else primary, conditions=(condition,))
        yield self._weighted(main, share, policy) if canary.weight else primary

    def _weighted(self, main: WeightedBackend, share: WeightedBackend, policy: Policy) -> Route:
        """The route of requests that no condition decides."""
        canary, host = self._lent.lent.canary, self._primary.policy.upstream_host
        main, share = replace(main, weight=canary.total - canary.weight), replace(share, weight=canary.weight)
        if policy.upstream_host != host:
            main, share = replace(main, upstream_host=host), replace(share, upstream_host=policy.upstream_host)
            policy = replace(policy, upstream_host="")
        if self._primary.policy.hash_keys:
            policy = replace(policy, hash_keys=self._primary.policy.hash_keys)
        return replace(self._primary, action=Forward((main, share)), policy=policy)

    def _policy(self, host: str, canary_host: str) -> Policy:
        """The primary's policy, with the Host and the keys that concern the canary's own Service."""
        policy, lent = self._primary.policy, self._lent.lent
        if lent.balancing is Balancing.HASH or policy.hash_keys:
            policy = replace(policy, hash_keys=lent.hash_keys)
        if host == canary_host or policy.upstream_host != host:
            return policy
        return replace(policy, upstream_host=canary_host)

    def _with_fallback(self, canary: BackendKey, primary: BackendKey, *, joins: bool) -> BackendKey:
        """The canary with the primary behind, which serves while the canary has no endpoint.

        The canary alone where requests to both can't have the same Host and server name, or where DNS has the
        endpoints.

        Args:
            canary: Must be one of the backends found.
            primary: Likewise.
            joins: Whether sessions need the endpoints of both in one cluster. They are, if both speak one protocol.
        """
        own, other = self._backends[canary], self._backends[primary]
        if _named(own) != _named(other) or not own.has_slices:
            return canary
        joined = other if joins and other.has_slices and own.protocol is other.protocol else None
        key = canary._replace(fallback=str(primary), is_joined=joined is not None)
        self._backends[key] = replace(own, key=key, joined=joined)
        return key


def _named(backend: Backend) -> tuple[object, ...]:
    """The names that requests to a backend carry. Envoy takes them from one cluster for both backends."""
    return (backend.host, backend.protocol.uses_tls, backend.upstream.sends_sni, backend.upstream.tls)
