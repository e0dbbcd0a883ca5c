"""Bound listeners: an address and a port of their own, beside the two listeners of Ingress and the ports of layer 4.

The listeners `http` and `https` hold the hosts of all Ingresses. A bound listener has route tables of its own, so that
one host may have different routes at two addresses.
"""

from dataclasses import dataclass, field
from ipaddress import ip_address
from typing import NamedTuple

from xds.problems.problem import Key
from xds.traffic.backend_tls import CredentialKey
from xds.traffic.layer4 import Layer4Route, Transport
from xds.traffic.routes import Origin


class ListenerKey(NamedTuple):
    """A socket that proxies bind.

    Attributes:
        address: An IP address in canonical form.
    """

    address: str
    port: int
    transport: Transport = Transport.TCP

    def __str__(self) -> str:
        """The name of the listener, such as `tcp/192.0.2.1:80` or `udp/[2001:db8::1]:53`."""
        return f"{self.transport}/{self.socket}"

    @property
    def socket(self) -> str:
        address = f"[{self.address}]" if ":" in self.address else self.address
        return f"{address}:{self.port}"

    @classmethod
    def named(cls, name: str) -> "ListenerKey | None":
        """The socket of a listener by its name; None for other listeners."""
        transport, _, rest = name.partition("/")
        address, _, port = rest.rpartition(":")
        try:
            canonical = str(ip_address(address.removeprefix("[").removesuffix("]")))
        except ValueError:
            return None
        if transport not in tuple(Transport) or not port.isdecimal():
            return None
        return cls(canonical, int(port), Transport(transport))


class TableKey(NamedTuple):
    """A route table of a bound listener.

    Attributes:
        hostname: Of a listener with TLS: the names for which its connections are made, a wildcard for any number of
            labels; empty for all names, and for the one table of plain connections.
        tls: Whether connections come by TLS.
    """

    listener: ListenerKey
    hostname: str = ""
    tls: bool = False

    def __str__(self) -> str:
        return f"{self.listener.socket}/{self.hostname or '*'}" if self.tls else self.listener.socket


@dataclass(frozen=True, slots=True)
class ClientCheck:
    """The certificates that clients are asked for.

    Attributes:
        authorities: Sign the certificates.
        required: Whether connections without a certificate, or with one that no authority signed, are closed. False:
            both are let in.
    """

    authorities: CredentialKey
    required: bool = True


@dataclass(frozen=True, slots=True)
class ChainTls:
    """TLS termination.

    Attributes:
        secrets: The Secrets of the certificates; a client gets a certificate whose kind of key the client can verify.
        clients: The certificates that clients are asked for; None: they are asked for none.
    """

    secrets: tuple[Key, ...]
    clients: ClientCheck | None = None


@dataclass(frozen=True, slots=True)
class Chain:
    """The connections of a bound listener for some server names, and their treatment.

    Attributes:
        server_names: Names, and wildcards for any number of labels. Empty: all names that no other chain has, and
            all connections of a listener without TLS.
        tls: None: TLS isn't terminated here.
        table: Of requests by HTTP; None: bytes are passed on.
        route: Of connections that are passed on; None: requests are routed, or connections are closed.
    """

    server_names: tuple[str, ...] = ()
    tls: ChainTls | None = None
    table: TableKey | None = None
    route: Layer4Route | None = None


@dataclass(frozen=True, slots=True)
class BoundListener:
    """A socket with its chains. Equal listeners are equal values.

    Attributes:
        chains: A plain listener has exactly one, without TLS. A listener of UDP has exactly one, with a route.
        origin: The oldest object that asks for the listener. For explanations and blame only: not compared.
        public_port: The port as clients see it.
        reads_sni: Whether connections begin with TLS, whose server name chooses the chain.
    """

    key: ListenerKey
    chains: tuple[Chain, ...]
    origin: Origin = field(compare=False)
    public_port: int
    reads_sni: bool = False

    @property
    def server_names(self) -> dict[str, Chain]:
        """The chain of each server name, and of the empty name: of all names that no chain has."""
        return {name: chain for chain in self.chains for name in chain.server_names or ("",)}
