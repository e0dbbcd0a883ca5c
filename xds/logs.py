"""Structured logs: an event has a fixed snake_case name, and details as keys."""

import atexit
import logging
import os
import sys
from functools import partial
from typing import Any, TextIO, cast

import structlog
from structlog.typing import Processor

from xds.queued_stream import QueuedStream


def configure(level: str, log_format: str) -> QueuedStream:
    """Log to standard error, without ever waiting for a reader.

    From here on, every text for `sys.stderr` goes through the queue: also warnings, tracebacks and the standard
    library's logs. The rest is written at the exit, if that is soon possible.

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
    ]
    stream = QueuedStream(os.dup(sys.stderr.fileno()), partial(_dropped_line, processors))
    structlog.configure(
        processors=processors,
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelNamesMapping()[level.upper()]),
        logger_factory=structlog.WriteLoggerFactory(cast(TextIO, stream)),
        cache_logger_on_first_use=True,
    )
    sys.stderr = stream
    atexit.register(stream.finish)
    return stream


def _rendering(*, console: bool, colors: bool) -> list[Processor]:
    if console:
        # The default shows local variables, which may hold a private key.
        plain = structlog.dev.plain_traceback
        return [structlog.dev.ConsoleRenderer(colors=colors, exception_formatter=plain)]
    return [structlog.processors.format_exc_info, structlog.processors.JSONRenderer()]


def _dropped_line(processors: list[Processor], count: int) -> str:
    logger: Any = structlog.wrap_logger(structlog.ReturnLogger(), processors, structlog.BoundLogger)
    text = "the reader of standard error was too slow or away, or the disk full"
    return f"{logger.warning('log_lines_dropped', count=count, reason=text)}\n"
