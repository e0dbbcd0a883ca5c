"""The watch of Ingresses and the watch of the Secrets that Ingresses name, as a pair; see `named_objects`.

The first list of Secrets waits for the first list of Ingresses, and of other referrers. An Ingress that begins to name
a Secret waits for the look-up of the Secret, so that Ingress and Secret count at the same time: see
`waiting_referrers`.
"""

import asyncio
import random
from collections.abc import Iterable
from typing import Final

import aiohttp
import structlog

from xds.kube.change import Change
from xds.kube.objects import Secret
from xds.kube.wire import Page, page_of
from xds.kubeapi.backoff import Backoff
from xds.kubeapi.client import ApiClient, ErrorStatus
from xds.problems.problem import Key
from xds.problems.reasons import Reason
from xds.sources.apiserver.named_objects import NamedObjects
from xds.sources.apiserver.outages import Outages
from xds.sources.apiserver.scope import Scope
from xds.sources.apiserver.tracker import ObjectTracker
from xds.sources.apiserver.watch import FAILURES, MAX_RETRY_AFTER_SECONDS, Deliver, Watch, WatchBatch

LOOK_UP_TIMEOUT_SECONDS: Final = 5.0
"""Later, the look-up is repeated, and the Ingress that waits has a problem."""

MAX_LOOK_UPS: Final = 16
"""Look-ups at the same time."""

EFFECT: Final = "the objects that begin to name the Secret stay as they are served; the look-up is repeated"

_log = structlog.get_logger()


class TlsWatches:
    """Two watches: of the Ingresses in a namespace, or in all, and of the Secrets there.

    Args:
        client: The connection to the API server.
        outages: Where both watches report failures.
        ingresses: The scope, the tracker and the receiver of changes.
        secrets: Likewise.
        others_listed: Is set once all other referrers are listed.
    """

    def __init__(
        self,
        client: ApiClient,
        outages: Outages,
        ingresses: tuple[Scope, ObjectTracker, Deliver],
        secrets: tuple[Scope, NamedObjects, Deliver],
        others_listed: asyncio.Event,
    ) -> None:
        self._client = client
        self._secrets = secrets[1]
        self._deliver_ingresses, self._deliver_secrets = ingresses[2], secrets[2]
        self._ingress_watch = Watch(ingresses[0], client, ingresses[1], outages, self._deliver_with_look_ups)
        self._secret_watch = Watch(secrets[0], client, self._secrets, outages, self._deliver_secrets)
        self._ingresses_listed = asyncio.Event()
        self._others_listed = others_listed
        self._follows_secrets = False
        self._look_ups: dict[Key, asyncio.Task[None]] = {}
        self._slots = asyncio.Semaphore(MAX_LOOK_UPS)
        self._group = asyncio.TaskGroup()

    async def run(self) -> None:
        """Run both watches until cancelled."""
        async with self._group as group:
            group.create_task(self._ingress_watch.run())
            await self._ingresses_listed.wait()
            await self._others_listed.wait()
            self._follows_secrets = True
            group.create_task(self._secret_watch.run())

    async def _deliver_with_look_ups(self, batch: WatchBatch) -> None:
        """Deliver changes of Ingresses, after a look-up has begun of each Secret that they begin to name."""
        self.expect(batch.changes)
        if batch.completes_list:
            self._ingresses_listed.set()
        await self._deliver_ingresses(batch)

    def expect(self, changes: Iterable[Change]) -> None:
        """Follow the Secrets that the changed referrers name. Once Secrets are listed, new ones are looked up."""
        begun = self._secrets.expect(changes)
        if self._follows_secrets:
            self._secrets.begin_look_up(begun)
            for key in begun:
                self._begin_look_up(key)

    def _begin_look_up(self, key: Key) -> None:
        """Replace an earlier look-up: its answer may be older than the events that were dropped since."""
        if earlier := self._look_ups.pop(key, None):
            earlier.cancel()
        task = self._look_ups[key] = self._group.create_task(self._look_up(key))
        task.add_done_callback(lambda ended: self._look_ups.pop(key) if self._look_ups.get(key) is ended else None)

    async def _look_up(self, key: Key) -> None:
        """Look up the Secret until an answer comes, or the watch tells the same."""
        backoff = Backoff(random.random)
        clock = asyncio.get_running_loop().time
        while key in self._secrets.unknown:
            try:
                async with self._slots:
                    page = await self._page(key)
            except FAILURES as error:
                if not self._secrets.unknown.get(key, "unnamed"):
                    remedy = Reason.SECRET_UNREADABLE.remedy
                    _log.warning("secret_unreadable", secret=str(key), error=str(error), effect=EFFECT, remedy=remedy)
                self._secrets.fail_look_up(key, str(error))
                await self._deliver_secrets(WatchBatch(clock()))
                wait = min(error.retry_after, MAX_RETRY_AFTER_SECONDS) if isinstance(error, ErrorStatus) else 0
                await asyncio.sleep(max(backoff.delay(), wait))
            else:
                self._secret_watch.check(page.version)
                await self._deliver_secrets(WatchBatch(clock(), self._secrets.end_look_up(key, page)))
                return
        self._secrets.cancel_look_up([key])

    async def _page(self, key: Key) -> Page:
        """Get a list of the one Secret, for which the watch's own rights suffice.

        Raises:
            FAILURES: no answer tells whether the Secret exists.
        """
        scope, timeout = Scope(Secret).of(key), aiohttp.ClientTimeout(total=LOOK_UP_TIMEOUT_SECONDS)
        async with self._client.get(scope.path, {"fieldSelector": scope.selector}, timeout=timeout) as response:
            return page_of(Secret, await response.read())
