"""Changes of a message's headers."""

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class HeaderChanges:
    """The headers that a route sets in a message and those that it removes, by names in lower case.

    Attributes:
        values: Names and values, sorted. A value replaces those that the message has.
        removed: Names, sorted.
    """

    values: tuple[tuple[str, str], ...] = ()
    removed: tuple[str, ...] = ()

    def __or__(self, others: "HeaderChanges") -> "HeaderChanges":
        """Both; for a header that both name, the others count."""
        named = {name for name, _ in others.values} | {*others.removed}
        values = dict([each for each in self.values if each[0] not in named]) | dict(others.values)
        removed = {each for each in self.removed if each not in named} | {*others.removed}
        return HeaderChanges(tuple(sorted(values.items())), tuple(sorted(removed)))


NO_CHANGES: Final = HeaderChanges()
