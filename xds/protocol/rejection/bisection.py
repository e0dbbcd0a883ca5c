"""Finds, in a response that was refused as a whole, what it was refused for: sent again in ever smaller parts."""

from collections.abc import Callable, Iterator, Mapping
from typing import TypeAlias

from xds.snapshot.resource import Resource

Bases: TypeAlias = Mapping[str, Resource | None]
"""By name, what the proxy had before; None: nothing."""


class Bisection:
    """The names of which a refusal left nothing known, in parts that are still to be sent.

    A part that is refused is split in two, so that one bad resource among n costs the proxy some 2 log2(n) responses
    and is at last refused alone, while all others are acknowledged on the way.
    """

    __slots__ = ("parts",)

    def __init__(self) -> None:
        self.parts: list[dict[str, Resource | None]] = []  # the next is the last

    def __len__(self) -> int:
        return sum(map(len, self.parts))

    def __iter__(self) -> Iterator[tuple[str, Resource | None]]:
        return (item for part in self.parts for item in part.items())

    @property
    def adds(self) -> bool:
        """Whether something is to be sent that the proxy didn't have."""
        return any(base is None for _, base in self)

    def begin(self, suspects: Bases) -> None:
        """These were refused together. They go before those that wait already."""
        names = sorted(suspects)
        middle = (len(names) + 1) // 2
        for half in (names[middle:], names[:middle]):
            if half:
                self.parts.append({name: suspects[name] for name in half})

    def take(self) -> dict[str, Resource | None]:
        """What to send next."""
        return self.parts.pop()

    def __contains__(self, name: str) -> bool:
        return any(name in part for part in self.parts)

    def pop(self, name: str) -> Resource | None:
        """The base of a name that waits here, and does so no more."""
        base = next(part[name] for part in self.parts if name in part)
        self.forget(lambda each: each != name)
        return base

    def forget(self, covers: Callable[[str], bool]) -> None:
        """Drop what this doesn't cover."""
        parts = ({name: base for name, base in part.items() if covers(name)} for part in self.parts)
        self.parts = list(filter(None, parts))
