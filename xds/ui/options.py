"""Settings of the page."""

from dataclasses import dataclass

from xds.address import HostPort


@dataclass(frozen=True, slots=True)
class UiOptions:
    """Settings of the page.

    Attributes:
        address: The address to listen on. Port 0 lets the system choose.
        hosts: Names that the Host header may have, beside those of this machine.
        required: Whether an address that can't be bound stops the server. The default address need not be free.
    """

    address: HostPort
    hosts: tuple[str, ...] = ()
    required: bool = True
