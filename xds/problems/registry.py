"""Keeps what was found to be wrong, and what of it is news."""

from collections import Counter
from collections.abc import Hashable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from xds.problems.problem import ObjectRef, Problem


@dataclass(frozen=True, slots=True)
class ProblemDelta:
    """The problems that came up since one last asked, and those that are solved."""

    appeared: tuple[Problem, ...]
    solved: tuple[Problem, ...]


class ProblemRegistry:
    """Holds the problems by the unit of translation that found them. Several units may find the same one."""

    def __init__(self) -> None:
        self._by_unit: dict[Hashable, frozenset[Problem]] = {}
        self._finders: Counter[Problem] = Counter()
        self._by_object: dict[ObjectRef, set[Problem]] = {}
        self._since: dict[Problem, datetime] = {}
        self._now: datetime | None = None
        self._reasons: Counter[str] = Counter()
        self._appeared: dict[Problem, None] = {}
        self._solved: dict[Problem, None] = {}

    @property
    def problems(self) -> list[Problem]:
        """Each once, by object."""
        return sorted(self._finders)

    @property
    def reasons(self) -> Mapping[str, int]:
        """How many there are, by reason."""
        return self._reasons

    def of(self, objects: Iterable[ObjectRef]) -> list[Problem]:
        """Those of these objects, by object."""
        return sorted(problem for each in set(objects) for problem in self._by_object.get(each, ()))

    def since(self, problem: Problem) -> datetime | None:
        """When it came up; None if it isn't there."""
        return self._since.get(problem)

    def at(self, now: datetime) -> None:
        """What is reported from here on comes up now."""
        self._now = now

    def report(self, unit: Hashable, problems: Iterable[Problem]) -> None:
        """These are all that the unit finds now."""
        before, after = self._by_unit.pop(unit, frozenset()), frozenset(problems)
        if after:
            self._by_unit[unit] = after
        for problem in after - before:
            self._found(problem)
        for problem in before - after:
            self._lost(problem)

    def take_news(self) -> ProblemDelta:
        news = ProblemDelta(tuple(self._appeared), tuple(self._solved))
        self._appeared.clear()
        self._solved.clear()
        return news

    def _found(self, problem: Problem) -> None:
        self._finders[problem] += 1
        if self._finders[problem] == 1:
            self._reasons[problem.reason] += 1
            self._by_object.setdefault(problem.object, set()).add(problem)
            if self._now:
                self._since[problem] = self._now
            _note(problem, self._appeared, self._solved)

    def _lost(self, problem: Problem) -> None:
        self._finders[problem] -= 1
        if not self._finders[problem]:
            del self._finders[problem]
            self._since.pop(problem, None)
            self._forget(problem)
            self._reasons[problem.reason] -= 1
            _note(problem, self._solved, self._appeared)

    def _forget(self, problem: Problem) -> None:
        of_object = self._by_object[problem.object]
        of_object.discard(problem)
        if not of_object:
            del self._by_object[problem.object]


def _note(problem: Problem, now: dict[Problem, None], before: dict[Problem, None]) -> None:
    """What came and went again is no news."""
    if problem in before:
        del before[problem]
    else:
        now[problem] = None
