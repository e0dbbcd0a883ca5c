"""Ingress and the Gateway API on the same hosts of a real Envoy, which answers as the matcher foretells.

Excludes: the merging of both, case by case (tests/translate/gateway/test_doors.py), and the resources of changes
(tests/resources/test_shared_hosts.py).
"""

import itertools
from pathlib import Path

import pytest

from tests.support.envoy import needs_envoy
from tests.support.shared_site import HOSTS, OBJECTS, OPTIONS, PATHS, SERVICES
from tests.support.site import Site, echoes, site
from xds.explain.matcher import answer
from xds.explain.request import Request

pytestmark = needs_envoy


async def differences(running: Site) -> list[tuple[str, str, bool, str, str]]:
    """The requests with another answer than foretold: host, path, whether by TLS, answer, foretold."""
    traffic = running.pipeline.traffic
    found = []
    for host, asked, secure in itertools.product(HOSTS, PATHS, (False, True)):
        reply = await running.get(host, asked, tls=secure, sni=host)
        foretold = answer(traffic, Request(host, asked, https=secure, sni=host if secure else ""))
        backend = foretold.route.backend if foretold.route else None
        expected = backend.service if backend and foretold.status == 200 else str(foretold.status)
        given = reply.backend or str(reply.status)
        if given != expected:
            found.append((host, asked, secure, given, expected))
    return found


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
