"""The policies of routes and backends in words."""

from collections.abc import Iterator
from typing import Final

from xds.explain.access import access_words
from xds.explain.delivery import delivery
from xds.explain.treatment import treatment
from xds.problems.text import shown
from xds.traffic.backends import Backend
from xds.traffic.headers import NO_CHANGES
from xds.traffic.policy import NO_POLICY, Policy
from xds.traffic.routes import Route
from xds.traffic.tls import Termination
from xds.traffic.upstream import DEFAULT_UPSTREAM


def policy_texts(route: Route | None) -> Iterator[tuple[str, str]]:
    """The parts of a route's policy that decide on the answer, each as subject and text."""
    if route is None:
        return
    yield from policy_words(route.policy)


def policy_words(policy: Policy) -> Iterator[tuple[str, str]]:
    """The parts of a policy, but for the redirect to HTTPS, each as subject and text; nothing for the usual ones."""
    if policy is NO_POLICY:
        return
    if host := policy.upstream_host:
        yield "host", f"the backend is sent the Host {shown(host)}"
    if policy.access:
        yield from access_words(policy.access)
    yield from treatment(policy)
    if limits := policy.rate_limits:
        rates = " and ".join(map(str, limits.rates))
        unlimited = f"; no limit for {', '.join(limits.unlimited)}" if limits.unlimited else ""
        yield "rate limit", f"of a client {rates}, over all routes of Ingress {limits.zone}{unlimited}"
    yield from delivery(policy)
    changed = {"request headers": policy.request_headers, "response headers": policy.response_headers}
    for subject, headers in changed.items():
        if headers != NO_CHANGES:
            set_ = f"set {', '.join(name for name, _ in headers.values)}" if headers.values else ""
            added = f"add {', '.join(name for name, _ in headers.added)}" if headers.added else ""
            removed = f"remove {', '.join(headers.removed)}" if headers.removed else ""
            yield subject, " and ".join(filter(None, (set_, added, removed)))


def use_texts(backend: Backend) -> Iterator[str]:
    """The protocol of a backend, and the rest of its upstream policy that differs from the default."""
    policy = backend.upstream
    yield _PROTOCOLS[backend.protocol.value]
    if backend.protocol.uses_tls and not policy.sends_sni and not (policy.tls and policy.tls.sends_name):
        yield "without SNI"
    if policy.tls:
        yield policy.tls.words
    if policy.questions:
        verified = ", whose certificate is verified" if policy.questions.is_verified else ""
        yield f"as an authorizer{verified}"
    if policy.balancing != DEFAULT_UPSTREAM.balancing:
        yield f"balanced by {policy.balancing}"
    if policy.longest_request:
        yield f"ended after {policy.longest_request.total_seconds():.0f} s"
    if policy.connect_timeout != DEFAULT_UPSTREAM.connect_timeout:
        yield f"connected within {policy.connect_timeout.total_seconds():.0f} s"
    if backend.cluster_ip:
        yield "at the Service's own address"


def cipher_text(termination: Termination) -> str:
    """The cipher suites of connections, behind the certificate; empty for those of all hosts."""
    choice = termination.ciphers
    if choice is None:
        return ""
    suites = ", ".join(choice.suites) or "those of all hosts"
    return f"; suites of TLS 1.2: {suites}" + ("" if choice.server_prefers else ", as the client prefers")


_PROTOCOLS: Final = {
    "http1": "HTTP/1.1",
    "h2c": "HTTP/2",
    "https": "HTTP/2 or HTTP/1.1 over TLS, as the backend offers",
    "wss": "HTTP/1.1 over TLS",
    "grpcs": "HTTP/2 over TLS",
    "tcp": "TCP",
    "udp": "UDP",
}
