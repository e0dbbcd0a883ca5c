"""Structured logs: an event has a fixed snake_case name, and details as keys.

A warning or an error names the object, the cause and a remedy. Lines of libraries, and exceptions that nobody caught,
have the same form. No line has a secret, so the last ones are kept for bug reports.
"""

import atexit
import contextlib
import logging
import os
import re
import sys
import threading
from collections import deque
from collections.abc import Iterator
from functools import partial
from types import TracebackType
from typing import Any, Final, TextIO, cast

import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

from xds.queued_stream import QueuedStream

BUG_REMEDY: Final = "an error in the program: please report it, with the archive that `xds collect` makes"

RECENT_LINES: Final = 1000
RECENT_CHARACTERS: Final = 1024 * 1024
"""Most lines and characters that are kept."""

RECENT_LINE_CHARACTERS: Final = 16 * 1024
"""The rest of a longer line is not kept."""

_PASSWORD: Final = re.compile(r"(?<=://)[^/\s\"]*@")
"""User and password of a URL, up to the last at sign, as for every parser of URLs."""

_COLOR: Final = re.compile(r"\x1b\[[0-9;]*m")


class RecentLines:
    """The last lines of a log. For any thread."""

    def __init__(self) -> None:
        self._lines: deque[str] = deque()
        self._characters = 0
        self._lock = threading.Lock()

    def add(self, text: str) -> None:
        line = text.rstrip("\n")[:RECENT_LINE_CHARACTERS]
        with self._lock:
            self._lines.append(line)
            self._characters += len(line)
            while len(self._lines) > RECENT_LINES or self._characters > RECENT_CHARACTERS:
                self._characters -= len(self._lines.popleft())

    def lines(self) -> list[str]:
        """Oldest first, without colors."""
        with self._lock:
            lines = list(self._lines)
        return [_COLOR.sub("", each) for each in lines]


_recent: Final = RecentLines()
_log = structlog.get_logger()


def recent_lines() -> list[str]:
    """The last lines that this process logged, oldest first."""
    return _recent.lines()


def without_passwords(text: str) -> str:
    """The text, with users and passwords of URLs replaced."""
    return _PASSWORD.sub("[redacted]@", text)


def configure(level: str, log_format: str) -> QueuedStream:
    """Log to standard error, without ever waiting for a reader.

    From here on, every text for `sys.stderr` goes through the queue. The rest is written at the exit, if that is soon
    possible.

    Args:
        level: debug, info, warning or error.
        log_format: `console`, `json`, or `auto`: console on a terminal, JSON otherwise.
    """
    is_terminal = sys.stderr.isatty()
    processors: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        *_rendering(console=log_format == "console" or (log_format == "auto" and is_terminal), colors=is_terminal),
        _redacted,
    ]
    stream = QueuedStream(os.dup(sys.stderr.fileno()), partial(_dropped_line, processors), _recent.add)
    structlog.configure(
        processors=processors,
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelNamesMapping()[level.upper()]),
        logger_factory=structlog.WriteLoggerFactory(cast(TextIO, stream)),
        cache_logger_on_first_use=True,
    )
    sys.stderr = stream
    atexit.register(stream.finish)
    _take_over_libraries()
    _take_over_exceptions()
    return stream


@contextlib.contextmanager
def uncaught(*, except_for: tuple[type[Exception], ...]) -> Iterator[None]:
    """Log an exception that nobody expects, with its places in the code, before it ends the program."""
    try:
        yield
    except except_for:
        raise
    except Exception:
        _log.critical("uncaught_exception", remedy=BUG_REMEDY, exc_info=True)
        raise


def _rendering(*, console: bool, colors: bool) -> list[Processor]:
    if console:
        # The default shows local variables, which may hold a private key.
        plain = structlog.dev.plain_traceback
        return [structlog.dev.ConsoleRenderer(colors=colors, exception_formatter=plain)]
    return [structlog.processors.format_exc_info, structlog.processors.JSONRenderer()]


def _redacted(_: WrappedLogger, __: str, line: Any) -> str | EventDict:
    """The rendered line, without passwords of URLs."""
    return without_passwords(line) if isinstance(line, str) and "@" in line else cast("str | EventDict", line)


def _dropped_line(processors: list[Processor], count: int) -> str:
    logger: Any = structlog.wrap_logger(structlog.ReturnLogger(), processors, structlog.BoundLogger)
    line = logger.warning(
        "log_lines_dropped",
        count=count,
        reason="the reader of standard error was too slow or away, or the disk full",
        remedy="look at the log collector and the disk; a higher --log-level gives fewer lines",
    )
    return f"{line}\n"


class _LibraryHandler(logging.Handler):
    """Gives the lines of libraries to our log."""

    def emit(self, record: logging.LogRecord) -> None:
        try:
            level = max(each for each in _LEVELS if each <= record.levelno)
            _log.log(
                level,
                "library_message",
                logger=record.name,
                message=record.getMessage().strip(),
                exc_info=record.exc_info or False,
            )
        except Exception:  # noqa: BLE001 - a bad format string of a library must not end its caller
            self.handleError(record)


_LEVELS: Final = (logging.WARNING, logging.ERROR, logging.CRITICAL)
"""Libraries' lines of lower levels are left out: the Kubernetes client's hold the objects, private keys included."""


def _take_over_libraries() -> None:
    """Log the lines of grpc, asyncio, aiohttp, kubernetes and others, and Python's warnings."""
    logging.basicConfig(level=logging.WARNING, handlers=[_LibraryHandler(logging.WARNING)], force=True)
    logging.captureWarnings(capture=True)


def _take_over_exceptions() -> None:
    """Log the exceptions that end the program or a thread."""

    def of_program(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
        if issubclass(kind, KeyboardInterrupt):
            sys.__excepthook__(kind, error, trace)
            return
        _log.critical("uncaught_exception", remedy=BUG_REMEDY, exc_info=(kind, error, trace))

    def of_thread(found: threading.ExceptHookArgs) -> None:
        if issubclass(found.exc_type, SystemExit) or found.exc_value is None:
            return
        trace = (found.exc_type, found.exc_value, found.exc_traceback)
        name = found.thread.name if found.thread else ""
        _log.critical("uncaught_exception", thread=name, remedy=BUG_REMEDY, exc_info=trace)

    def unraisable(found: Any) -> None:  # sys.UnraisableHookArgs exists for type checkers only
        trace = (found.exc_type, found.exc_value, found.exc_traceback)
        _log.error("unraisable_exception", message=found.err_msg or "", remedy=BUG_REMEDY, exc_info=trace)

    sys.excepthook = of_program
    threading.excepthook = of_thread
    sys.unraisablehook = unraisable
