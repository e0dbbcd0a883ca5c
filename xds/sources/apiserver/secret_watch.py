"""The watches of Ingresses and of the Secrets that they name, which go together: see `named_secrets`.

The Secrets' first list waits for that of the Ingresses. Ingresses that begin to name Secrets are held until these have
been looked up, so that both count at the same time.
"""

import asyncio
from collections.abc import Iterable
from dataclasses import replace
from typing import Final

import aiohttp
import structlog

from xds.kube.objects import Secret
from xds.kube.wire import Page, page_of
from xds.kubeapi.client import ApiClient
from xds.problems.problem import Key
from xds.sources.apiserver.named_secrets import NamedSecrets
from xds.sources.apiserver.outages import Outages
from xds.sources.apiserver.scope import Scope
from xds.sources.apiserver.tracker import ObjectTracker
from xds.sources.apiserver.watch import FAILURES, Deliver, Watch, WatchBatch

PATIENCE: Final = 5.0
"""Seconds that Ingresses are held at most. Then they go on without their Secrets, and all Secrets are listed again."""

AT_A_TIME: Final = 16

_TIMEOUT: Final = aiohttp.ClientTimeout(total=PATIENCE)

_log = structlog.get_logger()


class TlsWatches:
    """Two watches: of the Ingresses in a namespace, or in all, and of the Secrets there.

    Args:
        ingresses: What to watch, what is known of it, and what to do with news.
        secrets: The same.
    """

    def __init__(
        self,
        client: ApiClient,
        outages: Outages,
        ingresses: tuple[Scope, ObjectTracker, Deliver],
        secrets: tuple[Scope, NamedSecrets, Deliver],
    ) -> None:
        self._client = client
        self._deliver = ingresses[2]
        self._secrets = secrets[1]
        self._ingress_watch = Watch(ingresses[0], client, ingresses[1], outages, self._hold)
        self._secret_watch = Watch(secrets[0], client, self._secrets, outages, secrets[2])
        self._ingresses_listed = asyncio.Event()

    async def run(self) -> None:
        """Until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._ingress_watch.run())
            await self._ingresses_listed.wait()
            group.create_task(self._secret_watch.run())

    async def _hold(self, news: WatchBatch) -> None:
        """Delivers changes of Ingresses together with the Secrets that they begin to name."""
        begun = self._secrets.name(news.changes)
        pages = await self._look_up(begun) if begun and self._ingresses_listed.is_set() else {}
        # From here to the delivery nothing else runs.
        found = [change for key, page in pages.items() for change in self._secrets.answer(key, page)]
        changes = [*found, *news.changes, *self._secrets.release(news.changes)]
        self._ingresses_listed.set() if news.complete else None
        await self._deliver(replace(news, changes=changes))

    async def _look_up(self, keys: Iterable[Key]) -> dict[Key, Page]:
        keys = list(keys)
        self._secrets.ask(keys)
        pages: dict[Key, Page] = {}
        some = asyncio.Semaphore(AT_A_TIME)

        async def look_up(key: Key) -> None:
            async with some:
                page = await self._page(key)
            if page is not None:
                pages[key] = page

        try:
            async with asyncio.timeout(PATIENCE), asyncio.TaskGroup() as group:
                for key in keys:
                    group.create_task(look_up(key))
        except TimeoutError:
            pass
        if missing := [key for key in keys if key not in pages]:
            _log.warning("secrets_not_read", secrets=len(missing), first=str(missing[0]), remedy="all are listed again")
            self._secrets.forget(missing)
            self._secret_watch.relist()
        return pages

    async def _page(self, key: Key) -> Page | None:
        """A list of at most one, since that needs no more rights than the watch has."""
        scope = Scope(Secret).of(key)
        try:
            async with self._client.get(scope.path, {"fieldSelector": scope.selector}, timeout=_TIMEOUT) as response:
                return page_of(Secret, await response.read())
        except FAILURES as error:
            _log.debug("secret_not_read", secret=str(key), error=str(error))
            return None
