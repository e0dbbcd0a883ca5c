"""Signals of a running server: which ones stop the process, and which ones don't."""

import asyncio
import os
import signal
import sys
from functools import partial
from typing import Final

import structlog

STOPPING: Final = (signal.SIGTERM, signal.SIGINT, signal.SIGQUIT)

IGNORED: Final = (signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2)
"""Other programs send these to daemons for a reload or new log files. By default, each would end the process."""

IGNORED_REMEDY: Final = (
    "nothing to reload: changed manifests and certificates are read by themselves; restart the server to change flags"
)

_log = structlog.get_logger()


def stop_signal(remedy: str = IGNORED_REMEDY) -> asyncio.Event:
    """Handle signals on the running loop, and return the event of a signal that stops the server.

    SIGHUP stops the server only if the terminal of the process is gone. `remedy` is logged for ignored signals.
    """
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    terminals = _terminals()
    for number in STOPPING:
        loop.add_signal_handler(number, partial(_stop, number, stop))
    for number in IGNORED:
        loop.add_signal_handler(number, partial(_ignore, number, remedy))
    if terminals:
        loop.add_signal_handler(signal.SIGHUP, partial(_hang_up, terminals, stop, remedy))
    return stop


def _terminals() -> set[int]:
    return {descriptor for descriptor in (0, sys.stderr.fileno()) if os.isatty(descriptor)}


def _stop(number: signal.Signals, stop: asyncio.Event) -> None:
    _log.info("signal_received", signal=number.name)
    stop.set()


def _ignore(number: signal.Signals, remedy: str) -> None:
    _log.info("signal_ignored", signal=number.name, remedy=remedy)


def _hang_up(terminals: set[int], stop: asyncio.Event, remedy: str) -> None:
    if _terminals() == terminals:
        _ignore(signal.SIGHUP, remedy)
    else:
        _stop(signal.SIGHUP, stop)
