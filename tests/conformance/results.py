"""The outcome of a run, read from the suite's output."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final

_TEST: Final = re.compile(r"^    --- (PASS|FAIL|SKIP): TestConformance/(\S+) \(([\d.]+)s\)$", re.MULTILINE)
_ALL: Final = re.compile(r"^--- (PASS|FAIL): TestConformance ", re.MULTILINE)
_SLOWEST: Final = 5


@dataclass(frozen=True, slots=True)
class Results:
    """Names of tests, each with the seconds that it took.

    Attributes:
        complete: Whether the suite came to its end; without tests, the setup failed.
    """

    passed: dict[str, float]
    failed: dict[str, float]
    skipped: dict[str, float]
    complete: bool

    def __str__(self) -> str:
        lines = [f"FAILED {name} ({seconds:.0f} s)" for name, seconds in sorted(self.failed.items())]
        slow = sorted(self.passed.items(), key=lambda item: -item[1])[:_SLOWEST]
        lines.append(f"{len(self.passed)} passed, {len(self.failed)} failed, {len(self.skipped)} not run")
        lines.append("slowest: " + ", ".join(f"{name} {seconds:.0f} s" for name, seconds in slow))
        return "\n".join(lines if self.complete else [*lines, "the suite ended early"])


def results(log: Path) -> Results:
    text = log.read_text(encoding="utf-8", errors="replace")
    found: dict[str, dict[str, float]] = {"PASS": {}, "FAIL": {}, "SKIP": {}}
    for outcome, name, seconds in _TEST.findall(text):
        found[outcome][name] = float(seconds)
    return Results(found["PASS"], found["FAIL"], found["SKIP"], _ALL.search(text) is not None)
