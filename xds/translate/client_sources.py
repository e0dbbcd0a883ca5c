"""Clients that several lists of networks let in."""

import ipaddress
from collections.abc import Iterable, Iterator

from xds.traffic.tls import Sources


def intersection(one: Sources, other: Sources) -> Sources:
    """The clients that are in both `Sources`."""
    if one.allowed is None or other.allowed is None:
        allowed = one.allowed if other.allowed is None else other.allowed
    else:
        allowed = tuple(sorted({*_within(one.allowed, other.allowed), *_within(other.allowed, one.allowed)}))
    return Sources(allowed, tuple(sorted({*one.denied, *other.denied})))


def _within(networks: Iterable[str], others: Iterable[str]) -> Iterator[str]:
    """The networks that are part of a network of `others`."""
    covering = {ipaddress.ip_network(each) for each in others}
    for network in networks:
        found = ipaddress.ip_network(network)
        if any(found.supernet(new_prefix=bits) in covering for bits in range(found.prefixlen + 1)):
            yield network
