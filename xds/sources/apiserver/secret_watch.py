"""The watch of Ingresses and the watch of the Secrets that Ingresses name, as a pair; see `named_objects`.

The first list of Secrets waits for the first list of Ingresses. An Ingress that begins to name a Secret waits for the
look-up of the Secret, so that Ingress and Secret count at the same time.
"""

import asyncio
from collections.abc import Iterable
from dataclasses import replace
from typing import Final

import aiohttp
import structlog

from xds.kube.objects import Ingress, Secret
from xds.kube.references import references
from xds.kube.wire import Page, page_of
from xds.kubeapi.client import ApiClient
from xds.problems.problem import Key
from xds.sources.apiserver.named_objects import NamedObjects
from xds.sources.apiserver.outages import Outages
from xds.sources.apiserver.scope import Scope
from xds.sources.apiserver.tracker import ObjectTracker
from xds.sources.apiserver.watch import FAILURES, Deliver, Watch, WatchBatch

LOOK_UP_TIMEOUT_SECONDS: Final = 5.0
"""Later, Ingresses count without the Secrets, and the Secrets are listed again."""

MAX_LOOK_UPS: Final = 16
"""Look-ups at the same time."""

_TIMEOUT: Final = aiohttp.ClientTimeout(total=LOOK_UP_TIMEOUT_SECONDS)

_log = structlog.get_logger()


def named_secrets(always: Iterable[Key] = ()) -> NamedObjects:
    """Return a tracker of the Secrets in TLS entries of Ingresses, and of those always named."""
    return NamedObjects(Secret, _secrets_of, always)


def _secrets_of(ingress: Ingress) -> frozenset[Key]:
    return references(ingress).secrets


class TlsWatches:
    """Two watches: of the Ingresses in a namespace, or in all, and of the Secrets there.

    Args:
        client: The connection to the API server.
        outages: Where both watches report failures.
        ingresses: The scope, the tracker and the receiver of changes.
        secrets: Likewise.
    """

    def __init__(
        self,
        client: ApiClient,
        outages: Outages,
        ingresses: tuple[Scope, ObjectTracker, Deliver],
        secrets: tuple[Scope, NamedObjects, Deliver],
    ) -> None:
        self._client = client
        self._deliver = ingresses[2]
        self._secrets = secrets[1]
        self._ingress_watch = Watch(ingresses[0], client, ingresses[1], outages, self._deliver_with_secrets)
        self._secret_watch = Watch(secrets[0], client, self._secrets, outages, secrets[2])
        self._ingresses_listed = asyncio.Event()

    async def run(self) -> None:
        """Run both watches until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._ingress_watch.run())
            await self._ingresses_listed.wait()
            group.create_task(self._secret_watch.run())

    async def _deliver_with_secrets(self, batch: WatchBatch) -> None:
        """Deliver changes of Ingresses together with the Secrets that they begin to name."""
        begun = self._secrets.expect(batch.changes)
        pages = await self._look_up(begun) if begun and self._ingresses_listed.is_set() else {}
        # No other task runs from here to the delivery.
        for page in pages.values():
            self._secret_watch.check(page.version)
        found = [change for key, page in pages.items() for change in self._secrets.end_look_up(key, page)]
        changes = [*found, *batch.changes, *self._secrets.release(batch.changes)]
        if batch.completes_list:
            self._ingresses_listed.set()
        await self._deliver(replace(batch, changes=changes))

    async def _look_up(self, keys: Iterable[Key]) -> dict[Key, Page]:
        keys = list(keys)
        self._secrets.begin_look_up(keys)
        pages: dict[Key, Page] = {}
        slots = asyncio.Semaphore(MAX_LOOK_UPS)

        async def look_up(key: Key) -> None:
            async with slots:
                page = await self._page(key)
            if page is not None:
                pages[key] = page

        try:
            async with asyncio.timeout(LOOK_UP_TIMEOUT_SECONDS), asyncio.TaskGroup() as group:
                for key in keys:
                    group.create_task(look_up(key))
        except TimeoutError:
            pass
        if missing := [key for key in keys if key not in pages]:
            _log.warning(
                "secrets_not_read", secrets=len(missing), first=str(missing[0]), effect="all Secrets are listed again"
            )
            self._secrets.cancel_look_up(missing)
            self._secret_watch.relist()
        return pages

    async def _page(self, key: Key) -> Page | None:
        """Get a list of the one Secret, for which the watch's own rights suffice; None after a failure."""
        scope = Scope(Secret).of(key)
        try:
            async with self._client.get(scope.path, {"fieldSelector": scope.selector}, timeout=_TIMEOUT) as response:
                return page_of(Secret, await response.read())
        except FAILURES as error:
            _log.debug("secret_not_read", secret=str(key), error=str(error))
            return None
