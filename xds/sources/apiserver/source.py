"""A Kubernetes API server as a source: a watch for each kind and namespace, joined into one order of changes.

After an outage the watches catch up one by one: an Ingress may name a Service that another watch hasn't read yet, or
has lost. So changes of routing are deferred until every watch has caught up, and then count together. Endpoints are
never deferred.
"""

import asyncio
from collections.abc import AsyncGenerator, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final

import structlog

from xds.kube.change import Batch, Change, Deleted, Listed, Reported
from xds.kube.gateway_objects import GatewayClass
from xds.kube.kinds import KINDS
from xds.kube.objects import ConfigMap, EndpointSlice, Ingress, IngressClass, KubeObject, Secret
from xds.kube.references import (
    AnnotatedObjects,
    ConfigReferences,
    followed_objects,
    no_annotated_objects,
    no_config_references,
)
from xds.kube.referrers import GATEWAY_REFERRERS, REFERRERS
from xds.kubeapi.client import ApiClient
from xds.kubeapi.kubeconfig import Access
from xds.problems.problem import Key, ObjectRef, Problem
from xds.sources.apiserver.gateway_referrers import GatewayReferrers, OwnsClass
from xds.sources.apiserver.inbox import Inbox, TakeAtOnce
from xds.sources.apiserver.named_secrets import always_named, named_secrets
from xds.sources.apiserver.namespaces import NamespaceChecks
from xds.sources.apiserver.object_watches import ObjectWatches
from xds.sources.apiserver.optional_watches import OptionalObserver, OptionalWatches
from xds.sources.apiserver.outages import Outages
from xds.sources.apiserver.scope import Scope, scopes
from xds.sources.apiserver.secret_watch import TlsWatches
from xds.sources.apiserver.tracker import ObjectTracker
from xds.sources.apiserver.waiting_referrers import WaitingReferrers
from xds.sources.apiserver.watch import Deliver, Watch, WatchBatch

CATCH_UP_TIMEOUT_SECONDS: Final = 5.0
"""The longest deferral of routing. A watch still behind by then is not waited for again until it has caught up."""

CLASSES_UNKNOWN: Final = "the name alone decides: an Ingress is ours if its class is that of --ingress-class"

_CONFIG_MAPS: Final = Scope(ConfigMap)
"""All ConfigMaps that are named. No watch has this scope: each ConfigMap is watched alone."""

_log = structlog.get_logger()


class ApiServer:
    """The source behind `--kubeconfig` and `--in-cluster`.

    Args:
        access: The way to the API server.
        namespaces: The namespaces to follow; none: all.
        default_tls_secret: A Secret to follow although no Ingress names it.
        annotated: Returns the Secrets and ConfigMaps that annotations of an Ingress name, to follow each.
        config_maps: ConfigMaps to follow although no Ingress names them: those of flags.
        config_references: Returns the ConfigMaps that such a ConfigMap names.
        owns_class: Whether a GatewayClass is ours.

    Attributes:
        take_at_once: Is offered each batch of endpoints that no other change precedes, before `batches` yields it.
    """

    def __init__(
        self,
        access: Access,
        namespaces: Iterable[str] = (),
        default_tls_secret: Key | None = None,
        *,
        annotated: AnnotatedObjects = no_annotated_objects,
        config_maps: Iterable[Key] = (),
        config_references: ConfigReferences = no_config_references,
        owns_class: OwnsClass = lambda _: True,
    ) -> None:
        self._access = access
        self._scopes = scopes(namespaces, default_tls_secret)
        self._default_tls_secret = default_tls_secret
        self._annotated = annotated
        self._config_maps = tuple(config_maps)
        self._config_references = config_references
        self._owns_class = owns_class
        self._watches: _JoinedWatches | None = None
        self.take_at_once: TakeAtOnce = lambda _: False

    def waiting_for(self) -> str:
        """Name the kinds not listed yet, with the failure of each; empty after the first list of every kind."""
        return self._watches.waiting_for() if self._watches else "the API server"

    def is_current(self) -> bool:
        """Whether every kind was listed and no watch is behind; see `Source`."""
        return all(self.up().values())

    def up(self) -> dict[str, bool]:
        """By kind, whether it was listed and no watch of the kind is behind."""
        watches = self._watches
        if watches is None:
            return dict.fromkeys(self._kinds(), False)
        return {each: watches.is_listed(each) and not since for each, since in watches.behind_since().items()}

    def behind_since(self) -> dict[str, float]:
        """By kind, the Unix time since which a watch of the kind is behind; 0 if none is."""
        return self._watches.behind_since() if self._watches else dict.fromkeys(self._kinds(), 0.0)

    def relists(self) -> dict[str, int]:
        """By kind, the number of complete lists after the first one."""
        return self._watches.relists if self._watches else dict.fromkeys(self._kinds(), 0)

    def _kinds(self) -> Iterable[str]:
        return dict.fromkeys(scope.kind.kind for scope in self._scopes)

    async def batches(self) -> AsyncGenerator[Batch, None]:
        """Yield all objects, then changes, for ever; to be called once.

        An unreachable API server is waited for. Cancellation, like closing the generator, ends all requests.

        Raises:
            SourceError: at the start, the configuration can't be used.
        """
        client = await ApiClient.create(self._access)
        always = Always(self._default_tls_secret, self._config_maps, self._config_references)
        self._watches = _JoinedWatches(
            client, self._scopes, always, self._annotated, self.take_at_once, owns_class=self._owns_class
        )
        running = asyncio.create_task(self._watches.run())
        running.add_done_callback(self._watches.ended)
        try:
            while True:
                yield await self._watches.inbox.take()
        finally:
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)
            await client.close()


@dataclass(frozen=True, slots=True)
class Always:
    """The objects to follow although no Ingress names them.

    Attributes:
        tls_secret: The Secret of `--default-tls-secret`; None: there is none.
        config_maps: Those of flags.
        config_references: Returns the ConfigMaps that such a ConfigMap names.
    """

    tls_secret: Key | None
    config_maps: tuple[Key, ...]
    config_references: ConfigReferences


class _JoinedWatches:
    """All watches of the source, and the order of their changes.

    Attributes:
        relists: Number of complete lists after the first one, by kind.
    """

    def __init__(
        self,
        client: ApiClient,
        scopes: list[Scope],
        always: Always,
        annotated: AnnotatedObjects,
        take_at_once: TakeAtOnce,
        *,
        owns_class: OwnsClass,
    ) -> None:
        self.inbox = Inbox(take_at_once)
        self.relists = {scope.kind.kind: 0 for scope in scopes}
        self._client = client
        self._scopes = list(scopes)
        self._annotated = annotated
        self._always = {always.tls_secret} if always.tls_secret else set()
        self._outages = Outages(client.server, self._deliver_when_caught_up, self._report_problems)
        namespaces = sorted({scope.namespace for scope in scopes if scope.kind is Ingress} - {""})
        self._namespaces = NamespaceChecks(client, namespaces, self._report_problems)
        self._trackers: dict[Scope, ObjectTracker] = {}
        self._gateways = GatewayReferrers(owns_class, self._trackers)
        self._optional = OptionalWatches(client, namespaces, self._optional_watch, self._optional_changed)
        self._optional_observer = OptionalObserver(self._outages, self._optional.ask)
        config_maps = (ObjectRef(ConfigMap.kind, *key) for key in always.config_maps)
        self._objects = ObjectWatches(
            client, self._watched_alone, config_maps, self._deliver_object, always.config_references
        )
        self._waiting = WaitingReferrers(self._trackers, self._outages, annotated, self._objects)
        self._unlisted = {*scopes, _CONFIG_MAPS}
        self._unannounced = set(KINDS)
        self._gateways_listed = asyncio.Event()
        self._tls: list[TlsWatches] = []
        self._reported: tuple[Problem, ...] = ()
        self._deferred: list[Change] = []
        self._deferred_since = 0.0
        self._excused: set[Scope] = set()
        self._timer: asyncio.TimerHandle | None = None

    def waiting_for(self) -> str:
        waiting = (scope for scope in (*self._scopes, _CONFIG_MAPS) if scope in self._unlisted)
        texts = [f"{scope}: {self._outages.why(scope) or 'not listed yet'}" for scope in waiting]
        if not self._optional.is_known:
            texts.append(f"kinds of the Gateway API: {self._optional.failure or 'not known yet'}")
        return "; ".join(texts)

    def is_listed(self, kind: str) -> bool:
        return not any(scope.kind.kind == kind for scope in self._unlisted)

    def behind_since(self) -> dict[str, float]:
        kinds = dict.fromkeys(scope.kind for scope in self._scopes)
        return {kind.kind: self._outages.behind_since(kind) for kind in kinds}

    async def run(self) -> None:
        """Run all watches until cancelled."""
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._objects.run())  # before the watches that name objects
                for watch in self._watches():
                    group.create_task(watch.run())
                group.create_task(self._namespaces.run())
                group.create_task(self._optional.run())
        finally:
            if self._timer is not None:
                self._timer.cancel()

    def ended(self, task: asyncio.Task[None]) -> None:
        """Pass on the failure of `run`: without a cancellation, a bug ended the watches."""
        if not task.cancelled():
            self.inbox.fail(task.exception() or RuntimeError("the watches ended"))

    # Watches

    def _watches(self) -> list[Watch | TlsWatches]:
        by_namespace: dict[str, Scope] = {scope.namespace: scope for scope in self._scopes if scope.kind is Ingress}
        watches: list[Watch | TlsWatches] = []
        for scope in self._scopes:
            if scope.kind is Secret and scope.namespace in by_namespace:
                watches.append(self._tls_watches(by_namespace[scope.namespace], scope))
            elif scope.kind is Secret:
                watches.append(self._watch(scope, always_named(self._always)))
            elif scope.kind is not Ingress:
                watches.append(self._watch(scope, ObjectTracker(scope.kind)))
        return watches

    def _tls_watches(self, ingresses: Scope, secrets: Scope) -> TlsWatches:
        tracker = ObjectTracker(Ingress)
        named = named_secrets(self._always, self._annotated, secrets.namespace, self._gateways.named)
        self._trackers |= {ingresses: tracker, secrets: named}
        watches = TlsWatches(
            self._client,
            self._outages,
            (ingresses, tracker, self._deliver(ingresses)),
            (secrets, named, self._deliver(secrets)),
            self._gateways_listed,
        )
        self._tls.append(watches)
        return watches

    def _watch(self, scope: Scope, tracker: ObjectTracker) -> Watch:
        self._trackers[scope] = tracker
        namespaced = any(each.namespace for each in self._scopes if each.kind is Ingress)
        forbidden = self._classes_forbidden if scope.kind is IngressClass and namespaced else None
        return Watch(scope, self._client, tracker, self._outages, self._deliver(scope), forbidden=forbidden)

    def _classes_forbidden(self) -> None:
        """Go on without IngressClasses: rights in some namespaces include no right to cluster-scoped kinds.

        The watch keeps trying.
        """
        scope = Scope(IngressClass)
        if scope in self._unlisted:
            error = self._outages.why(scope)
            remedy = scope.grant(error)
            _log.warning(
                "ingress_classes_unknown", watch=str(scope), error=error, effect=CLASSES_UNKNOWN, remedy=remedy
            )
            self._excused.add(scope)
            self._put(scope, WatchBatch(asyncio.get_running_loop().time(), completes_list=True))
            self._outages.tolerate(scope)

    def _optional_watch(self, scope: Scope) -> Watch:
        tracker = self._trackers[scope] = ObjectTracker(scope.kind)
        forbidden = partial(self._optional_forbidden, scope)
        return Watch(scope, self._client, tracker, self._optional_observer, self._deliver(scope), forbidden=forbidden)

    def _optional_changed(self, begun: Iterable[Scope], ended: Iterable[Scope]) -> None:
        """Take in an answer of discovery. Kinds that turn up later count together, once each is listed."""
        for scope in begun:
            self._scopes.append(scope)
            self.relists.setdefault(scope.kind.kind, 0)
            self._unlisted.add(scope)
            if scope.kind not in self._unannounced:
                self._outages.begin(scope)
        changes: list[Change] = []
        for scope in ended:
            self._scopes.remove(scope)
            self._unlisted.discard(scope)
            self._excused.discard(scope)
            changes += [Deleted(scope.kind, each.key) for each in self._trackers.pop(scope).objects()]
        changes += self._gateways.take_classes() if ended else ()
        watched = {scope.kind for scope in self._scopes}
        absent = [kind for kind in KINDS if kind.optional and kind not in watched and kind in self._unannounced]
        self._unannounced.difference_update(absent)
        self._note_gateways()
        self._defer([*changes, *map(Listed, absent), *self._config_maps_listed()], asyncio.get_running_loop().time())
        for scope in ended:
            self._outages.forget(scope)
        self._deliver_when_caught_up()

    def _optional_forbidden(self, scope: Scope) -> None:
        """Go on without the objects, with a problem: rights of before have no Gateway API. The watch keeps trying."""
        if scope in self._unlisted:
            self._put(scope, WatchBatch(asyncio.get_running_loop().time(), completes_list=True))
        self._excused.add(scope)
        self._outages.excuse(scope)
        self._deliver_when_caught_up()

    def _watched_alone(self, of: KubeObject) -> frozenset[ObjectRef]:
        """Return the Secrets and ConfigMaps that a referrer names, and that no other watch has for it."""
        if isinstance(of, Ingress):
            objects, namespaces = followed_objects(of, self._annotated), {of.key.namespace}
        else:
            objects, namespaces = (
                frozenset(self._gateways.named(of)),
                {each.namespace for each in self._scopes if each.kind is Ingress},
            )
        if not objects:
            return objects
        everywhere = any(scope.kind is Secret and not scope.namespace for scope in self._scopes)
        return frozenset(
            each for each in objects if each.kind != Secret.kind or not (everywhere or each.namespace in namespaces)
        )

    # Changes

    async def _deliver_object(self, scope: Scope, batch: WatchBatch) -> None:
        self._put(scope, WatchBatch(batch.read_at, batch.changes))
        await self.inbox.wait_for_room()

    def _deliver(self, scope: Scope) -> Deliver:
        async def deliver(batch: WatchBatch) -> None:
            self._put(scope, batch)
            await self.inbox.wait_for_room()

        return deliver

    def _put(self, scope: Scope, batch: WatchBatch) -> None:
        changes = [*batch.changes, *(self._gateways.take_classes() if scope.kind is GatewayClass else ())]
        if scope.kind in REFERRERS:
            self._objects.expect(changes)
        if scope.kind in GATEWAY_REFERRERS:
            for each in self._tls:
                each.expect(changes)
        changes += self._listed(scope, batch)
        self._note_gateways()
        if scope.kind is EndpointSlice:
            self.inbox.put(changes, batch.read_at, endpoints=True)
            self._put_with_problems([], batch.read_at)
        else:
            self._defer([*changes, *self._config_maps_listed()], batch.read_at)
        if batch.completes_list:
            self._outages.caught_up(scope)
        self._deliver_when_caught_up()

    def _listed(self, scope: Scope, batch: WatchBatch) -> list[Change]:
        """Return `Listed` once for each kind, after the first list of its last scope."""
        if not batch.completes_list:
            return []
        if scope not in self._unlisted:
            self.relists[scope.kind.kind] += 1
            return []
        self._unlisted.discard(scope)
        _log.info("listed", watch=str(scope), objects=len(self._trackers[scope]))
        if scope.kind not in self._unannounced or any(each.kind is scope.kind for each in self._unlisted):
            return []
        self._unannounced.discard(scope.kind)
        return [Listed(scope.kind)]

    def _note_gateways(self) -> None:
        """Let Secrets and ConfigMaps be listed once all is known that may name one."""
        if self._optional.is_known and not any(scope.kind in GATEWAY_REFERRERS for scope in self._unlisted):
            self._gateways_listed.set()

    def _config_maps_listed(self) -> list[Change]:
        """Return `Listed` once, as soon as the API server has answered for each object named at the start."""
        if _CONFIG_MAPS not in self._unlisted or self._objects.unknown:
            return []
        if not self._gateways_listed.is_set() or any(scope.kind is Ingress for scope in self._unlisted):
            return []
        self._unlisted.discard(_CONFIG_MAPS)
        self._unannounced.discard(ConfigMap)
        return [Listed(ConfigMap)]

    def _defer(self, changes: Sequence[Change], read_at: float) -> None:
        if changes and not self._deferred:
            self._deferred_since = read_at
        self._deferred += changes

    def _deliver_when_caught_up(self) -> None:
        """Deliver deferred changes unless a watch that counts is behind; then wait for the watch."""
        behind = self._outages.behind
        self._excused &= behind
        if not self._deferred or behind <= self._excused:
            self._deliver_deferred()
        elif self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(CATCH_UP_TIMEOUT_SECONDS, self._stop_waiting)

    def _stop_waiting(self) -> None:
        """Excuse the watches that are behind now, until each has caught up."""
        self._excused |= self._outages.behind
        self._deliver_deferred()

    def _deliver_deferred(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        deferred, self._deferred = self._deferred, []
        ready = self._waiting.take(deferred, wait=not self._unannounced)
        self._put_with_problems(ready, self._deferred_since if deferred else asyncio.get_running_loop().time())

    def _report_problems(self) -> None:
        self._put_with_problems([], asyncio.get_running_loop().time())

    def _put_with_problems(self, changes: list[Change], read_at: float) -> None:
        of_objects = (each for tracker in self._trackers.values() for each in tracker.problems.values())
        alone = (*self._waiting.problems.values(), *self._objects.problems.values())
        problems = tuple(sorted([*of_objects, *alone, *self._outages.problems, *self._namespaces.problems]))
        if problems != self._reported:
            self._reported = problems
            changes = [*changes, Reported(problems)]
        self.inbox.put(changes, read_at)
