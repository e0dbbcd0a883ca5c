"""docs/problems.md, written from the catalogue of reasons."""

from pathlib import Path
from typing import Final

from xds.problems.reasons import Reason

PAGE: Final = Path(__file__).parents[2] / "docs" / "problems.md"

_INTRODUCTION: Final = """\
# Problems

A problem is a part of a Kubernetes object, or of a file, that is not served as written. `xds problems`, `xds lint`,
`xds translate`, the log, the Events of the object and the metric `xds_ingress_problems` show the same reason.
A warning stands for an object that is served all the same; an error leaves something out.

This page is generated from xds/problems/reasons.py by `make generate`.

| Reason | Level | Meaning | What to do |
|---|---|---|---|
"""


def text() -> str:
    rows = (f"| `{each}` | {each.level} | {each.meaning} | {each.remedy} |\n" for each in Reason)
    return _INTRODUCTION + "".join(rows)
