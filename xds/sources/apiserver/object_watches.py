"""Watches of single objects: one for each ConfigMap, and each Secret out of reach of the other watches, that is named.

A watch of one object (`fieldSelector=metadata.name=…`) needs a right to this object alone, which a Role gives by
resourceNames. The right may be missing, and the API server may answer late. Neither is an outage of the source: the
object gets a `fault`, and the routes that need the object have a problem.
"""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from functools import partial
from typing import Final

import structlog
from msgspec.structs import replace

from xds.kube.change import Change, Deleted
from xds.kube.kinds import KINDS_BY_NAME
from xds.kube.objects import ConfigMap, KubeObject, Metadata
from xds.kube.references import ConfigReferences, no_config_references
from xds.kube.referrers import after_changes
from xds.kubeapi.client import ApiClient, ErrorStatus
from xds.problems.problem import ObjectRef, Problem
from xds.problems.reasons import Reason
from xds.sources.apiserver.outages import REJECTIONS, remedy_of
from xds.sources.apiserver.scope import Scope
from xds.sources.apiserver.tracker import ObjectTracker
from xds.sources.apiserver.watch import Watch, WatchBatch

UNKNOWN_SECONDS: Final = 10.0
"""An object without an answer for so long counts as unreadable. An answer that passes by itself is waited for."""

Receive = Callable[[Scope, WatchBatch], Awaitable[None]]

_log = structlog.get_logger()


@dataclass(slots=True)
class _Watched:
    """A watch under way.

    Attributes:
        tracker: Of the one object.
        task: Runs the watch.
        began_at: Seconds of the event loop's clock.
    """

    tracker: ObjectTracker
    task: asyncio.Task[None]
    began_at: float


class ObjectWatches:
    """Watches of the objects that referrers or flags name, each from its first naming to the last.

    Args:
        client: The connection to the API server.
        names: Returns the objects that a referrer names, and that need a watch of their own.
        always: The objects that flags name.
        deliver: Receives the scope of an object and its changes, and is awaited.
        config_references: Returns the ConfigMaps that a ConfigMap of a flag names, which are watched too.

    Attributes:
        unknown: Named objects about which the API server has not answered yet.
        problems: Of objects that can't be decoded, and of Secrets that can't be read.
    """

    def __init__(
        self,
        client: ApiClient,
        names: Callable[[KubeObject], frozenset[ObjectRef]],
        always: Iterable[ObjectRef],
        deliver: Receive,
        config_references: ConfigReferences = no_config_references,
    ) -> None:
        self.unknown: set[ObjectRef] = set()
        self.problems: dict[ObjectRef, Problem] = {}
        self._client = client
        self._names = names
        self._always = frozenset(always)
        self._deliver = deliver
        self._config_references = config_references
        self._by_config: dict[ObjectRef, frozenset[ObjectRef]] = {}
        self._named: Counter[ObjectRef] = Counter(self._always)
        self._by_referrer: dict[ObjectRef, frozenset[ObjectRef]] = {}
        self._watched: dict[ObjectRef, _Watched] = {}
        self._rejected: dict[ObjectRef, int] = {}
        self._group = asyncio.TaskGroup()
        self._clock = asyncio.get_running_loop().time

    def __len__(self) -> int:
        return sum(len(each.tracker) for each in self._watched.values())

    def holds(self, about: ObjectRef) -> bool:
        """Whether a watch here follows the object."""
        return about in self._watched

    async def run(self) -> None:
        """Run the watches until cancelled. Other methods that begin watches must not be called before."""
        async with self._group:
            for about in sorted(self._always):
                self._begin(about)
            await asyncio.Event().wait()

    # Naming

    def expect(self, changes: Iterable[Change]) -> None:
        """Begin to watch the objects that the changed referrers name, in addition to earlier ones."""
        for referrer, objects in self._naming(changes):
            for about in objects - self._by_referrer.get(referrer, frozenset()):
                self._named[about] += 1
                if about not in self._watched:
                    self._begin(about)
            if objects:
                self._by_referrer[referrer] = self._by_referrer.get(referrer, frozenset()) | objects

    def release(self, changes: Iterable[Change]) -> list[Change]:
        """Stop watching the objects that no referrer names after these changes, which `expect` was given before.

        Returns:
            The deletions of these objects.
        """
        deletions: list[Change] = []
        for referrer, objects in self._naming(changes):
            for about in self._by_referrer.pop(referrer, frozenset()) - objects:
                self._named[about] -= 1
                if not self._named[about]:
                    deletions += self._end(about)
            if objects:
                self._by_referrer[referrer] = objects
        return deletions

    def _naming(self, changes: Iterable[Change]) -> Iterable[tuple[ObjectRef, frozenset[ObjectRef]]]:
        """Return the objects that each changed referrer names after the changes, if it named or names any."""
        after = after_changes(changes).items()
        named = [(about, self._names(each) if each else frozenset[ObjectRef]()) for about, each in after]
        return [(about, objects) for about, objects in named if objects or about in self._by_referrer]

    def _begin(self, about: ObjectRef) -> None:
        kind = KINDS_BY_NAME[about.kind]
        scope = Scope(kind).of(about.key)
        tracker = ObjectTracker(kind)
        watch = Watch(scope, self._client, tracker, self, partial(self._deliver_of, about, scope))
        self._watched[about] = _Watched(tracker, self._group.create_task(watch.run()), self._clock())
        self.unknown.add(about)

    def _end(self, about: ObjectRef) -> list[Change]:
        del self._named[about]
        watched = self._watched.pop(about)
        watched.task.cancel()
        self.unknown.discard(about)
        self.problems.pop(about, None)
        self._rejected.pop(about, None)
        return [Deleted(type(each), each.key) for each in watched.tracker.objects()]

    # What the watches report

    async def _deliver_of(self, about: ObjectRef, scope: Scope, batch: WatchBatch) -> None:
        watched = self._watched.get(about)
        if watched is None:
            return
        if batch.completes_list:
            self.unknown.discard(about)
            self.problems.pop(about, None)
        if undecodable := watched.tracker.problems.get(about.key):
            self.problems[about] = undecodable
        if about in self._always:
            batch = WatchBatch(
                batch.read_at, [*batch.changes, *self._follow_config(about, watched)], batch.completes_list
            )
        await self._deliver(scope, batch)

    def _follow_config(self, about: ObjectRef, watched: _Watched) -> list[Change]:
        """Watch the ConfigMaps that a ConfigMap of a flag names now, and return the deletions of the others."""
        configs = (each for each in watched.tracker.objects() if isinstance(each, ConfigMap))
        keys = (key for config in configs for key in self._config_references(config))
        named = frozenset(ObjectRef(ConfigMap.kind, *key) for key in keys)
        before, self._by_config[about] = self._by_config.get(about, frozenset()), named
        for each in named - before:
            self._named[each] += 1
            if each not in self._watched:
                self._begin(each)
        deletions: list[Change] = []
        for each in before - named:
            self._named[each] -= 1
            if not self._named[each]:
                deletions += self._end(each)
        return deletions

    def works(self, scope: Scope) -> None:
        """Note that the API server answers the watch."""
        about = _about(scope)
        if self._rejected.pop(about, None):
            _log.info("watch_accepted", watch=str(scope), name=about.name)

    def caught_up(self, scope: Scope) -> None:
        """Note that the watch resumed, so that the content read before is current again."""
        about = _about(scope)
        self.problems.pop(about, None)
        watched = self._watched.get(about)
        current = next(iter(watched.tracker.objects()), None) if watched else None
        if watched and isinstance(current, ConfigMap) and current.fault and current.data is not None:
            self._replace(about, scope, watched, replace(current, fault=""))

    def expired(self, scope: Scope, error: Exception) -> None:
        """Note that the watch lists again."""
        _log.debug("listing_again", watch=str(scope), name=_about(scope).name, reason=str(error))

    def failed(self, scope: Scope, error: Exception) -> None:
        """Note that the watch tried and failed.

        A rejection counts at once. Another failure counts if nothing was ever known, after UNKNOWN_SECONDS.
        """
        about = _about(scope)
        watched = self._watched.get(about)
        if watched is None:
            return
        if isinstance(error, ErrorStatus) and error.status in REJECTIONS:
            if self._rejected.get(about) != error.status:
                self._rejected[about] = error.status
                _log.warning(
                    "watch_rejected",
                    watch=str(scope),
                    name=about.name,
                    error=str(error),
                    remedy=remedy_of(scope, error),
                )
                self._set_fault(about, scope, watched, f"the API server answers {error}")
        elif about in self.unknown and self._clock() - watched.began_at > UNKNOWN_SECONDS:
            self._set_fault(about, scope, watched, f"the API server gives no answer ({error})")

    async def pause(self, scope: Scope, delay: float) -> bool:
        """Wait for a number of seconds before the next try."""
        del scope
        await asyncio.sleep(delay)
        return False

    def _set_fault(self, about: ObjectRef, scope: Scope, watched: _Watched, fault: str) -> None:
        """Note why the object can't be read. Content that was read before stays."""
        self.unknown.discard(about)
        current = next(iter(watched.tracker.objects()), None)
        if scope.kind is not ConfigMap:
            reason = Reason.SECRET_UNREADABLE
            self.problems[about] = Problem(about, reason, f"{about} can't be read: {fault}", reason.remedy)
            self._replace(about, scope, watched, None)
        elif isinstance(current, ConfigMap):
            self._replace(about, scope, watched, replace(current, fault=fault))
        else:
            metadata = Metadata(about.name, about.namespace)
            self._replace(about, scope, watched, ConfigMap(metadata, None, fault))

    def _replace(self, about: ObjectRef, scope: Scope, watched: _Watched, new: ConfigMap | None) -> None:
        """Deliver a ConfigMap that the API server didn't send; None: nothing but the problems."""
        changes = watched.tracker.replace(new) if new else []
        self._group.create_task(self._deliver_of(about, scope, WatchBatch(self._clock(), changes)))


def _about(scope: Scope) -> ObjectRef:
    return ObjectRef(scope.kind.kind, scope.namespace, scope.name)
