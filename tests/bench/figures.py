"""The figures of a benchmark, with peers and limits."""

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from rich.table import Table


@dataclass(frozen=True, slots=True)
class Figure:
    """A row.

    Args:
        value: None: not measurable.
        beside: The figures of peers, by name.
        limit: The highest value allowed; with peers, the highest ratio to the cheapest peer.
    """

    name: str
    value: float | None
    unit: str = ""
    beside: Mapping[str, float] = field(default_factory=dict)
    limit: float | None = None

    @property
    def ratio(self) -> float | None:
        """The ratio to the cheapest peer."""
        others = [value for value in self.beside.values() if value > 0]
        return self.value / min(others) if others and self.value is not None else None

    @property
    def reached(self) -> bool | None:
        """Whether the limit is kept; None without a limit or a value."""
        found = self.ratio if self.beside else self.value
        return None if self.limit is None or found is None else found <= self.limit

    def as_json(self) -> dict[str, Any]:
        return {**asdict(self), "ratio": self.ratio, "reached": self.reached}


def table(figures: Iterable[Figure]) -> Table:
    """A table for a terminal, with a column for each peer that has a figure."""
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
