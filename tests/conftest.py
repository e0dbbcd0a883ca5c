"""Limits of a test and of a run, failures printed as they happen, and figures after the run.

Hypothesis generates the same examples in each run, so that a failure is due to the change under test;
HYPOTHESIS_PROFILE=default tries other examples.
"""

import asyncio
import collections
import functools
import inspect
import os
from collections.abc import Awaitable, Callable
from typing import Any, Final

import hypothesis
import pytest

from tests.support.envoy_binary import BINARY, MISSING_REASON
from tests.support.needs_linux import skip_elsewhere
from tests.support.stalled_run import STALL_SECONDS, StalledRun

# No example is too slow: a busy machine may stop a process for seconds.
_ANY_SPEED: Final[dict[str, Any]] = {"deadline": None, "suppress_health_check": [hypothesis.HealthCheck.too_slow]}
hypothesis.settings.register_profile("default", **_ANY_SPEED)
hypothesis.settings.register_profile("same", derandomize=True, **_ANY_SPEED)
hypothesis.settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "same"))

COROUTINE_SHARE: Final = 0.75
"""Share of a test's timeout after which a coroutine is cancelled. A cancelled test cleans up; pytest-timeout ends the
process.
"""


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addini("stall_seconds", "limit of a run in which no test runs", default=str(STALL_SECONDS))


@pytest.hookimpl(tryfirst=True)  # before the seconds that fixtures take
def pytest_runtest_setup(item: pytest.Item) -> None:
    # The modules of client commands set it, for all processes that later tests start; a server counts failed handshakes
    # only without.
    os.environ.pop("GRPC_VERBOSITY", None)
    if isinstance(item, pytest.Function) and inspect.iscoroutinefunction(item.obj):
        item.obj = _within(COROUTINE_SHARE * _timeout(item), item.obj)


def _timeout(item: pytest.Function) -> float:
    """Seconds. Source: https://github.com/pytest-dev/pytest-timeout#usage"""
    if mark := item.get_closest_marker("timeout"):
        return float(mark.args[0] if mark.args else mark.kwargs["timeout"])
    return float(item.config.getoption("timeout") or item.config.getini("timeout"))


def _within(seconds: float, test: Callable[..., Awaitable[None]]) -> Callable[..., Awaitable[None]]:
    @functools.wraps(test)
    async def bounded(*args: Any, **kwargs: Any) -> None:
        async with asyncio.timeout(seconds):
            await test(*args, **kwargs)

    return bounded


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    skip_elsewhere(items)
    if not BINARY.exists():
        for item in items:
            if item.get_closest_marker("envoy"):
                item.add_marker(pytest.mark.skip(reason=MISSING_REASON))


class Failures:
    """Prints each failure as it happens: a run that is killed prints no summary."""

    def __init__(self, terminal: pytest.TerminalReporter) -> None:
        self._terminal = terminal

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.failed:
            self._terminal.write_line(f"\n{report.nodeid} ({report.when}):\n{report.longreprtext[-3000:]}")


class FolderSeconds:
    """Adds up the durations of tests by folder below tests/, setup and teardown included.

    Parallel tests overlap, so that the sum exceeds the time of the run.
    """

    def __init__(self) -> None:
        self._seconds: collections.defaultdict[str, float] = collections.defaultdict(float)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        self._seconds[_folder(report.nodeid)] += report.duration

    @pytest.hookimpl(trylast=True)
    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        folders = [f"{folder} {seconds:.0f}" for folder, seconds in sorted(self._seconds.items()) if seconds >= 1]
        terminalreporter.write_line(f"seconds of tests by folder: {', '.join(folders) or 'below 1'}")


def _folder(nodeid: str) -> str:
    """`features` of `tests/features/test_start.py::test_x`, `.` of a module that is not in a folder."""
    folders = nodeid.partition("::")[0].split("/")[1:-1]
    return folders[0] if folders else "."


@pytest.hookimpl(trylast=True)
def pytest_configure(config: pytest.Config) -> None:
    terminal = config.pluginmanager.get_plugin("terminalreporter")
    if terminal is not None:
        config.pluginmanager.register(Failures(terminal))
        config.pluginmanager.register(FolderSeconds())
        if config.pluginmanager.has_plugin("dsession"):
            config.pluginmanager.register(StalledRun(terminal.write_line, float(config.getini("stall_seconds"))))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print the figures that tests recorded by `record_property`."""
    for report in terminalreporter.getreports("passed"):
        for name, value in report.user_properties:
            terminalreporter.write_line(f"{report.nodeid}: {name}: {value}")
