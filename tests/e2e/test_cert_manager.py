"""An authority asks a real Envoy for the token of HTTP-01, by plain HTTP, whatever the Ingress of the site says.

Excludes: problems (tests/translate/test_cert_manager.py), and a real API server (tests/cluster/test_cert_manager.py).
"""

import itertools
from pathlib import Path

import pytest

from tests.support.cert_manager import CHALLENGE, FORMS, SITES, SOLVER, TOKEN, site_ingress, solver_ingress
from tests.support.envoy import needs_envoy
from tests.support.objects import authorities, ingress_class, password_file, service
from tests.support.site import echoes, site
from xds.resources.options import ProxyOptions
from xds.translate.options import TranslateOptions

pytestmark = needs_envoy

USERS = password_file("me:{SHA}nU4eI71bcnBGqeO0t9tXvY1u5oQ=")
SERVICES = (service("web"), service(SOLVER, "http:8089", type="NodePort"))


@pytest.mark.parametrize(
    ("translate", "proxy"),
    [
        (TranslateOptions(), ProxyOptions(redirect_https=True)),
        (TranslateOptions(is_compatible=True), ProxyOptions()),
    ],
    ids=["redirects", "compatible"],
)
async def test_the_authority_gets_the_token(translate: TranslateOptions, proxy: ProxyOptions, tmp_path: Path) -> None:
    hosts = {
        f"{'-'.join(name.lower().split())}.{number}.example.com": (each, form)
        for number, ((name, each), form) in enumerate(zip(SITES.items(), itertools.cycle(FORMS), strict=False))
    }
    objects = [USERS, authorities("ca"), ingress_class("envoy", default=True), *SERVICES]
    for host, (each, form) in hosts.items():
        objects.append(site_ingress(host, each, name=f"site-{host}", created=1))
        objects.append(solver_ingress(host, *form, name=f"{SOLVER}-{host}", created=2))
    async with (
        echoes(SERVICES) as slices,
        site(tmp_path, *objects, *slices, translate=translate, proxy=proxy) as running,
    ):
        for host in hosts:
            answer = await running.get(host, f"{CHALLENGE}{TOKEN}")
            assert (answer.status, answer.backend) == (200, SOLVER), host
        assert (await running.get("redirects.1.example.com", "/")).status == 308
        assert (await running.get("passwords.5.example.com", "/")).status in (308, 401)
        assert running.rejections == []
