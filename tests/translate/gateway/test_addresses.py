"""Addresses of Gateways: the pool, names, records, and the conditions that tell."""

from dataclasses import replace
from typing import Any

import pytest

from tests.support.gateway_objects import gateway_object, http_route, to
from tests.support.gateway_world import FIRST, OPTIONS, SECOND, THIRD, GatewayWorld, gateway, listener, parent
from tests.support.objects import NS, service
from xds.kube.decode import decode
from xds.kube.gateway_objects import Gateway
from xds.kube.objects import ConfigMap, KubeObject, Metadata
from xds.problems.problem import Key
from xds.traffic.bound import ListenerKey
from xds.traffic.layer4 import PortKey, Transport
from xds.translate.layer4.options import Layer4Options, PortRange


def addressed(name: str, *addresses: Any, recorded: tuple[str, ...] = (), **spec: Any) -> KubeObject:
    """A Gateway that names addresses: texts of type IPAddress, or dictionaries."""
    named = [each if isinstance(each, dict) else {"type": "IPAddress", "value": each} for each in addresses]
    spec = {"gatewayClassName": "ours", "listeners": [listener()]} | spec | ({"addresses": named} if named else {})
    metadata = {"name": name, "namespace": "default", "creationTimestamp": "2026-01-01T00:00:00Z"}
    document = {"apiVersion": Gateway.api_version, "kind": "Gateway", "metadata": metadata, "spec": spec}
    status = {"addresses": [{"type": "IPAddress", "value": each} for each in recorded]}
    found = decode(document | ({"status": status} if recorded else {}))
    assert isinstance(found, Gateway)
    return found


def assigned(world: GatewayWorld) -> dict[str, tuple[str, ...]]:
    return {key.name: plan.assignment.addresses for key, plan in world.api.gateways.items()}


def test_each_gateway_takes_a_free_address_of_the_pool() -> None:
    world = GatewayWorld(gateway(name="b"), gateway(name="a"))
    assert assigned(world) == {"a": (FIRST,), "b": (SECOND,)}
    assert {each.address for each in world.api.listeners} == {FIRST, SECOND}


def test_a_recorded_address_stays_when_an_older_gateway_appears() -> None:
    world = GatewayWorld(addressed("b", recorded=(FIRST,)), addressed("a"))
    assert assigned(world) == {"b": (FIRST,), "a": (SECOND,)}


def test_a_gateway_that_begins_to_name_an_address_takes_it_from_no_other_gateway() -> None:
    world = GatewayWorld(addressed("a", recorded=(FIRST,)), addressed("b", recorded=(SECOND,)))
    world.apply(late := addressed("b", FIRST, recorded=(SECOND,)))
    assert assigned(world)["a"] == (FIRST,)
    assert world.reasons(late)["Programmed"] == "!AddressNotUsable"


def test_a_gateway_whose_address_left_the_pool_takes_none_that_another_gateway_has() -> None:
    options = replace(OPTIONS, addresses=(SECOND, THIRD))
    world = GatewayWorld(addressed("a", recorded=(FIRST,)), addressed("b", recorded=(SECOND,)), options=options)
    assert assigned(world) == {"a": (THIRD,), "b": (SECOND,)}


def test_a_recorded_address_that_several_gateways_name_stays_theirs() -> None:
    world = GatewayWorld(addressed("b", FIRST, recorded=(FIRST,)), addressed("a", recorded=(FIRST,)))
    assert assigned(world) == {"a": (SECOND,), "b": (FIRST,)}


def test_a_recorded_address_that_left_the_pool_is_replaced() -> None:
    world = GatewayWorld(addressed("a", recorded=("203.0.113.9",)))
    assert assigned(world) == {"a": (FIRST,)}


def test_a_gateway_without_a_free_address_is_not_programmed() -> None:
    world = GatewayWorld(*(gateway(name=each) for each in "abc"), last := gateway(name="d"))
    assert world.reasons(last) == {
        "Accepted": "Accepted",
        "Programmed": "!AddressNotAssigned",
        "ResolvedRefs": "ResolvedRefs",
    }
    assert world.problems_of(last) == ["GatewayRefused"]
    world.delete(gateway(name="a"))
    assert world.reasons(last)["Programmed"] == "Programmed"


def test_a_named_address_is_kept_from_gateways_that_name_none() -> None:
    world = GatewayWorld(gateway(name="a"), addressed("b", FIRST))
    assert assigned(world) == {"a": (SECOND,), "b": (FIRST,)}


@pytest.mark.parametrize("address", ["203.0.113.1", "nonsense"])
def test_an_address_outside_the_pool_is_not_usable(address: str) -> None:
    edge = addressed("edge", address)
    world = GatewayWorld(edge)
    assert (world.reasons(edge)["Accepted"], world.reasons(edge)["Programmed"]) == ("Accepted", "!AddressNotUsable")
    assert not world.api.listeners


@pytest.mark.parametrize("kind", ["Hostname", "NamedAddress", "example.com/odd"])
def test_an_address_of_another_type_is_refused(kind: str) -> None:
    edge = addressed("edge", {"type": kind, "value": "edge.example.com"}, FIRST)
    world = GatewayWorld(edge)
    assert (world.reasons(edge)["Accepted"], world.reasons(edge)["Programmed"]) == ("!UnsupportedAddress", "!Invalid")
    assert not world.api.listeners


def test_an_entry_without_a_value_takes_any_address() -> None:
    world = GatewayWorld(addressed("edge", {"type": "IPAddress"}, SECOND))
    assert assigned(world) == {"edge": (SECOND, FIRST)}
    assert {each.address for each in world.api.listeners} == {FIRST, SECOND}


def test_gateways_that_name_one_address_share_its_ports() -> None:
    web, route = service("web"), http_route(to("web"), parentRefs=parent("b"))
    older = addressed("a", FIRST, listeners=[listener("a.example.com")])
    younger = addressed("b", FIRST, listeners=[listener("b.example.com"), listener("a.example.com", "lost")])
    world = GatewayWorld(web, younger, older, route)
    assert world.hosts() == {"a.example.com": [], "b.example.com": ["default/web/80"]}
    assert world.listener_reasons(younger, "lost")["Conflicted"] == "HostnameConflict"
    assert world.listener_reasons(older)["Accepted"] == "Accepted"
    world.delete(older)
    assert world.listener_reasons(younger, "lost")["Accepted"] == "Accepted"
    assert world.hosts() == {"a.example.com": ["default/web/80"], "b.example.com": ["default/web/80"]}


def test_an_address_that_a_gateway_has_alone_is_not_usable_for_another_one() -> None:
    world = GatewayWorld(addressed("a", recorded=(FIRST,)), late := addressed("b", FIRST))
    assert world.reasons(late)["Programmed"] == "!AddressNotUsable"


def test_with_records_a_gateway_is_served_once_its_address_is_recorded() -> None:
    edge = addressed("edge")
    world = GatewayWorld(edge, options=replace(OPTIONS, records=True))
    assert world.reasons(edge)["Programmed"] == "!Pending"
    assert [each.value for each in world.api.statuses[edge.ref].addresses] == [FIRST]  # type: ignore[union-attr]
    assert not world.api.listeners
    world.apply(recorded := addressed("edge", recorded=(FIRST,)))
    assert world.reasons(recorded)["Programmed"] == "Programmed"
    assert set(world.api.listeners) == {ListenerKey(FIRST, 80)}


def test_ipv6_addresses_are_compared_in_canonical_form() -> None:
    world = GatewayWorld(addressed("edge", "2001:DB8:0::1"), options=replace(OPTIONS, addresses=("2001:db8::1",)))
    assert assigned(world) == {"edge": ("2001:db8::1",)}


def test_a_port_of_ingress_can_not_be_had_at_its_address() -> None:
    options = replace(OPTIONS, listener_address=FIRST)
    edge = gateway(listener(port=8080), listener(name="other"))
    world = GatewayWorld(edge, options=options)
    assert world.listener_reasons(edge)["Accepted"] == "!PortUnavailable"
    assert set(world.api.listeners) == {ListenerKey(FIRST, 80)}


LAYER4 = Layer4Options(
    {Transport.TCP: Key(NS, "tcp")},
    (PortRange(9100, 9101, "default", (Transport.TCP,)),),
    frozenset({PortKey(Transport.TCP, 9901)}),
)


@pytest.mark.parametrize(("port", "protocol"), [(9000, "HTTP"), (9000, "TCP"), (9100, "TCP"), (9901, "HTTPS")])
def test_a_port_of_layer_4_can_not_be_had_at_the_address_of_ingress(port: int, protocol: str) -> None:
    options = replace(OPTIONS, listener_address=FIRST, layer4=LAYER4)
    edge, ports = gateway(listener(port=port, protocol=protocol)), ConfigMap(Metadata("tcp", NS), {"9000": "a/b:1"})
    world = GatewayWorld(ports, edge, options=options)
    assert world.listener_reasons(edge)["Accepted"] == "!PortUnavailable"
    assert not world.api.listeners


@pytest.mark.parametrize(("port", "protocol"), [(9000, "UDP"), (9001, "TCP")])
def test_a_port_that_layer_4_does_not_have_can_be_had(port: int, protocol: str) -> None:
    options = replace(OPTIONS, listener_address=FIRST, layer4=LAYER4)
    edge, ports = gateway(listener(port=port, protocol=protocol)), ConfigMap(Metadata("tcp", NS), {"9000": "a/b:1"})
    assert GatewayWorld(ports, edge, options=options).listener_reasons(edge)["Accepted"] == "Accepted"


def test_a_port_can_be_had_once_its_entry_of_layer_4_is_gone() -> None:
    options = replace(OPTIONS, listener_address=FIRST, layer4=LAYER4)
    edge, ports = gateway(listener(port=9000)), ConfigMap(Metadata("tcp", NS), {"9000": "a/b:1"})
    world = GatewayWorld(edge, options=options)
    assert set(world.api.listeners) == {ListenerKey(FIRST, 9000)}
    world.apply(ports)
    assert not world.api.listeners
    world.delete(ports)
    assert set(world.api.listeners) == {ListenerKey(FIRST, 9000)}


def test_layer_4_has_its_ports_at_the_address_of_ingress_alone() -> None:
    options = replace(OPTIONS, layer4=LAYER4)
    edge = gateway(listener(port=9901))
    assert GatewayWorld(edge, options=options).listener_reasons(edge)["Accepted"] == "Accepted"


def test_parameters_of_a_gateway_are_refused() -> None:
    reference = {"group": "example.com", "kind": "Config", "name": "x"}
    edge = gateway(infrastructure={"parametersRef": reference})
    world = GatewayWorld(edge)
    assert world.reasons(edge)["Accepted"] == "!InvalidParameters"
    assert not world.api.listeners


def test_the_oldest_gateway_takes_first() -> None:
    old = gateway_object(Gateway, "z", gatewayClassName="ours", listeners=[listener()])
    world = GatewayWorld(gateway(name="a"), old)
    assert assigned(world) == {"a": (FIRST,), "z": (SECOND,)}
    assert THIRD not in {each.address for each in world.api.listeners}
