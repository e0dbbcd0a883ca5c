"""The Ingresses that an IngressClass has turned away, and that are served for the time being."""

from collections import Counter
from collections.abc import Set

from xds.problems.problem import Key, ObjectRef, Problem
from xds.problems.reasons import Reason


class HeldIngresses:
    """Holds them by name, each with the name of the class."""

    def __init__(self) -> None:
        self._classes: dict[Key, Key] = {}
        self._left: Counter[Key] = Counter()
        self._ever: Counter[Key] = Counter()

    def __bool__(self) -> bool:
        return bool(self._classes)

    def __contains__(self, ingress: Key) -> bool:
        return ingress in self._classes

    def has_all(self, ingresses: Set[Key]) -> bool:
        return ingresses <= self._classes.keys()

    def by(self, ingress: Key) -> Key | None:
        """The class that turned it away."""
        return self._classes.get(ingress)

    def add(self, ingress: Key, by: Key) -> None:
        """The first class that turns it away counts."""
        if ingress not in self._classes:
            self._classes[ingress] = by
            self._left[by] += 1
            self._ever[by] += 1

    def discard(self, ingress: Key) -> None:
        by = self._classes.pop(ingress, None)
        if by is not None:
            self._left[by] -= 1
            if not self._left[by]:
                del self._left[by], self._ever[by]

    def release(self) -> list[Key]:
        """Those that there were."""
        released = list(self._classes)
        self._classes.clear()
        self._left.clear()
        self._ever.clear()
        return released

    @property
    def problems(self) -> tuple[Problem, ...]:
        """One for each class. It says how many there were, so that it stays the same while they become fewer."""
        return tuple(_problem(ObjectRef("IngressClass", *by), count) for by, count in sorted(self._ever.items()))


def _problem(by: ObjectRef, count: int) -> Problem:
    some = "1 Ingress" if count == 1 else f"{count} Ingresses"
    return Problem(
        by,
        Reason.WITHDRAWAL_HELD,
        f"it turned {some} away, without which no backend or no certificate would be left; what was served is served "
        "on for as long as nothing else is, and follows its Ingresses, Services and Secrets",
        Reason.WITHDRAWAL_HELD.remedy,
    )
