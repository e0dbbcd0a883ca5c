"""Gateways with a Service each: what a Service records, and the Service that a Gateway asks for.

Excludes: the writes (tests/reporting/test_gateway_services.py), a real API server (tests/cluster).
"""

from typing import Any

import pytest

from tests.support.gateway_objects import gateway_object
from tests.support.gateway_world import GatewayWorld, gateway_class
from tests.support.objects import config_map
from xds.kube.gateway_objects import Gateway, GatewayAddress
from xds.kube.objects import (
    LoadBalancerIngress,
    LoadBalancerStatus,
    Metadata,
    Service,
    ServicePort,
    ServiceSpec,
    ServiceStatus,
)
from xds.problems.problem import Key
from xds.traffic.bound import ListenerKey
from xds.traffic.layer4 import Transport
from xds.translate.gateway.listening.service_record import MAX_LABEL_LENGTH, GatewayPort, own_labels, service_name
from xds.translate.gateway.listening.services import is_given_up
from xds.translate.gateway.options import GatewayOptions, TargetPorts
from xds.translate.gateway.status import GatewayStatus

FLEET = "fleet"
OPTIONS = GatewayOptions(target_ports=TargetPorts(20000, 20009), fleet=FLEET, records=True)
EDGE = Key("default", "edge")
ANY_ADDRESS = "0.0.0.0"


def edge(*ports: int, name: str = "edge", protocol: str = "HTTP", **spec: Any) -> Gateway:
    listeners = [{"name": f"port-{port}", "port": port, "protocol": protocol} for port in ports]
    made = gateway_object(Gateway, name, gatewayClassName="ours", listeners=listeners, **spec)
    assert isinstance(made, Gateway)
    return made


def record(targets: dict[int, int], *addresses: str, gateway: Key = EDGE, **spec: Any) -> Service:
    ports = tuple(ServicePort(port, target_port=target) for port, target in targets.items())
    entries = tuple(LoadBalancerIngress(**{"ip" if each[0].isdigit() else "hostname": each}) for each in addresses)
    metadata = Metadata(service_name(gateway), FLEET, labels=own_labels(gateway))
    chosen = ServiceSpec(**({"type": "LoadBalancer", "ports": ports} | spec))
    return Service(metadata, chosen, ServiceStatus(LoadBalancerStatus(entries)))


def world(*objects: Any) -> GatewayWorld:
    return GatewayWorld(*objects, options=OPTIONS)


def sockets(of: GatewayWorld) -> dict[str, int]:
    """The public port of each listener, by socket."""
    return {key.socket: each.public_port for key, each in of.api.listeners.items()}


def test_a_listener_is_served_on_the_recorded_target_port_alone() -> None:
    gateway = edge(80, 8080)
    found = world(gateway)
    assert sockets(found) == {}
    assert found.reasons(gateway)["Programmed"] == "!AddressNotAssigned"
    found.apply(record({80: 20003}, "192.0.2.9"))
    assert sockets(found) == {f"{ANY_ADDRESS}:20003": 80}
    assert found.reasons(gateway)["Programmed"] == "Programmed"
    assert found.listener_reasons(gateway, "port-80")["Programmed"] == "Programmed"
    assert found.listener_reasons(gateway, "port-8080")["Programmed"] == "!Pending"
    found.apply(record({80: 20003, 8080: 20004}, "192.0.2.9"))
    assert sockets(found) == {f"{ANY_ADDRESS}:20003": 80, f"{ANY_ADDRESS}:20004": 8080}
    found.delete(record({}))
    assert sockets(found) == {}


def test_gateways_with_equal_ports_do_not_meet() -> None:
    other = Key("default", "other")
    found = world(edge(80), edge(80, name="other"), record({80: 20000}), record({80: 20001}, gateway=other))
    assert sockets(found) == {f"{ANY_ADDRESS}:20000": 80, f"{ANY_ADDRESS}:20001": 80}


def test_the_status_has_the_addresses_of_the_service() -> None:
    gateway = edge(80)
    found = world(gateway, record({80: 20000}, "192.0.2.9", "lb.example.com"))
    status = found.api.statuses[gateway.ref]
    assert isinstance(status, GatewayStatus)
    assert status.addresses == (GatewayAddress("192.0.2.9"), GatewayAddress("lb.example.com", "Hostname"))
    found.apply(record({80: 20000}, type="ClusterIP", cluster_ip="10.0.0.7"))
    status = found.api.statuses[gateway.ref]
    assert isinstance(status, GatewayStatus)
    assert status.addresses == (GatewayAddress("10.0.0.7"),)


def test_a_gateway_without_an_address_is_served_but_not_programmed() -> None:
    gateway = edge(80)
    found = world(gateway, record({80: 20000}))
    assert found.reasons(gateway)["Programmed"] == "!AddressNotAssigned"
    assert sockets(found) == {f"{ANY_ADDRESS}:20000": 80}


@pytest.mark.parametrize("target", [19999, 20010, "named"])
def test_target_ports_of_nobody_are_no_record(target: Any) -> None:
    assert sockets(world(edge(80), record({80: target}, "192.0.2.9"))) == {}


def test_a_service_of_the_same_name_without_the_labels_is_no_record() -> None:
    forged = Service(Metadata(service_name(EDGE), FLEET), record({80: 20000}, "192.0.2.9").spec)
    assert sockets(world(edge(80), forged)) == {}


def test_tcp_and_udp_have_target_ports_of_their_own() -> None:
    gateway = edge(53, protocol="UDP")
    assert world(gateway).api.services[EDGE].ports == {GatewayPort(53, Transport.UDP)}
    ports = (ServicePort(53, protocol="TCP", target_port=20000), ServicePort(53, protocol="UDP", target_port=20001))
    found = world(gateway, record({}, "192.0.2.9", ports=ports))
    [slot] = found.api.gateways[EDGE].all_slots
    assert slot.sockets == (ListenerKey(ANY_ADDRESS, 20001, Transport.UDP),)


def test_a_gateway_asks_for_the_ports_of_accepted_listeners() -> None:
    infrastructure = {"labels": {"team": "shop"}, "annotations": {"example.com/pool": "public"}}
    gateway = edge(80, 443, infrastructure=infrastructure)
    wrong = edge(80, name="wrong", protocol="SCTP")
    found = world(gateway, wrong)
    service = found.api.services[EDGE]
    assert service.ports == {GatewayPort(80), GatewayPort(443)}
    assert (service.labels, service.annotations) == (infrastructure["labels"], infrastructure["annotations"])
    assert found.api.services[wrong.key].ports == frozenset()


def test_parameters_are_fields_of_the_service() -> None:
    reference = {"group": "", "kind": "ConfigMap", "name": "settings"}
    gateway = edge(80, infrastructure={"parametersRef": reference})
    found = world(gateway)
    assert found.reasons(gateway)["Accepted"] == "!InvalidParameters"
    assert EDGE not in found.api.services
    found.apply(config_map("settings", type="NodePort", externalTrafficPolicy="Local"))
    assert found.reasons(gateway)["Accepted"] == "Accepted"
    assert found.api.services[EDGE].parameters == {"type": "NodePort", "externalTrafficPolicy": "Local"}
    assert found.api.take_changed_gateways()
    found.apply(config_map("settings", type="ClusterIP"))
    assert found.api.take_changed_gateways()
    assert found.api.services[EDGE].parameters == {"type": "ClusterIP"}
    found.apply(config_map("settings", type="ExternalName"))
    assert found.reasons(gateway)["Accepted"] == "!InvalidParameters"
    assert "type" in found.conditions(gateway)["Accepted"].message


def test_addresses_of_services_can_not_be_chosen() -> None:
    gateway = edge(80, addresses=[{"type": "IPAddress", "value": "192.0.2.1"}])
    found = world(gateway, record({80: 20000}, "192.0.2.9"))
    assert found.reasons(gateway)["Accepted"] == "!UnsupportedAddress"
    assert sockets(found) == {}


def test_a_gateway_of_another_controller_is_given_up_and_one_without_a_class_is_not() -> None:
    gateway = edge(80)
    found = world(gateway)
    assert not is_given_up(found.state, OPTIONS, EDGE)
    found.apply(gateway_class(controller="example.com/other"))
    assert is_given_up(found.state, OPTIONS, EDGE)
    found.delete(gateway_class())
    assert not is_given_up(found.state, OPTIONS, EDGE)
    assert EDGE not in found.api.services


def test_labels_are_no_longer_than_the_api_server_lets_them_be() -> None:
    labels = own_labels(Key("shop", "a" * 62 + ".b" * 50))
    assert all(len(each) <= MAX_LABEL_LENGTH and each[-1].isalnum() for each in labels.values())
