"""The overview of Ingresses on the event loop: swept in slices when somebody asks, and soon after a change."""

import asyncio
import time
from typing import Final, NoReturn

import structlog

from xds.explain.facts import StateReader
from xds.explain.overview import IngressSummary, Overview, OverviewCounts
from xds.logs import BUG_REMEDY
from xds.server.debug.slices import in_slices

SWEEP_INTERVAL_SECONDS: Final = 5.0
"""Interval of sweeps that no question asked for: the largest age of the counts for metrics."""

PAUSE_SHARE: Final = 10.0
"""The pause after a sweep, as a multiple of its duration: a constant change of all Ingresses stays cheap."""

RETRY_SECONDS: Final = 60.0
"""Pause after an error in the program."""

_log = structlog.get_logger()


class LiveOverview:
    """Keeps an overview current. Before the first snapshot, the overview is empty: nothing has a state.

    Args:
        reader: Reads the live state.
    """

    def __init__(self, reader: StateReader) -> None:
        self._reader = reader
        self._overview = Overview(reader)
        self._sweep: asyncio.Task[None] | None = None

    @property
    def counts(self) -> OverviewCounts:
        """The counts of the last sweep, for metrics: no sweep begins."""
        return self._overview.counts

    async def summaries(self) -> list[IngressSummary]:
        """The current summaries, in no order."""
        await self.refresh()
        return self._overview.summaries

    async def refresh(self) -> None:
        """Sweep, unless nothing has changed since the last sweep. Questions at one time share a sweep."""
        for _ in range(2):  # a sweep that is under way may have begun before the change
            if self._reader.store.revision and not self._overview.is_current:
                await self._swept()

    async def run(self) -> NoReturn:
        """Sweep after changes of routing and problems, until cancelled. Endpoints wait for a question."""
        pause = SWEEP_INTERVAL_SECONDS
        while True:
            await asyncio.sleep(pause)
            begun = time.monotonic()
            try:
                if self._reader.store.revision and not self._overview.has_states:
                    await self._swept()
                pause = max(SWEEP_INTERVAL_SECONDS, PAUSE_SHARE * (time.monotonic() - begun))
            except Exception:  # noqa: BLE001 - an error in the program: routing goes on
                _log.exception("overview_failed", retry_seconds=RETRY_SECONDS, remedy=BUG_REMEDY)
                pause = RETRY_SECONDS

    async def _swept(self) -> None:
        """Wait for the sweep that is under way, or for a new one. A cancelled question does not end the sweep."""
        if self._sweep is None:
            self._sweep = asyncio.create_task(self._sweep_once())
        await asyncio.shield(self._sweep)

    async def _sweep_once(self) -> None:
        try:
            async for _ in in_slices(self._overview.sweep()):
                pass
        except BaseException:
            self._overview = Overview(self._reader)
            raise
        finally:
            self._sweep = None
