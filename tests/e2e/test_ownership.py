"""--host-ownership namespace through a real Envoy: no Ingress of another namespace changes the answers of a host.

Excludes: which part of an Ingress is left out, and why (tests/translate/test_ownership.py).
"""

from pathlib import Path
from typing import Final

from tests.support.envoy import needs_envoy
from tests.support.objects import certificate, exact, ingress, path, rule, secret, service, specific, tls
from tests.support.route_table_annotations import annotated, canary
from tests.support.site import Site, echoes, site
from xds.translate.options import TranslateOptions
from xds.translate.ownership import HostOwnership

pytestmark = needs_envoy

HOST: Final = "shop.test"
OWNED: Final = TranslateOptions(host_ownership=HostOwnership.NAMESPACE)
ASKED: Final = ("/", "/login/x", "/LOGIN", "/cart", "/elsewhere")
SERVICES: Final = (service("shop", ns="a"), service("thief", ns="b"))
OWNER: Final = (
    ingress(
        "shop",
        rule(HOST, exact("/", "shop"), path("/login", "shop"), path("/cart", "shop")),
        ns="a",
        created=1,
        tls=[tls(HOST, secret="cert")],
    ),
    secret("cert", certificate(HOST), ns="a"),
)
HOSTILE: Final = {
    "longer": annotated(),
    "root": annotated(app_root="/phish"),
    "regex": annotated(use_regex="true"),
    "rewrite": annotated(rewrite_target="/phish"),
    "alias": annotated(server_alias="www.shop.test"),
    "www": annotated(from_to_www_redirect="true"),
    "certificates": annotated(auth_tls_secret="b/ca"),
    "snippet": annotated(server_snippet="deny all;"),
    "canary": canary(canary_weight="100"),
}


async def answers(running: Site) -> list[tuple[int, str, str]]:
    """The answers to the owner's clients, by HTTP and HTTPS."""
    replies = [await running.get(HOST, under) for under in ASKED]
    replies += [await running.get(HOST, under, tls=True, sni=HOST) for under in ASKED]
    return [(each.status, each.backend, each.headers.get("location", "")) for each in replies]


async def test_ingresses_of_another_namespace_change_no_answer(tmp_path: Path) -> None:
    async with (
        echoes(SERVICES) as slices,
        site(tmp_path, *SERVICES, *slices, *OWNER, translate=OWNED) as running,
    ):
        expected = await answers(running)
        assert [status for status, _, _ in expected] == [200, 200, 404, 200, 404] * 2
        for name, annotations in HOSTILE.items():
            rules = rule(HOST, path("/login/x", "thief"), path("/elsewhere", "thief"), specific("/.*", "thief"))
            hostile = ingress(
                name,
                rules,
                ns="b",
                created=2,
                default="thief",
                annotations=annotations,
                tls=[tls(HOST, secret="missing")],
            )
            await running.apply(hostile)
            assert (name, await answers(running)) == (name, expected)
            further = await running.get("www.shop.test")
            assert further.backend != "shop"
            assert "location" not in further.headers
            await running.delete(hostile)
        await running.apply(hostile := ingress("heir", rule(HOST, path("/", "thief")), ns="b", created=2))
        assert await answers(running) == expected
        await running.delete(OWNER[0])
        assert (await running.get(HOST, "/elsewhere")).backend == "thief"
        await running.delete(hostile)
        assert not running.rejections


async def test_with_shared_hosts_any_namespace_adds_paths(tmp_path: Path) -> None:
    hostile = ingress("longer", rule(HOST, path("/login/x", "thief")), ns="b", created=2)
    async with echoes(SERVICES) as slices, site(tmp_path, *SERVICES, *slices, *OWNER, hostile) as running:
        assert (await running.get(HOST, "/login/x")).backend == "thief"
