"""Surprises of TCP and UDP ports."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

from xds.migrate.ports import PortEntry, Today
from xds.traffic.upstream import ProxyHeader


@dataclass(frozen=True, slots=True)
class PortRule:
    """A surprise of a port, as `Rule` is one of an Ingress.

    Attributes:
        id: Scripts depend on it.
        meaning: A sentence for somebody who meets the surprise for the first time.
        find: Returns the particulars of an entry; empty for an entry without the surprise.
    """

    id: str
    meaning: str
    find: Callable[[PortEntry], str]


def _blocks(entry: PortEntry) -> str:
    if entry.today is not Today.BLOCKS:
        return ""
    return f"{entry.why}: it refuses its whole configuration, and no change of any Ingress has counted since"


def _opens(entry: PortEntry) -> str:
    opens = entry.is_served and entry.today is Today.LEFT_OUT
    return f"closed today ({entry.why}); the port opens with the switch" if opens else ""


def _names_client(entry: PortEntry) -> str:
    claim = entry.claim
    if claim is None or not claim.decodes_proxy or claim.proxy_header is not ProxyHeader.V1 or entry.reads_real_ip:
        return ""
    return "the header to the Service names the load balancer today, and the client after the switch"


PORT_RULES: Final = {
    rule.id: rule
    for rule in (
        PortRule(
            "port-blocks-nginx",
            "A port that nothing can listen on stops every later change of the cluster; all of them come with the "
            "switch.",
            _blocks,
        ),
        PortRule(
            "port-opens",
            "ingress-nginx leaves the entry out, and says so in its log only; the port opens with the switch.",
            _opens,
        ),
        PortRule(
            "proxy-header-names-balancer",
            "Of an entry that reads and sends PROXY protocol, the sent header names the load balancer in front.",
            _names_client,
        ),
    )
}
"""By id."""


def port_surprises(entry: PortEntry) -> Iterator[tuple[PortRule, str]]:
    """The surprises of an entry, each with its particulars."""
    return ((rule, text) for rule in PORT_RULES.values() if (text := rule.find(entry)))
