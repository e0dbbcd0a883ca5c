"""The workflows of GitHub: valid, with actions of one commit each, and no more rights than a job needs.

Excludes: a run, which needs GitHub.
"""

import re
import subprocess
import sysconfig
from pathlib import Path
from typing import Any, Final

import pytest
import yaml

from tests.support import gotools
from tests.support.release_version import ROOT

WORKFLOWS: Final = sorted((ROOT / ".github" / "workflows").glob("*.yml"))

WRITES: Final[dict[str, set[str]]] = {
    "test": set(),
    "packages": {"id-token", "attestations"},
    "image": {"packages", "id-token"},
    "chart": {"packages", "id-token"},
    "pypi": {"id-token"},
    "github": {"contents"},
}
"""The rights of each job of a release to write."""

workflows = pytest.mark.parametrize("workflow", WORKFLOWS, ids=lambda path: path.name)


def loaded(workflow: Path) -> dict[str, Any]:
    content: dict[str, Any] = yaml.safe_load(workflow.read_text())
    return content


@gotools.needs("actionlint")
@workflows
def test_actionlint_accepts_the_workflow(workflow: Path) -> None:
    shellcheck = Path(sysconfig.get_path("scripts")) / "shellcheck"
    command: list[str | Path] = [gotools.program("actionlint"), "-shellcheck", shellcheck, "-no-color", workflow]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=100)
    assert done.stdout + done.stderr == ""


@workflows
def test_actions_are_of_one_commit_whose_version_is_beside(workflow: Path) -> None:
    used = re.findall(r"uses: (.+)", workflow.read_text())
    others = [each for each in used if not re.fullmatch(r"[\w./-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+", each)]
    assert [each for each in others if each != "./.github/workflows/ci.yml"] == []


@workflows
def test_every_job_ends(workflow: Path) -> None:
    for name, job in loaded(workflow)["jobs"].items():
        assert job.get("timeout-minutes", 0) <= 90, name
        assert "timeout-minutes" in job or "uses" in job, name


def test_the_workflow_of_pull_requests_only_reads() -> None:
    ci = loaded(ROOT / ".github" / "workflows" / "ci.yml")
    assert ci["permissions"] == {"contents": "read"}
    assert not any("permissions" in job for job in ci["jobs"].values())


def test_a_job_of_a_release_writes_only_its_own() -> None:
    release = loaded(ROOT / ".github" / "workflows" / "release.yml")
    assert release["permissions"] == {}
    granted = {name: job["permissions"] for name, job in release["jobs"].items()}
    writes = {name: {what for what, right in rights.items() if right == "write"} for name, rights in granted.items()}
    assert writes == WRITES


def test_nothing_is_published_before_the_tests_pass() -> None:
    jobs = loaded(ROOT / ".github" / "workflows" / "release.yml")["jobs"]
    for name in jobs.keys() - {"test"}:
        assert "test" in before(name, jobs), name


def test_nothing_is_published_before_the_tag_is_known_to_be_the_version() -> None:
    jobs = loaded(ROOT / ".github" / "workflows" / "release.yml")["jobs"]
    assert any('"v$version"' in step.get("run", "") for step in jobs["packages"]["steps"])
    for name in jobs.keys() - {"test", "packages"}:
        assert "packages" in before(name, jobs), name


def before(name: str, jobs: dict[str, Any]) -> set[str]:
    """All jobs that end before the job begins."""
    needs = jobs[name].get("needs", [])
    direct = {needs} if isinstance(needs, str) else set(needs)
    return direct.union(*(before(each, jobs) for each in direct))


def test_versions_of_kubernetes_are_those_of_the_document() -> None:
    job = loaded(ROOT / ".github" / "workflows" / "ci.yml")["jobs"]["kubernetes"]
    tried = job["strategy"]["matrix"]["kubernetes"]
    rows = re.findall(r"^\| (1\.\d+\.\d+) \|", (ROOT / "docs" / "compatibility.md").read_text(), re.MULTILINE)
    assert set(tried) <= set(rows)
    assert tried
