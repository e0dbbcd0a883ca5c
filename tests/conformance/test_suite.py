"""The whole suite, once. REPORT=write keeps its report in docs/conformance, which otherwise must say the same."""

import os
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import pytest
import pytest_asyncio
import yaml

from tests.conformance import binaries
from tests.conformance.results import Results, results
from tests.conformance.rig import rig, run_suite
from tests.support.cluster.assets import missing

pytestmark = [pytest.mark.timeout(2400), pytest.mark.asyncio(loop_scope="session")]

PROFILES: Final = ("GATEWAY-GRPC", "GATEWAY-HTTP", "GATEWAY-TCP", "GATEWAY-TLS", "GATEWAY-UDP")

KEPT: Final = Path(__file__).parents[2] / "docs/conformance/gateway-api-v1.6.3.yaml"

_IMPLEMENTATION: Final = {
    "organization": "xds-ingress",
    "project": "xds-ingress",
    "url": "not published",
    "version": "main",
    "contact": "not published",
}


@dataclass(frozen=True, slots=True)
class Run:
    """A finished run of the suite, with the report that it wrote."""

    results: Results
    report: dict[str, Any]
    folder: Path


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def run(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Run]:
    if reason := missing() or binaries.missing():
        pytest.skip(reason)
    folder = tmp_path_factory.mktemp("conformance")
    report_file = folder / "report.yaml"
    flags = {"conformance-profiles": ",".join(PROFILES), "report-output": str(report_file), **_IMPLEMENTATION}
    async with rig(folder) as cluster:
        await run_suite(cluster, folder, *(f"--{name}={value}" for name, value in flags.items()))
    report = yaml.safe_load(report_file.read_text(encoding="utf-8"))
    report["profiles"].sort(key=lambda profile: profile["name"])
    yield Run(results(folder / "suite.log"), report, folder)


async def test_every_claimed_test_passes(run: Run, record_property: Any) -> None:
    record_property("results", str(run.results))
    assert run.results.complete
    assert not run.results.failed, f"see {run.folder}/suite.log and xds.log"


async def test_no_profile_lacks_a_core_test(run: Run) -> None:
    assert [profile["name"] for profile in run.report["profiles"]] == list(PROFILES)
    assert [profile["core"]["result"] for profile in run.report["profiles"]] == ["success"] * len(PROFILES)


async def test_the_kept_report_says_the_same(run: Run) -> None:
    if os.environ.get("REPORT") == "write":
        KEPT.parent.mkdir(exist_ok=True)
        KEPT.write_text(yaml.safe_dump(run.report, sort_keys=False), encoding="utf-8")
    kept = yaml.safe_load(KEPT.read_text(encoding="utf-8"))
    assert {**run.report, "date": kept["date"]} == kept
