"""Runs the cases of a file: in batches, each with a control plane, an Envoy and backends of its own."""

import concurrent.futures
import tempfile
import time
from pathlib import Path
from typing import Any, Final

from tests.rows.case import Case, batches, load
from tests.rows.client import Client
from tests.rows.comparison import differences
from tests.rows.product import serving
from tests.rows.world import NameServer, World

_BATCH: Final = 40
_PLAYERS: Final = 4
_CASE_SECONDS: Final = 90


def run(file: str, names: NameServer, only: frozenset[str] = frozenset()) -> list[Case]:
    """The cases of a file, with answers and faults."""
    cases = [case for case in load(file) if not only or case.name in only]
    for batch in batches(cases, _BATCH):
        _run(batch, names)
    return cases


def _run(batch: list[Case], names: NameServer) -> None:
    with tempfile.TemporaryDirectory(prefix="rows-") as folder:
        world = World(Path(folder), names)
        try:
            for case in batch:
                world.load(case)
            with (
                serving(world.objects, batch[0].config_map, Path(folder)),
                concurrent.futures.ThreadPoolExecutor(_PLAYERS) as pool,
            ):
                list(pool.map(_play, batch))
        finally:
            world.close()


def _play(case: Case) -> None:
    client = Client(case.clients)
    ends = time.monotonic() + _CASE_SECONDS
    for number, request in enumerate(case.data["requests"]):
        got: dict[str, Any] = {"status": None, "error": f"the case took more than {_CASE_SECONDS} s"}
        if time.monotonic() < ends:
            got = case.named_as_in_the_file(client.ask(request))
        faults = differences(case.expected(number), got, case.answers)
        case.answers.append(got)
        case.faults.append(faults)
