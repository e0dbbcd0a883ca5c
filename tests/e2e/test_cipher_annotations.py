"""ssl-ciphers and ssl-prefer-server-ciphers in handshakes with a real Envoy.

Excludes: cipher strings and the choice of an Ingress (tests/translate/nginx/test_client_tls.py).
"""

from pathlib import Path

import pytest

from tests.support.envoy import bootstrap_error, needs_envoy
from tests.support.objects import certificate, ingress, path, rule, secret, service, tls
from tests.support.route_table_annotations import annotated
from tests.support.site import Site, echoes, site
from tests.support.static_tls import bootstrap
from tests.support.tls_client import Client
from xds.kube.objects import Ingress
from xds.translate.nginx.cipher_suites import SUITES

pytestmark = needs_envoy

A, B = "a.example.com", "b.example.com"
BOTH = certificate(A, B, kind="rsa2048")
STRONG, WEAK = "ECDHE-RSA-AES256-GCM-SHA384", "ECDHE-RSA-AES128-GCM-SHA256"


def shop(host: str, **annotations: str) -> Ingress:
    return ingress(host, rule(host, path("/")), tls=[tls(host, secret="both")], annotations=annotated(**annotations))


async def agreed(running: Site, host: str, offered: str) -> str:
    """The suite of a handshake; empty if there is none."""
    found = await Client(running.proxy.https_port, offered).handshake(host)
    return found.cipher if found else ""


async def test_cipher_suites_hold_for_one_host(tmp_path: Path) -> None:
    service_web = service("web")
    async with echoes([service_web]) as slices:
        objects = (shop(A, ssl_ciphers=f"DHE-RSA-AES256-GCM-SHA384:{STRONG}:!aNULL"), shop(B))
        async with site(tmp_path, *objects, service_web, secret("both", BOTH), *slices) as running:
            assert running.rejections == []
            assert await agreed(running, A, f"{WEAK}:{STRONG}") == STRONG
            assert await agreed(running, A, WEAK) == ""
            assert await agreed(running, B, WEAK) == WEAK
            found = await Client(running.proxy.https_port, STRONG).handshake(A)
            assert found is not None
            assert found.status == 200
            client = Client(running.proxy.https_port, WEAK)
            await running.apply(shop(A))
            await client.until(lambda found: found is not None, A)


async def test_the_order_of_suites_is_the_servers_or_the_clients(tmp_path: Path) -> None:
    strong_first = f"{STRONG}:{WEAK}"
    objects = (
        shop(A, ssl_ciphers=strong_first),
        shop(B, ssl_ciphers=strong_first, ssl_prefer_server_ciphers="false"),
    )
    async with site(tmp_path, *objects, service("web"), secret("both", BOTH)) as running:
        assert running.rejections == []
        assert await agreed(running, A, f"{WEAK}:{STRONG}") == STRONG
        assert await agreed(running, B, f"{WEAK}:{STRONG}") == WEAK
        assert await agreed(running, B, strong_first) == STRONG
        await running.apply(shop(A, ssl_prefer_server_ciphers="false"))
        await Client(running.proxy.https_port, WEAK).until(lambda found: found is not None, A)
        assert running.rejections == []


@pytest.mark.parametrize("suites", [[each.name for each in SUITES], [f"[{'|'.join(each.name for each in SUITES)}]"]])
def test_envoy_accepts_each_suite(tmp_path: Path, suites: list[str]) -> None:
    with_suites = bootstrap(BOTH.chain, BOTH.key)
    (listener,) = with_suites["static_resources"]["listeners"]
    context = listener["filter_chains"][0]["transport_socket"]["typed_config"]["common_tls_context"]
    context["tls_params"] = {"cipher_suites": suites}
    assert bootstrap_error(with_suites, tmp_path) == ""
