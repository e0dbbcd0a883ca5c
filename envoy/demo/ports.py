"""Addresses and ports that nothing else uses."""

import random
import socket
from collections.abc import Iterator
from contextlib import ExitStack

RANGE = range(10_000, 32_768)
"""Below what systems take for outgoing connections, so that none of those sits on a port between here and its use.

Source: https://docs.kernel.org/networking/ip-sysctl.html, ip_local_port_range
"""

LOOPBACK = "127.0.0.1"


class NoPortError(Exception):
    """The message is one line and says what to do."""


def free_ports(count: int) -> list[int]:
    """Ports of 127.0.0.1. They are free now; nothing keeps others from taking them."""
    with ExitStack() as held:
        ports: list[int] = []
        for port in _candidates():
            if len(ports) == count:
                return ports
            if sockets := _bind([LOOPBACK], port):
                held.enter_context(sockets[0])
                ports.append(port)
    raise NoPortError(
        f"127.0.0.1 has no {count} free ports from {RANGE.start} to {RANGE.stop - 1}; stop what uses them"
    )


def bind_same_port(addresses: list[str]) -> list[socket.socket]:
    """A socket for each address, all with the same port, as pods of one Service have it."""
    for port in _candidates():
        if sockets := _bind(addresses, port):
            return sockets
    raise NoPortError(f"no port is free on all of {', '.join(addresses)}; are these loopback addresses here?")


def _candidates() -> Iterator[int]:
    return iter(random.sample(RANGE, len(RANGE)))


def _bind(addresses: list[str], port: int) -> list[socket.socket]:
    """Empty if one of the addresses can't be had."""
    sockets: list[socket.socket] = []
    try:
        for address in addresses:
            sockets.append(socket.socket())
            sockets[-1].bind((address, port))
    except OSError:
        for each in sockets:
            each.close()
        return []
    return sockets
