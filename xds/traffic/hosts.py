"""Hosts as keys: names, wildcards, and the place of routes without a host."""

from collections.abc import Iterator
from typing import Final

NO_HOST: Final = ""
"""The key of the routes for every host that no route names."""


def is_wildcard(host: str) -> bool:
    return host.startswith("*.")


def is_beginning(host: str) -> bool:
    """Whether a host is the beginning of names (`example.*`), which only an alias is."""
    return host.endswith(".*")


def wildcards_of(host: str) -> Iterator[str]:
    """The wildcards that cover a host if they stand for any number of labels; the longest first.

    A wildcard covers itself. As in Envoy, none stands for no character at all.
    """
    start = host.find(".", 1)
    while start >= 0:
        yield f"*{host[start:]}"
        start = host.find(".", start + 1)


def beginnings_of(host: str) -> Iterator[str]:
    """The aliases (`example.*`) that a host begins like; the longest first."""
    end = host.rfind(".", 0, -1)
    while end >= 0:
        yield f"{host[:end]}.*"
        end = host.rfind(".", 0, end)


def wildcard_of(host: str) -> str:
    """The wildcard that covers a name: the first label replaced, as a wildcard stands for exactly one label.

    Empty if the name begins with a dot, because a wildcard doesn't stand for an empty label.
    """
    label, _, rest = host.partition(".")
    return f"*.{rest}" if label else ""


def covers(pattern: str, host: str) -> bool:
    """Whether a pattern covers a host: both are equal, or the pattern is the host's wildcard."""
    return pattern == host or (is_wildcard(pattern) and not is_wildcard(host) and pattern == wildcard_of(host))
