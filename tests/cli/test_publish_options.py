"""`--publish-address`, `--publish-service` and `--lease-name` of `xds serve`: values and wrong usage.

Excludes: writing the status of Ingresses (tests/reporting).
"""

from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from xds.cli.publish_options import lease, publish
from xds.cli.serve import serve
from xds.controlplane.settings import ClusterSource
from xds.kubeapi.kubeconfig import Access
from xds.problems.problem import Key
from xds.reporting.status import LoadBalancerAddress, PublishOptions

CLUSTER = ClusterSource(Access())


def test_addresses_keep_their_order_and_count_once() -> None:
    found = (
        LoadBalancerAddress(hostname="b.test"),
        LoadBalancerAddress(ip="192.0.2.1"),
        LoadBalancerAddress(hostname="b.test"),
    )
    assert publish(CLUSTER, found, None) == PublishOptions(found[:2])


def test_without_flags_statuses_are_left_alone() -> None:
    assert not publish(CLUSTER, (), None)
    assert not publish(Path(), (), None)
    assert publish(CLUSTER, (), Key("xds", "envoy"))


def test_publish_address_and_publish_service_exclude_each_other() -> None:
    with pytest.raises(click.UsageError, match="exclude each other"):
        publish(CLUSTER, (LoadBalancerAddress(ip="192.0.2.1"),), Key("xds", "envoy"))


def test_the_lease_is_named_by_the_flag_else_by_the_classes() -> None:
    assert lease(CLUSTER, "edge") == "edge"
    assert lease(CLUSTER, None) == ""
    assert lease(Path(), None) == ""


@pytest.mark.parametrize(
    ("flags", "says"),
    [
        (["--publish-address=192.0.2.1"], "with --from there is none"),
        (["--publish-service=xds/envoy"], "with --from there is none"),
        (["--publish-address=Not A Host"], "neither an IP address nor a hostname"),
        (["--publish-service=envoy"], "is not NS/NAME"),
        (["--lease-name=edge"], "with --from there is none"),
        (["--lease-name=Edge_1"], "can't be the name of a Lease"),
        ([f"--lease-name={'e' * 64}"], "at most 63 characters"),
    ],
)
def test_invalid_publish_flags_are_wrong_usage(flags: list[str], says: str, tmp_path: Path) -> None:
    result = CliRunner().invoke(serve, [f"--from={tmp_path}", *flags])
    assert (result.exit_code, says in result.output) == (2, True), result.output
