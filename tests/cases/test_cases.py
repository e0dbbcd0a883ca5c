"""Inputs from public bug reports of other controllers, through `xds serve --from` and a real Envoy.

Covers: every folder of tests/cases (README.md there). `make cases` runs these tests alone.
"""

import shutil
from pathlib import Path

import pytest

from tests.support.case_run import Case, cases, output
from tests.support.envoy import needs_envoy

needs_curl = pytest.mark.skipif(shutil.which("curl") is None, reason="no curl: apt-get install curl")


@needs_envoy
@needs_curl
@pytest.mark.parametrize("case", cases(), ids=lambda case: case.name)
async def test_a_case_answers_as_expected(case: Case, tmp_path: Path) -> None:
    found = await output(case, tmp_path)
    assert case.is_expected(found), f"found:\n{found}\nexpected:\n{case.expected}"


def test_a_mark_in_expected_output_stands_for_any_text(tmp_path: Path) -> None:
    (tmp_path / "expected").write_text("# Why.\n200\n… SecretInvalid …tls.crt…\n")
    case = Case(tmp_path)
    assert case.is_expected("200\nIngress a SecretInvalid  x\ntls.crt\n")
    assert not case.is_expected("200\nIngress a SecretNotFound  x\ntls.crt\n")
    assert not case.is_expected("404\nIngress a SecretInvalid  x\ntls.crt\n")
