"""A table for thousands of rows. rich.table takes 0.2 ms for a cell, so 13 s for 15,000 resources."""

from collections.abc import Iterable, Iterator, Sequence
from itertools import zip_longest
from typing import Final, TypeAlias

from rich.cells import cell_len, chop_cells
from rich.console import Console, ConsoleOptions
from rich.segment import Segment
from rich.text import Text

Cell: TypeAlias = str | Text
"""Text has styles. Both may have several lines."""

_GAP: Final = 2
"""Spaces between columns."""

_NEW_LINE: Final = Segment("\n")


class Table:
    """Rows in aligned columns, without borders. On a terminal, cells that are too wide continue on the next line.

    Args:
        right: Indices of the columns that are aligned to the right.
    """

    def __init__(self, columns: Sequence[str], rows: Sequence[Sequence[Cell]], right: frozenset[int]) -> None:
        self._rows = [[Text(column, "bold") for column in columns], *rows]
        self._right = right

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterator[Segment]:
        widths = _widths(self._rows, options.max_width)
        for row in self._rows:
            cells = [_lines(cell, width, console) for cell, width in zip(row, widths, strict=True)]
            for line in zip_longest(*cells, fillvalue=()):
                yield from self._line(line, widths)
                yield _NEW_LINE

    def _line(self, line: Iterable[Iterable[Segment]], widths: Sequence[int]) -> Iterator[Segment]:
        for index, (segments, width) in enumerate(zip(line, widths, strict=True)):
            padding = Segment(" " * (width - sum(_width(each.text) for each in segments)))
            yield from (padding, *segments) if index in self._right else (*segments, padding)
            yield Segment(" " * _GAP)


def _width(text: str) -> int:
    return len(text) if text.isascii() else cell_len(text)


def _widths(rows: Sequence[Sequence[Cell]], available: int) -> list[int]:
    """Widths of columns. If the sum is too large, the widest columns become equally wide."""
    widths = [max(map(_natural_width, column)) for column in zip(*rows, strict=True)]
    room = available - _GAP * len(widths)
    limit = max(widths)
    while sum(min(width, limit) for width in widths) > room and limit > 1:
        limit -= 1
    return [min(width, limit) for width in widths]


def _natural_width(cell: Cell) -> int:
    text = str(cell)
    return max(map(_width, text.split("\n"))) if "\n" in text else _width(text)


def _lines(cell: Cell, width: int, console: Console) -> list[tuple[Segment, ...]]:
    """The cell, folded to the width."""
    if isinstance(cell, str):
        lines = [part for line in cell.split("\n") for part in _folded(line, width)]
        return [(Segment(line),) for line in lines]
    if not cell.spans and cell.plain.isascii() and "\n" not in cell.plain and len(cell) <= width:
        return [(Segment(cell.plain, console.get_style(cell.style)),)]
    return [tuple(line.render(console)) for line in cell.wrap(console, width, overflow="fold")]


def _folded(line: str, width: int) -> list[str]:
    return [line] if _width(line) <= width else chop_cells(line, width)
