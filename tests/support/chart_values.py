"""The values of the Helm chart with their descriptions: values.yaml, whose comments describe each value.

`# --` begins a description, `# @schema` has JSON that is added to the value's schema. A mapping without a description
is a group of values.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Final

import yaml

CHART: Final = Path(__file__).parents[2] / "k8s" / "chart" / "xds-ingress"
VALUES: Final = CHART / "values.yaml"


@dataclass(frozen=True)
class Value:
    """A value, or a group of values.

    Attributes:
        path: The keys that lead to the value.
        comments: The lines of comment right above, without `# `.
        default: The content of values.yaml.
        children: The values of a group; empty for a value.
    """

    path: tuple[str, ...]
    comments: tuple[str, ...]
    default: Any
    children: tuple["Value", ...]

    @cached_property
    def description(self) -> str:
        return " ".join(each.removeprefix("--").strip() for each in self.comments if not each.startswith("@schema"))

    @cached_property
    def schema(self) -> dict[str, Any]:
        """The JSON of `@schema`."""
        found: dict[str, Any] = {}
        for each in self.comments:
            if each.startswith("@schema"):
                found |= json.loads(each.removeprefix("@schema"))
        return found

    def leaves(self) -> Iterator["Value"]:
        if not self.children:
            yield self
        for each in self.children:
            yield from each.leaves()


def read() -> Value:
    """The group of all values."""
    text = VALUES.read_text()
    return Value((), (), yaml.safe_load(text), tuple(_children(yaml.compose(text), (), text.splitlines())))


def _children(node: yaml.Node | None, path: tuple[str, ...], lines: list[str]) -> Iterator[Value]:
    assert isinstance(node, yaml.MappingNode)
    for key, value in node.value:
        comments = tuple(_comments_above(lines, key.start_mark.line))
        inner = (*path, key.value)
        described = any(each.startswith("--") for each in comments)
        group = isinstance(value, yaml.MappingNode) and not described
        default = yaml.safe_load(yaml.serialize(value))
        yield Value(inner, comments, default, tuple(_children(value, inner, lines)) if group else ())


def _comments_above(lines: list[str], line: int) -> list[str]:
    found: list[str] = []
    while line and lines[line - 1].lstrip().startswith("#"):
        line -= 1
        found.insert(0, lines[line].strip().removeprefix("#").strip())
    return found
