"""The grammar of entries: those of ingress-nginx's ConfigMaps, and items of the annotation `expose`.

Covers: every form that ingress-nginx takes and refuses, flags, spaces, zeros. Excludes: whether the Service exists
(test_ports.py), any text at all (tests/properties/test_layer4.py).
"""

import pytest

from xds.problems.problem import Key
from xds.problems.reasons import Reason
from xds.traffic.layer4 import PortKey, Transport
from xds.traffic.upstream import ProxyHeader
from xds.translate.layer4.claims import Entry
from xds.translate.layer4.entries import annotation_item, config_map_entry

WEB = Key("ns", "web")
SERVICE = Key("team", "db")


def tcp(value: str, key: str = "9000") -> Entry:
    return config_map_entry(Transport.TCP, key, value)


def reasons(entry: Entry) -> list[Reason]:
    return [fault.reason for fault in entry.faults]


@pytest.mark.parametrize(
    ("value", "port", "decodes", "header"),
    [
        ("ns/web:80", "80", False, None),
        ("ns/web:http", "http", False, None),
        (" ns/web:80 ", "80", False, None),
        ("ns/web : 80 : PROXY", "80", True, None),
        ("ns/web:80:PROXY", "80", True, None),
        ("ns/web:80:proxy", "80", True, None),
        ("ns/web:80::PROXY", "80", False, ProxyHeader.V1),
        ("ns/web:80::PROXY_V2", "80", False, ProxyHeader.V2),
        ("ns/web:80:PROXY:PROXY", "80", True, ProxyHeader.V1),
        ("ns/web:80:Proxy:proxy_v2", "80", True, ProxyHeader.V2),
    ],
)
def test_an_entry_names_service_port_and_flags(value: str, port: str, decodes: bool, header: ProxyHeader) -> None:
    assert tcp(value) == Entry(PortKey(Transport.TCP, 9000), WEB, port, decodes, header)


@pytest.mark.parametrize(
    ("value", "decodes", "header"),
    [
        ("ns/web:80:BAD", False, None),
        ("ns/web:80:", False, None),
        ("ns/web:80:PROXY_V2", False, None),
        ("ns/web:80:PROXY:", True, None),
        ("ns/web:80:PROXY:BAD", True, None),
        ("ns/web:80:BAD:PROXY", False, ProxyHeader.V1),
    ],
)
def test_an_unknown_flag_is_ignored_and_reported(value: str, decodes: bool, header: ProxyHeader | None) -> None:
    entry = tcp(value)
    assert (entry.service, entry.decodes_proxy, entry.proxy_header) == (WEB, decodes, header)
    assert reasons(entry) == [Reason.UNKNOWN_FLAG]
    assert "tcp/9000" in entry.faults[0].message


def test_each_of_two_unknown_flags_is_reported() -> None:
    assert reasons(tcp("ns/web:80:A:B")) == [Reason.UNKNOWN_FLAG] * 2


@pytest.mark.parametrize("flags", [":PROXY", "::PROXY", ":PROXY:PROXY_V2"])
def test_a_udp_port_is_served_without_proxy_protocol(flags: str) -> None:
    entry = config_map_entry(Transport.UDP, "53", f"ns/web:53{flags}")
    assert (entry.service, entry.decodes_proxy, entry.proxy_header) == (WEB, False, None)
    assert reasons(entry) == [Reason.UNKNOWN_FLAG]


@pytest.mark.parametrize(
    "value",
    [
        *("", " ", ":", "ns/web", "web:80", "a/b/c:80", "/web:80", "ns/:80", "ns/web:", "ns/web::PROXY", "NS/web:80"),
        *(
            "ns/web:80:PROXY:PROXY:x",
            "ns/web:80:::",
            "ns/web:-1",
            "ns/web:0",
            "ns/web:70000",
            "ns/web:a b",
            "ns/we b:80",
        ),
        *("ns/web:" + "9" * 5000, "ns/web:Http", "ns/web:a-name-of-sixteen", "ns/web:80,ns/api:80", "[::1]:80"),
    ],
)
def test_a_bad_value_names_no_service_but_keeps_the_port(value: str) -> None:
    entry = tcp(value)
    assert (entry.port, entry.service, entry.service_port) == (PortKey(Transport.TCP, 9000), None, "")
    assert reasons(entry) == [Reason.PORT_INVALID]
    assert "tcp/9000 is closed" in entry.faults[0].message


@pytest.mark.parametrize(
    "key",
    ["abc", "9022.", "0", "000", "70000", "65536", "-5", "+5", "9 0", "", "٩", "1" * 5000, "tcp/9000", "9000-9001"],
)
def test_a_key_that_is_no_port_is_reported(key: str) -> None:
    entry = tcp("ns/web:80", key)
    assert entry.port is None
    assert entry.service is None
    assert reasons(entry) == [Reason.PORT_INVALID]


@pytest.mark.parametrize(
    ("key", "number"), [("9016", 9016), ("09016", 9016), (" 9016 ", 9016), ("1", 1), ("65535", 65535)]
)
def test_a_key_is_a_port_with_or_without_zeros(key: str, number: int) -> None:
    assert tcp("ns/web:80", key).port == PortKey(Transport.TCP, number)


@pytest.mark.parametrize(
    ("item", "port", "name", "decodes", "header"),
    [
        ("9000=tcp:5432", "tcp/9000", "5432", False, None),
        ("5353=udp:dns", "udp/5353", "dns", False, None),
        ("9000 = TCP : 5432 : PROXY", "tcp/9000", "5432", True, None),
        ("9000=tcp:5432::PROXY_V2", "tcp/9000", "5432", False, ProxyHeader.V2),
    ],
)
def test_an_item_names_port_and_service_port(
    item: str, port: str, name: str, decodes: bool, header: ProxyHeader | None
) -> None:
    entry = annotation_item(SERVICE, item)
    assert entry == Entry(PortKey.named(port), SERVICE, name, decodes, header)


@pytest.mark.parametrize(
    "item",
    ["9000", "9000=tcp", "9000=5432", "tcp:5432", "=tcp:5432", "0=tcp:1", "70000=tcp:1", "9000=sctp:1", "a=b=c:d"],
)
def test_an_item_of_another_form_is_reported(item: str) -> None:
    entry = annotation_item(SERVICE, item)
    assert (entry.port, entry.service) == (None, None)
    assert reasons(entry) == [Reason.PORT_INVALID]
    assert repr(item) in entry.faults[0].message


def test_an_item_without_a_service_port_keeps_its_port() -> None:
    entry = annotation_item(SERVICE, "9000=tcp:")
    assert (entry.port, entry.service) == (PortKey(Transport.TCP, 9000), None)
    assert reasons(entry) == [Reason.PORT_INVALID]
