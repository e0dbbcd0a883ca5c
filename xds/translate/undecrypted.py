"""Hosts whose TLS is passed through or closed, and the clients that may connect."""

import ipaddress
from collections.abc import Iterable, Iterator, Mapping, Set
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Final

from xds.kube.objects import Ingress
from xds.traffic.backends import BackendKey
from xds.traffic.layer4 import TCP_IDLE_TIMEOUT
from xds.traffic.tls import Sources

ALL_CLIENTS: Final = Sources()


@dataclass(frozen=True, slots=True)
class Undecrypted:
    """The treatment of the TLS connections of a host that an Ingress asks to be passed through.

    Attributes:
        ingress: The Ingress that decides.
        backend: None: the connections are closed.
        sources: The clients that may connect.
        idle_timeout: Time without a byte after which a connection ends, by the backend's Service.
    """

    ingress: Ingress
    backend: BackendKey | None = None
    sources: Sources = ALL_CLIENTS
    idle_timeout: timedelta = TCP_IDLE_TIMEOUT


@dataclass(frozen=True, slots=True)
class UndecryptedHosts:
    """The hosts that passthrough concerns.

    Attributes:
        hosts: Hosts that are passed through or closed, with their treatment.
        kept: Hosts that keep the default certificate although a wildcard in `hosts` covers them: an older Ingress has
            the host, or another namespace owns the host.
        without_entry: Hosts of `hosts` and `kept` that no TLS entry names.
    """

    hosts: Mapping[str, Undecrypted] = field(default_factory=dict)
    kept: Set[str] = frozenset()
    without_entry: Set[str] = frozenset()


NOTHING_UNDECRYPTED: Final = UndecryptedHosts()


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
