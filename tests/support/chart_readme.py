"""README.md of the Helm chart: README.md.in with a table of all values from values.yaml."""

import json
from collections.abc import Iterator
from itertools import groupby
from typing import Final

from tests.support.chart_values import CHART, Value, read

PAGE: Final = CHART / "README.md"
_BEFORE: Final = CHART / "README.md.in"


def text() -> str:
    return _BEFORE.read_text() + "\n" + "\n".join(_tables())


def _tables() -> Iterator[str]:
    for name, values in groupby(read().leaves(), lambda each: each.path[0] if len(each.path) > 1 else "names"):
        yield f"### {name}\n"
        yield "| value | default | |\n|---|---|---|"
        for each in values:
            yield f"| `{'.'.join(each.path)}` | `{_default(each)}` | {_escaped(each.description)} |"
        yield ""


def _default(value: Value) -> str:
    return _escaped(json.dumps(value.default, ensure_ascii=False))


def _escaped(cell: str) -> str:
    return cell.replace("|", "\\|")
