"""Idle timeouts and attempts of TCP and UDP ports: annotations of Services, and keys of ingress-nginx's ConfigMap.

Excludes: Envoy's fields for them (tests/resources).
"""

from datetime import timedelta

import pytest

from tests.support.objects import World, service
from tests.translate.layer4.site import OPTIONS, Site, tcp, udp
from xds.kube.objects import ConfigMap, Metadata
from xds.problems.problem import Key, ObjectRef
from xds.problems.reasons import Reason
from xds.traffic.layer4 import Layer4Policy, PortKey, Transport

NGINX = Key("ops", "nginx")
PORTS = ({"name": "t", "port": 53}, {"name": "u", "port": 53, "protocol": "UDP"})


def site(**annotations: str) -> Site:
    written = {f"xds-ingress.dev/{name.replace('_', '-')}": text for name, text in annotations.items()}
    return Site(service("dns", *PORTS, ns="team", annotations=written), tcp(p53="team/dns:53"), udp(p53="team/dns:53"))


def idle(of: Site) -> list[str]:
    return [str(of.listener(name).route.policy.idle_timeout) for name in ("tcp/53", "udp/53")]


def test_without_a_word_of_the_service_the_defaults_are_envoys() -> None:
    plain = site()
    assert idle(plain) == ["1:00:00", "0:01:00"]
    assert plain.listener("tcp/53").route.policy.connect_attempts == 3


def test_each_protocol_has_an_annotation_of_its_own() -> None:
    told = site(tcp_idle_timeout="2h", udp_idle_timeout="5s")
    assert idle(told) == ["2:00:00", "0:00:05"]
    assert told.problems == []


@pytest.mark.parametrize("value", ["0s", "500ms", "10", "-1s", "forever", "9000h", "1h30m"])
def test_a_bad_timeout_is_a_problem_of_the_service_and_the_port_is_served(value: str) -> None:
    bad = site(tcp_idle_timeout=value)
    assert idle(bad) == ["1:00:00", "0:01:00"]
    (problem,) = bad.problems
    assert problem.object == ObjectRef("Service", "team", "dns")
    assert problem.reason is Reason.ANNOTATION_INVALID
    assert "tcp-idle-timeout" in problem.message


def test_an_unknown_annotation_of_a_service_behind_a_port_is_reported() -> None:
    (problem,) = site(tcp_idle_timeuot="2h").problems
    assert problem.reason is Reason.ANNOTATION_UNKNOWN
    assert "xds-ingress.dev/tcp-idle-timeout" in problem.remedy


def test_a_timeout_follows_the_service() -> None:
    changing = site(tcp_idle_timeout="2h")
    notes = {"xds-ingress.dev/tcp-idle-timeout": "3h"}
    assert changing.change(service("dns", *PORTS, ns="team", annotations=notes)) == {"tcp/53"}
    assert idle(changing)[0] == "3:00:00"


def policy(
    data: dict[str, str] | None, transport: Transport = Transport.TCP, *, is_compatible: bool = False
) -> Layer4Policy:
    return world(data, is_compatible=is_compatible).traffic.ports[PortKey(transport, 53)].route.policy


def world(data: dict[str, str] | None, *, is_compatible: bool = False) -> World:
    nginx = [nginx_configmap(data)] if data is not None else []
    dns = service("dns", *PORTS, ns="team")
    built = World(layer4=OPTIONS, nginx_configmap=NGINX if nginx else None, is_compatible=is_compatible)
    built.add(dns, tcp(p53="team/dns:53"), udp(p53="team/dns:53"), *nginx)
    return built


def nginx_configmap(data: dict[str, str]) -> ConfigMap:
    return ConfigMap(Metadata(NGINX.name, NGINX.namespace), data)


@pytest.mark.parametrize(
    ("data", "is_compatible", "seconds", "attempts"),
    [
        (None, False, 3600, 3),
        (None, True, 600, 3),
        ({}, False, 3600, 3),
        ({}, True, 600, 3),
        ({"proxy-stream-timeout": "30s"}, False, 30, 3),
        ({"proxy-stream-timeout": "2h"}, True, 7200, 3),
        ({"proxy-stream-timeout": "90"}, False, 90, 3),
        ({"proxy-stream-next-upstream": "false"}, False, 3600, 1),
        ({"proxy-stream-next-upstream": "false", "proxy-stream-next-upstream-tries": "5"}, False, 3600, 1),
        ({"proxy-stream-next-upstream-tries": "5"}, False, 3600, 5),
        ({"proxy-stream-next-upstream-tries": "1"}, False, 3600, 1),
        ({"proxy-stream-next-upstream-tries": "0"}, False, 3600, 10),
        ({"proxy-stream-next-upstream-tries": "2147483647"}, False, 3600, 10),
    ],
)
def test_keys_of_ingress_nginx_hold_for_tcp(
    data: dict[str, str] | None, is_compatible: bool, seconds: int, attempts: int
) -> None:
    assert policy(data, is_compatible=is_compatible) == Layer4Policy(
        timedelta(seconds=seconds), connect_attempts=attempts
    )


@pytest.mark.parametrize("is_compatible", [True, False])
def test_sessions_of_udp_end_after_a_minute_whatever_the_keys(is_compatible: bool) -> None:
    found = policy({"proxy-stream-timeout": "30s"}, Transport.UDP, is_compatible=is_compatible)
    assert found.idle_timeout == timedelta(seconds=60)


@pytest.mark.parametrize(
    ("key", "value", "reason"),
    [
        ("proxy-stream-timeout", "soon", Reason.CONFIG_KEY_INVALID),
        ("proxy-stream-timeout", "0", Reason.CONFIG_KEY_INVALID),
        ("proxy-stream-next-upstream", "maybe", Reason.CONFIG_KEY_INVALID),
        ("proxy-stream-next-upstream-tries", "-1", Reason.CONFIG_KEY_INVALID),
        ("proxy-stream-next-upstream-timeout", "10s", Reason.CONFIG_KEY_UNSUPPORTED),
        ("proxy-stream-responses", "0", Reason.CONFIG_KEY_UNSUPPORTED),
    ],
)
def test_a_key_that_is_not_honoured_is_reported(key: str, value: str, reason: Reason) -> None:
    given = world({key: value})
    assert given.reasons() == [("nginx", reason)]
    assert given.traffic.ports[PortKey(Transport.TCP, 53)].route.policy == Layer4Policy(timedelta(hours=1))


def test_a_changed_key_reaches_all_ports_but_those_with_a_word_of_their_own() -> None:
    given = world({})
    own = service("own", 80, ns="team", annotations={"xds-ingress.dev/tcp-idle-timeout": "5m"})
    given.add(own, tcp(p53="team/dns:53", p54="team/own:80"))
    given.add(nginx_configmap({"proxy-stream-timeout": "30s"}))
    idle_times = {str(key): each.route.policy.idle_timeout.seconds for key, each in given.traffic.ports.items()}
    assert idle_times == {"tcp/53": 30, "tcp/54": 300, "udp/53": 60}
