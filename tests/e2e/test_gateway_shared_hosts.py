"""Ingress and the Gateway API on the same hosts of a real Envoy, which answers as the matcher foretells.

Excludes: the merging of both, case by case (tests/translate/gateway/test_shared_hosts.py), and the resources of changes
(tests/resources/test_shared_hosts.py).
"""

import itertools
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from tests.support.authority import Authority
from tests.support.envoy import needs_envoy
from tests.support.objects import secret_of
from tests.support.shared_site import HOSTS, OBJECTS, OPTIONS, PATHS, SERVICES
from tests.support.site import Site, echoes, site
from xds.explain.matcher import answer
from xds.explain.request import Request

pytestmark = needs_envoy


def _requests() -> Iterator[tuple[str, str, str]]:
    """Hosts and paths by plain HTTP and by TLS, and hosts on connections for other names: host, path, SNI."""
    for host, asked in itertools.product(HOSTS, PATHS):
        yield host, asked, ""
        yield host, asked, host
    for host, sni in itertools.permutations(HOSTS, 2):
        yield host, "/", sni


async def differences(running: Site) -> list[tuple[str, str, str, str, str]]:
    """The requests with another answer than foretold: host, path, SNI, answer, foretold."""
    traffic = running.pipeline.traffic
    found = []
    for host, asked, sni in _requests():
        secure = bool(sni)
        reply = await running.get(host, asked, tls=secure, sni=sni)
        foretold = answer(traffic, Request(host, asked, https=secure, sni=sni))
        backend = foretold.route.backend if foretold.route else None
        expected = backend.service if backend and foretold.status == 200 else str(foretold.status)
        given = reply.backend or str(reply.status)
        if given != expected:
            found.append((host, asked, sni, given, expected))
    return found


async def test_a_default_certificate_leaves_hosts_of_gateways_apart(tmp_path: Path) -> None:
    issued = Authority("default").issue("default.test")
    default = secret_of("default", issued.certificate, issued.private_key)
    options, objects = replace(OPTIONS, default_tls_secret=default.key), (*SERVICES, *OBJECTS, default)
    async with echoes(SERVICES) as slices, site(tmp_path, *objects, *slices, translate=options) as on:
        assert await differences(on) == []


@pytest.mark.parametrize("sotw", [False, True])
async def test_envoy_answers_as_the_matcher_foretells(tmp_path: Path, *, sotw: bool) -> None:
    async with (
        echoes(SERVICES) as slices,
        site(tmp_path, *SERVICES, *slices, *OBJECTS, translate=OPTIONS, sotw=sotw) as on,
    ):
        assert await differences(on) == []
        assert (await on.get("shop.example.com", "/a")).backend == "old"
        assert (await on.get("shop.example.com", "/a/b")).backend == "new"
        assert (await on.get("x.y.example.com", "/")).backend == "wide"
        for each in () if sotw else OBJECTS[3:]:
            await on.delete(each)
            assert await differences(on) == []
            await on.apply(each)
        assert await differences(on) == []
        assert on.rejections == []
