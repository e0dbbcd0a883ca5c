"""`python -m tests.support.prose [-n SENTENCES] [PATH...]`: measure the references in prose that a reader has to
resolve.

Counts pronouns and question words in docstrings, comments and Markdown, per 1,000 words. Comparable projects have 27 to
60 pronouns and up to 2 question words. A measure, not a rule: the exit code is always 0.
"""

import argparse
import ast
import io
import re
import tokenize
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

PRONOUNS: Final = frozenset(
    "it that this these those they them its their one ones all others other both each".split()  # noqa: SIM905
)

QUESTION_WORDS: Final = frozenset({"what", "who", "whom", "whose", "whoever"})

DEFAULT_PATHS: Final = ("xds", "tests", "docs", "ARCHITECTURE.md", "CONTRIBUTING.md", "README.md", "SCALING.md")

NOT_PROSE: Final = re.compile(r"`[^`]*`|https?://\S+")

MARKDOWN_CODE: Final = re.compile(r"```.*?```|^    .*?$|^\|.*?$", re.DOTALL | re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Sentence:
    """A sentence, or its part before a colon or semicolon.

    Attributes:
        place: `path:line` of the docstring or comment.
    """

    place: str
    text: str

    @property
    def words(self) -> list[str]:
        return re.findall(r"[a-z']+", NOT_PROSE.sub("", self.text).lower())

    @property
    def pronouns(self) -> int:
        return sum(word in PRONOUNS for word in self.words)

    @property
    def question_words(self) -> int:
        return sum(word in QUESTION_WORDS for word in self.words)

    @property
    def density(self) -> float:
        """References a word; a question word counts twice."""
        return (self.pronouns + 2 * self.question_words) / max(len(self.words), 8)


def sentences(paths: Iterable[Path]) -> Iterator[Sentence]:
    """The sentences below folders and in files; generated code is skipped."""
    for path in paths:
        files = sorted([*path.rglob("*.py"), *path.rglob("*.md")]) if path.is_dir() else [path]
        for file in files:
            if "_pb2" not in file.name and file.exists():
                for line, text in _texts(file):
                    for sentence in re.split(r"(?<=[.!?:;])\s+", text):
                        yield Sentence(f"{file}:{line}", " ".join(sentence.split()))


def _texts(file: Path) -> Iterator[tuple[int, str]]:
    """Line and text of each docstring and comment, or the prose of a Markdown file."""
    content = file.read_text(encoding="utf-8")
    if file.suffix == ".md":
        yield 1, MARKDOWN_CODE.sub(" ", content)
        return
    for node in ast.walk(ast.parse(content)):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str):
            yield node.lineno, node.value.value
    for token in tokenize.generate_tokens(io.StringIO(content).readline):
        if token.type == tokenize.COMMENT and "noqa" not in token.string:
            yield token.start[0], token.string.lstrip("# ")


def summary(name: str, found: list[Sentence]) -> str:
    words = sum(len(sentence.words) for sentence in found)
    pronouns, questions = (
        1000 * sum(counts) / max(words, 1)
        for counts in ((each.pronouns for each in found), (each.question_words for each in found))
    )
    return f"{name:24} {words:7,} words, per 1,000: {pronouns:4.0f} pronouns, {questions:4.1f} question words"


def main() -> None:
    arguments = argparse.ArgumentParser(prog="tests.support.prose", description=__doc__)
    arguments.add_argument("-n", type=int, default=0, metavar="SENTENCES", help="densest sentences to list")
    arguments.add_argument("paths", nargs="*", default=DEFAULT_PATHS, metavar="PATH")
    options = arguments.parse_args()
    everything: list[Sentence] = []
    for path in map(Path, options.paths):
        found = list(sentences([path]))
        everything += found
        print(summary(str(path), found))
    for sentence in sorted(everything, key=lambda each: -each.density)[: options.n]:
        print(f"  {sentence.place} {sentence.text[:200]}")


if __name__ == "__main__":
    main()
