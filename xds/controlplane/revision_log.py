"""The log of revisions: a line for each change of routing, and one a minute for changes of endpoints alone.

In a cluster of many Pods, endpoints change many times a second.
"""

import asyncio
import logging
from collections.abc import Callable, Iterable, Sequence
from itertools import islice
from typing import Final, NoReturn

import structlog

from xds.kube.change import Applied, Change, Deleted
from xds.problems.problem import ObjectRef
from xds.snapshot.resource import ResourceType
from xds.snapshot.store import ResourceChange, Revision

SUMMARY_SECONDS: Final = 60.0

NAMES_LIMIT: Final = 5
"""Resources and objects that a line names."""

_log = structlog.get_logger()


class RevisionLog:
    """Logs revisions.

    Args:
        take_slowest: Returns the longest time of convergence since the last call, in seconds; None: nothing converged.
    """

    def __init__(self, take_slowest: Callable[[], float | None]) -> None:
        self._take_slowest = take_slowest
        self._revisions = 0
        self._resources = 0

    def note(self, revision: Revision, changes: Sequence[Change]) -> None:
        """Log a revision.

        Args:
            revision: As committed.
            changes: The changes of objects behind it, as far as they are known.
        """
        if revision.number > 1 and revision.by_type.keys() == {ResourceType.ENDPOINTS}:
            self._revisions += 1
            self._resources += len(revision.changes)
            if _log.is_enabled_for(logging.DEBUG):
                _log.debug("revision_committed", **_facts(revision, changes))
        else:
            _log.info("revision_committed", **_facts(revision, changes))

    async def run(self) -> NoReturn:
        """Log a summary of endpoint changes every SUMMARY_SECONDS, if there are any, until cancelled."""
        try:
            while True:
                await asyncio.sleep(SUMMARY_SECONDS)
                self._summarize()
        finally:
            self._summarize()

    def _summarize(self) -> None:
        slowest = self._take_slowest()
        if self._revisions:
            seconds = {} if slowest is None else {"slowest_convergence_seconds": round(slowest, 4)}
            _log.info("endpoints_updated", revisions=self._revisions, resources=self._resources, **seconds)
        self._revisions = self._resources = 0


def _facts(revision: Revision, changes: Sequence[Change]) -> dict[str, object]:
    facts: dict[str, object] = {"number": revision.number, "resources": len(revision.changes)}
    counts: dict[str, dict[str, int]] = {"added": {}, "changed": {}, "removed": {}}
    for change in revision.changes:
        of_kind = counts["added" if change.old is None else "removed" if change.new is None else "changed"]
        of_kind[change.type.short] = of_kind.get(change.type.short, 0) + 1
    facts |= {kind: of_kind for kind, of_kind in counts.items() if of_kind}
    facts["names"] = [_name(each) for each in revision.changes[:NAMES_LIMIT]]
    if caused_by := list(islice(_objects(changes), NAMES_LIMIT)):
        facts |= {"objects": len(changes), "caused_by": caused_by}
    if revision.unfinished:
        facts["unfinished"] = True
    return facts


def _name(change: ResourceChange) -> str:
    return f"{change.type.short} {change.name}"


def _objects(changes: Iterable[Change]) -> Iterable[str]:
    for change in changes:
        match change:
            case Applied(object=found):
                yield str(ObjectRef(found.kind, *found.key))
            case Deleted(kind=kind, key=key):
                yield str(ObjectRef(kind.kind, *key))
