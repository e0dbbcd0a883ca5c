"""The life of a ConfigMap of ports: missing, deleted, or unreadable.

Excludes: its entries (test_ports.py), the API server's answers (tests/sources, tests/cluster).
"""

import pytest

from tests.support.objects import service
from tests.translate.layer4.site import OPTIONS, TCP, Site, config_map, tcp, udp
from xds.problems.reasons import Reason

WEB = service("web", "http:80", ns="team")
DNS = service("dns", {"name": "dns", "port": 53, "protocol": "UDP"}, ns="team")


def test_a_missing_config_map_is_reported_at_once() -> None:
    site = Site()
    site.delete(tcp(), udp())
    assert site.told() == [
        ("tcp", "", Reason.PORT_CONFIG_MAP_NOT_FOUND),
        ("udp", "", Reason.PORT_CONFIG_MAP_NOT_FOUND),
    ]


def test_config_maps_that_never_existed_are_reported() -> None:
    world = Site(options=OPTIONS).world
    fresh = type(world)(layer4=OPTIONS)
    assert fresh.reasons() == [("tcp", Reason.PORT_CONFIG_MAP_NOT_FOUND), ("udp", Reason.PORT_CONFIG_MAP_NOT_FOUND)]


def test_a_deleted_config_map_closes_its_ports() -> None:
    site = Site(WEB, DNS, tcp(p9050="team/web:80"), udp(p53="team/dns:53"))
    site.delete(tcp())
    assert site.ports == {"udp/53": "team/dns/53/udp"}
    assert site.told() == [("tcp", "", Reason.PORT_CONFIG_MAP_NOT_FOUND)]
    assert "none of its ports is open" in site.message()
    site.add(tcp(p9050="team/web:80"))
    assert (list(site.ports), site.problems) == (["tcp/9050", "udp/53"], [])


@pytest.mark.parametrize("data", [None, {"9050": "team/web:80"}])
def test_a_config_map_that_cannot_be_read_keeps_its_last_content(data: dict[str, str] | None) -> None:
    site = Site(WEB, tcp(p9050="team/web:80"))
    site.add(config_map(TCP, data, "403: forbidden"))
    assert list(site.ports) == ["tcp/9050"]
    assert site.told() == [("tcp", "", Reason.PORT_CONFIG_MAP_NOT_FOUND)]
    assert "can't be read (403: forbidden), so its last entries stay" in site.message()
    site.add(tcp(p9051="team/web:80"))
    assert (list(site.ports), site.problems) == (["tcp/9051"], [])


def test_a_config_map_that_never_could_be_read_opens_no_port() -> None:
    site = Site(WEB)
    site.add(config_map(TCP, None, "403: forbidden"))
    assert site.ports == {}
    assert "so none of its ports is open" in site.message()


def test_last_entries_follow_their_services_while_the_config_map_cannot_be_read() -> None:
    site = Site(WEB, tcp(p9050="team/web:80"))
    site.add(config_map(TCP, None, "403: forbidden"))
    site.delete(WEB)
    assert site.ports == {}
    site.add(WEB)
    assert list(site.ports) == ["tcp/9050"]


def test_other_config_maps_open_nothing() -> None:
    other = config_map(type(TCP)("ConfigMap", "team", "tcp"), {"9050": "team/web:80"})
    assert Site(WEB, other).ports == {}
