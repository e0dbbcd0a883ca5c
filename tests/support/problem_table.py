"""docs/problems.md, written from the catalogue of reasons."""

from pathlib import Path
from typing import Final

from xds.problems.reasons import Reason

PAGE: Final = Path(__file__).parents[2] / "docs" / "problems.md"

_INTRODUCTION: Final = """\
# Problems

A problem is a part of a Kubernetes object, or of a file, that is not served as written. `xds problems`, `xds lint`,
`xds translate`, the log, the Events of the object and the metric `xds_ingress_problems` show the same reason.
An error leaves something out that was asked for, or serves an older state of it. A warning serves everything, with a
difference that its meaning names.

This page is generated from xds/problems/reasons.py by `make generate`.

| Reason | Level | Meaning | What to do |
|---|---|---|---|
"""


def text() -> str:
    rows = (f"| `{each}` | {each.level} | {each.meaning} | {each.remedy} |\n" for each in Reason)
    return _INTRODUCTION + "".join(rows)
