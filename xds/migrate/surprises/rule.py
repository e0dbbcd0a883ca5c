"""A rule that finds a surprise."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Final

from xds.migrate.inventory import Inventory
from xds.migrate.subject import Subject


@dataclass(frozen=True, slots=True)
class Rule:
    """A surprise, and how an Ingress that has it is recognised.

    Attributes:
        id: Scripts depend on it.
        meaning: A sentence for somebody who meets the surprise for the first time.
        find: Returns the particulars of an Ingress; empty for an Ingress without the surprise.
    """

    id: str
    meaning: str
    find: Callable[[Subject, Inventory], str]


_MOST: Final = 5


def listed(things: Iterable[object]) -> str:
    """Some things in words, the first few by name."""
    found = list(dict.fromkeys(map(str, things)))
    more = f" and {len(found) - _MOST} more" if len(found) > _MOST else ""
    return ", ".join(found[:_MOST]) + more
