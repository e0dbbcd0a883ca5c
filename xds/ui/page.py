"""A page before its rendering, and the query of its address."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

View: TypeAlias = Callable[[], Mapping[str, Any]]

MAX_PAGE: Final = 1_000_000


@dataclass(frozen=True, slots=True)
class Page:
    """A page before its rendering.

    Attributes:
        template: The name of its template.
        title: The name in the window's title.
        view: Returns the template's variables. Runs in the thread that renders, so it may take a while.
        section: The entry of the navigation that the page belongs to; empty: none.
        status: Of HTTP.
    """

    template: str
    title: str
    view: View
    section: str = ""
    status: int = 200


class Query(Mapping[str, str]):
    """The parameters of a request. A parameter that is missing is empty; of repeated ones the first counts."""

    def __init__(self, parameters: Mapping[str, str]) -> None:
        self._parameters = parameters

    def __getitem__(self, name: str) -> str:
        return self._parameters.get(name, "").strip()

    def __iter__(self) -> Any:
        return iter(self._parameters)

    def __len__(self) -> int:
        return len(self._parameters)

    def number(self, name: str) -> int:
        """The number of a page, from 1; 1 for anything else."""
        text = self[name]
        return min(max(int(text), 1), MAX_PAGE) if text.isascii() and text.isdigit() and len(text) < 8 else 1


@dataclass(frozen=True, slots=True)
class ListPage:
    """A page of a list.

    Attributes:
        number: The number of the page, from 1.
        pages: The number of pages, at least 1.
        start: The number of items on the pages before.
        total: The number of items on all pages.
    """

    number: int
    pages: int
    start: int
    total: int


def list_page(number: int, total: int, size: int) -> ListPage:
    """The page of a list; the last one for a number beyond."""
    pages = max(-(-total // size), 1)
    number = min(number, pages)
    return ListPage(number, pages, (number - 1) * size, total)
