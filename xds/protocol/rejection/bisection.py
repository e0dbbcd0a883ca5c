"""Bisection: the search for the bad resource in a response that Envoy rejected as a whole."""

from collections.abc import Callable, Iterator, Mapping

from xds.snapshot.resource import Resource


class Bisection:
    """Rejected resources without blame yet, in parts to send again.

    A rejected part is split in two. One bad resource among n costs some 2 log2(n) responses until Envoy rejects it
    alone; good resources are acknowledged on the way.

    Attributes:
        parts: The bases of the resources by name, the next part to send last. A base is the version that the proxy had
            before; None: the proxy didn't have the resource.
    """

    __slots__ = ("parts",)

    def __init__(self) -> None:
        self.parts: list[dict[str, Resource | None]] = []

    def __len__(self) -> int:
        return sum(map(len, self.parts))

    def __iter__(self) -> Iterator[tuple[str, Resource | None]]:
        return (item for part in self.parts for item in part.items())

    def __contains__(self, name: str) -> bool:
        return any(name in part for part in self.parts)

    @property
    def adds(self) -> bool:
        """Whether a resource is to be sent that the proxy didn't have."""
        return any(base is None for _, base in self)

    def begin(self, suspects: Mapping[str, Resource | None]) -> None:
        """Split resources that were rejected together. They go before older parts."""
        names = sorted(suspects)
        middle = (len(names) + 1) // 2
        for half in (names[middle:], names[:middle]):
            if half:
                self.parts.append({name: suspects[name] for name in half})

    def take(self) -> dict[str, Resource | None]:
        """Take out the next part to send."""
        return self.parts.pop()

    def pop(self, name: str) -> Resource | None:
        """Take out a resource and return its base."""
        base = next(part[name] for part in self.parts if name in part)
        self.keep(lambda each: each != name)
        return base

    def rebase(self, name: str, base: Resource | None) -> None:
        """Replace the base of a resource."""
        next(part for part in self.parts if name in part)[name] = base

    def keep(self, covers: Callable[[str], bool]) -> None:
        """Drop names that are not covered."""
        parts = ({name: base for name, base in part.items() if covers(name)} for part in self.parts)
        self.parts = list(filter(None, parts))
