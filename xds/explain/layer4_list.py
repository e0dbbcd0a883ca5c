"""The list of all ports that ConfigMaps and Services ask for, read from the live state and judged in any thread."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from xds.explain.facts import StateReader
from xds.explain.layer4_object_facts import ClaimFacts, claim_facts
from xds.problems.problem import ObjectRef
from xds.steps import Steps
from xds.traffic.layer4 import PortKey
from xds.translate.layer4.claims import ClaimState

_ORDER: Final = {ClaimState.SERVED: 0, ClaimState.INVALID: 1, ClaimState.LOST: 2}


@dataclass(frozen=True, slots=True)
class ListedPort:
    """A port that somebody asks for.

    Attributes:
        port: None: the entry names no port.
        facts: Of the entry that has the port; without such an entry, of the first entry that asks for the port.
        losers: The sources of the other entries for the port.
    """

    port: PortKey | None
    facts: ClaimFacts
    losers: tuple[ObjectRef, ...]


def read_claims(reader: StateReader, into: list[ClaimFacts]) -> Steps[None]:
    """Read all entries in steps, on the loop that changes the state."""
    for source in reader.traffic.layer4.sources:
        yield from claim_facts(reader, reader.traffic.layer4.claims_of(source), into)


def listed_ports(claims: list[ClaimFacts]) -> Iterator[ListedPort]:
    """The ports by protocol and number, then the entries without a port."""
    by_port: dict[PortKey, list[ClaimFacts]] = {}
    for each in claims:
        if each.claim.port:
            by_port.setdefault(each.claim.port, []).append(each)
    for port in sorted(by_port):
        first, *others = sorted(by_port[port], key=lambda each: _ORDER[each.claim.state])
        sources = dict.fromkeys(each.claim.source for each in others)
        yield ListedPort(port, first, tuple(sources))
    for each in claims:
        if each.claim.port is None:
            yield ListedPort(None, each, ())
