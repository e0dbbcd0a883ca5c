"""Changes of a message's headers."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class HeaderChanges:
    """The headers that a route removes from a message, sets and adds, in this order, by names in lower case.

    Attributes:
        values: Names and values, sorted. A value replaces those that the message has.
        removed: Names, sorted.
        added: Names and values, in the order of addition. A value stands beside those that the message has.
    """

    values: tuple[tuple[str, str], ...] = ()
    removed: tuple[str, ...] = ()
    added: tuple[tuple[str, str], ...] = ()

    def __or__(self, others: "HeaderChanges") -> "HeaderChanges":
        """These changes, and then the others."""
        named = {name for name, _ in others.values} | {*others.removed}
        values = dict(_but(self.values, named)) | dict(others.values)
        removed = {each for each in self.removed if each not in named} | {*others.removed}
        added = (*_but(self.added, named), *others.added)
        return HeaderChanges(tuple(sorted(values.items())), tuple(sorted(removed)), added)


def _but(headers: Iterable[tuple[str, str]], named: set[str]) -> list[tuple[str, str]]:
    return [each for each in headers if each[0] not in named]


NO_CHANGES: Final = HeaderChanges()
