"""Canaries on a real Envoy: shares, and the endpoints of both Services as they come and go.

Excludes: conditions on headers and cookies (tests/support/route_table_annotations.py), generated requests
(test_explain.py).
"""

from collections import Counter
from pathlib import Path

from tests.support.echo import echo
from tests.support.envoy import needs_envoy
from tests.support.objects import endpoint, ingress, path, rule, service, slice_of
from tests.support.route_table_annotations import canary
from tests.support.site import Site, echoes, site
from xds.kube.objects import Ingress

pytestmark = needs_envoy

HOST = "shop.example.com"
SERVICES = (service("web"), service("next"))


def ingresses(**annotations: str) -> tuple[Ingress, Ingress]:
    lent = ingress("next", rule(HOST, path("/", "next")), annotations=canary(**annotations))
    return ingress("shop", rule(HOST, path("/"))), lent


async def answers(running: Site, count: int, word: str = "") -> Counter[str]:
    replies = [await running.get(HOST, X_Canary=word) for _ in range(count)]
    return Counter(reply.backend or str(reply.status) for reply in replies)


async def test_a_canary_gets_its_share(tmp_path: Path) -> None:
    async with echoes(SERVICES) as slices:
        objects = (*ingresses(canary_weight="300", canary_weight_total="1000"), *SERVICES, *slices)
        async with site(tmp_path, *objects) as running:
            found = await answers(running, 200)
            assert 20 <= found["next"] <= 110  # six standard deviations
            assert found["web"] + found["next"] == 200
            await running.apply(*ingresses(canary_weight="1000", canary_weight_total="1000"))
            assert await answers(running, 20) == {"next": 20}
            await running.apply(*ingresses(canary_weight="0"))
            assert await answers(running, 20) == {"web": 20}
            assert running.rejections == []


async def test_the_primary_serves_the_share_of_a_canary_without_endpoints(tmp_path: Path) -> None:
    async with echoes(SERVICES) as (web, lent):
        objects = (*ingresses(canary_by_header="X-Canary", canary_weight="50"), *SERVICES)
        async with site(tmp_path, *objects, web) as running:
            assert await answers(running, 20) == {"web": 20}
            assert await answers(running, 5, "always") == {"web": 5}
            await running.apply(lent)
            assert await answers(running, 5, "always") == {"next": 5}
            await running.delete(lent)
            assert await answers(running, 5, "always") == {"web": 5}
            await running.delete(web)
            assert await answers(running, 5, "always") == {"503": 5}
            assert running.rejections == []


async def test_a_canary_whose_endpoints_leave_one_by_one_keeps_its_requests(tmp_path: Path) -> None:
    async with echoes(SERVICES[:1]) as (web,), echo("next") as port:
        leaving = [endpoint(f"127.0.0.{each}", ready=False, serving=True, terminating=True) for each in (2, 3)]
        objects = (*ingresses(canary_by_header="X-Canary"), *SERVICES, web)
        slices = slice_of("next", endpoint("127.0.0.1"), *leaving, ports=[port])
        async with site(tmp_path, *objects, slices) as running:
            assert await answers(running, 40, "always") == {"next": 40}
