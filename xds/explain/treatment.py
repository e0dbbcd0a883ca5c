"""The policy of a route in words."""

from collections.abc import Iterator

from xds.traffic.affinity import Affinity
from xds.traffic.policy import NO_POLICY, Policy
from xds.traffic.tls import Termination


def treatment(policy: Policy) -> Iterator[str]:
    """A clause for each part of the policy; nothing for the parts that all routes have."""
    if policy is NO_POLICY:
        return
    if policy.affinity:
        yield _sessions(policy.affinity)
    if not policy.is_logged:
        yield "the access log has no line"
    if not policy.tracing.is_on:
        yield "no span is sent"
    elif policy.tracing.operation:
        yield f"spans are named {policy.tracing.operation}"


def _sessions(affinity: Affinity) -> str:
    failure = "a failure moves the session" if affinity.moves_on_failure else "a failure is not tried again"
    return f"cookie {affinity.cookie} for {affinity.path or '/'} names the endpoint of a session, and {failure}"


def ciphers(termination: Termination) -> str:
    """The cipher suites of connections, behind the certificate; empty for those of all hosts."""
    choice = termination.ciphers
    if choice is None:
        return ""
    suites = ", ".join(choice.suites) or "those of all hosts"
    return f"; suites of TLS 1.2: {suites}" + ("" if choice.server_prefers else ", as the client prefers")
