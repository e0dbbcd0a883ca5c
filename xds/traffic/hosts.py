"""Hosts as keys: names, wildcards, and the place of routes without a host."""

from typing import Final

NO_HOST: Final = ""
"""The key of the routes for every host that no route names."""


def is_wildcard(host: str) -> bool:
    return host.startswith("*.")


def wildcard_of(host: str) -> str:
    """The wildcard that covers a name: the first label replaced, as a wildcard stands for exactly one label.

    Empty if the name begins with a dot, because a wildcard doesn't stand for an empty label.
    """
    label, _, rest = host.partition(".")
    return f"*.{rest}" if label else ""


def covers(pattern: str, host: str) -> bool:
    """Whether a pattern covers a host: both are equal, or the pattern is the host's wildcard."""
    return pattern == host or (is_wildcard(pattern) and not is_wildcard(host) and pattern == wildcard_of(host))
