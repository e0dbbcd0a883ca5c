"""LDS: the ports of layer 4, a Listener each."""

from xds.envoyapi.messages import Listener
from xds.resources.options import ProxyOptions
from xds.traffic.layer4 import PortListener


def port_listener(port: PortListener, options: ProxyOptions) -> Listener:
    """The Listener of a port, whose name holds the port: Envoy drains a listener whose address changes."""
    raise NotImplementedError(f"{port.key} of {options.listener_address}")
