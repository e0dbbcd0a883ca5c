from collections.abc import AsyncGenerator, AsyncIterator
from pathlib import Path

import pytest

from tests.support.followed import Follow, Follower
from xds.kube.change import Batch
from xds.sources.folder.source import Folder


@pytest.fixture
async def follow() -> AsyncIterator[Follow]:
    """Follows a folder, and has read it."""
    opened: list[AsyncGenerator[Batch, None]] = []

    async def start(path: Path) -> Follower:
        opened.append(Folder(path).batches())
        follower = Follower(opened[-1])
        await follower.next()
        return follower

    yield start
    for batches in opened:
        await batches.aclose()


@pytest.fixture
def root(tmp_path: Path) -> Path:
    path = tmp_path / "manifests"
    path.mkdir()
    return path
