"""The commands that README.md and docs/cli.md show, and their output, on the demo's real state.

The state is that after the tour, with the mistake of k8s/demo/later/mistake.yaml. In a document, `…` stands for any
text, and as a line for any lines. Versions, ports, ages, sizes and dates differ from run to run, and so do the widths
of columns.
Excludes: commands without a `$` before them.
"""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final, NamedTuple

import pytest

from tests.support.demo import DEMO_LIMIT_SECONDS, REPOSITORY, STAYS_UP, Demo
from tests.support.envoy import needs_envoy
from tests.support.waiting import until

pytestmark = [
    pytest.mark.timeout(450),
    pytest.mark.skipif(sys.platform != "linux", reason="two Envoys share a port by SO_REUSEPORT: needs Linux"),
    needs_envoy,
]

DOCUMENTS: Final = ("README.md", "docs/cli.md")

VARIABLE: Final = (
    (r"\b[0-9a-f]{16}\b", "VERSION"),
    (r"(\d+\.\d+\.\d+\.\d+):\d+", r"\1:PORT"),
    (r"\b(\d+[smhd])+(?!\w)", "AGE"),
    (r"\b\d+ k?B\b", "SIZE"),
    (r"\d{4}-\d\d-\d\d", "DATE"),
    (r"^(/.*/)?manifests/", "DIR/"),
    (r"[ \t]+", " "),
)
"""Texts that differ from run to run, and their replacements."""


ARCHIVE: Final = r"xds-collect\S*: \d+ files, \d+ kB; read it before you send it\n"
"""The line of `xds collect` on standard error."""

SUMMARY: Final = r"xds: \d+ objects in \d+ files: .*\n"
"""The line of `xds lint` on standard error."""


class Transcript(NamedTuple):
    """A command, and the lines of its output; no lines: the document does not show them."""

    command: str
    output: tuple[str, ...]


def transcripts(document: str) -> Iterator[Transcript]:
    """The commands of the indented blocks. A block ends at a line without indentation."""
    blocks = re.split(r"\n(?! {4}|\n)", (REPOSITORY / document).read_text(encoding="utf-8"))
    for block in blocks:
        for part in re.split(r"^ {4}\$ ", block, flags=re.MULTILINE)[1:]:
            command, _, output = part.partition("\n")
            lines = output.rstrip().splitlines()
            yield Transcript(command, tuple(line.removeprefix("    ") for line in lines))


def normalized(text: str) -> str:
    for pattern, replacement in VARIABLE:
        text = re.sub(pattern, replacement, text)
    return text.strip()


def pattern(lines: tuple[str, ...]) -> str:
    """A regular expression for output as a document shows it."""
    expressions = [
        r"(?:.*\n)*" if line.strip(" │├└─") == "…" else re.escape(normalized(line)).replace("…", ".*") + r"\s*\n"
        for line in lines
    ]
    return "".join(expressions)


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
    found = list(transcripts(document))
    assert found
    for command, lines in found:
        done = run(demo, command)
        assert done.returncode == (1 if " lint " in command else 0), command
        expected = ARCHIVE if " collect" in command else SUMMARY if " lint " in command else ""
        assert re.fullmatch(expected, done.stderr), command
        real = "".join(f"{normalized(line)}\n" for line in done.stdout.splitlines())
        assert not lines or re.fullmatch(pattern(lines), real), f"{command}\n{done.stdout}\n{pattern(lines)}"
