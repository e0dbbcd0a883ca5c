"""Timeouts, retries and bounds of bodies that all routes of a virtual host have in common.

The virtual host then holds them. With ingress-nginx's defaults nearly each has such, of half the bytes of a route.
"""

from collections.abc import Iterator
from dataclasses import replace
from functools import lru_cache

from xds.resources.domains import Domain, FixedAnswer
from xds.traffic.actions import Forward
from xds.traffic.bodies import ANY_BODIES
from xds.traffic.policy import NO_POLICY, Policy
from xds.traffic.routes import Route
from xds.traffic.timeouts import Timeouts


def shared_policy(domain: Domain) -> Policy:
    """The part of the policies that all routes to backends have in common; NO_POLICY where they differ.

    Answers without a backend are bound too: as in nginx, a body that is too large precedes a redirect.
    """
    found = None
    for route in _to_backends(domain):
        policy = route.policy
        if policy is NO_POLICY:
            return NO_POLICY
        if found is not None and not _is_alike(policy, found):
            return NO_POLICY
        found = policy
    return NO_POLICY if found is None else _shareable(found)


@lru_cache(maxsize=1024)
def without(policy: Policy, shared: Policy) -> Policy:
    """The policy without the part that the virtual host holds."""
    if shared is NO_POLICY or not _is_alike(policy, shared):
        return policy
    # A virtual host has no timeout for whole answers.
    own = replace(policy, timeouts=Timeouts(whole=policy.timeouts.whole), retries=None, bodies=ANY_BODIES)
    return NO_POLICY if own == NO_POLICY else own


def _to_backends(domain: Domain) -> Iterator[Route]:
    for answers in (domain.inside,) if domain.outside is domain.inside else (domain.inside, domain.outside):
        if not isinstance(answers, FixedAnswer):
            default = answers.fallback(domain.default)
            for route in (*answers.routes, *((default,) if default else ())):
                if isinstance(route.action, Forward) and route.action.status is None:
                    yield route


def _is_alike(one: Policy, other: Policy) -> bool:
    return (one.timeouts, one.retries, one.bodies) == (other.timeouts, other.retries, other.bodies)


@lru_cache(maxsize=256)
def _shareable(policy: Policy) -> Policy:
    shareable = replace(NO_POLICY, timeouts=policy.timeouts, retries=policy.retries, bodies=policy.bodies)
    return NO_POLICY if shareable == NO_POLICY else shareable
