"""Watches of the kinds that a cluster may lack: those of the Gateway API, and Namespaces, which only these need.

The API server tells which kinds it serves (discovery). Kinds without CustomResourceDefinition aren't watched, and
nobody waits for them. Discovery is repeated, so that kinds which are installed later are found, and kinds which are
removed lose their objects. Before the first answer nothing is served: a restart must not drop the routes of a cluster.

Source: https://kubernetes.io/docs/concepts/overview/kubernetes-api/#unaggregated-discovery
"""

import asyncio
import contextlib
import random
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Final, Protocol

import aiohttp
import msgspec
import structlog

from xds.kube.gateway_objects import GATEWAY_KINDS, GatewayClass, Namespace, ReferenceGrant
from xds.kube.objects import KubeObject
from xds.kube.wire import GarbledError
from xds.kubeapi.backoff import Backoff
from xds.kubeapi.client import ApiClient, ErrorStatus
from xds.sources.apiserver.outages import Outages
from xds.sources.apiserver.scope import Scope
from xds.sources.apiserver.watch import FAILURES

DISCOVERY_INTERVAL_SECONDS: Final = 30.0

REMOVAL_SECONDS: Final = 5.0
"""A kind that discovery no longer names for so long is removed: one wrong answer must not delete all routes."""

_TIMEOUT: Final = aiohttp.ClientTimeout(total=10)

_log = structlog.get_logger()


class _Resource(msgspec.Struct, frozen=True):
    name: str


class _ResourceList(msgspec.Struct, frozen=True):
    kind: str
    resources: list[_Resource] | None = None


class Runnable(Protocol):
    async def run(self) -> None:
        """Run until cancelled."""


class OptionalWatches:
    """Runs a watch for each scope of an optional kind, as long as the API server serves the kind.

    Args:
        client: The connection to the API server.
        namespaces: The namespaces to follow; none: all.
        watch: Makes the watch of a scope.
        changed: Is called after each answer of discovery with two lists of scopes: of watches that begin, which run
            from then on, and of watches that ended.

    Attributes:
        is_known: Whether discovery has answered.
        failure: Of the last discovery; empty after an answer.
    """

    def __init__(
        self,
        client: ApiClient,
        namespaces: Sequence[str],
        watch: Callable[[Scope], Runnable],
        changed: Callable[[list[Scope], list[Scope]], None],
    ) -> None:
        self.is_known = False
        self.failure = ""
        self._client = client
        self._namespaces = namespaces
        self._watch = watch
        self._on_changed = changed
        self._tasks: dict[Scope, asyncio.Task[None]] = {}
        self._missing: set[Scope] = set()
        self._asked = asyncio.Event()
        self._group = asyncio.TaskGroup()

    async def run(self) -> None:
        """Run discovery and the watches until cancelled."""
        backoff = Backoff(random.random)
        async with self._group:
            while True:
                try:
                    self._take(await self._discover())
                except FAILURES as error:
                    self.failure = str(error)
                    pause = backoff.delay()
                else:
                    backoff.reset()
                    pause = REMOVAL_SECONDS if self._missing else DISCOVERY_INTERVAL_SECONDS
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(pause):
                        await self._asked.wait()
                        await asyncio.sleep(REMOVAL_SECONDS)
                self._asked.clear()

    def ask(self) -> None:
        """Run discovery soon: a watch was answered that its kind doesn't exist."""
        self._asked.set()

    async def _discover(self) -> dict[type[KubeObject], str]:
        """Return the optional kinds that the API server serves, each with the version; empty for the kind's own.

        Raises:
            FAILURES: no answer tells.
        """
        served = dict.fromkeys(await self._kinds_of(GatewayClass.api_version), "")
        if served:
            # ReferenceGrants have v1 since release 1.5 of the Gateway API. Unread grants would close their routes.
            for version in ReferenceGrant.older_versions if ReferenceGrant not in served else ():
                for kind in await self._kinds_of(version):
                    if version in kind.older_versions:
                        served.setdefault(kind, version)
            served[Namespace] = ""
        return served

    async def _kinds_of(self, version: str) -> list[type[KubeObject]]:
        try:
            async with self._client.get(f"/apis/{version}", {}, timeout=_TIMEOUT) as response:
                found = msgspec.json.decode(await response.read(), type=_ResourceList)
        except ErrorStatus as error:
            if error.status not in (403, 404):
                raise
            return []
        except msgspec.DecodeError as error:
            raise GarbledError(f"an answer that is no list of kinds ({type(error).__name__})") from None
        if found.kind != "APIResourceList":
            raise GarbledError("an answer that is no list of kinds")
        names = {each.name for each in found.resources or ()}
        return [kind for kind in GATEWAY_KINDS if kind is not Namespace and kind.plural in names]

    def _take(self, versions: Mapping[type[KubeObject], str]) -> None:
        """Begin the watches of new kinds and versions, and end those that were missing twice."""
        self.is_known, self.failure = True, ""
        served = {replace(scope, version=version) for kind, version in versions.items() for scope in self._scopes(kind)}
        watched = self._tasks.keys()
        removed, self._missing = self._missing - served, watched - served
        self._missing -= removed
        begun = [scope for scope in served - watched if not any(each.kind is scope.kind for each in self._missing)]
        ended = [scope for scope in watched if scope in removed]
        if begun or ended:
            _log.info("gateway_api_kinds", kinds=sorted(kind.kind for kind in versions))
        for scope in ended:
            self._tasks.pop(scope).cancel()
        watches = {scope: self._watch(scope) for scope in begun}
        self._on_changed(begun, ended)
        for scope, watch in watches.items():
            self._tasks[scope] = self._group.create_task(watch.run())

    def _scopes(self, kind: type[KubeObject]) -> Iterable[Scope]:
        if kind is Namespace and self._namespaces:
            return [Scope(kind, selector=f"metadata.name={each}") for each in self._namespaces]
        return [Scope(kind, each) for each in self._namespaces or [""]] if kind.namespaced else [Scope(kind)]


class OptionalObserver:
    """Reports to `Outages`, but for a kind that has gone: no outage, and discovery is asked."""

    def __init__(self, outages: Outages, ask: Callable[[], None]) -> None:
        self._outages = outages
        self._ask = ask
        self.works, self.caught_up = outages.works, outages.caught_up
        self.expired, self.pause = outages.expired, outages.pause

    def failed(self, scope: Scope, error: Exception) -> None:
        """Note that the watch tried and failed."""
        if isinstance(error, ErrorStatus) and error.status == 404:
            self._ask()
        else:
            self._outages.failed(scope, error)
