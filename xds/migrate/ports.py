"""The entries of ingress-nginx's ConfigMaps of TCP and UDP ports, as ingress-nginx reads them.

Source: https://github.com/kubernetes/ingress-nginx/blob/controller-v1.15.1/internal/ingress/controller/controller.go
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, NamedTuple

from xds.kube.objects import ConfigMap, Service
from xds.migrate.config_keys import problems_by_key
from xds.migrate.controller import Controller
from xds.migrate.verdict import Verdict
from xds.problems.field_path import MapKey
from xds.problems.problem import Key, Problem
from xds.traffic.layer4 import Transport
from xds.translate.layer4.claims import ClaimState, PortClaim
from xds.translate.layer4.entries import MAX_PORT

_OWN_PORTS: Final[Mapping[str, int]] = {
    "http-port": 80,
    "https-port": 443,
    "ssl-passthrough-proxy-port": 442,
    "healthz-port": 10254,
    "default-server-port": 8181,
    "profiler-port": 10245,
    "status-port": 10246,
    "stream-port": 10247,
}
"""Flags of ingress-nginx's own ports, with the defaults. ingress-nginx leaves out entries for these ports."""

_NUMBER: Final = re.compile("[-+]?[0-9]+")


class Today(StrEnum):
    """The result of an entry in ingress-nginx."""

    SERVED = "served"
    LEFT_OUT = "left out"
    BLOCKS = "blocks"
    """nginx rejects its whole configuration."""


@dataclass(frozen=True, slots=True)
class PortEntry:
    """An entry.

    Attributes:
        key: The port, as written.
        value: The Service and its port, as written.
        today: The result in ingress-nginx.
        why: Why ingress-nginx doesn't serve the entry; empty for a served entry.
        claim: The result here.
        reads_real_ip: Whether ingress-nginx takes the client's address from the PROXY protocol header.
    """

    transport: Transport
    key: str
    value: str
    today: Today
    why: str
    claim: PortClaim | None
    reads_real_ip: bool = False

    @property
    def is_served(self) -> bool:
        """Whether the entry is served here."""
        return self.claim is not None and self.claim.state is ClaimState.SERVED


@dataclass(frozen=True, slots=True)
class EntryVerdict:
    """The verdict on an entry. The other attributes are those of AnnotationVerdict."""

    entry: PortEntry
    verdict: Verdict
    text: str = ""
    remedy: str = ""


def entries(
    transport: Transport,
    config_map: ConfigMap,
    claims: Iterable[PortClaim],
    controller: Controller,
    service: Callable[[Key], Service | None],
    *,
    reads_real_ip: bool,
) -> Iterator[PortEntry]:
    """The entries of a ConfigMap, by port.

    Args:
        transport: Of the ConfigMap.
        config_map: The ConfigMap.
        claims: Of the ConfigMap, by the translation.
        controller: Of ingress-nginx.
        service: Returns a Service of the input, or its stand-in.
        reads_real_ip: Whether ingress-nginx takes the client's address from the PROXY protocol header.
    """
    of_protocol = (claim for claim in claims if claim.port is None or claim.port.transport is transport)
    by_key = {claim.field.parts[-1]: claim for claim in of_protocol}
    for key, value in sorted((config_map.data or {}).items(), key=lambda item: (_number(item[0]) or 0, item[0])):
        today, why = _today(transport, key, value, controller, service)
        yield PortEntry(transport, key, value, today, why, by_key.get(MapKey(key)), reads_real_ip)


def entry_verdicts(found: Iterable[PortEntry], problems: Iterable[Problem]) -> Iterator[EntryVerdict]:
    """The verdict on each entry of a ConfigMap.

    Args:
        found: The entries.
        problems: Of the ConfigMap, by the translation.
    """
    of_key = problems_by_key(problems)
    for entry in found:
        known = of_key.get(entry.key, [])
        text = "; ".join(dict.fromkeys(each.message for each in known))
        remedy = " ".join(dict.fromkeys(each.remedy for each in known if each.remedy))
        yield _verdict(entry, text, remedy)


def _verdict(entry: PortEntry, text: str, remedy: str) -> EntryVerdict:
    if entry.today is Today.SERVED and entry.is_served:
        if difference := _header_difference(entry):
            return EntryVerdict(entry, Verdict.APPROXIMATE, difference, remedy)
        return EntryVerdict(entry, Verdict.EXACT, text, remedy)
    if entry.today is Today.SERVED:
        return EntryVerdict(entry, Verdict.REFUSED, text, remedy)
    if entry.is_served:
        return EntryVerdict(entry, Verdict.APPROXIMATE, f"ingress-nginx doesn't serve the entry: {entry.why}", remedy)
    return EntryVerdict(entry, Verdict.EXACT, f"served neither there nor here: {text or entry.why}", remedy)


def _header_difference(entry: PortEntry) -> str:
    """How the flags differ: ingress-nginx has no PROXY_V2, and trims no spaces. Empty: not at all."""
    flags = [flag.upper() for flag in entry.value.split(":")[2:]] if entry.transport is Transport.TCP else []
    reads, sends = flags[:1] == ["PROXY"], flags[1:] == ["PROXY"]
    claim = entry.claim
    here = (claim.decodes_proxy, claim.proxy_header is not None) if claim else (reads, sends)
    if here == (reads, sends):
        return ""
    return f"ingress-nginx {_HEADERS[reads, sends]}; the port here {_HEADERS[here]}"


_HEADERS: Final = {
    (False, False): "reads and sends no PROXY protocol header",
    (False, True): "sends a PROXY protocol header, and reads none",
    (True, False): "reads a PROXY protocol header, and sends none",
    (True, True): "reads and sends a PROXY protocol header",
}
"""By whether a port reads headers, and sends them."""


def port_config_maps(controller: Controller) -> dict[Transport, Key]:
    """The ConfigMaps of ports that the controller's flags name."""
    named = ((transport, controller.key_of(f"{transport}-services-configmap")) for transport in Transport)
    return {transport: key for transport, key in named if key}


class NamedPort(NamedTuple):
    """A port of a Service as an entry names the port: by number or name."""

    service: Key
    transport: Transport
    port: str


def named_services(transport: Transport, config_map: ConfigMap) -> Iterator[NamedPort]:
    """The port of a Service that each entry names."""
    for value in (config_map.data or {}).values():
        reference, _, rest = value.strip().partition(":")
        namespace, _, name = reference.partition("/")
        port = rest.partition(":")[0].strip()
        if namespace and name and "/" not in name and port:
            yield NamedPort(Key(namespace, name), transport, port)


def _today(
    transport: Transport, key: str, value: str, controller: Controller, service: Callable[[Key], Service | None]
) -> tuple[Today, str]:
    number = _number(key)
    if number is None:
        return Today.LEFT_OUT, "the key is not a number"
    if number in {_number(controller.flags.get(flag, "")) or own for flag, own in _OWN_PORTS.items()}:
        return Today.LEFT_OUT, f"port {number} is one of ingress-nginx's own"
    if why := _why_unusable(transport, value, service):
        return Today.LEFT_OUT, why
    if not 0 < number <= MAX_PORT:
        return Today.BLOCKS, f"nginx can't listen on port {number}"
    return Today.SERVED, ""


def _why_unusable(transport: Transport, value: str, service: Callable[[Key], Service | None]) -> str:
    """Why ingress-nginx finds no port of a Service; empty if there is one."""
    reference, colon, rest = value.partition(":")
    namespace, _, name = reference.partition("/")
    if not colon or not namespace or not name or "/" in name:
        return "the value is not NAMESPACE/SERVICE:PORT"
    found = service(Key(namespace, name))
    if found is None:
        return f"Service {namespace}/{name} doesn't exist"
    port = rest.partition(":")[0]
    number = _number(port)
    has_port = any(
        each.protocol == transport.upper() and (each.name == port if number is None else each.port == number)
        for each in found.spec.ports or ()
    )
    return "" if has_port else f"Service {namespace}/{name} has no {transport.upper()} port {port}"


def _number(text: str) -> int | None:
    return int(text) if _NUMBER.fullmatch(text) else None
