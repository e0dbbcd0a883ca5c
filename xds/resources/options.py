"""What the operator chose of the proxies' listeners."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ProxyOptions:
    """`trusted_hops`: how many proxies in front append to x-forwarded-for; 0: the peer is the client.

    `proxy_protocol`: every connection begins with a PROXY protocol header, version 1 or 2.

    `vhds`: proxies that can are sent virtual hosts by themselves, and not inside of RouteConfigurations.
    """

    listener_address: str = "0.0.0.0"  # noqa: S104 - an ingress proxy is there to be reached
    http_port: int = 8080
    https_port: int = 8443
    redirect_https: bool = False
    trusted_hops: int = 0
    proxy_protocol: bool = False
    vhds: bool = True
