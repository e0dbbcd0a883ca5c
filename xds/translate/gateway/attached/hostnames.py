"""Hostnames of listeners and routes: names, and wildcards for any number of labels."""

from collections.abc import Iterable, Iterator

from xds.traffic.hosts import is_wildcard, wildcards_of
from xds.translate.names import is_subdomain

ANY = "*"
"""The domain of all names."""


def intersection(one: str, other: str) -> str | None:
    """The names that both hostnames cover, as a hostname; None: there are none.

    Args:
        one: `*` for all names.
        other: Likewise.
    """
    if other in {one, ANY}:
        return one
    if one == ANY:
        return other
    if covers(one, other):
        return other
    return one if covers(other, one) else None


def covers(wildcard: str, hostname: str) -> bool:
    """Whether a wildcard covers a name or a narrower wildcard."""
    return is_wildcard(wildcard) and hostname.endswith(wildcard[1:]) and len(hostname) > len(wildcard[1:])


def intersections(listener: str, route: Iterable[str]) -> tuple[str, ...]:
    """The domains of a route at a listener.

    Args:
        listener: The domain of the listener.
        route: The domains that the route names.
    """
    found = (intersection(listener, each) for each in route)
    return tuple(dict.fromkeys(each for each in found if each is not None))


def specificity(hostname: str) -> tuple[bool, int]:
    """A sort key, the most specific first: a name before wildcards, a longer wildcard before a shorter one."""
    return hostname == ANY or is_wildcard(hostname), -len(hostname)


def covering(domain: str) -> Iterator[str]:
    """The domains that cover a domain, the most specific first: the domain itself, wildcards, and `*`."""
    yield domain
    if domain != ANY:
        yield from (each for each in wildcards_of(domain) if each != domain)
        yield ANY


def is_hostname(text: str) -> bool:
    """Whether a text in lower case is a DNS name, or a wildcard. No hostname is an IP address."""
    name = text.removeprefix("*.")
    return is_subdomain(name) and not name.replace(".", "").isdecimal()
