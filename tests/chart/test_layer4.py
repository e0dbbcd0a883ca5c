"""Values of layer 4: the consequences of a port in the objects of a release."""

from collections.abc import Mapping
from typing import Any

import click
import pytest

from tests.support import chart, gotools
from tests.support.network_policies import Network, Outside, Pod
from xds.cli.layer4_options import LAYER4_OPTIONS, layer4_options
from xds.translate.layer4.options import Layer4Options, PortRange

pytestmark = gotools.needs("helm")

SETTLED: dict[str, Any] = {"tls": {"mode": "existing"}}
"""No generated keys, so that two renderings are equal."""

PORTS: dict[str, Any] = {"tcp": {"22": "forge/ssh:22", "9000": "shop/web:http:PROXY"}, "udp": {"53": "dns/dns:53"}}

Objects = Mapping[tuple[str, str, str], chart.Object]


def release(*values: Mapping[str, Any]) -> Objects:
    """The objects of a release by kind, namespace and name."""
    merged: dict[str, Any] = SETTLED
    for each in values:
        merged = chart.merged(merged, each)
    return {chart.identity(each): each for each in chart.render(values=merged)}


def of_kind(objects: Objects, kind: str, name: str) -> chart.Object:
    [found] = [each for (of, _, named), each in objects.items() if (of, named) == (kind, name)]
    return found


def offered(objects: Objects, name: str = "edge-xds-ingress-envoy") -> set[tuple[str, int, str | int]]:
    """Protocol, port and target of the ports of a Service."""
    ports = of_kind(objects, "Service", name)["spec"]["ports"]
    return {(each.get("protocol", "TCP"), each["port"], each["targetPort"]) for each in ports}


def arguments(objects: Objects) -> list[str]:
    [container] = of_kind(objects, "Deployment", "edge-xds-ingress")["spec"]["template"]["spec"]["containers"]
    given: list[str] = container["args"]
    return given


def understood(objects: Objects) -> Layer4Options:
    """The flags of layer 4 as `xds serve` reads them in the namespace of the release."""
    names = ("--tcp-services", "--udp-services", "--expose-ports", "--reserved-ports", "--enable-ssl")
    given = [each.replace("$(POD_NAMESPACE)", chart.NAMESPACE) for each in arguments(objects) if each.startswith(names)]
    read: list[Layer4Options] = []

    def serve(**flags: Any) -> None:
        read.append(layer4_options({**flags, "authz": None, "http_port": 8080, "https_port": 8443}))

    command = click.Command("serve", params=[])
    command.callback = serve
    for decorate in reversed(LAYER4_OPTIONS):
        decorate(command)
    command.main(given, standalone_mode=False)
    return read[0]


def test_a_port_is_an_entry_of_the_config_map_and_a_port_of_the_service() -> None:
    found = release(PORTS)
    assert of_kind(found, "ConfigMap", "edge-xds-ingress-tcp")["data"] == PORTS["tcp"]
    assert of_kind(found, "ConfigMap", "edge-xds-ingress-udp")["data"] == PORTS["udp"]
    http = {("TCP", 80, "http"), ("TCP", 443, "https")}
    assert offered(found) == http | {("TCP", 22, 22), ("TCP", 9000, 9000), ("UDP", 53, 53)}
    assert sorted(map(str, understood(found).config_maps.values())) == [
        "ingress/edge-xds-ingress-tcp",
        "ingress/edge-xds-ingress-udp",
    ]


def test_one_more_port_replaces_no_pod() -> None:
    """Each replaced Envoy ends connections of layer 4, and a list of container ports is for information only."""
    before, after = release(PORTS), release(PORTS, {"tcp": {"5432": "db/postgres:5432"}})
    changed = {identity[0] for identity in after if after[identity] != before.get(identity)}
    assert changed == {"ConfigMap", "Service", "NetworkPolicy"}
    assert before.keys() == after.keys()


def test_no_port_leaves_no_trace() -> None:
    found = release()
    assert not [each for kind, _, each in found if kind == "ConfigMap" and each.endswith(("-tcp", "-udp"))]
    assert not [each for kind, _, each in found if each.endswith("-config-maps")]
    assert understood(found).config_maps == {}


@pytest.mark.parametrize("watched", [[], ["shop"]])
def test_rights_are_those_to_the_named_config_maps(watched: list[str]) -> None:
    """Where the namespace is not watched otherwise, also to Events about the ConfigMaps."""
    own = {"controlPlane": {"udpServicesConfigMap": "shop/udp", "watchNamespaces": watched}}
    found = release({"tcp": PORTS["tcp"]}, own)
    roles = {space: each for (kind, space, name), each in found.items() if kind == "Role" and "config-maps" in name}
    assert roles.keys() == {chart.NAMESPACE, "shop"}
    for space, names in ((chart.NAMESPACE, ["edge-xds-ingress-tcp"]), ("shop", ["udp"])):
        reads, *rest = roles[space]["rules"]
        assert reads == {
            "apiGroups": [""],
            "resources": ["configmaps"],
            "resourceNames": names,
            "verbs": ["list", "watch"],
        }
        events = {"apiGroups": ["events.k8s.io"], "resources": ["events"], "verbs": ["list", "create", "patch"]}
        assert rest == ([events] if watched and space != "shop" else [])
        binding = found["RoleBinding", space, roles[space]["metadata"]["name"]]
        assert binding["roleRef"]["name"] == roles[space]["metadata"]["name"]


def test_config_maps_of_ones_own_are_named_and_not_made() -> None:
    own = {"tcpServicesConfigMap": "shop/tcp", "udpServicesConfigMap": "shop/udp"}
    found = release({"controlPlane": own})
    assert sorted(map(str, understood(found).config_maps.values())) == ["shop/tcp", "shop/udp"]
    assert not [name for kind, _, name in found if kind == "ConfigMap" and name.endswith(("-tcp", "-udp"))]


def test_the_network_policy_opens_each_port_for_its_protocol() -> None:
    more = {
        "controlPlane": {"exposePorts": ["9100-9199=team-a", "5353/udp=dns"]},
        "fleet": {"service": {"extraPorts": [{"name": "smtp", "port": 25, "targetPort": 9125}]}},
    }
    found = release(PORTS, more)
    policies = [each for (kind, _, _), each in found.items() if kind == "NetworkPolicy"]
    template = of_kind(found, "Deployment", "edge-xds-ingress-envoy")["spec"]["template"]
    proxy = Pod(chart.NAMESPACE, template["metadata"]["labels"], {"http": 8080, "https": 8443})
    network, client = Network(policies, {}), Outside("203.0.113.9")
    opened = [(22, "TCP"), (9000, "TCP"), (53, "UDP"), (9100, "TCP"), (9150, "UDP"), (5353, "UDP"), (9125, "TCP")]
    closed = [(53, "TCP"), (22, "UDP"), (5353, "TCP"), (9200, "TCP"), (25, "TCP"), (9901, "TCP"), (9902, "TCP")]
    assert [port for port in opened if not network.lets(client, proxy, *port)] == []
    assert [port for port in closed if network.lets(client, proxy, *port)] == []


def test_ranges_open_no_reserved_port_in_the_network_policy() -> None:
    """Metrics of Envoy and of `xds authz` are for `networkPolicy.metricsFrom` only."""
    more = {
        "controlPlane": {"exposePorts": ["9900-9902=a", "80-20000=team-a", "18003=b"], "reservedPorts": [443]},
        "authz": {"enabled": True},
    }
    found = release(more)
    policies = [each for (kind, _, _), each in found.items() if kind == "NetworkPolicy"]
    template = of_kind(found, "Deployment", "edge-xds-ingress-envoy")["spec"]["template"]
    proxy = Pod(chart.NAMESPACE, template["metadata"]["labels"], {"http": 8080, "https": 8443})
    network, client = Network(policies, {}), Outside("203.0.113.9")
    numbers = (79, 80, 442, 443, 444, 9900, 9901, 9902, 9903, 18002, 18003, 18004, 20000, 20001)
    assert {each for each in numbers if not network.lets(client, proxy, each, "TCP")} == {
        *(79, 443, 9901, 9902, 18003, 20001)
    }
    assert [each for each in numbers if not network.lets(client, proxy, each, "UDP")] == [79, 20001]


def test_a_second_service_takes_udp_from_the_first() -> None:
    udp = {"separate": True, "annotations": {"example.com/balancer": "network"}, "loadBalancerIP": "192.0.2.53"}
    service = {"annotations": {"example.com/balancer": "application"}, "loadBalancerIP": "192.0.2.80", "udp": udp}
    found = release(PORTS, {"fleet": {"service": service}})
    assert {protocol for protocol, _, _ in offered(found)} == {"TCP"}
    assert offered(found, "edge-xds-ingress-envoy-udp") == {("UDP", 53, 53)}
    second, first = (of_kind(found, "Service", f"edge-xds-ingress-envoy{end}") for end in ("-udp", ""))
    assert second["metadata"]["annotations"] == udp["annotations"]
    assert second["spec"]["loadBalancerIP"] == "192.0.2.53"
    for field in ("type", "externalTrafficPolicy", "selector"):
        assert second["spec"][field] == first["spec"][field]


def test_a_second_service_without_udp_ports_is_not_made() -> None:
    found = release({"tcp": PORTS["tcp"], "fleet": {"service": {"udp": {"separate": True}}}})
    assert not [name for kind, _, name in found if kind == "Service" and name.endswith("-udp")]


def test_ports_of_nodes_are_those_of_envoy() -> None:
    fleet = {"hostPorts": {"enabled": True}, "service": {"enabled": False}}
    template = of_kind(release(PORTS, {"fleet": fleet}), "Deployment", "edge-xds-ingress-envoy")["spec"]["template"]
    [envoy] = template["spec"]["containers"]
    on_node = {
        (each.get("protocol", "TCP"), each["hostPort"], each["containerPort"])
        for each in envoy["ports"]
        if "hostPort" in each
    }
    assert on_node == {
        *(("TCP", 80, 8080), ("TCP", 443, 8443), ("TCP", 22, 22), ("TCP", 9000, 9000), ("UDP", 53, 53)),
    }


def test_nobody_claims_a_port_of_the_fleets_pods() -> None:
    """Of another process in the Pod: Envoy could not bind the port."""
    own = {"controlPlane": {"reservedPorts": [10250]}, "fleet": {"adminPort": 19901, "statsPort": 19902}}
    assert {str(each) for each in understood(release(own)).reserved} == {
        *("tcp/19901", "tcp/19902", "tcp/18003", "tcp/10250"),
        *("tcp/8080", "tcp/8443", "udp/8443"),
    }
    assert "18003" not in " ".join(arguments(release({"authz": {"enabled": False}})))


def test_ranges_for_services_are_read_as_written() -> None:
    found = understood(release({"controlPlane": {"exposePorts": ["9000-9100=team-a", "53=dns"]}}))
    assert found.exposed == (PortRange(9000, 9100, "team-a"), PortRange(53, 53, "dns"))


SYSCTL = {"name": "net.ipv4.ip_unprivileged_port_start", "value": "0"}
OTHER = {"name": "net.ipv4.ip_unprivileged_port_start", "value": "443"}


@pytest.mark.parametrize(
    ("fleet", "expected"),
    [
        ({}, [SYSCTL]),
        ({"lowPorts": False}, None),
        ({"hostNetwork": True}, None),
        ({"podSecurityContext": {"sysctls": [OTHER]}}, [OTHER]),
        ({"podSecurityContext": None}, [SYSCTL]),
    ],
    ids=str,
)
def test_envoy_may_bind_ports_below_1024(fleet: dict[str, Any], expected: Any) -> None:
    """With the network of the node, the kubelet rejects a Pod with a sysctl of networks."""
    template = of_kind(release({"fleet": fleet}), "Deployment", "edge-xds-ingress-envoy")["spec"]["template"]
    assert template["spec"]["securityContext"].get("sysctls") == expected


def test_passthrough_is_off_unless_asked_for() -> None:
    assert "--enable-ssl-passthrough" not in arguments(release())
    assert "--enable-ssl-passthrough" in arguments(release({"controlPlane": {"sslPassthrough": True}}))
