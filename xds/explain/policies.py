"""The policy of a route in words."""

from collections.abc import Iterator

from xds.traffic.policy import Policy


def policy_texts(policy: Policy) -> Iterator[tuple[str, str]]:
    """The parts of a policy that decide on the answer, each as subject and text."""
    if limits := policy.rate_limits:
        rates = " and ".join(map(str, limits.rates))
        unlimited = f"; no limit for {', '.join(limits.unlimited)}" if limits.unlimited else ""
        yield "rate limit", f"of a client {rates}, over all routes of Ingress {limits.zone}{unlimited}"
