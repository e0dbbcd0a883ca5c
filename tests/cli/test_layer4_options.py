"""The flags of TCP and UDP ports: values and wrong usage.

Excludes: the effect on ports (tests/translate/layer4).
"""

from typing import Any

import click
import pytest

from xds.address import HostPort, UnixPath
from xds.cli.layer4_options import ExposedPorts, ReservedPorts, layer4_options
from xds.problems.problem import Key
from xds.traffic.layer4 import Transport
from xds.translate.layer4.options import Layer4Options, PortRange

BOTH = (Transport.TCP, Transport.UDP)


def flags(**changed: Any) -> dict[str, Any]:
    plain = {
        "authz": None,
        "http_port": 8080,
        "https_port": 8443,
        "reserved_ports": (9901,),
        "tcp_services_configmap": None,
        "udp_services_configmap": None,
        "expose_ports": (),
    }
    return plain | changed


def reserved(options: Layer4Options) -> list[str]:
    return sorted(map(str, options.reserved))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("9000-9100=team-a", PortRange(9000, 9100, "team-a", BOTH)),
        ("53/udp=dns", PortRange(53, 53, "dns", (Transport.UDP,))),
        ("1-65535/tcp=all", PortRange(1, 65535, "all", (Transport.TCP,))),
    ],
)
def test_a_range_of_ports_names_a_namespace(text: str, expected: PortRange) -> None:
    assert ExposedPorts().convert(text, None, None) == expected


@pytest.mark.parametrize(
    "text",
    [
        *("", "9000", "9000=", "=team", "9000=Team", "9000/sctp=team", "9000/=team", "9000=team/x", "a=team"),
        *("0=team", "9000-=team", "-9000=team", "9100-9000=team", "65536=team", "9000-9100-9200=team", "٩=team"),
        "9" * 5000 + "=team",
    ],
)
def test_other_texts_are_no_range(text: str) -> None:
    with pytest.raises(click.BadParameter):
        ExposedPorts().convert(text, None, None)


@pytest.mark.parametrize(("text", "ports"), [("", ()), ("9901", (9901,)), (" 9901, 9902,", (9901, 9902))])
def test_reserved_ports_are_a_list(text: str, ports: tuple[int, ...]) -> None:
    assert ReservedPorts().convert(text, None, None) == ports


@pytest.mark.parametrize("text", ["x", "0", "9901 9902", "65536", "9901-9902", "9" * 5000])
def test_other_texts_are_no_list_of_ports(text: str) -> None:
    with pytest.raises(click.BadParameter):
        ReservedPorts().convert(text, None, None)


def test_ports_of_http_and_https_are_reserved() -> None:
    assert reserved(layer4_options(flags())) == ["tcp/8080", "tcp/8443", "tcp/9901", "udp/8443"]


def test_the_port_of_the_authorizer_is_reserved() -> None:
    assert "tcp/9191" in reserved(layer4_options(flags(authz=HostPort("127.0.0.1", 9191))))
    assert reserved(layer4_options(flags(authz=UnixPath("/run/authz")))) == reserved(layer4_options(flags()))


def test_each_protocol_has_its_config_map() -> None:
    assert layer4_options(flags()).config_maps == {}
    tcp, udp = Key("ops", "tcp"), Key("ops", "udp")
    given = layer4_options(flags(tcp_services_configmap=tcp, udp_services_configmap=udp))
    assert given.config_maps == {Transport.TCP: tcp, Transport.UDP: udp}
