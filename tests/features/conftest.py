from collections.abc import AsyncIterator

import pytest

from tests.support.plane import Plane
from tests.support.waiting import WAIT_LIMIT_SECONDS
from xds.protocol.messages import Variant


@pytest.fixture(autouse=True)
def _long_grace(monkeypatch: pytest.MonkeyPatch) -> None:
    """Routes wait for endpoints and clusters until the test subscribes or ACKs, however slow the machine is."""
    for name in ("warming.WARMING_GRACE_SECONDS", "ordering.CLUSTER_WAIT_LIMIT_SECONDS"):
        monkeypatch.setattr(f"xds.protocol.{name}", 2 * WAIT_LIMIT_SECONDS)


@pytest.fixture
async def plane() -> AsyncIterator[Plane]:
    """Without objects, and with every kind listed."""
    async with Plane() as plane:
        yield plane


@pytest.fixture(params=list(Variant))
def variant(request: pytest.FixtureRequest) -> Variant:
    """Delta and the state of the world."""
    assert isinstance(request.param, Variant)
    return request.param
