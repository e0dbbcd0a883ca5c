"""The life of a bad object: applied, reported, mended, forgotten."""

import contextlib
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from dataclasses import dataclass

from tests.support.matrix.case import Case, Told, identity, without
from tests.support.matrix.site import Site


@dataclass(frozen=True, slots=True)
class Times:
    """Seconds from the write to the Problem and the Event; from the mending to the right answers of both Envoys, to no
    Problem, and to the Event of the solution. None: there is none.
    """

    name: str
    problem: float | None
    event: float | None
    answered: float
    solved: float | None
    resolved: float | None


Wait = Callable[[Iterable[Told], bool], Awaitable[float | None]]
"""Waits for the Events of Problems (False) or of their solution (True); returns the time of the last."""


async def no_events(_told: Iterable[Told], _solved: bool) -> None:
    """Where there is no API server."""


async def run(site: Site, case: Case, events: Wait = no_events) -> Times:
    """Raises:
    AssertionError: A good object was not served, or the bad one lacks its Problem.
    """
    site.load.failed.clear()
    async with _gone_after(site, case):
        if case.before:
            await site.source.apply(case.before)
            await site.until_answered(case.asked)
        began = time.monotonic()
        await site.source.apply(case.bad)
        problem = await site.until_told(case.told)
        event = await events(case.told, False)
        await _settled(site)
        await site.until_answered(case.asked)
        mending = time.monotonic()
        await site.source.delete(without(case.bad, case.mended))
        await site.source.apply(case.mended)
        solved = await site.until_told(())
        answered = await site.until_answered(case.mended_asked)
        resolved = None if case.hushed else await events(_left(case), True)
        await _settled(site)
    if not case.told:
        return Times(case.name, None, None, answered - mending, None, None)
    return Times(
        case.name,
        problem - began,
        _since(began, event),
        answered - mending,
        solved - mending,
        _since(mending, resolved),
    )


def _left(case: Case) -> list[Told]:
    """A deleted object has no more Events."""
    kept = set(map(identity, case.mended))
    return [each for each in case.told if (each.kind, each.name) in kept]


def _since(began: float, at: float | None) -> float | None:
    return None if at is None else max(at - began, 0.0)


async def _settled(site: Site) -> None:
    """Check that the Envoys have every resource, rejected none, and that every good object is served."""
    await site.until_in_sync()
    await site.load.sweep()
    await site.assert_nothing_was_refused()
    assert site.load.failed == []
    assert site.running
    assert not site.running.done(), site.running


@contextlib.asynccontextmanager
async def _gone_after(site: Site, case: Case) -> AsyncIterator[None]:
    try:
        yield
    finally:
        await site.source.delete([*case.before, *case.bad, *case.mended])
    await site.until_told(())


def table(rows: Iterable[Times]) -> str:
    heads = ("seconds until", "Problem", "Event", "answered", "solved", "Resolved")
    lines = [f"{heads[0]:28}" + "".join(f"{head:>10}" for head in heads[1:])]
    for row in rows:
        cells = (row.problem, row.event, row.answered, row.solved, row.resolved)
        lines.append(f"{row.name:28}" + "".join("         -" if cell is None else f"{cell:10.2f}" for cell in cells))
    return "\n".join(lines)
