"""One bad object among a hundred good ones, in a folder, with two real Envoys: the good ones are served all the time,
the bad one gets its Problem, and a mended one is served.

Covers: every kind of bad object, also those that an API server would reject; kill -9 of the control plane while objects
come and are mended. Excludes: Events (tests/cluster has the same with a real API server). Times are printed (`pytest
-s`), and nothing asserts a time.
"""

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import pytest_asyncio

from tests.support.envoy import needs_envoy
from tests.support.matrix.cases import NAMES, cases
from tests.support.matrix.chaos import end_as_a_fresh_start
from tests.support.matrix.run import Times, run, table
from tests.support.matrix.site import Site, site
from tests.support.matrix.sources import Folder

pytestmark = [needs_envoy, pytest.mark.asyncio(loop_scope="module"), pytest.mark.xdist_group("bad-objects")]


@dataclass(slots=True)
class Matrix:
    site: Site
    rows: list[Times] = field(default_factory=list)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def matrix(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Matrix]:
    folder = tmp_path_factory.mktemp("matrix")
    manifests = folder / "manifests"
    manifests.mkdir()
    async with site(Folder(manifests, "shops"), folder, "127.0.0.1") as running:
        made = Matrix(running)
        yield made
        print(f"\n{running.load.sent} requests to good ones\n{table(made.rows)}")


@pytest.mark.parametrize("name", NAMES)
async def test_a_bad_object_costs_no_good_object(matrix: Matrix, name: str) -> None:
    matrix.rows.append(await run(matrix.site, cases(matrix.site.target)[name]))


# A request under way when its server is killed leaves a socket to the garbage collector.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.timeout(300)  # four restarts of a process, and Envoys that retry with back-off
async def test_kills_leave_the_proxies_right(matrix: Matrix, tmp_path: Path) -> None:
    await end_as_a_fresh_start(matrix.site, list(cases(matrix.site.target).values()), tmp_path)
