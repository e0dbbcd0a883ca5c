"""Hosts outside of the cluster that a proxy may connect to: names, and literal addresses."""

import re
from ipaddress import IPv6Address, ip_address
from typing import Final

from xds.problems.reasons import Reason
from xds.problems.text import shown
from xds.traffic.hosts import is_wildcard
from xds.translate.names import InvalidError, valid_host

_INTERNAL_NAMES: Final = (
    "localhost",
    "localdomain",
    "ip6-localhost",
    "ip6-loopback",
    "metadata",
    "metadata.google.internal",
)
"""Names that must not be reachable through a proxy, including their subdomains. Source:
https://github.com/projectcontour/contour/security/advisories/GHSA-5ph6-qq5x-7jwc
"""

_NUMERIC: Final = re.compile(r"(.*\.)?([0-9]+|0x[0-9a-f]*)")
"""Names that a resolver may read as IPv4 addresses: 127.1 or 0x7f000001. Source:
https://url.spec.whatwg.org/#ends-in-a-number-checker
"""

_POD: Final = re.compile(r"[^.]+\.[^.]+\.pod(\..*)?")
"""Names of pods, which the DNS of a cluster may make up from any address: 127-0-0-1.default.pod. Source:
https://coredns.io/plugins/kubernetes/ (`pods insecure`, as kubeadm writes)
"""


def outside_name(name: str) -> str:
    """The DNS name in lower case.

    A name that resolves to an address of the proxy itself can't be known here.

    Raises:
        InvalidError: no DNS name, or one of the proxy's own machine or network.
    """
    lowered = valid_host(name.removesuffix("."))
    refused = is_wildcard(lowered) or _is_internal(lowered) or _NUMERIC.fullmatch(lowered) or _POD.fullmatch(lowered)
    if refused:
        raise InvalidError(Reason.EXTERNAL_NAME_REFUSED, f"{shown(name)} is not the name of an outside host")
    return lowered


def outside_address(text: str) -> str | None:
    """The literal address; None for a text that isn't one.

    Raises:
        InvalidError: an address of the proxy's own machine or link, where clouds keep credentials, or of a group.
    """
    try:
        address = ip_address(text)
    except ValueError:
        return None
    if isinstance(address, IPv6Address):
        address = address.ipv4_mapped or address
    if address.is_loopback or address.is_link_local or address.is_unspecified or address.is_multicast:
        raise InvalidError(Reason.EXTERNAL_NAME_REFUSED, f"{shown(text)} is not the address of an outside host")
    return str(address)


def _is_internal(name: str) -> bool:
    return any(name == internal or name.endswith(f".{internal}") for internal in _INTERNAL_NAMES)
