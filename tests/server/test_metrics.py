"""Values of metrics that no test of a package reads: the snapshot's versions, problems, reporting, the event loop.

Excludes names and labels (test_metrics_table.py).
"""

import asyncio
import time
from types import SimpleNamespace
from typing import cast

import pytest
from prometheus_client import CollectorRegistry
from prometheus_client.registry import Collector

from xds.explain.ingress import Acceptance
from xds.problems.reasons import Level, Reason
from xds.reporting.outcome import Outcome, no_writes
from xds.server.metrics.metrics import Metrics
from xds.server.metrics.problems import IngressCollector, ProblemCollector
from xds.server.metrics.process import LoopDelay
from xds.server.metrics.reporting import ReportingCollector, ReportingFigures
from xds.server.metrics.snapshot import SnapshotCollector
from xds.snapshot.resource import ResourceType, resource
from xds.snapshot.store import Store

CDS, EDS = ResourceType.CLUSTER, ResourceType.ENDPOINTS


def samples(collector: Collector) -> dict[tuple[str, ...], float]:
    """Values by name and values of labels."""
    found = (each for family in collector.collect() for each in family.samples)
    return {(each.name, *each.labels.values()): each.value for each in found}


def versions(store: Store) -> set[tuple[str, ...]]:
    return {key for key in samples(SnapshotCollector(store, float)) if key[0] == "xds_ingress_snapshot_info"}


def commit(store: Store, *resources: tuple[ResourceType, str, bytes]) -> None:
    store.commit({(type_, name): resource(type_, name, body) for type_, name, body in resources}, read_at=0, now=0)


def test_replicas_with_the_same_resources_show_the_same_versions_and_others_do_not() -> None:
    one, other = Store(), Store()
    commit(one, (CDS, "a", b"1"), (CDS, "b", b"2"), (EDS, "a", b"3"))
    commit(other, (EDS, "a", b"0"))
    commit(other, (CDS, "b", b"2"))
    assert versions(one) != versions(other)
    commit(other, (CDS, "a", b"1"), (EDS, "a", b"3"))
    assert one.revision != other.revision
    assert versions(one) == versions(other)
    commit(other, (EDS, "a", b"4"))
    assert {key[1] for key in versions(one) ^ versions(other)} == {"eds"}


def test_the_snapshot_has_its_revision_its_time_and_its_resources() -> None:
    store = Store()
    commit(store, (CDS, "a", b"1"), (CDS, "b", b"2"))
    found = samples(SnapshotCollector(store, lambda: 1_700_000_000.5))
    assert found["xds_ingress_snapshot_revision",] == 1
    assert found["xds_ingress_snapshot_committed_timestamp_seconds",] == 1_700_000_000.5
    assert (found["xds_ingress_resources", "cds"], found["xds_ingress_resources", "eds"]) == (2, 0)


def test_each_reason_has_a_series_with_its_level() -> None:
    found = samples(ProblemCollector({"SecretNotFound": 3, "PathConflict": 0}.copy, lambda: 7))
    assert len(found) == len(Reason) + 1
    assert found["xds_ingress_problems", "SecretNotFound", Level.ERROR] == 3
    assert found["xds_ingress_problems", "CertificateExpiresSoon", Level.WARNING] == 0
    assert found["xds_ingress_withdrawals_held",] == 7


def test_ingresses_of_other_controllers_are_in_no_state() -> None:
    counts = {Acceptance.ACCEPTED: 5, Acceptance.PARTLY: 2, Acceptance.NOT_OURS: 9}
    assert samples(IngressCollector(lambda: counts)) == {
        ("xds_ingress_ingresses", "accepted"): 5,
        ("xds_ingress_ingresses", "partly_accepted"): 2,
        ("xds_ingress_ingresses", "not_served"): 0,
    }


@pytest.mark.parametrize("holder", ["", 'xds-0_1f"<b>'])
def test_the_holder_and_the_writes_of_the_lease(holder: str) -> None:
    writes = {target: no_writes() for target in ("lease", "event", "status", "gateway_status", "gateway_service")}
    writes["lease"][Outcome.FAILED] = 2
    writes["status"][Outcome.CONFLICTED] = 1
    figures = SimpleNamespace(leads=True, holder=holder, writes=writes, failing={"lease": 1, "event": 0, "status": 4})
    found = samples(ReportingCollector(lambda: cast(ReportingFigures, figures)))
    assert found["xds_ingress_leader",] == 1
    assert [key[1:] for key in found if key[0] == "xds_ingress_leader_info"] == ([(holder,)] if holder else [])
    assert found["xds_ingress_lease_writes_total", "failed"] == 2
    assert found["xds_ingress_status_writes_total", "conflicted"] == 1
    assert found["xds_ingress_gateway_status_writes_total", "written"] == 0
    assert found["xds_ingress_gateway_service_writes_total", "written"] == 0
    assert found["xds_ingress_events_total", "written"] == 0
    assert found["xds_ingress_writes_failing", "status"] == 4


def test_a_reporter_that_starts_has_no_series() -> None:
    assert samples(ReportingCollector(lambda: None)) == {}


async def test_a_busy_event_loop_is_seen_late() -> None:
    registry = CollectorRegistry()
    running = asyncio.create_task(LoopDelay(registry).run())
    await asyncio.sleep(0)
    time.sleep(0.4)  # noqa: ASYNC251 - the block that the sampler is to see
    async with asyncio.timeout(30):
        while not registry.get_sample_value("xds_ingress_event_loop_delay_seconds_count"):
            await asyncio.sleep(0.01)
    running.cancel()
    assert (registry.get_sample_value("xds_ingress_event_loop_delay_seconds_sum") or 0) >= 0.29


def test_the_build_has_its_versions() -> None:
    (build,) = (each for each in Metrics().registry.collect() if each.name == "xds_ingress_build_info")
    assert all(build.samples[0].labels.values())
