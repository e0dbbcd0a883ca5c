"""The registry of the problems that stand, and of the changes since the last look."""

from collections import Counter
from collections.abc import Collection, Hashable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from xds.problems.problem import ObjectRef, Problem


@dataclass(frozen=True, slots=True)
class ProblemDelta:
    """The problems that appeared since the last delta, and the problems that are solved."""

    appeared: tuple[Problem, ...]
    solved: tuple[Problem, ...]


class ProblemRegistry:
    """Holds problems by the unit that reported them: a host of the translation, say, or a resource of the validation.

    A problem that several units report stands until the last of them no longer reports the problem.

    Attributes:
        generation: Grows with each problem that appears or is solved.
    """

    def __init__(self) -> None:
        self._by_unit: dict[Hashable, frozenset[Problem]] = {}
        self._reporters: Counter[Problem] = Counter()
        self._by_object: dict[ObjectRef, set[Problem]] = {}
        self._since: dict[Problem, datetime] = {}
        self._now: datetime | None = None
        self._counts_by_reason: Counter[str] = Counter()
        self._appeared: dict[Problem, None] = {}
        self._solved: dict[Problem, None] = {}
        self.generation = 0
        self._touched: dict[ObjectRef, None] = {}

    @property
    def problems(self) -> list[Problem]:
        """All problems, each once, sorted by object."""
        return sorted(self._reporters)

    @property
    def unsorted(self) -> list[Problem]:
        """The open problems in no order: quick, for callers that sort in a thread."""
        return list(self._reporters)

    @property
    def counts_by_reason(self) -> Mapping[str, int]:
        return self._counts_by_reason

    def of(self, objects: Iterable[ObjectRef]) -> list[Problem]:
        """The problems of some objects, sorted by object."""
        return sorted(problem for each in set(objects) for problem in self._by_object.get(each, ()))

    def since(self, problem: Problem) -> datetime | None:
        """When the problem appeared; None if the problem doesn't stand, or appeared before the first `set_time`."""
        return self._since.get(problem)

    def set_time(self, now: datetime) -> None:
        """Set the time at which the next reported problems appear."""
        self._now = now

    def report(self, unit: Hashable, problems: Iterable[Problem]) -> None:
        """Replace the problems of a unit; without problems, the unit is in order or no longer exists."""
        before, after = self._by_unit.pop(unit, frozenset()), frozenset(problems)
        if after:
            self._by_unit[unit] = after
        for problem in after - before:
            self._add(problem)
        for problem in before - after:
            self._remove(problem)

    def take_delta(self) -> ProblemDelta:
        """The changes since the last call. A problem that appeared and was solved meanwhile, or was solved and appeared
        again, is left out.
        """
        delta = ProblemDelta(tuple(self._appeared), tuple(self._solved))
        self._appeared.clear()
        self._solved.clear()
        return delta

    def take_touched(self) -> Collection[ObjectRef]:
        """The objects that got or lost a problem since the last call."""
        touched, self._touched = self._touched, {}
        return touched

    def _touch(self, problem: Problem) -> None:
        self.generation += 1
        self._touched[problem.object] = None

    def _add(self, problem: Problem) -> None:
        self._reporters[problem] += 1
        if self._reporters[problem] == 1:
            self._touch(problem)
            self._counts_by_reason[problem.reason] += 1
            self._by_object.setdefault(problem.object, set()).add(problem)
            if self._now:
                self._since[problem] = self._now
            _record(problem, self._appeared, opposite=self._solved)

    def _remove(self, problem: Problem) -> None:
        self._reporters[problem] -= 1
        if self._reporters[problem]:
            return
        self._touch(problem)
        del self._reporters[problem]
        self._since.pop(problem, None)
        of_object = self._by_object[problem.object]
        of_object.discard(problem)
        if not of_object:
            del self._by_object[problem.object]
        self._counts_by_reason[problem.reason] -= 1
        _record(problem, self._solved, opposite=self._appeared)


def _record(problem: Problem, changes: dict[Problem, None], *, opposite: dict[Problem, None]) -> None:
    if problem in opposite:
        del opposite[problem]
    else:
        changes[problem] = None
