"""The commands that README.md and docs/cli.md show, and their output, on the demo's real state.

The state is that after the tour, with the mistake of k8s/demo/later/mistake.yaml.
Excludes: commands without a `$` before them; docs/troubleshooting.md (tests/cli/test_troubleshooting.py).
"""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from tests.support.demo import DEMO_LIMIT_SECONDS, REPOSITORY, STAYS_UP, Demo
from tests.support.envoy import needs_envoy
from tests.support.transcripts import difference, transcripts
from tests.support.waiting import until

pytestmark = [
    pytest.mark.timeout(450),
    needs_envoy,
]

DOCUMENTS: Final = ("README.md", "docs/cli.md")

ARCHIVE: Final = r"xds-collect\S*: \d+ files, \d+ kB; read it before you send it\n"
"""The line of `xds collect` on standard error."""

SUMMARY: Final = r"xds: \d+ objects in \d+ files: .*\n"
"""The line of `xds lint` on standard error."""


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    demo = Demo(tmp_path_factory.mktemp("demo"))
    try:
        demo.wait_for(STAYS_UP)
        shutil.copy(REPOSITORY / "k8s/demo/later/mistake.yaml", demo.manifests)
        yield demo
    finally:
        demo.stop()


def run(demo: Demo, command: str) -> subprocess.CompletedProcess[str]:
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    environment = {**os.environ, "PATH": path, "XDS_SERVER": demo.server}
    return subprocess.run(
        command.replace("DIR", f"'{demo.manifests}'"),
        check=False,
        shell=True,
        cwd=demo.manifests.parent,
        env=environment,
        capture_output=True,
        text=True,
        timeout=DEMO_LIMIT_SECONDS,
    )


@pytest.mark.parametrize("document", DOCUMENTS)
async def test_the_output_in_a_document_is_that_of_the_demo(demo: Demo, document: str) -> None:
    await until(lambda: "proxies: 2 of 2 in sync" in run(demo, "xds why ingress default/mistake").stdout)
    await until(lambda: "sending" not in run(demo, "xds proxies").stdout)
    found = list(transcripts(REPOSITORY / document))
    assert found
    for shown in found:
        command = shown.command
        done = run(demo, command)
        assert done.returncode == (1 if " lint " in command else 0), command
        expected = ARCHIVE if " collect" in command else SUMMARY if " lint " in command else ""
        assert re.fullmatch(expected, done.stderr), command
        assert not (wrong := difference(shown, done.stdout)), wrong
