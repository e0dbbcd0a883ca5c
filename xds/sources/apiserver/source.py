"""A Kubernetes API server as a source: one watch for each kind and namespace, joined.

After an outage the watches get what they missed one by one: an Ingress may have moved to a Service that another watch
doesn't know of yet, or from one that is gone. So what routes depend on is held until all watches have caught up, and
then counts at once. Endpoints never wait.
"""

import asyncio
from collections.abc import AsyncGenerator, Iterable, Sequence
from typing import Final

import structlog

from xds.kube.change import Batch, Change, Listed, Reported
from xds.kube.objects import EndpointSlice, Ingress, IngressClass, Secret
from xds.kubeapi.client import Access, ApiClient
from xds.problems.problem import Key, Problem
from xds.sources.apiserver.inbox import Inbox
from xds.sources.apiserver.named_secrets import NamedSecrets
from xds.sources.apiserver.outages import Outages
from xds.sources.apiserver.scope import Scope, scopes
from xds.sources.apiserver.secret_watch import TlsWatches
from xds.sources.apiserver.tracker import ObjectTracker
from xds.sources.apiserver.watch import Deliver, Watch, WatchBatch

HOLD: Final = 5.0
"""Seconds at most that routing is held. A watch that stays behind isn't waited for again until it has caught up."""

CLASSES_UNKNOWN: Final = (
    "taken for none: of the Ingresses of each class, those are ours whose class has the name of --ingress-class"
)

_log = structlog.get_logger()


class ApiServer:
    """The source behind `--kubeconfig` and `--in-cluster`.

    Args:
        access: How to get there.
        namespaces: Those to follow; none: all.
        default_tls_secret: Is kept without an Ingress naming it.
    """

    def __init__(self, access: Access, namespaces: Iterable[str] = (), default_tls_secret: Key | None = None) -> None:
        self._access = access
        self._scopes = scopes(namespaces, default_tls_secret)
        self._default_tls_secret = default_tls_secret
        self._join: _Join | None = None

    def waiting_for(self) -> str:
        """What has not been listed yet, and why not; empty once everything was."""
        return self._join.waiting_for() if self._join else "the API server"

    async def batches(self) -> AsyncGenerator[Batch, None]:
        """First all there is, then what changes, for ever; to be called once.

        An API server that can't be reached is waited for. Cancellation, like closing the generator, ends all requests.

        Raises:
            SourceError: at the start, the configuration can't be used.
        """
        client = await ApiClient.create(self._access)
        self._join = _Join(client, self._scopes, self._default_tls_secret)
        watches = asyncio.create_task(self._join.run())
        watches.add_done_callback(self._join.ended)
        try:
            while True:
                yield await self._join.inbox.take()
        finally:
            watches.cancel()
            await asyncio.gather(watches, return_exceptions=True)
            await client.close()


class _Join:
    """All watches, and what they say in one order."""

    def __init__(self, client: ApiClient, scopes: list[Scope], default_tls_secret: Key | None) -> None:
        self.inbox = Inbox()
        self._client = client
        self._scopes = scopes
        self._always = {default_tls_secret} if default_tls_secret else set()
        self._outages = Outages(client.server, self._release)
        self._known: dict[Scope, ObjectTracker] = {}
        self._unlisted = set(scopes)
        self._reported: tuple[Problem, ...] = ()
        self._held: list[Change] = []
        self._held_since = 0.0
        self._excused: set[Scope] = set()
        self._timer: asyncio.TimerHandle | None = None

    def waiting_for(self) -> str:
        waiting = (scope for scope in self._scopes if scope in self._unlisted)
        return "; ".join(f"{scope}: {self._outages.why(scope) or 'not listed yet'}" for scope in waiting)

    async def run(self) -> None:
        """Until cancelled."""
        try:
            async with asyncio.TaskGroup() as group:
                for watch in self._watches():
                    group.create_task(watch.run())
        finally:
            if self._timer is not None:
                self._timer.cancel()

    def ended(self, task: asyncio.Task[None]) -> None:
        """That is a mistake of ours, unless it was cancelled."""
        if not task.cancelled():
            self.inbox.fail(task.exception() or RuntimeError("the watches ended"))

    def _watches(self) -> list[Watch | TlsWatches]:
        by_namespace: dict[str, Scope] = {scope.namespace: scope for scope in self._scopes if scope.kind is Ingress}
        watches: list[Watch | TlsWatches] = []
        for scope in self._scopes:
            if scope.kind is Secret and scope.namespace in by_namespace:
                watches.append(self._tls_watches(by_namespace[scope.namespace], scope))
            elif scope.kind is Secret:
                watches.append(self._watch(scope, NamedSecrets(self._always)))
            elif scope.kind is not Ingress:
                watches.append(self._watch(scope, ObjectTracker(scope.kind)))
        return watches

    def _tls_watches(self, ingresses: Scope, secrets: Scope) -> TlsWatches:
        known, named = ObjectTracker(Ingress), NamedSecrets(self._always)
        self._known |= {ingresses: known, secrets: named}
        return TlsWatches(
            self._client,
            self._outages,
            (ingresses, known, self._deliver(ingresses)),
            (secrets, named, self._deliver(secrets)),
        )

    def _watch(self, scope: Scope, known: ObjectTracker) -> Watch:
        self._known[scope] = known
        forbidden = self._classes_forbidden if scope.kind is IngressClass and self._namespaced else None
        return Watch(scope, self._client, known, self._outages, self._deliver(scope), forbidden=forbidden)

    @property
    def _namespaced(self) -> bool:
        return any(scope.namespace for scope in self._scopes if scope.kind is Ingress)

    def _classes_forbidden(self) -> None:
        """Who may see some namespaces only can't see what belongs to none. Tried again all the same."""
        scope = Scope(IngressClass)
        if scope in self._unlisted:
            _log.warning("ingress_classes_unknown", effect=CLASSES_UNKNOWN)
            self._excused.add(scope)
            self._put(scope, WatchBatch(asyncio.get_running_loop().time(), complete=True))

    def _deliver(self, scope: Scope) -> Deliver:
        async def deliver(news: WatchBatch) -> None:
            self._put(scope, news)
            await self.inbox.room()

        return deliver

    def _put(self, scope: Scope, news: WatchBatch) -> None:
        changes = [*news.changes, *self._listed(scope, news)]
        if scope.kind is EndpointSlice:
            self.inbox.put(changes, news.read_at, endpoints=True)
            self._say([], news.read_at)
        else:
            self._hold(changes, news.read_at)
        if news.complete:
            self._outages.caught_up(scope)
        self._release()

    def _listed(self, scope: Scope, news: WatchBatch) -> list[Change]:
        """Once for each kind."""
        if not news.complete or scope not in self._unlisted:
            return []
        self._unlisted.discard(scope)
        _log.info("listed", watch=str(scope), objects=len(self._known[scope]))
        return [] if any(each.kind is scope.kind for each in self._unlisted) else [Listed(scope.kind)]

    def _hold(self, changes: Sequence[Change], read_at: float) -> None:
        if changes and not self._held:
            self._held_since = read_at
        self._held += changes

    def _release(self) -> None:
        """Lets go of what is held, if nobody who is waited for is behind."""
        behind = self._outages.behind
        self._excused &= behind
        if not self._held or behind <= self._excused:
            self._let_go()
        elif self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(HOLD, self._give_up)

    def _give_up(self) -> None:
        """Whoever is behind now is not waited for until it has caught up."""
        self._excused |= self._outages.behind
        self._let_go()

    def _let_go(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        held, self._held = self._held, []
        self._say(held, self._held_since)

    def _say(self, changes: list[Change], read_at: float) -> None:
        problems = tuple(sorted(each for known in self._known.values() for each in known.problems.values()))
        if problems != self._reported:
            self._reported = problems
            changes = [*changes, Reported(problems)]
        self.inbox.put(changes, read_at)
