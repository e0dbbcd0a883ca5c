"""The overview of Ingresses on the event loop: swept in slices when somebody asks, and soon after a change."""

import asyncio
from typing import Final, NoReturn

import structlog

from xds.explain.facts import StateReader
from xds.explain.overview import IngressSummary, Overview, OverviewCounts
from xds.logs import BUG_REMEDY
from xds.server.debug.slices import in_slices

SWEEP_INTERVAL_SECONDS: Final = 5.0
"""Between two looks for changes that nobody asks about: the counts for metrics are that old at most."""

RETRY_SECONDS: Final = 60.0
"""After an error in the program."""

_log = structlog.get_logger()


class LiveOverview:
    """Keeps an overview current."""

    def __init__(self, reader: StateReader) -> None:
        self._overview = Overview(reader)
        self._sweeping = asyncio.Lock()

    @property
    def counts(self) -> OverviewCounts:
        """As of the last sweep. Costs nothing: for metrics."""
        return self._overview.counts

    async def summaries(self) -> list[IngressSummary]:
        """The current summaries, in no order."""
        await self.refresh()
        return self._overview.summaries

    async def refresh(self) -> None:
        """Sweep, unless nothing has changed since the last sweep. Questions at one time share a sweep."""
        async with self._sweeping:
            if not self._overview.is_current:
                await self._sweep()

    async def run(self) -> NoReturn:
        """Sweep after changes of routing and problems, until cancelled. Endpoints wait for a question."""
        while True:
            await asyncio.sleep(SWEEP_INTERVAL_SECONDS)
            try:
                async with self._sweeping:
                    if not self._overview.has_states:
                        await self._sweep()
            except Exception:  # noqa: BLE001 - an error in the program: routing goes on
                _log.exception("overview_failed", remedy=BUG_REMEDY, retry_seconds=RETRY_SECONDS)
                await asyncio.sleep(RETRY_SECONDS)

    async def _sweep(self) -> None:
        async for _ in in_slices(self._overview.sweep()):
            pass
