"""`--gateway-class`, `--gateway-address` and `--gateway-services`: values and wrong usage.

Excludes: the Services (tests/reporting/test_gateway_services.py), the pool (tests/translate/gateway).
"""

from dataclasses import replace
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from xds.cli.gateway_options import beside_gateways, placed
from xds.cli.serve import serve
from xds.controlplane.settings import ClusterSource
from xds.kubeapi.kubeconfig import Access
from xds.problems.problem import Key
from xds.reporting.status import LoadBalancerAddress
from xds.traffic.layer4 import PortKey, Transport
from xds.translate.gateway.options import GatewayOptions, TargetPorts
from xds.translate.layer4.options import Layer4Options

CLUSTER, ENVOY = ClusterSource(Access()), Key("xds", "envoy")
RESERVED = Layer4Options(reserved=frozenset({PortKey(Transport.TCP, 20001)}))
SERVICES = GatewayOptions(target_ports=TargetPorts(20000, 20999))


def test_addresses_are_recorded_in_a_cluster_alone() -> None:
    published = (LoadBalancerAddress(ip="192.0.2.7"), LoadBalancerAddress(hostname="lb.test"))
    found = placed(GatewayOptions(listener_address="192.0.2.1"), CLUSTER, published, None)
    assert found.records
    assert found.shared_addresses == frozenset({"192.0.2.1", "192.0.2.7"})
    assert not placed(GatewayOptions(), Path(), (), None).records


def test_services_are_in_the_namespace_of_the_fleet() -> None:
    assert placed(SERVICES, CLUSTER, (), ENVOY).fleet == "xds"
    watched = ClusterSource(Access(), ("shop", "xds"))
    assert placed(SERVICES, watched, (), ENVOY).fleet == "xds"


@pytest.mark.parametrize(
    ("options", "source", "service", "says"),
    [
        (SERVICES, Path(), ENVOY, "needs --kubeconfig or --in-cluster"),
        (SERVICES, CLUSTER, None, "and --publish-service"),
        (SERVICES, ClusterSource(Access(), ("shop",)), ENVOY, "needs --namespace xds"),
        (GatewayOptions(target_ports=TargetPorts(8000, 8999)), CLUSTER, ENVOY, "has port 8080"),
        (replace(SERVICES, layer4=RESERVED), CLUSTER, ENVOY, "has port tcp/20001, which is reserved"),
    ],
)
def test_services_that_can_not_be_kept_are_wrong_usage(
    options: GatewayOptions, source: Path | ClusterSource, service: Key | None, says: str
) -> None:
    with pytest.raises(click.UsageError, match=says):
        placed(options, source, (), service)


@pytest.mark.parametrize(
    ("flags", "says"),
    [
        (["--gateway-address=lb.test"], "is no IP address"),
        (["--gateway-services=20000"], "is no range of ports"),
        (["--gateway-services=21000-20000"], "is no range of ports"),
        (["--gateway-services=0-10"], "is no range of ports"),
        (["--gateway-services=20000-20999"], "needs --kubeconfig or --in-cluster"),
        (["--gateway-address=192.0.2.1", "--gateway-services=20000-20999"], "can't both"),
    ],
)
def test_invalid_gateway_flags_are_wrong_usage(flags: list[str], says: str, tmp_path: Path) -> None:
    answer = CliRunner().invoke(serve, [f"--from={tmp_path}", *flags])
    assert answer.exit_code == 2
    assert says in " ".join(answer.output.replace("│", " ").split())


def test_ports_of_services_are_none_of_layer_4() -> None:
    found = beside_gateways(RESERVED, TargetPorts(30000, 30001)).reserved - RESERVED.reserved
    assert found == {PortKey(transport, number) for transport in Transport for number in (30000, 30001)}
    assert beside_gateways(RESERVED, None) == RESERVED
