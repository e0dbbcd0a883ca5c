"""A real Envoy acknowledges the resources of each golden case over ADS.

Covers each case from an Envoy's start, and the change from each case to the next on one stream, which replaces every
resource. Excludes the answers to requests (tests/e2e).
"""

import socket
from collections.abc import Iterable
from dataclasses import replace
from itertools import groupby
from pathlib import Path

import pytest

from tests.support.ads_client import CDS, EDS, LDS, RDS, SDS
from tests.support.envoy import free_port, needs_envoy, running_envoy
from tests.support.golden import Golden, golden_cases
from tests.support.plane import Plane
from tests.support.waiting import until
from xds.bootstrap.config import bootstrap_yaml
from xds.kube.change import Applied, Change, Deleted
from xds.kube.objects import KubeObject
from xds.protocol.messages import Variant

pytestmark = needs_envoy

DNS = """
typed_dns_resolver_config:
  name: envoy.network.dns_resolver.cares
  typed_config:
    "@type": type.googleapis.com/envoy.extensions.network.dns_resolver.cares.v3.CaresDnsResolverConfig
    resolvers: [{socket_address: {address: 127.0.0.1, port_value: %d}}]
"""
"""A resolver at a port of this machine: results must not depend on the machine's network."""

REFUSING = 1

CASES = golden_cases()


@pytest.fixture(autouse=True)
def _no_dns(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tests.support.envoy.bootstrap_yaml", lambda options: bootstrap_yaml(options) + DNS % REFUSING)


def plane_for(case: Golden) -> Plane:
    """The options of the case, and free ports."""
    proxy = replace(case.proxy, listener_address="127.0.0.1", http_port=free_port(), https_port=free_port())
    return Plane(*case.objects, translate=case.translate, proxy=proxy)


async def all_acknowledged(plane: Plane) -> None:
    """Wait until Envoy has subscribed to every resource and acknowledged each response.

    Raises:
        AssertionError: Envoy rejected a response.
    """
    try:
        await until(lambda: bool(rejections(plane)) or has_all(plane))
    except TimeoutError:
        raise AssertionError(f"still waiting: {list(plane.ads.proxies())}") from None
    assert rejections(plane) == []


def has_all(plane: Plane) -> bool:
    """Envoy stays subscribed to the resources of its draining listeners, so it may ask for more than exists."""
    types = {each.type: each for proxy in plane.ads.proxies() for each in proxy.stream.types}
    return (
        {CDS, LDS} <= types.keys()
        and all(each.acknowledged and each.settled and not each.rejected_count for each in types.values())
        and all(plane.asked(type_) >= set(plane.names(type_)) for type_ in (EDS, RDS, SDS))
    )


def rejections(plane: Plane) -> list[str]:
    """Envoy's NACK messages."""
    types = (each for proxy in plane.ads.proxies() for each in proxy.stream.types)
    return [each.last_rejection.message for each in types if each.last_rejection]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
async def test_a_new_envoy_accepts_each_case(case: Golden, variant: Variant, tmp_path: Path) -> None:
    async with plane_for(case) as plane, running_envoy(plane.address, tmp_path, sotw=variant is Variant.SOTW):
        await all_acknowledged(plane)


async def test_a_silent_name_server_keeps_no_envoy_from_starting(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (case,) = (case for case in CASES if case.name == "external-name-allowed")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as silent:
        silent.bind(("127.0.0.1", 0))
        dns = DNS % silent.getsockname()[1]
        monkeypatch.setattr("tests.support.envoy.bootstrap_yaml", lambda options: bootstrap_yaml(options) + dns)
        async with plane_for(case) as plane, running_envoy(plane.address, tmp_path):
            await all_acknowledged(plane)


def _options(case: Golden) -> str:
    return repr((case.translate, case.proxy))


@pytest.mark.parametrize("cases", [list(cases) for _, cases in groupby(sorted(CASES, key=_options), _options)], ids=len)
async def test_an_envoy_accepts_a_change_from_case_to_case(
    cases: list[Golden], variant: Variant, tmp_path: Path
) -> None:
    """Every resource is replaced: rule 13 with all types at once."""
    async with (
        plane_for(cases[0]) as plane,
        running_envoy(plane.address, tmp_path, sotw=variant is Variant.SOTW),
    ):
        await all_acknowledged(plane)
        for before, after in zip(cases, [*cases[1:], cases[0]], strict=True):
            plane.change(*replaced(before.objects, after.objects))
            await all_acknowledged(plane)


def replaced(before: Iterable[KubeObject], after: Iterable[KubeObject]) -> list[Change]:
    """The changes from one set of objects to another."""
    kept = {(type(each), each.key) for each in after}
    gone = [Deleted(type(each), each.key) for each in before if (type(each), each.key) not in kept]
    return [*gone, *map(Applied, after)]
