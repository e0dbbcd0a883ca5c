"""The log of revisions: facts of a line, and the summary of endpoint changes."""

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest
import structlog

from tests.support.objects import ingress, path, rule
from xds.controlplane import revision_log
from xds.controlplane.revision_log import NAMES_LIMIT, RevisionLog
from xds.kube.change import Applied, Change, Deleted
from xds.kube.objects import Ingress
from xds.problems.problem import Key
from xds.snapshot.resource import ResourceType, resource
from xds.snapshot.store import Revision, Store

CDS, EDS, VHDS = ResourceType.CLUSTER, ResourceType.ENDPOINTS, ResourceType.VIRTUAL_HOST


@pytest.fixture
def logs() -> Iterator[list[Any]]:
    with structlog.testing.capture_logs() as logs:
        yield logs


def committed(store: Store, *changes: tuple[ResourceType, str, bytes | None]) -> Revision:
    resources = {(type_, name): resource(type_, name, body) if body else None for type_, name, body in changes}
    revision = store.commit(resources, read_at=0, now=0)
    assert revision is not None
    return revision


def test_a_revision_says_what_changed_and_which_objects_caused_it(logs: list[Any]) -> None:
    log, store = RevisionLog(lambda: None), Store()
    log.note(committed(store, (CDS, "a", b"1"), (CDS, "b", b"1"), (EDS, "a", b"1")), ())
    changes: list[Change] = [
        Applied(ingress("web", rule("a.example", path("/")))),
        Deleted(Ingress, Key("shop", "old")),
    ]
    log.note(committed(store, (CDS, "a", None), (CDS, "b", b"2"), (VHDS, "c", b"1"), (EDS, "a", b"2")), changes)
    first, second = logs
    assert (first["number"], first["resources"], first["added"]) == (1, 3, {"cds": 2, "eds": 1})
    assert "caused_by" not in first
    assert {key: second[key] for key in ("added", "changed", "removed")} == {
        "added": {"vhds": 1},
        "changed": {"cds": 1, "eds": 1},
        "removed": {"cds": 1},
    }
    assert second["names"] == ["cds a", "cds b", "vhds c", "eds a"]
    assert (second["objects"], second["caused_by"]) == (2, ["Ingress default/web", "Ingress shop/old"])
    assert {first["log_level"], second["log_level"]} == {"info"}


def test_a_large_revision_names_a_few_resources_and_objects(logs: list[Any]) -> None:
    changes = [Applied(ingress(f"web-{number}", rule("a.example", path("/")))) for number in range(100)]
    made = committed(Store(), *((CDS, str(number), b"1") for number in range(1000)))
    RevisionLog(lambda: None).note(made, changes)
    (line,) = logs
    assert (line["resources"], len(line["names"]), line["objects"]) == (1000, NAMES_LIMIT, 100)
    assert len(line["caused_by"]) == NAMES_LIMIT


async def test_endpoint_changes_are_debug_lines_and_one_summary_a_minute(
    logs: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(revision_log, "SUMMARY_SECONDS", 0.01)
    log, store = RevisionLog(iter((0.25, None, None, None)).__next__), Store()
    log.note(committed(store, (CDS, "a", b"1"), (EDS, "a", b"1")), ())
    for number in range(2, 5):
        log.note(committed(store, (EDS, "a", b"%d" % number), (EDS, "b", b"%d" % number)), ())
    assert [line["log_level"] for line in logs] == ["info", "debug", "debug", "debug"]
    running = asyncio.create_task(log.run())
    async with asyncio.timeout(30):
        while logs[-1]["event"] != "endpoints_updated":
            await asyncio.sleep(0.001)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    (line,) = [each for each in logs if each["event"] == "endpoints_updated"]
    assert (line["revisions"], line["resources"], line["slowest_convergence_seconds"]) == (3, 6, 0.25)


async def test_the_last_endpoint_changes_are_summed_up_at_the_end(logs: list[Any]) -> None:
    log, store = RevisionLog(lambda: None), Store()
    log.note(committed(store, (CDS, "a", b"1")), ())
    log.note(committed(store, (EDS, "a", b"1")), ())
    running = asyncio.create_task(log.run())
    await asyncio.sleep(0)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    assert (logs[-1]["event"], logs[-1]["revisions"]) == ("endpoints_updated", 1)
    assert "slowest_convergence_seconds" not in logs[-1]
