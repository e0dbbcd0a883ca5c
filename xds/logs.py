"""Structured logs: an event has a fixed snake_case name, and details as keys."""

import logging
import sys

import structlog
from structlog.typing import Processor


def configure(level: str, log_format: str) -> None:
    """Log to standard error.

    Args:
        level: debug, info, warning or error.
        log_format: `console`, `json`, or `auto`: console on a terminal, JSON otherwise.
    """
    console = log_format == "console" or (log_format == "auto" and sys.stderr.isatty())
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            *_rendering(console=console),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelNamesMapping()[level.upper()]),
        logger_factory=structlog.WriteLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )


def _rendering(*, console: bool) -> list[Processor]:
    if console:
        # The default shows local variables, which may hold a private key.
        plain = structlog.dev.plain_traceback
        return [structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty(), exception_formatter=plain)]
    return [structlog.processors.format_exc_info, structlog.processors.JSONRenderer()]
