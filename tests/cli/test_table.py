"""Tables: alignment, styles, and cells that are too wide or have several lines."""

from rich.console import Console
from rich.text import Text

from xds.cli.output import table
from xds.cli.table import Table


def shown(made: Table, columns: int, *, terminal: bool = False) -> list[str]:
    console = Console(width=columns, force_terminal=terminal, color_system="standard" if terminal else None)
    with console.capture() as captured:
        console.print(made)
    return [line.rstrip() for line in captured.get().splitlines()]


def test_columns_are_aligned_and_numbers_to_the_right() -> None:
    made = table(("NAME", "SIZE"), [("a", "1 B"), ("longer", "1000 B")], numbers=("SIZE",))
    assert shown(made, 80) == ["NAME      SIZE", "a          1 B", "longer  1000 B"]


def test_wide_characters_take_two_columns() -> None:
    assert shown(table(("A", "B"), [("\u6f22", "x"), ("abc", "y")]), 80) == ["A    B", "\u6f22   x", "abc  y"]


def test_a_cell_with_several_lines_continues_below() -> None:
    made = table(("A", "B"), [("one\ntwo", Text("three\nfour\nfive")), ("six", "")])
    assert shown(made, 80) == ["A    B", "one  three", "two  four", "     five", "six"]


def test_the_widest_columns_are_folded_to_the_width_of_the_terminal() -> None:
    made = table(("A", "B", "C"), [("a" * 12, Text("b" * 20), "c")])
    lines = shown(made, 23)
    assert max(map(len, lines)) <= 23
    assert lines == ["A         B         C", "aaaaaaaa  bbbbbbbb  c", "aaaa      bbbbbbbb", "          bbbb"]


def test_styles_are_shown_on_a_terminal_only() -> None:
    made = table(("A",), [(Text("good", "green"),), (Text.assemble("is ", ("bad", "red")),)])
    assert shown(made, 80) == ["A", "good", "is bad"]
    assert "\x1b[32mgood\x1b[0m" in shown(made, 80, terminal=True)[1]
    assert "\x1b[31mbad\x1b[0m" in shown(made, 80, terminal=True)[2]
