"""The demo's output: plain lines, with colours on a terminal."""

import sys
from contextlib import suppress
from io import TextIOWrapper

from rich.console import Console
from rich.text import Text

PIPE_COLUMNS = 120
"""Columns of output that is not a terminal."""


class Screen:
    """Prints without wrapping, since users copy commands and URLs."""

    def __init__(self) -> None:
        if isinstance(sys.stdout, TextIOWrapper):
            sys.stdout.reconfigure(errors="replace", line_buffering=True)
        self._console = Console(highlight=False, soft_wrap=True, markup=False, emoji=False)

    @property
    def columns(self) -> int:
        return self._console.width if self._console.is_terminal else PIPE_COLUMNS

    def line(self, text: str = "", style: str = "") -> None:
        self._console.print(Text(text, style=style))

    def heading(self, text: str, style: str = "bold") -> None:
        self.line()
        self.line(text, style)

    def note(self, text: str) -> None:
        self.line(f"   {text}")

    def command(self, text: str) -> None:
        """A command for the user to repeat the step."""
        self.line(f"     $ {text}", "dim")

    def output(self, text: str) -> None:
        """The output of a command, unchanged."""
        for each in text.rstrip("\n").split("\n"):
            self.line(f"     {each}".rstrip())

    def verdict(self, text: str, *, ok: bool) -> None:
        line = Text("   ")
        line.append("ok     " if ok else "FAILED ", style="bold green" if ok else "bold red")
        line.append(text)
        self._console.print(line)

    def parting(self, text: str) -> None:
        """A last line, at a time when standard output may be closed."""
        with suppress(OSError):
            self.line(text)
