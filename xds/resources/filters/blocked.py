"""Requests that are answered by 403, whatever their host."""

from collections.abc import Iterator

from xds.envoyapi import codec
from xds.envoyapi.messages import (
    HeaderMatcher,
    HttpFilter,
    RbacAction,
    RbacFilter,
    RbacPermission,
    RbacPolicy,
    RbacPrincipal,
    RbacRules,
    RegexMatcher,
    StringMatcher,
)
from xds.resources.addresses import cidr_range
from xds.traffic.listeners import Blocked, HeaderPattern


def block(blocked: Blocked) -> HttpFilter:
    """The filter that denies the requests. A client is known by the address that routes see."""
    policy = RbacPolicy(permissions=[RbacPermission(any=True)], principals=list(_principals(blocked)))
    config = RbacFilter(rules=RbacRules(action=RbacAction.DENY, policies={"blocked": policy}))
    return HttpFilter(name="blocked", typed_config=codec.pack(config))


def _principals(blocked: Blocked) -> Iterator[RbacPrincipal]:
    for network in blocked.networks:
        yield RbacPrincipal(remote_ip=cidr_range(network))
    for pattern in blocked.user_agents:
        yield _with_header("user-agent", pattern)
    for pattern in blocked.referers:
        yield _with_header("referer", pattern)


def _with_header(name: str, pattern: HeaderPattern) -> RbacPrincipal:
    if pattern.is_regex:
        matcher = StringMatcher(safe_regex=RegexMatcher(regex=pattern.value))
    else:
        matcher = StringMatcher(exact=pattern.value, ignore_case=True)
    return RbacPrincipal(header=HeaderMatcher(name=name, string_match=matcher))
