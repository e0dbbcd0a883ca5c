"""From manifests to the traffic model to Envoy's resources, compared with checked-in files.

Covers: every folder of tests/golden/cases; stale, missing and orphaned files; absence of private keys and
passwords; equal versions in every process. Excludes: a real Envoy's verdict (tests/features).

GOLDENS=rewrite rewrites the files and deletes orphans. Read the diff before committing.
"""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.golden import CASES, INPUT, SECRETS, Golden, golden_cases, orphans, rendered

REWRITE = os.environ.get("GOLDENS") == "rewrite"

GOLDENS = golden_cases()


@pytest.mark.parametrize("golden", GOLDENS, ids=lambda golden: golden.name)
def test_a_case_renders_as_checked_in(golden: Golden) -> None:
    texts = rendered(golden)
    for path in (CASES / golden.name).iterdir():
        if REWRITE and path.name not in (INPUT, *texts):
            path.unlink()
        assert path.name in (INPUT, *texts) or not path.exists(), f"{path} is stale: make goldens"
    for file, text in texts.items():
        path = CASES / golden.name / file
        if REWRITE:
            path.write_text(text, encoding="utf-8")
        assert path.is_file(), f"{path} is missing: make goldens"
        assert path.read_text(encoding="utf-8") == text, f"{path} is stale: make goldens, and look at the diff"


def test_no_file_is_an_orphan() -> None:
    if REWRITE:
        _delete(orphans())
    assert orphans() == []


def _delete(files: list[Path]) -> None:
    for path in files:
        path.unlink()
    folders = sorted((path for path in CASES.rglob("*") if path.is_dir()), reverse=True)
    for folder in folders:
        if not any(folder.iterdir()):
            folder.rmdir()


def test_orphans_are_found(tmp_path: Path) -> None:
    for name in ("good/in.yaml", "good/ir.yaml", "good/typo.yaml", "gone/ir.yaml", "stray.yaml", "good/deep/in.yaml"):
        (tmp_path / name).parent.mkdir(exist_ok=True, parents=True)
        (tmp_path / name).touch()
    left = [str(path.relative_to(tmp_path)) for path in orphans(tmp_path)]
    assert left == ["gone/ir.yaml", "good/deep/in.yaml", "good/typo.yaml", "stray.yaml"]


@pytest.mark.parametrize("golden", GOLDENS, ids=lambda golden: golden.name)
def test_every_case_begins_with_a_comment_and_has_no_decoding_problem(golden: Golden) -> None:
    first, *_ = (CASES / golden.name / INPUT).read_text().splitlines()
    assert first.startswith("# ")
    assert golden.problems == (), "a case is about translation; the decoder has tests of its own"


def test_no_private_key_is_in_any_golden() -> None:
    keys = [line.strip() for line in SECRETS.read_text().splitlines() if "PRIVATE KEY" in line]
    assert keys
    for golden in GOLDENS:
        text = "".join(rendered(golden).values())
        assert "PRIVATE KEY" not in text
        assert "UFJJVkFURSBLRVk" not in text, "the same in base64"


def test_no_password_is_in_any_golden() -> None:
    texts = {golden.name: "".join(rendered(golden).values()) for golden in GOLDENS if "passwords" in golden.name}
    assert len(texts) == 2
    for text in texts.values():
        assert not [each for each in ("alice", "bob", "carol", "apr1", "GpHWL3ym") if each in text]


VERSIONS = """
from tests.support.golden import golden_cases
from xds.snapshot.resource import ResourceType
for golden in golden_cases():
    store = golden.pipeline().store
    print(golden.name, [store.version(type_) for type_ in ResourceType])
"""


def test_versions_are_the_same_in_every_process() -> None:
    """Sets of strings differ in order between seeds, so no order may come from a set."""
    root = CASES.parent.parent.parent
    outputs = [
        subprocess.run(
            [sys.executable, "-c", VERSIONS],
            cwd=root,
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            check=True,
            text=True,
        ).stdout
        for seed in ("1", "2", "3")
    ]
    assert outputs[0].count("\n") == len(GOLDENS)
    assert len(set(outputs)) == 1
