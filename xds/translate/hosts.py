"""From the rules of all Ingresses for one host to the host's routes."""

import functools
from collections.abc import Iterable, Iterator, Sequence, Set
from dataclasses import replace
from functools import lru_cache
from typing import Final, TypeAlias

from xds.kube.objects import HTTPIngressPath, Ingress
from xds.kube.state import KubeState, why_first
from xds.problems.field_path import WHOLE_OBJECT, FieldPath, MapKey
from xds.problems.problem import Key, ObjectRef
from xds.problems.reasons import Reason
from xds.problems.text import shown
from xds.steps import Steps
from xds.traffic.actions import Forward, LocationBase, Redirect
from xds.traffic.hosts import NO_HOST, wildcard_of
from xds.traffic.https_redirect import BY_OPERATOR, HttpsRedirect
from xds.traffic.policy import NO_POLICY
from xds.traffic.routes import Origin, PathType, Route, VirtualHost, most_specific_first
from xds.translate.authorizers import ServedPath, with_authorizers
from xds.translate.canaries import LentRoute, with_canaries
from xds.translate.checked_hosts import checked
from xds.translate.findings import HostCiphers, UnitFindings
from xds.translate.further_names import FurtherName, further_names
from xds.translate.names import InvalidError, regex_path, valid_host, valid_path
from xds.translate.nginx import https_redirects
from xds.translate.nginx.client_tls import NO_WISH, choice
from xds.translate.nginx.paths_policy import OPEN_PATHS, ClosedPaths, LentPaths, OpenPaths, PathsPolicy
from xds.translate.nginx.rewriting import APP_ROOT, NO_REWRITING
from xds.translate.ownership import HostOwnership, only_of_owner
from xds.translate.routes import TranslationContext, default_route, on_path, path_route
from xds.translate.slash_redirects import slash_redirects

_Policies: TypeAlias = Sequence[tuple[Ingress, PathsPolicy]]
"""The Ingresses of a host, the oldest first."""

_NOBODY: Final = Origin(ObjectRef(Ingress.kind, "", ""), WHOLE_OBJECT)

_Canaries: TypeAlias = Sequence[tuple[Ingress, LentPaths]]


def translate_host(
    context: TranslationContext, host: str, findings: UnitFindings
) -> Steps[tuple[VirtualHost | None, tuple[FurtherName, ...]]]:
    """The virtual host of a host (or of NO_HOST), and the names that are asked for beside the host.

    Without a virtual host if no Ingress has a valid rule for the host.
    """
    ingresses = _ingresses(context, host, findings)
    if not ingresses:
        return None, ()
    policies, canaries = _policies(context, host, ingresses)
    client_certificates, policies = checked(host, policies, findings)
    regex = _is_regex_host(context.state, host, policies)
    findings.ciphers = _ciphers(policies)
    winners: dict[tuple[str, PathType], Route] = {}
    left_out: set[Key] = set()
    for route in _candidates(context, host, policies, left_out, findings, regex=regex):
        winner = winners.setdefault((route.path, route.path_type), route)
        # Equal routes are no conflict.
        if (winner.action, winner.policy, winner.service) != (route.action, route.policy, route.service):
            _report_conflict(context.state, host, winner, route, findings)
        yield
    names = tuple(further_names(host, policies, winners.values(), findings))
    root, routes = [*_app_root(policies, findings)], [*winners.values()]
    if context.redirects_to_slash and not regex:
        root += slash_redirects(routes)
    # A host that rules name falls back to the default backend of one of the Ingresses here. A host that no rule names
    # falls back to the default route of all Ingresses, which the traffic model holds once.
    default = None if host == NO_HOST else default_route(context, ingresses, findings)
    if client_certificates and default:
        default = _closed_with_its_paths(default, policies)
    if closing := _closing(policies, left_out):
        root, routes = _closed(closing, root), _closed(closing, routes)
        (default,) = _closed(closing, [default or closing])
    if canaries:
        by_ref = {ingress.ref: policy for ingress, policy in policies}
        lent = _lent(context, host, canaries, regex=regex, findings=findings)
        routes = with_canaries(context, host, routes, lent, policies=by_ref, findings=findings)
    routes = authorized(context, host, [*root, *most_specific_first(routes)], findings)
    default = authorized(context, host, [default], findings)[0] if default else None
    findings.keep([*routes, default])
    if not policies:
        return None, names
    owner = findings.owner.key.namespace if findings.owner and host != NO_HOST else ""
    redirect = _unmatched_redirect(policies)
    found = VirtualHost(host, tuple(routes), default, redirect, owner=owner, client_certificates=client_certificates)
    return found, names


def authorized(context: TranslationContext, host: str, routes: Iterable[Route], findings: UnitFindings) -> list[Route]:
    """The routes of a host, each with the backend of its authorizer."""
    return with_authorizers(context, host, routes, functools.partial(_served, context), findings)


def _served(context: TranslationContext, host: str, path: str) -> ServedPath | None:
    """The path of a host that a request matches, if its Ingress sends every such request to a Service."""
    if not context.state.ingresses_of_host(host):
        host = wildcard_of(host) or host
    unreported = UnitFindings()
    policies, _ = _policies(context, host, _ingresses(context, host, unreported))
    certificates, policies = checked(host, policies, unreported)
    # No question has a certificate that clients of the host could be asked for.
    asks_for_certificates = certificates is not None and not certificates.admits_anybody
    if asks_for_certificates or (path == "/" and any(policy.rewriting.app_root for _, policy in policies)):
        return None
    regex = _is_regex_host(context.state, host, policies)
    found: dict[Route, tuple[Ingress, HTTPIngressPath, PathsPolicy]] = {}
    for ingress, policy in policies:
        for _, each in _paths(context.state, ingress, host):
            try:
                matched = regex_path(each, context.max_regex_size) if regex else valid_path(each)
            except InvalidError:
                if isinstance(policy, ClosedPaths):
                    return None
                continue
            found.setdefault(Route(*matched, Forward(()), _NOBODY, _NOBODY.object.key), (ingress, each, policy))
    taken = next((route for route in most_specific_first(found) if route.matches(path)), None)
    return None if taken is None or _closing(policies, frozenset()) else _open_path(*found[taken], regex=regex)


def _open_path(ingress: Ingress, path: HTTPIngressPath, policy: PathsPolicy, *, regex: bool) -> ServedPath | None:
    if isinstance(policy, ClosedPaths):
        return None
    policy = on_path(policy, path.path or "/", path.path_type, regex=regex)
    service = path.backend.service
    if service is None or policy.policy.access or policy.answer or policy.redirect:
        return None
    return ingress, service, policy


def _ingresses(context: TranslationContext, host: str, findings: UnitFindings) -> list[Ingress]:
    """The Ingresses that count for a host, the oldest first; none for an invalid host."""
    ingresses = context.state.ingresses_of_host(host)
    if not ingresses or (host != NO_HOST and not _check_host(context, host, ingresses, findings)):
        return []
    if context.host_ownership is HostOwnership.SHARED:
        return ingresses
    return only_of_owner(context.state, host, context.is_canary, findings)


def _policies(context: TranslationContext, host: str, ingresses: Iterable[Ingress]) -> tuple[_Policies, _Canaries]:
    """The policies of ordinary Ingresses for a host, and the canaries."""
    ordinary: list[tuple[Ingress, PathsPolicy]] = []
    canaries: list[tuple[Ingress, LentPaths]] = []
    for ingress in ingresses:
        policy = context.policy(ingress)
        if isinstance(policy, LentPaths):
            canaries.append((ingress, policy))
        else:
            ordinary.append((ingress, _without_host(policy) if host == NO_HOST else policy))
    return ordinary, canaries


def _ciphers(policies: _Policies) -> HostCiphers | None:
    asking = [(ingress, policy.ciphers) for ingress, policy in policies if isinstance(policy, OpenPaths)]
    asking = [(ingress, asked) for ingress, asked in asking if asked is not NO_WISH]
    chosen = choice(asked for _, asked in asking) if asking else None
    return HostCiphers(chosen, asking[0][0].ref) if chosen else None


def _without_host(policy: PathsPolicy) -> PathsPolicy:
    if isinstance(policy, ClosedPaths):
        return policy
    asked = policy.policy.https_redirect
    redirect = https_redirects.without_host(asked)
    return policy if redirect is asked else replace(policy, policy=replace(policy.policy, https_redirect=redirect))


def _unmatched_redirect(policies: _Policies) -> HttpsRedirect:
    """The redirect to HTTPS of requests that no path matches: that of the oldest Ingress, as in nginx.

    Source: https://github.com/kubernetes/ingress-nginx/blob/controller-v1.15.1/internal/ingress/controller/controller.go
    """
    asked = (policy.policy.https_redirect for _, policy in policies if isinstance(policy, OpenPaths))
    return next(asked, BY_OPERATOR)


def _lent(
    context: TranslationContext, host: str, canaries: _Canaries, *, regex: bool, findings: UnitFindings
) -> Iterator[LentRoute]:
    """The routes that canaries would have if they were ordinary Ingresses."""
    for ingress, lent in canaries:
        for origin, path in _paths(context.state, ingress, host):
            route = path_route(context, origin, path, policy=OPEN_PATHS, regex=regex, findings=findings)
            if route is not None:
                yield LentRoute(route, path.backend, lent)


def _closing(policies: _Policies, left_out: Set[Key]) -> Route | None:
    """The answer of a host that an Ingress closes, to requests for any path; None for an open host."""
    for ingress, policy in policies:
        # Requests for a closed path that is left out would reach a path of another Ingress.
        if isinstance(policy, ClosedPaths) and (policy.hosts or ingress.key in left_out):
            origin = Origin(ingress.ref, FieldPath.of("metadata", "annotations", MapKey(policy.annotations[0])))
            service = Key(ingress.key.namespace, "(none)")
            return Route("/", PathType.PREFIX, policy.answer, origin, service)
    return None


def _closed_with_its_paths(default: Route, policies: _Policies) -> Route:
    """The default route of a host; closed if the paths of its Ingress are."""
    policy = next((policy for ingress, policy in policies if ingress.ref == default.origin.object), None)
    return replace(default, action=policy.answer, policy=NO_POLICY) if isinstance(policy, ClosedPaths) else default


def _closed(closing: Route, routes: Iterable[Route]) -> list[Route]:
    """The routes of a closed host, those of other Ingresses among them."""
    return [replace(route, action=closing.action, policy=NO_POLICY) for route in routes]


def _check_host(context: TranslationContext, host: str, ingresses: list[Ingress], findings: UnitFindings) -> bool:
    try:
        valid_host(host)
    except InvalidError as error:
        for ingress in ingresses:
            for index, _ in context.state.rules(ingress, host):
                at = FieldPath.of("spec", "rules", index, "host")
                findings.report(ingress.ref, error.reason, f"host {error}; its rule is left out", at)
        return False
    return True


def _candidates(
    context: TranslationContext,
    host: str,
    policies: _Policies,
    left_out: set[Key],
    findings: UnitFindings,
    *,
    regex: bool,
) -> Iterator[Route]:
    """The routes that all Ingresses ask for, the oldest Ingress first. Adds Ingresses with paths that are left out."""
    for ingress, policy in policies:
        for origin, path in _paths(context.state, ingress, host):
            route = path_route(context, origin, path, policy=policy, regex=regex, findings=findings)
            if route is None:
                left_out.add(ingress.key)
            else:
                yield route


def _paths(state: KubeState, ingress: Ingress, host: str) -> Iterator[tuple[Origin, HTTPIngressPath]]:
    """The paths of an Ingress for a host, with their fields."""
    about = ingress.ref
    for index, rule in state.rules(ingress, host):
        for number, path in enumerate(rule.paths):
            yield Origin(about, _path_at(index, number)), path


def _is_regex_host(state: KubeState, host: str, policies: _Policies) -> bool:
    """Whether the paths of a host are expressions. One path that asks for expressions decides for all, as in nginx.

    A path that belongs to an older Ingress asks for nothing.
    Source: https://kubernetes.github.io/ingress-nginx/user-guide/ingress-path-matching/#regular-expression-support
    """
    if all(policy.rewriting is NO_REWRITING for _, policy in policies):
        return False
    owned: set[tuple[str, bool]] = set()
    for ingress, policy in policies:
        for _, path in _paths(state, ingress, host):
            place = (path.path or "/", path.path_type == "Exact")
            if place not in owned and policy.rewriting.asks_for_regex(path.path or "/", path.path_type):
                return True
            owned.add(place)
    return False


def _app_root(policies: _Policies, findings: UnitFindings) -> Iterator[Route]:
    """The redirect of `/`, which precedes all paths. The oldest Ingress that asks for a redirect decides."""
    first: Ingress | None = None
    for ingress, policy in policies:
        target = policy.rewriting.app_root
        if not target or isinstance(policy, ClosedPaths):
            continue
        at = FieldPath.of("metadata", "annotations", MapKey(APP_ROOT.full_name))
        if first is None:
            first = ingress
            service = Key(ingress.key.namespace, "(none)")
            yield Route(
                "/", PathType.EXACT, Redirect(302, target, LocationBase.AUTHORITY), Origin(ingress.ref, at), service
            )
        else:
            message = f"the app-root of {first.ref} counts, {why_first(first, ingress)}"
            findings.report(ingress.ref, Reason.PATH_CONFLICT, message, at)


@lru_cache(maxsize=1024)
def _path_at(rule: int, number: int) -> FieldPath:
    """The field of a path. Routes of thousands of Ingresses share the same few values."""
    return FieldPath.of("spec", "rules", rule, "http", "paths", number)


def _report_conflict(state: KubeState, host: str, winner: Route, loser: Route, findings: UnitFindings) -> None:
    place = f"host {host}" if host else "the rules without host"
    first, other = state.ingress(winner.origin.object.key), state.ingress(loser.origin.object.key)
    why = f", {why_first(first, other)}" if first and other else ""
    findings.report(
        loser.origin.object,
        Reason.PATH_CONFLICT,
        f"{loser.path_type} path {shown(loser.path)} of {place} belongs to {winner.origin.field} of "
        f"{winner.origin.object}{why}",
        loser.origin.field,
    )
