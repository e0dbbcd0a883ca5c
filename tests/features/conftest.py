from collections.abc import AsyncIterator

import pytest

from tests.support.plane import Plane
from xds.protocol.messages import Variant


@pytest.fixture
async def plane() -> AsyncIterator[Plane]:
    """Everything is listed, and there are no objects."""
    async with Plane() as plane:
        yield plane


@pytest.fixture(params=list(Variant))
def variant(request: pytest.FixtureRequest) -> Variant:
    """Both ways in which a stream can tell changes."""
    assert isinstance(request.param, Variant)
    return request.param
