"""Commands that a document shows with `$`, and their output: found, and compared with real output.

In a document, `…` stands for any text, and as a line for any lines. Versions, ports, ages, sizes and dates differ from
run to run, and so do the widths of columns.
"""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final, NamedTuple

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


class Transcript(NamedTuple):
    """A command, and the lines of its output; no lines: the document does not show them."""

    command: str
    output: tuple[str, ...]


def transcripts(document: Path) -> Iterator[Transcript]:
    """The commands of the indented blocks. A block ends at a line without indentation."""
    blocks = re.split(r"\n(?! {4}|\n)", document.read_text(encoding="utf-8"))
    for block in blocks:
        for part in re.split(r"^ {4}\$ ", block, flags=re.MULTILINE)[1:]:
            command, _, output = part.partition("\n")
            lines = output.rstrip().splitlines()
            yield Transcript(command, tuple(line.removeprefix("    ") for line in lines))


def normalized(text: str) -> str:
    for pattern, replacement in VARIABLE:
        text = re.sub(pattern, replacement, text)
    return text.strip()


def expression(lines: tuple[str, ...]) -> str:
    """A regular expression for output as a document shows it."""
    expressions = [
        r"(?:.*\n)*" if line.strip(" │├└─") == "…" else re.escape(normalized(line)).replace("…", ".*") + r"\s*\n"
        for line in lines
    ]
    return "".join(expressions)


def difference(shown: Transcript, output: str) -> str:
    """The wanted and the real output, if they differ; else nothing."""
    real = "".join(f"{normalized(line)}\n" for line in output.splitlines())
    wanted = expression(shown.output)
    return "" if not shown.output or re.fullmatch(wanted, real) else f"{shown.command}\n{output}\n{wanted}"
