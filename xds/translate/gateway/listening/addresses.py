"""The addresses of Gateways, out of the pool of `--gateway-address`.

The status of a Gateway is the record of its addresses: they stay the same after a restart, and on each replica.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from ipaddress import ip_address

from xds.kube.gateway_objects import Gateway
from xds.kube.state import seniority
from xds.problems.field_path import FieldPath
from xds.problems.problem import Key
from xds.problems.text import shown
from xds.translate.gateway.listening.service_record import ServiceRecord
from xds.translate.gateway.options import GatewayOptions
from xds.translate.gateway.translated import Refusal


@dataclass(frozen=True, slots=True)
class Assignment:
    """The addresses that a Gateway is assigned.

    Attributes:
        addresses: In canonical form.
        refused: Why the Gateway isn't accepted; None: its addresses are no reason.
        missing: Why the Gateway lacks an address; None: it has all.
        record: Of `--gateway-services`: the Service decides on addresses and sockets. None: `addresses` do.
    """

    addresses: tuple[str, ...] = ()
    refused: Refusal | None = None
    missing: Refusal | None = None
    record: ServiceRecord | None = None


class _Pool:
    """The addresses that Gateways have: some by name, together with others, and some alone."""

    def __init__(self, options: GatewayOptions) -> None:
        self._free = options.addresses
        self._nameable = {*options.addresses, *options.shared_addresses}
        self._named: set[str] = set()
        self._alone: set[str] = set()

    @property
    def size(self) -> int:
        """Number of addresses, free or not."""
        return len(self._free)

    def take_named(self, address: str) -> bool:
        """Take an address that a Gateway names, and return whether that is possible."""
        if address not in self._nameable or address in self._alone:
            return False
        self._named.add(address)
        return True

    def keep(self, addresses: Iterable[str], number: int) -> list[str]:
        """Take the recorded addresses of a Gateway that are free, up to a number."""
        found = [each for each in addresses if each in self._free and not self._is_taken(each)][:number]
        self._alone.update(found)
        return found

    def take_any(self) -> str | None:
        """Take an address for a Gateway alone; None: none is free."""
        found = next((each for each in self._free if not self._is_taken(each)), None)
        if found is not None:
            self._alone.add(found)
        return found

    def _is_taken(self, address: str) -> bool:
        return address in self._named or address in self._alone


def canonical(text: str) -> str:
    """An IP address in canonical form; empty for other text."""
    try:
        return str(ip_address(text))
    except ValueError:
        return ""


def recorded(gateway: Gateway) -> tuple[str, ...]:
    """The addresses that the status of a Gateway records."""
    addresses = gateway.status.addresses or ()
    return tuple(filter(None, (canonical(each.value) for each in addresses if each.type == "IPAddress")))


def assign_addresses(gateways: Iterable[Gateway], options: GatewayOptions) -> dict[Key, Assignment]:
    """The addresses of all Gateways of ours: recorded ones stay, and the oldest Gateway takes first."""
    ordered = sorted(gateways, key=seniority)
    pool = _Pool(options)
    for gateway in ordered:
        for each in {canonical(each.value) for each in gateway.spec.addresses or ()}.intersection(recorded(gateway)):
            pool.take_named(each)
    kept = {each.key: pool.keep(recorded(each), _unnamed(each)) for each in ordered}
    assignments: dict[Key, Assignment] = {}
    for group in ([each for each in ordered if recorded(each)], [each for each in ordered if not recorded(each)]):
        for gateway in group:  # named addresses first, so that no other Gateway takes one
            assignments[gateway.key] = _named(gateway, pool)
        for gateway in group:
            assignments[gateway.key] = _completed(gateway, assignments[gateway.key], kept[gateway.key], pool)
    return assignments


def _named(gateway: Gateway, pool: _Pool) -> Assignment:
    """The addresses that a Gateway names."""
    found: list[str] = []
    for index, each in enumerate(gateway.spec.addresses or ()):
        field = FieldPath.of("spec", "addresses", index)
        if each.type != "IPAddress":
            message = (
                f"address {shown(each.value)} has type {shown(each.type)}, so Gateway {gateway.key} isn't served. "
                "Name an address of type IPAddress."
            )
            return Assignment(refused=Refusal("UnsupportedAddress", message, field.child("type")))
        if not each.value:
            continue
        address = canonical(each.value)
        if not pool.take_named(address):
            message = (
                f"address {shown(each.value)} is none of --gateway-address, or another Gateway's alone, so Gateway "
                f"{gateway.key} isn't served. Name a free one, or remove spec.addresses."
            )
            return Assignment(missing=Refusal("AddressNotUsable", message, field.child("value")))
        found.append(address)
    return Assignment(tuple(dict.fromkeys(found)))


def _unnamed(gateway: Gateway) -> int:
    """Number of addresses that a Gateway wants without naming them: of entries without a value; without entries one."""
    entries = gateway.spec.addresses
    return sum(not each.value for each in entries) if entries else 1


def _completed(gateway: Gateway, assignment: Assignment, kept: Sequence[str], pool: _Pool) -> Assignment:
    """The assignment with all addresses that the Gateway wants without naming them.

    Args:
        gateway: The Gateway.
        assignment: With the addresses that the Gateway names.
        kept: Recorded addresses of the Gateway, taken already.
        pool: Of the addresses that are left.
    """
    if assignment.refused or assignment.missing:
        return assignment
    found = [*assignment.addresses, *kept]
    for _ in range(_unnamed(gateway) - len(kept)):
        address = pool.take_any()
        if address is None:
            why, remedy = ("no address of --gateway-address is free", "Add an address, or delete another Gateway.")
            if not pool.size:
                why, remedy = ("the server has no --gateway-address", "Give one, or --gateway-services.")
            message = f"{why}, so Gateway {gateway.key} isn't served. {remedy}"
            return Assignment(missing=Refusal("AddressNotAssigned", message, FieldPath.of("spec", "addresses")))
        found.append(address)
    return Assignment(tuple(found))
