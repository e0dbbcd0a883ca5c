"""A Kubernetes API server as a source: one watch for each kind and namespace, joined.

Secrets are the exception. Only those that an Ingress names are kept (see `named_secrets`), so their first list waits
for that of the Ingresses, and an Ingress that begins to name others is held until these have been looked up: it and
they count at the same time. Nothing else waits for anything.
"""

import asyncio
from collections.abc import AsyncGenerator, Iterable

import structlog

from xds.kube.api_client import Access, ApiClient
from xds.kube.api_inbox import Inbox
from xds.kube.api_outages import Outages
from xds.kube.api_secrets import TlsWatches
from xds.kube.api_watch import Deliver, News, Watch
from xds.kube.change import Batch, Listed, Reported
from xds.kube.known import Known
from xds.kube.named_secrets import NamedSecrets
from xds.kube.objects import Ingress, IngressClass, Key, Secret
from xds.kube.problem import Problem
from xds.kube.scope import Scope, scopes

CLASSES_UNKNOWN = (
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
        self._outages = Outages(client.server)
        self._known: dict[Scope, Known] = {}
        self._unlisted = set(scopes)
        self._reported: tuple[Problem, ...] = ()

    def waiting_for(self) -> str:
        waiting = (scope for scope in self._scopes if scope in self._unlisted)
        return "; ".join(f"{scope}: {self._outages.why(scope) or 'not listed yet'}" for scope in waiting)

    async def run(self) -> None:
        """Until cancelled."""
        async with asyncio.TaskGroup() as group:
            for watch in self._watches():
                group.create_task(watch.run())

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
                watches.append(self._watch(scope, Known(scope.kind)))
        return watches

    def _tls_watches(self, ingresses: Scope, secrets: Scope) -> TlsWatches:
        known, named = Known(Ingress), NamedSecrets(self._always)
        self._known |= {ingresses: known, secrets: named}
        return TlsWatches(
            self._client,
            self._outages,
            (ingresses, known, self._deliver(ingresses)),
            (secrets, named, self._deliver(secrets)),
        )

    def _watch(self, scope: Scope, known: Known) -> Watch:
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
            self._put(scope, News(asyncio.get_running_loop().time(), complete=True))

    def _deliver(self, scope: Scope) -> Deliver:
        async def deliver(news: News) -> None:
            self._put(scope, news)
            await self.inbox.room()

        return deliver

    def _put(self, scope: Scope, news: News) -> None:
        changes = list(news.changes)
        if news.complete and scope in self._unlisted:
            self._unlisted.discard(scope)
            _log.info("listed", watch=str(scope), objects=len(self._known[scope]))
            if not any(each.kind is scope.kind for each in self._unlisted):
                changes.append(Listed(scope.kind))
        problems = tuple(sorted(each for known in self._known.values() for each in known.problems.values()))
        if problems != self._reported:
            self._reported = problems
            changes.append(Reported(problems))
        self.inbox.put(changes, news.read_at)
