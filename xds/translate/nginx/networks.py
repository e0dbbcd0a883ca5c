"""Lists of networks, by the address of a client."""

import ipaddress
import re
from functools import lru_cache
from typing import Final

from xds.translate.nginx.annotation import InvalidValueError

_NETWORK: Final = re.compile(r"[0-9A-Fa-f:.]+(?:/[0-9]{1,3})?")
"""Python takes netmasks and zones of addresses too."""

_V4_MAPPED_BITS: Final = 96
"""In front of the bits of IPv4: https://www.rfc-editor.org/rfc/rfc4291#section-2.5.5.2"""

MAX_CHARACTERS: Final = 2**20
"""Of a ConfigMap: https://kubernetes.io/docs/concepts/configuration/configmap/#motivation"""

MAX_NETWORKS: Final = 10_000
"""Of a list without duplicates. Each route of the Ingress holds all networks, 25 bytes or more for each."""


def networks(value: str) -> tuple[str, ...]:
    """The networks of a list with commas, sorted, without those that others cover. Host bits are dropped.

    Raises:
        InvalidValueError: an element is neither an address nor a network, or there are too many.
    """
    found = _networks(value)
    if isinstance(found, str):
        raise InvalidValueError(found)
    return found


@lru_cache(maxsize=64)
def _networks(value: str) -> tuple[str, ...] | str:
    """The networks, or why the list is none: a bad list is read as often as a good one."""
    if len(value) > MAX_CHARACTERS:
        return f"it has more than {MAX_CHARACTERS} characters"
    try:
        found = [network(text) for text in dict.fromkeys(map(str.strip, value.split(",")))]
    except InvalidValueError as error:
        return str(error)
    v4 = ipaddress.collapse_addresses(each for each in found if isinstance(each, ipaddress.IPv4Network))
    v6 = ipaddress.collapse_addresses(each for each in found if isinstance(each, ipaddress.IPv6Network))
    collapsed = (*map(str, v4), *map(str, v6))
    return collapsed if len(collapsed) <= MAX_NETWORKS else f"it has more than {MAX_NETWORKS} networks"


def network(text: str) -> ipaddress.IPv4Network | ipaddress.IPv6Network:
    """A network in CIDR notation, or of one address. Host bits are dropped.

    Raises:
        InvalidValueError: the text is neither.
    """
    if not _NETWORK.fullmatch(text):
        raise InvalidValueError(f"{text[:60]!r} is none")
    try:
        found = ipaddress.ip_network(text, strict=False)
    except ValueError:
        raise InvalidValueError(f"{text[:60]!r} is none") from None
    # Proxies see clients of IPv4 by addresses of IPv4, whatever the socket is.
    mapped = getattr(found.network_address, "ipv4_mapped", None)
    if mapped is None or found.prefixlen < _V4_MAPPED_BITS:
        return found
    return ipaddress.IPv4Network((mapped, found.prefixlen - _V4_MAPPED_BITS))
