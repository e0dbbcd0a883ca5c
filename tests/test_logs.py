"""Lines of the log as a process writes them: libraries' lines, exceptions, redaction, and the lines that are kept.

Excludes the stream behind (tests/test_queued_stream.py) and the events (tests/test_log_events.py).
"""

import json
import subprocess
import sys
from typing import Any

import pytest

from xds.logs import RECENT_CHARACTERS, RECENT_LINES, RecentLines, without_passwords

START = """
import asyncio, logging, threading, warnings
import structlog
from xds import logs
logs.configure("info", "json")
log = structlog.get_logger()
"""


def lines(program: str) -> list[dict[str, Any]]:
    """The lines on standard error of a program: each is an object in JSON."""
    ended = subprocess.run(
        [sys.executable, "-c", START + program], capture_output=True, text=True, timeout=60, check=False
    )
    return [json.loads(line) for line in ended.stderr.splitlines()]


def test_a_line_of_a_library_has_its_logger_and_level() -> None:
    first, second, third, fourth = lines(
        """
logging.getLogger("kubernetes.client.rest").debug("body: the private key")
logging.getLogger("aiohttp.server").info("a request")
logging.getLogger("aiohttp.server").error("Error handling %s", "request", exc_info=ValueError("odd"))
logging.getLogger("urllib3.connectionpool").warning("Retrying")
warnings.warn("old", stacklevel=1)
async def main():
    async def task(): raise RuntimeError("nobody asked")
    asyncio.create_task(task())
    await asyncio.sleep(0)
asyncio.run(main())
"""
    )
    assert (first["event"], first["logger"], first["level"]) == ("library_message", "aiohttp.server", "error")
    assert (first["message"], "ValueError: odd" in first["exception"]) == ("Error handling request", True)
    assert (second["logger"], second["level"], second["message"]) == ("urllib3.connectionpool", "warning", "Retrying")
    assert (third["logger"], third["level"]) == ("py.warnings", "warning")
    assert "UserWarning: old" in third["message"]
    assert (fourth["logger"], fourth["level"]) == ("asyncio", "error")
    assert "RuntimeError: nobody asked" in fourth["exception"]


@pytest.mark.parametrize(
    ("program", "event", "cause"),
    [
        ("1 / 0", "uncaught_exception", "ZeroDivisionError"),
        ("thread = threading.Thread(target=lambda: 1 / 0)\nthread.start()", "uncaught_exception", "ZeroDivisionError"),
        (
            "class Odd:\n    def __del__(self): raise KeyError('odd')\nOdd()",
            "unraisable_exception",
            "KeyError: 'odd'",
        ),
        (
            "with logs.uncaught(except_for=(KeyError,)):\n    raise OSError('odd')",
            "uncaught_exception",
            "OSError: odd",
        ),
    ],
)
def test_an_exception_that_nobody_caught_is_a_line_with_a_remedy(program: str, event: str, cause: str) -> None:
    line = lines(program)[0]
    assert line["event"] == event
    assert cause in line["exception"]
    assert "report it" in line["remedy"]


def test_a_password_in_a_url_is_in_no_line() -> None:
    (line, kept) = lines(
        """
log.info("serving", source="https://me:secret@api.example:6443/x?a=b@c")
log.info("kept", lines=logs.recent_lines())
"""
    )
    assert line["source"] == "https://[redacted]@api.example:6443/x?a=b@c"
    assert [json.loads(each) for each in kept["lines"]] == [line]


def test_a_password_with_an_at_sign_is_replaced_as_a_whole() -> None:
    assert without_passwords("https://me:p@ss@api.example/x") == "https://[redacted]@api.example/x"


def test_names_with_an_at_sign_stay() -> None:
    for text in ("vhds http@3/web.example", "mail me@example.com", "https://web.example/a@b"):
        assert without_passwords(text) == text


def test_the_last_lines_are_kept_without_colors_up_to_a_number_and_a_size() -> None:
    recent = RecentLines()
    for number in range(RECENT_LINES + 1):
        recent.add(f"\x1b[1mline {number}\x1b[0m\n")
    assert len(recent.lines()) == RECENT_LINES
    assert recent.lines()[0] == "line 1"
    for _ in range(200):
        recent.add("é" * 100_000)
    assert sum(map(len, recent.lines())) <= RECENT_CHARACTERS
    assert 1 < len(recent.lines()) < RECENT_LINES
