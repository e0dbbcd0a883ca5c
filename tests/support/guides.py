"""The guides of docs/: commands and YAML, for tests that walk through.

A command is an indented line that begins with a program; `\\` continues a line, and a comment stands behind blanks. A
document of YAML with a kind is an object, one without holds values of the chart.
"""

import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import yaml

ROOT: Final = Path(__file__).parents[2]

GUIDES: Final = sorted(
    {
        *(ROOT / "docs" / "guides").glob("*.md"),
        *(ROOT / "docs" / name for name in ("install.md", "migrate-from-ingress-nginx.md", "troubleshooting.md")),
        ROOT / "README.md",
    }
)

PROGRAMS: Final = ("kubectl", "helm", "xds")

_FENCED: Final = re.compile(r"^```yaml\n(.*?)^```$", re.DOTALL | re.MULTILINE)
_INDENTED: Final = re.compile(r"^(?: {4}| {7})(?:\$ )?((?:" + "|".join(PROGRAMS) + r") .+)$", re.MULTILINE)


def name_of(guide: Path) -> str:
    return str(guide.relative_to(ROOT))


def documents(guide: Path) -> list[dict[str, Any]]:
    """The documents of YAML: objects, and values of the chart."""
    return [each for text in _FENCED.findall(guide.read_text(encoding="utf-8")) for each in yaml.safe_load_all(text)]


def objects(guide: Path) -> list[dict[str, Any]]:
    return [each for each in documents(guide) if "kind" in each]


def values(guide: Path) -> list[dict[str, Any]]:
    return [each for each in documents(guide) if "kind" not in each]


def commands(guide: Path, program: str) -> Iterator[list[str]]:
    """The arguments of each command of a program; a pipe or a redirection, and what follows, is left out."""
    text = re.sub(r"\\\n +", "", guide.read_text(encoding="utf-8"))
    for line in _INDENTED.findall(text):
        words = shlex.split(re.sub(r" {2,}# .*$", "", line))
        words = words[: next((at for at, word in enumerate(words) if word in ("|", ">")), len(words))]
        if words[0] == program:
            yield words[1:]
