"""What a benchmark finds: figures, each with what it is compared to and what it should be."""

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from rich.table import Table


@dataclass(frozen=True, slots=True)
class Figure:
    """One row.

    Args:
        value: None: it couldn't be measured.
        beside: The same of others, by their names.
        limit: The most that the value may be; with others, the most that its ratio to the cheapest of them may be.
    """

    name: str
    value: float | None
    unit: str = ""
    beside: Mapping[str, float] = field(default_factory=dict)
    limit: float | None = None

    @property
    def ratio(self) -> float | None:
        """To the cheapest of the others."""
        others = [value for value in self.beside.values() if value > 0]
        return self.value / min(others) if others and self.value is not None else None

    @property
    def reached(self) -> bool | None:
        """Whether it is what it should be, if there is a limit and a value."""
        found = self.ratio if self.beside else self.value
        return None if self.limit is None or found is None else found <= self.limit

    def as_json(self) -> dict[str, Any]:
        return {**asdict(self), "ratio": self.ratio, "reached": self.reached}


def table(figures: Iterable[Figure]) -> Table:
    """For a terminal. The columns of the others are there if a row has them."""
    figures = list(figures)
    others = list(dict.fromkeys(name for figure in figures for name in figure.beside))
    result = Table()
    result.add_column("")
    for name in ("here", *others, *(("ratio",) if others else ()), "at most"):
        result.add_column(name, justify="right")
    for figure in figures:
        beside = [_number(figure.beside.get(name)) for name in others]
        ratio = [_number(figure.ratio, digits=3)] if others else []
        name = f"{figure.name} ({figure.unit})" if figure.unit else figure.name
        result.add_row(name, _number(figure.value), *beside, *ratio, _limit(figure))
    return result


def _limit(figure: Figure) -> str:
    if figure.limit is None:
        return ""
    mark = {True: "✓", False: "✗", None: "?"}[figure.reached]
    return f"{'ratio ' if figure.beside else ''}{figure.limit:,.3g} {mark}"


def _number(value: float | None, digits: int = 0) -> str:
    if value is None:
        return "-"
    places = digits or (0 if value == int(value) or abs(value) >= 1000 else 1 if abs(value) >= 10 else 2)
    return f"{value:,.{places}f}"
