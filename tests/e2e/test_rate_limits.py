"""limit-rps and its kin through a real Envoy: who is counted, with whom, and how long a count lasts.

Covers: the buckets by ECDS, from the first start on. Excludes: the reading of annotations, and the time of a change of
buckets (tests/controlplane/test_bucket_schedule.py).

The rates are by minute, so that no count recovers during a test.
"""

import asyncio
from collections import Counter
from pathlib import Path
from typing import Final

from tests.support.envoy import needs_envoy
from tests.support.objects import NS, certificate, ingress, path, rule, secret, service, tls
from tests.support.route_table_annotations import annotated
from tests.support.site import Site, echoes, site
from xds.kube.objects import ConfigMap, Ingress, Metadata
from xds.problems.problem import Key
from xds.problems.reasons import Reason
from xds.resources import names
from xds.resources.options import ProxyOptions
from xds.snapshot.resource import ResourceType
from xds.translate.options import TranslateOptions

pytestmark = needs_envoy

HOST: Final = "shop.example.com"
OTHER: Final = "other.example.com"
WEB: Final = service("web")


def limited(name: str, *hosts: str, **annotations: str) -> Ingress:
    """An Ingress of which each client address has 3 requests, and one a minute afterwards, unless told otherwise."""
    limits = annotated(**{"limit_rpm": "1", "limit_burst_multiplier": "2", **annotations})
    return ingress(name, *(rule(host, path("/")) for host in hosts), annotations=limits)


async def answers(running: Site, count: int, host: str = HOST, *, https: bool = False, **headers: str) -> Counter[int]:
    """The statuses of simultaneous requests."""
    sni = host if https else ""
    replies = await asyncio.gather(*(running.get(host, tls=https, sni=sni, **headers) for _ in range(count)))
    return Counter(each.status for each in replies)


async def test_a_client_has_one_request_and_a_burst(tmp_path: Path) -> None:
    """Two hosts of an Ingress count together, an Ingress without a limit answers on."""
    free = ingress("free", rule("free.example.com", path("/")))
    async with echoes([WEB]) as slices, site(tmp_path, limited("shop", HOST, OTHER), free, WEB, *slices) as running:
        assert await answers(running, 5) == {200: 3, 503: 2}
        assert await answers(running, 2, OTHER) == {503: 2}
        assert await answers(running, 5, "free.example.com") == {200: 5}
        assert running.rejections == []


async def test_counts_outlast_edits_of_ingresses(tmp_path: Path) -> None:
    """Edits of the Ingress itself, of its list of unlimited clients among them, and of others."""
    first, other = limited("shop", HOST), limited("other", OTHER)
    async with echoes([WEB]) as slices, site(tmp_path, first, other, WEB, *slices) as running:
        assert await answers(running, 4) == {200: 3, 503: 1}
        await running.apply(limited("other", OTHER, "new.example.com"))
        assert await answers(running, 2) == {503: 2}
        await running.apply(limited("shop", HOST, limit_allowlist="192.0.2.0/24"))
        assert await answers(running, 2) == {503: 2}
        assert await answers(running, 4, OTHER) == {200: 3, 503: 1}
        await running.delete(other)
        assert await answers(running, 2) == {503: 2}


async def test_a_new_rate_reaches_envoy_before_its_routes(tmp_path: Path) -> None:
    """A proxy that started without a rate has its buckets with the first limited route. No listener changes."""
    plain = ingress("shop", rule(HOST, path("/")))
    async with echoes([WEB]) as slices, site(tmp_path, plain, WEB, *slices) as running:
        assert await answers(running, 5) == {200: 5}
        listener = running.pipeline.store.get(ResourceType.LISTENER, names.HTTP)
        await running.apply(limited("shop", HOST))
        assert await answers(running, 5) == {200: 3, 503: 2}
        assert running.pipeline.store.get(ResourceType.LISTENER, names.HTTP) is listener
        assert running.rejections == []


async def test_the_status_is_the_config_maps(tmp_path: Path) -> None:
    """Counts start anew with another status. A code that Envoy doesn't know is a problem."""
    named = TranslateOptions(nginx_configmap=Key(NS, "nginx"))
    shop = limited("shop", HOST)
    async with echoes([WEB]) as slices, site(tmp_path, shop, WEB, *slices, translate=named) as running:
        assert await answers(running, 4) == {200: 3, 503: 1}
        await running.apply(ConfigMap(Metadata("nginx", NS), {"limit-req-status-code": "429"}))
        assert await answers(running, 4) == {200: 3, 429: 1}
        await running.apply(ConfigMap(Metadata("nginx", NS), {"limit-req-status-code": "499"}))
        assert await answers(running, 4) == {200: 3, 503: 1}
        assert [each.reason for each in running.pipeline.problems] == [Reason.CONFIG_KEY_INVALID]
        assert running.rejections == []


async def test_two_rates_hold_together(tmp_path: Path) -> None:
    """The smaller of both counts."""
    shop = limited("shop", HOST, limit_rps="100")
    async with echoes([WEB]) as slices, site(tmp_path, shop, WEB, *slices) as running:
        assert await answers(running, 5) == {200: 3, 503: 2}


async def test_the_client_is_the_one_that_trusted_proxies_name(tmp_path: Path) -> None:
    """Unlimited networks are compared with that address, too; without trust, the header names nobody."""
    shop = limited("shop", HOST, limit_allowlist="192.0.2.0/24, 2001:db8::/32")
    trusting = ProxyOptions(trusted_hops=1)
    async with echoes([WEB]) as slices:
        async with site(tmp_path, shop, WEB, *slices, proxy=trusting) as running:
            assert await answers(running, 5, x_forwarded_for="192.0.2.9") == {200: 5}
            assert await answers(running, 5, x_forwarded_for="2001:db8::9") == {200: 5}
            assert await answers(running, 4, x_forwarded_for="198.51.100.1") == {200: 3, 503: 1}
            assert await answers(running, 4, x_forwarded_for="198.51.100.1, 198.51.100.2") == {200: 3, 503: 1}
            assert await answers(running, 4, x_forwarded_for="2001:db9::1") == {200: 3, 503: 1}
        async with site(tmp_path, shop, WEB, *slices) as running:
            assert await answers(running, 4, x_forwarded_for="192.0.2.9") == {200: 3, 503: 1}


async def test_counts_of_https_outlast_other_certificates(tmp_path: Path) -> None:
    """The listener changes, and keeps the filter chains that are as before."""
    shop = ingress(
        "shop", rule(HOST, path("/")), tls=[tls(HOST, secret="cert")],
        annotations=annotated(limit_rpm="1", limit_burst_multiplier="2"),
    )  # fmt: skip
    objects = (shop, WEB, secret("cert", certificate(HOST)))
    later = (
        ingress("other", rule(OTHER, path("/")), tls=[tls(OTHER, secret="later")]),
        secret("later", certificate(OTHER)),
    )
    async with echoes([WEB]) as slices, site(tmp_path, *objects, *slices) as running:
        assert await answers(running, 4, https=True) == {200: 3, 503: 1}
        await running.apply(*later)
        assert await answers(running, 1, OTHER, https=True) == {200: 1}
        assert await answers(running, 2, https=True) == {503: 2}


async def test_https_is_limited_with_a_count_of_its_own(tmp_path: Path) -> None:
    """State of the world, in which a proxy gets its buckets as well."""
    shop = ingress(
        "shop", rule(HOST, path("/")), tls=[tls(HOST, secret="cert")],
        annotations=annotated(limit_rpm="1", limit_burst_multiplier="2"),
    )  # fmt: skip
    objects = (shop, WEB, secret("cert", certificate(HOST)))
    async with echoes([WEB]) as slices, site(tmp_path, *objects, *slices, sotw=True) as running:
        assert await answers(running, 5, https=True) == {200: 3, 503: 2}
        assert await answers(running, 5) == {200: 3, 503: 2}
        assert running.rejections == []
