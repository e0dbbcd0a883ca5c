"""A class that turns away from a hundred Ingresses, with two real Envoys under load: no client notices.

Covers: no request fails while the class is turned and turned back, and nothing is sent meanwhile; endpoints go on, and
a deleted Ingress goes. Excludes: other held objects and the end of the hold (tests/controlplane/test_withdrawal.py,
tests/properties).
"""

from pathlib import Path

import pytest

from tests.support.envoy import needs_envoy
from tests.support.matrix.case import NO_BACKEND, NO_ROUTE, Ask, Told, host, of, shop
from tests.support.matrix.site import site
from tests.support.matrix.sources import Folder
from tests.support.objects import ingress_class, service, slice_of

pytestmark = [needs_envoy, pytest.mark.xdist_group("bad-objects")]

OURS, THEIRS = of(ingress_class()), of(ingress_class(controller="example.com/other"))
HELD = (Told("IngressClass", "envoy", "WithdrawalHeld"),)
LAST = Ask(host("last"))


async def test_a_turned_class_withdraws_no_route(tmp_path: Path) -> None:
    manifests = tmp_path / "manifests"
    manifests.mkdir()
    async with site(Folder(manifests, "shops"), tmp_path, "127.0.0.1") as it:
        await it.source.apply([OURS, of(service("own", "http:80")), shop("last", "own")])
        await it.until_answered([Ask(LAST.host, NO_BACKEND)])
        await it.until_in_sync()
        pushed = await it.replica.pushes()
        for each, told in ((THEIRS, HELD), (OURS, ()), (THEIRS, HELD)):
            await it.source.apply([each])
            await it.until_told(told)
            await it.load.sweep()
        assert await it.replica.pushes() == pushed

        await it.source.apply([of(slice_of("own", it.target.address, ports=[f"http:{it.target.port}"]))])
        await it.until_answered([LAST])
        await it.source.delete([shop("last", "own")])
        await it.until_answered([Ask(LAST.host, NO_ROUTE)])
        await it.load.sweep()
        await it.assert_nothing_was_refused()
        assert it.load.failed == []
