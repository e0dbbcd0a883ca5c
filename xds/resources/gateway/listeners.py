"""LDS: the bound listeners."""

from dataclasses import replace

from xds.envoyapi.messages import Listener
from xds.resources import names
from xds.resources.addresses import socket_address
from xds.resources.listeners import plain_listener
from xds.resources.options import ProxyOptions
from xds.traffic.bound import BoundListener


def bound_options(options: ProxyOptions, listener: BoundListener) -> ProxyOptions:
    """The operator's settings as they hold for a bound listener.

    Redirects to HTTPS, and the path of load balancers' health checks, are for Ingress alone.
    """
    port, public = listener.key.port, listener.public_port
    if listener.reads_sni:
        options = replace(options, https_port=port, public_https_port=public)
    else:
        options = replace(options, http_port=port, public_http_port=public)
    return replace(options, redirect_https=False, policy=replace(options.policy, answers_health=False))


def bound_listener(listener: BoundListener, options: ProxyOptions) -> Listener | None:
    """The Listener; None if all connections are closed, because Envoy rejects a listener without filter chains.

    Args:
        listener: The listener.
        options: Those of `bound_options`.
    """
    address = socket_address(listener.key.address, listener.key.port)
    table = listener.chains[0].table
    if table is None or listener.reads_sni:
        return None
    return plain_listener(options, str(listener.key), address, names.table_routes(table))
