"""Ports that Services claim by the annotation `expose`: rights, conflicts, and the change of winners.

Covers: `--expose-ports`, seniority, ConfigMaps before Services, names of winners. Excludes: the grammar of items
(test_entries.py).
"""

import pytest

from tests.support.objects import service
from tests.translate.layer4.site import OPTIONS, TCP, Site, exposing, tcp
from xds.kube.change import Applied, Change, Deleted
from xds.kube.objects import ConfigMap, Service
from xds.kube.stale import Stale
from xds.problems.problem import ObjectRef
from xds.problems.reasons import Reason
from xds.traffic.layer4 import PortKey, Transport
from xds.translate.layer4.options import PortRange
from xds.translate.layer4.sources import MAX_ITEMS

EXPOSE = "metadata.annotations['xds-ingress.dev/expose']"
OLD = exposing("old", "9000=tcp:80", 80, day=1)
YOUNG = exposing("young", "9000=tcp:80", 80, day=2)


def test_a_service_opens_ports_of_its_namespace() -> None:
    site = Site(exposing("web", "9000=tcp:80, 9002 = udp:53,", 80, {"port": 53, "protocol": "UDP"}))
    assert site.ports == {"tcp/9000": "team/web/80", "udp/9002": "team/web/53/udp"}
    assert site.problems == []
    assert site.of_service("web") == {"tcp/9000", "udp/9002"}


def test_a_port_follows_its_annotation() -> None:
    site = Site(exposing("web", "9000=tcp:80", 80))
    site.add(exposing("web", "9003=tcp:80", 80))
    assert list(site.ports) == ["tcp/9003"]
    site.add(service("web", 80, ns="team"))
    assert site.ports == {}
    assert site.world.traffic.layer4.sources == ()
    site.add(exposing("web", "9000=tcp:80", 80))
    site.delete(exposing("web", "", 80))
    assert (site.ports, site.world.traffic.backends) == ({}, {})


@pytest.mark.parametrize("text", ["", " ", ",", " , ,"])
def test_an_empty_annotation_claims_nothing(text: str) -> None:
    site = Site(exposing("web", text, 80))
    assert (site.ports, site.problems, site.world.traffic.layer4.sources) == ({}, [], ())


@pytest.mark.parametrize(
    ("item", "ns", "remedy"),
    [
        ("8000=tcp:80", "team", "Claim one of 9000-9100, or ask the operator for --expose-ports 8000/tcp=team."),
        ("9000=tcp:80", "web", "Ask the operator for --expose-ports 9000/tcp=web."),
        ("53=tcp:80", "dns", "Claim one of 53/udp, or ask the operator for --expose-ports 53/tcp=dns."),
    ],
)
def test_a_port_of_no_range_of_the_namespace_is_reported(item: str, ns: str, remedy: str) -> None:
    site = Site(exposing("web", item, 80, ns=ns), OLD)
    assert list(site.ports) == ["tcp/9000"]
    assert site.told() == [("web", EXPOSE, Reason.PORT_NOT_EXPOSED)]
    (problem,) = site.problems
    assert problem.remedy == remedy
    assert f"'{item}'" in problem.message


def test_a_reserved_port_within_a_range_is_reported() -> None:
    site = Site(exposing("web", "9001=tcp:80,9002=tcp:80", 80))
    assert list(site.ports) == ["tcp/9002"]
    assert site.told() == [("web", EXPOSE, Reason.PORT_RESERVED)]


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        ("9003=tcp:81", Reason.BACKEND_PORT_NOT_FOUND),
        ("9003=udp:80", Reason.BACKEND_PORT_NOT_FOUND),
        ("9003=tcp", Reason.PORT_INVALID),
        ("x", Reason.PORT_INVALID),
        ("9003=tcp:80:PROXY:PROXY:x", Reason.PORT_INVALID),
        ("9000=tcp:80", Reason.PORT_CONFLICT),
    ],
)
def test_a_bad_item_is_reported_and_hurts_no_other(bad: str, reason: Reason) -> None:
    site = Site(exposing("web", f"9000=tcp:80, {bad}, 9002=tcp:80", 80))
    assert list(site.ports) == ["tcp/9000", "tcp/9002"]
    assert site.told() == [("web", EXPOSE, reason)]
    assert repr(bad) in site.message()


@pytest.mark.parametrize("first", [OLD, YOUNG])
def test_the_older_service_wins_whatever_came_first(first: object) -> None:
    site = Site(*((OLD, YOUNG) if first is OLD else (YOUNG, OLD)))
    assert site.ports == {"tcp/9000": "team/old/80"}
    assert site.told() == [("young", EXPOSE, Reason.PORT_CONFLICT)]
    assert site.claims_for("tcp/9000") == ["old tcp/9000 served", "young tcp/9000 lost to old"]
    assert "Service team/old" in site.message()


def test_services_of_one_age_go_by_name() -> None:
    site = Site(exposing("b", "9000=tcp:80", 80), exposing("a", "9000=tcp:80", 80))
    assert site.ports == {"tcp/9000": "team/a/80"}


def test_a_loser_gets_the_port_once_the_winner_leaves() -> None:
    site = Site(OLD, YOUNG)
    site.delete(OLD)
    assert (site.ports, site.problems) == ({"tcp/9000": "team/young/80"}, [])
    site.add(OLD)
    assert site.ports == {"tcp/9000": "team/old/80"}
    assert site.told() == [("young", EXPOSE, Reason.PORT_CONFLICT)]


def test_a_loser_never_learns_a_service_of_another_namespace() -> None:
    site = Site(exposing("secret", "9000=tcp:80", 80, ns="other"), YOUNG)
    assert site.ports == {"tcp/9000": "other/secret/80"}
    (problem,) = site.problems
    assert problem.object == ObjectRef("Service", "team", "young")
    assert "secret" not in problem.message + problem.remedy
    assert "other/" not in problem.message + problem.remedy


def test_each_of_several_losers_is_reported() -> None:
    names = [f"young-{each}" for each in range(3)]
    site = Site(OLD, *(exposing(each, "9000=tcp:80", 80, day=3) for each in names))
    assert site.told() == [(each, EXPOSE, Reason.PORT_CONFLICT) for each in names]
    site.delete(OLD)
    assert site.told() == [(each, EXPOSE, Reason.PORT_CONFLICT) for each in names[1:]]


def test_a_config_map_precedes_every_service() -> None:
    web = service("web", 80, ns="ops")
    site = Site(OLD, web, tcp(p9000="ops/web:80"))
    assert site.ports == {"tcp/9000": "ops/web/80"}
    assert site.told() == [("old", EXPOSE, Reason.PORT_CONFLICT)]
    assert "ops" not in site.message()
    site.add(tcp())
    assert (site.ports, site.problems) == ({"tcp/9000": "team/old/80"}, [])


@pytest.mark.parametrize("value", ["nonsense", "ops/gone:80", ""])
def test_nobody_gets_a_port_of_a_config_map_because_the_entry_is_bad(value: str) -> None:
    site = Site(OLD, tcp(p9000=value))
    assert site.ports == {}
    assert site.claims_for("tcp/9000") == ["tcp tcp/9000 invalid", "old tcp/9000 lost to tcp"]
    assert ("old", EXPOSE, Reason.PORT_CONFLICT) in site.told()


def test_nobody_gets_a_port_because_the_older_service_lost_its_own_port() -> None:
    site = Site(OLD, YOUNG)
    site.add(exposing("old", "9000=tcp:80", 81, day=1))
    assert site.ports == {}
    assert site.told() == [("old", EXPOSE, Reason.BACKEND_PORT_NOT_FOUND), ("young", EXPOSE, Reason.PORT_CONFLICT)]


def test_a_service_created_anew_is_younger() -> None:
    site = Site(OLD, YOUNG)
    site.add(exposing("old", "9000=tcp:80", 80, day=3))
    assert site.ports == {"tcp/9000": "team/young/80"}
    assert site.told() == [("old", EXPOSE, Reason.PORT_CONFLICT)]


def test_claims_of_a_service_are_in_the_order_of_their_items() -> None:
    site = Site(exposing("web", "9005=tcp:80, x, 9000=tcp:80, 9000=tcp:80, 80=tcp:80", 80))
    assert site.claims_of(ObjectRef("Service", "team", "web")) == [
        "tcp/9005 served",
        "(none) invalid",
        "tcp/9000 served",
        "tcp/9000 lost to web",
        "tcp/80 invalid",
    ]


def test_claims_of_a_config_map_are_in_the_order_of_ports() -> None:
    site = Site(
        service("web", 80, ns="team"), tcp(p10000="team/web:80", p900="team/web:80", px="", p9001="team/web:80")
    )
    assert site.claims_of(TCP) == ["tcp/900 served", "tcp/9001 invalid", "tcp/10000 served", "(none) invalid"]


def test_claims_that_nobody_may_have_come_last() -> None:
    site = Site(exposing("web", "9000=tcp:80", 80, ns="evil"), OLD)
    assert site.claims_for("tcp/9000") == ["old tcp/9000 served", "web tcp/9000 invalid"]


def test_items_beyond_the_bound_are_left_out_with_a_problem() -> None:
    items = ",".join(f"{number}=tcp:80" for number in range(10000, 10000 + MAX_ITEMS + 5))
    wide = type(OPTIONS)(OPTIONS.config_maps, (PortRange(1, 65535, "team"),))
    site = Site(exposing("web", items, 80), options=wide)
    assert len(site.ports) == MAX_ITEMS
    assert site.told() == [("web", EXPOSE, Reason.PORT_INVALID)]
    assert site.message().startswith("xds-ingress.dev/expose has more than")


@pytest.mark.parametrize(
    ("given", "text"),
    [
        (PortRange(9000, 9100, "a"), "9000-9100"),
        (PortRange(53, 53, "a", (Transport.UDP,)), "53/udp"),
        (PortRange(53, 53, "a"), "53"),
    ],
)
def test_a_range_is_written_as_the_flag_is(given: PortRange, text: str) -> None:
    assert str(given) == text


def test_a_range_holds_ports_of_its_protocols() -> None:
    udp = PortRange(53, 54, "a", (Transport.UDP,))
    held = [number for number in range(50, 60) if PortKey(Transport.UDP, number) in udp]
    assert held == [53, 54]
    assert PortKey(Transport.TCP, 53) not in udp


def test_ports_can_be_explained_between_two_steps_of_an_update() -> None:
    """Steps make way for endpoints and for questions of operators."""
    site = Site(OLD, YOUNG, service("web", 80, ns="ops"), tcp(p9000="ops/web:80", p9050="ops/web:80", p9051="x"))
    layer4, looks = site.world.traffic.layer4, 0
    changes: list[Change] = [
        Deleted(Service, OLD.key),
        Deleted(ConfigMap, TCP.key),
        Applied(exposing("young", "x,9002=tcp:80", 80)),
    ]
    stale = Stale.union([site.world.state.apply(each) for each in changes])
    steps = site.world.traffic.update(stale, site.world.now)
    for _ in steps:
        for source in layer4.sources:
            layer4.claims_of(source)
        for number in (9000, 9002, 9050):
            layer4.claims_for(PortKey(Transport.TCP, number))
        layer4.ports_of_service(YOUNG.key)
        looks += 1
    assert looks > len(changes)
    assert layer4.sources == (ObjectRef("Service", "team", "young"),)


def test_a_misspelt_annotation_is_reported_although_nothing_uses_the_service() -> None:
    notes = {"xds-ingress.dev/expsoe": "9000=tcp:80", "example.com/expsoe": "x"}
    site = Site(service("web", 80, ns="team", annotations=notes))
    (problem,) = site.problems
    assert (problem.object.name, problem.reason) == ("web", Reason.ANNOTATION_UNKNOWN)
    assert "xds-ingress.dev/expose" in problem.remedy
    site.add(exposing("web", "9000=tcp:80", 80))
    assert site.problems == []
    site.add(service("web", 80, ns="team", annotations=notes))
    site.delete(exposing("web", "", 80))
    assert site.problems == []


def test_a_misspelt_annotation_of_a_used_service_is_reported_once() -> None:
    site = Site(exposing("web", "9000=tcp:80", 80, expsoe="x"))
    assert len(site.problems) == 1


def test_thousands_of_unknown_annotations_are_reported_in_part() -> None:
    notes = {f"xds-ingress.dev/{number}": "x" for number in range(3000)}
    site = Site(service("web", 80, ns="team", annotations=notes), OLD)
    assert len(site.problems) == 100
    assert list(site.ports) == ["tcp/9000"]
