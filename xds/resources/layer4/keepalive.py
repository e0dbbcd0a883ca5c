"""Probes of silent TCP connections."""

from functools import cache
from typing import Final

from xds.envoyapi.messages import TcpKeepalive

KEEPALIVE_SECONDS: Final = 300
KEEPALIVE_INTERVAL_SECONDS: Final = 30
KEEPALIVE_PROBES: Final = 5
"""A silent connection to a dead node ends after 300 + 5 * 30 seconds. A node that dies sends no FIN, so without probes
neither side would notice.
"""


@cache
def tcp_keepalive() -> TcpKeepalive:
    """The keepalive for both sides of a proxy. Linux has none unless a program asks, and then waits two hours."""
    return TcpKeepalive(
        keepalive_probes=KEEPALIVE_PROBES,
        keepalive_time=KEEPALIVE_SECONDS,
        keepalive_interval=KEEPALIVE_INTERVAL_SECONDS,
    )
