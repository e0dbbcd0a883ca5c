"""Lists of client addresses, as RBAC: an address that isn't let in is answered 403.

RBAC without rules lets everybody in, and so does a route's configuration without `rbac`. So both are never made; the
chain's own configuration has ALLOW without policies, which lets nobody in.
"""

from functools import lru_cache
from typing import Final

from xds.envoyapi.messages import (
    Any,
    HttpFilter,
    RbacAction,
    RbacFilter,
    RbacPermission,
    RbacPerRoute,
    RbacPolicy,
    RbacPrincipal,
    RbacPrincipalSet,
    RbacRules,
)
from xds.resources.addresses import cidr_range
from xds.resources.filters.any_suffices import SHADOW_PREFIX
from xds.resources.filters.switched import off, on
from xds.traffic.policy import Policy

DENIED: Final = "denied-addresses"
ALLOWED: Final = "allowed-addresses"

_CACHED_LISTS: Final = 64

NOBODY: Final = RbacFilter(rules=RbacRules(action=RbacAction.ALLOW))


def denied_addresses() -> HttpFilter:
    return off(DENIED, NOBODY)


def allowed_addresses() -> HttpFilter:
    """The filter's answer to the list of a route that one condition of access suffices for is dynamic metadata."""
    return off(ALLOWED, RbacFilter(rules=RbacRules(action=RbacAction.ALLOW), shadow_rules_stat_prefix=SHADOW_PREFIX))


def denied_of(policy: Policy) -> Any | None:
    """The filter's configuration for routes of a policy; None for routes without a list of denied clients."""
    access = policy.access
    if access is None or access.denied is None or access.any_suffices:
        return None
    return _denied(access.denied)


def allowed_of(policy: Policy) -> Any | None:
    """The filter's configuration for routes of a policy; None for routes without a list of allowed clients."""
    access = policy.access
    if access is None or access.allowed is None:
        return None
    if not access.any_suffices:
        return _allowed(access.allowed)
    return _noted(access.allowed, access.denied or ())


# A list may hold thousands of networks, and is on each route of its Ingress.


@lru_cache(maxsize=_CACHED_LISTS)
def _denied(networks: tuple[str, ...]) -> Any:
    return _on(RbacFilter(rules=_rules(RbacAction.DENY, networks)))


@lru_cache(maxsize=_CACHED_LISTS)
def _allowed(networks: tuple[str, ...]) -> Any:
    return _on(RbacFilter(rules=_rules(RbacAction.ALLOW, networks)))


@lru_cache(maxsize=_CACHED_LISTS)
def _noted(networks: tuple[str, ...], but_for: tuple[str, ...]) -> Any:
    """The list as shadow rules, which keep nobody out."""
    rules = _rules(RbacAction.ALLOW, networks, but_for)
    return _on(RbacFilter(rules=_EVERYBODY, shadow_rules=rules, shadow_rules_stat_prefix=SHADOW_PREFIX))


def _on(config: RbacFilter) -> Any:
    return on(RbacPerRoute(rbac=config))


_ANYTHING: Final = RbacPermission(any=True)

_EVERYBODY: Final = RbacRules(
    action=RbacAction.ALLOW,
    policies={"everybody": RbacPolicy(permissions=[_ANYTHING], principals=[RbacPrincipal(any=True)])},
)


def _rules(action: RbacAction, networks: tuple[str, ...], but_for: tuple[str, ...] = ()) -> RbacRules:
    """The rules for clients, which are known by the address that routes see: behind trusted proxies, the client's."""
    if not networks:  # Envoy rejects a policy for nobody
        return RbacRules(action=action)
    principals = _principals(networks)
    if but_for:
        listed = RbacPrincipal(or_ids=RbacPrincipalSet(ids=principals))
        others = RbacPrincipal(not_id=RbacPrincipal(or_ids=RbacPrincipalSet(ids=_principals(but_for))))
        principals = [RbacPrincipal(and_ids=RbacPrincipalSet(ids=[listed, others]))]
    return RbacRules(action=action, policies={"listed": RbacPolicy(permissions=[_ANYTHING], principals=principals)})


def _principals(networks: tuple[str, ...]) -> list[RbacPrincipal]:
    return [RbacPrincipal(remote_ip=cidr_range(network)) for network in networks]
