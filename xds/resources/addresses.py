"""Socket addresses, of listeners and of backends with a host name, and networks."""

from xds.address import HostPort, UnixPath
from xds.envoyapi.messages import Address, CidrRange, Pipe, SocketAddress, SocketAddressProtocol


def socket_address(address: str, port: int, *, is_udp: bool = False) -> Address:
    """The address of a port. The unspecified IPv6 address takes IPv4 connections too, as users of `::` expect."""
    protocol = SocketAddressProtocol.UDP if is_udp else SocketAddressProtocol.TCP
    return Address(
        socket_address=SocketAddress(address=address, port_value=port, protocol=protocol, ipv4_compat=address == "::")
    )


def process_address(address: HostPort | UnixPath) -> Address:
    """The address at which a process listens."""
    if isinstance(address, UnixPath):
        return Address(pipe=Pipe(path=address.path))
    return socket_address(address.host, address.port)


def cidr_range(network: str) -> CidrRange:
    """A network in CIDR notation, without host bits."""
    address, _, length = network.partition("/")
    return CidrRange(address_prefix=address, prefix_len=int(length))
