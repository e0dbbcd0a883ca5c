"""No test hangs, a failure is said at once, and what a test counted (`record_property`) at the end.

Generated examples are the same in each run, so that a change is not held up by what it didn't change; to try others:
HYPOTHESIS_PROFILE=default.
"""

import asyncio
import functools
import inspect
import os
from collections.abc import Awaitable, Callable
from typing import Any, Final

import hypothesis
import pytest

hypothesis.settings.register_profile("same", derandomize=True)
hypothesis.settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "same"))

ASYNC: Final = 0.75
"""Of a test's time: what a coroutine gets of it. Ended from within it cleans up; ended by pytest-timeout it leaves
servers behind, and gRPC's next one in this process may wait for their threads for ever.
"""


@pytest.hookimpl(tryfirst=True)  # before fixtures take their time
def pytest_runtest_setup(item: pytest.Item) -> None:
    if isinstance(item, pytest.Function) and inspect.iscoroutinefunction(item.obj):
        item.obj = _within(ASYNC * _timeout(item), item.obj)


def _timeout(item: pytest.Function) -> float:
    """Seconds, as pytest-timeout has them: https://github.com/pytest-dev/pytest-timeout#usage"""
    if mark := item.get_closest_marker("timeout"):
        return float(mark.args[0] if mark.args else mark.kwargs["timeout"])
    return float(item.config.getoption("timeout") or item.config.getini("timeout"))


def _within(seconds: float, test: Callable[..., Awaitable[None]]) -> Callable[..., Awaitable[None]]:
    @functools.wraps(test)
    async def bounded(*args: Any, **kwargs: Any) -> None:
        async with asyncio.timeout(seconds):
            await test(*args, **kwargs)

    return bounded


class Failures:
    """Says them as they come: a run that is ended from outside has no summary."""

    def __init__(self, terminal: pytest.TerminalReporter) -> None:
        self._terminal = terminal

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.failed:
            self._terminal.write_line(f"\n{report.nodeid} ({report.when}):\n{report.longreprtext[-3000:]}")


@pytest.hookimpl(trylast=True)
def pytest_configure(config: pytest.Config) -> None:
    terminal = config.pluginmanager.get_plugin("terminalreporter")
    if terminal is not None:
        config.pluginmanager.register(Failures(terminal))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    for report in terminalreporter.getreports("passed"):
        for name, value in report.user_properties:
            terminalreporter.write_line(f"{report.nodeid}: {name}: {value}")
