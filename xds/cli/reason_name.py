"""The parameter type for a reason of problems."""

from difflib import get_close_matches
from typing import Any

import click

from xds.problems.reasons import Reason


class ReasonName(click.Choice):  # type: ignore[type-arg]  # not generic in every version
    """A reason of problems. All of them would fill a screen, so an error names the nearest ones."""

    def __init__(self) -> None:
        super().__init__([each.value for each in Reason])

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        name = str(value)
        if name not in self.choices:
            near = (
                " or ".join(get_close_matches(name, self.choices, 2))
                or "one of docs/problems.md, such as SecretNotFound"
            )
            self.fail(f"{name!r} is no reason of problems; write {near}", param, ctx)
        return name
