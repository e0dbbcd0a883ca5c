"""The grammar of entries: those of ingress-nginx's ConfigMaps, and the items of the annotation `expose`."""

import re
from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from xds.problems.problem import Key
from xds.problems.reasons import Reason
from xds.problems.text import shown
from xds.traffic.layer4 import PortKey, Transport
from xds.traffic.upstream import ProxyHeader
from xds.translate.layer4.claims import Entry, Fault
from xds.translate.names import is_label

ENTRY_FORM: Final = "NAMESPACE/SERVICE:PORT[:PROXY][:PROXY]"
ITEM_FORM: Final = "PORT=tcp|udp:SERVICEPORT[:PROXY][:PROXY]"

_NUMBER: Final = re.compile(r"0*([1-9][0-9]{0,4})", re.ASCII)
_PORT_NAME: Final = re.compile(r"(?=.*[a-z])[a-z0-9]([-a-z0-9]{0,13}[a-z0-9])?")
"""Source: https://kubernetes.io/docs/reference/kubernetes-api/service-resources/service-v1/ (IANA_SVC_NAME)"""

_MAX_FLAGS: Final = 2
_MAX_PARTS: Final = 8
"""More than any entry has. The rest of a text is one part."""
MAX_PORT: Final = 65535


def config_map_entry(transport: Transport, key: str, value: str) -> Entry:
    """The entry of a key and its value in the ConfigMap of a protocol."""
    number = port_number(key)
    if number is None:
        return _invalid(
            Entry(), f"key {shown(key)} is not a port from 1 to {MAX_PORT}, so the entry is left out", "a number"
        )
    entry = Entry(PortKey(transport, number))
    name, *texts = (text.strip() for text in value.split(":", _MAX_PARTS))
    namespace, slash, service = name.partition("/")
    if not (slash and is_label(namespace) and is_label(service) and texts):
        written = f"the entry is {shown(value)}, which is not {ENTRY_FORM}"
        return _invalid(entry, f"{written}, so port {entry.port} is closed", ENTRY_FORM)
    return _with_service(entry, Key(namespace, service), texts, ENTRY_FORM, value)


def annotation_item(service: Key, item: str) -> Entry:
    """The entry of an item in the annotation of a Service."""
    written, equals, rest = item.partition("=")
    protocol, *texts = (text.strip() for text in rest.split(":", _MAX_PARTS))
    number, transport = port_number(written), protocol.lower()
    if not equals or number is None or transport not in tuple(Transport) or not texts:
        return _invalid(Entry(), f"item {shown(item)} is not {ITEM_FORM}, so the item is left out", ITEM_FORM)
    return _with_service(Entry(PortKey(Transport(transport), number)), service, texts, ITEM_FORM, item)


def port_number(text: str) -> int | None:
    """The number of a port, with or without leading zeros; None for any other text."""
    matched = _NUMBER.fullmatch(text.strip())
    return int(matched[1]) if matched and int(matched[1]) <= MAX_PORT else None


def _with_service(entry: Entry, service: Key, texts: Sequence[str], form: str, written: str) -> Entry:
    port, *flags = texts
    if port_number(port) is None and not _PORT_NAME.fullmatch(port):
        why = f"{shown(port)} in {shown(written)} is neither the number nor the name of a Service's port"
        return _invalid(entry, f"{why}, so port {entry.port} is closed", form)
    if len(flags) > _MAX_FLAGS:
        return _invalid(entry, f"{shown(written)} has more than two flags, so port {entry.port} is closed", form)
    entry = replace(entry, service=service, service_port=port)
    return _with_flags(entry, flags) if flags else entry


def _with_flags(entry: Entry, flags: Sequence[str]) -> Entry:
    decoding, encoding = flags[0].upper(), flags[1].upper() if len(flags) > 1 else ""
    faults = []
    if decoding not in ("", "PROXY") or (not decoding and len(flags) == 1):
        faults.append(_unknown_flag(entry, flags[0], "PROXY, which decodes both versions", "decodes"))
    if encoding not in ("", "PROXY", "PROXY_V2") or (not encoding and len(flags) > 1):
        faults.append(_unknown_flag(entry, flags[1], "PROXY or PROXY_V2", "sends"))
    header = {"PROXY": ProxyHeader.V1, "PROXY_V2": ProxyHeader.V2}.get(encoding)
    decodes = decoding == "PROXY"
    if entry.port and entry.port.transport is Transport.UDP and (decodes or header):
        message = f"datagrams have no PROXY protocol header, so port {entry.port} is served without"
        faults.append(Fault(Reason.UNKNOWN_FLAG, message, "Remove PROXY from the entry."))
        decodes, header = False, None
    return replace(entry, decodes_proxy=decodes, proxy_header=header, faults=tuple(faults))


def _unknown_flag(entry: Entry, flag: str, instead: str, does: str) -> Fault:
    why = f"{shown(flag)} is no flag" if flag else "a flag is empty"
    message = f"{why}, so port {entry.port} {does} no PROXY protocol header"
    return Fault(Reason.UNKNOWN_FLAG, message, f"Write {instead}, or remove the flag with its colon.")


def _invalid(entry: Entry, message: str, form: str) -> Entry:
    return replace(entry, faults=(Fault(Reason.PORT_INVALID, message, f"Write {form}."),))
