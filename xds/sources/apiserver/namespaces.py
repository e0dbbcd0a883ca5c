"""Checks of the namespaces of `--namespace`. To lists and watches, a missing namespace looks like an empty one."""

import asyncio
from collections.abc import Callable
from typing import Final

import aiohttp
import structlog

from xds.kubeapi.client import ApiClient, ErrorStatus
from xds.kubeapi.interface import ApiUnavailable
from xds.problems.problem import ObjectRef, Problem
from xds.problems.reasons import Reason

NAMESPACE_CHECK_SECONDS: Final = 30.0

_TIMEOUT: Final = aiohttp.ClientTimeout(total=10)

_log = structlog.get_logger()


class NamespaceChecks:
    """Asks for each namespace from time to time.

    Args:
        client: The connection to the API server.
        namespaces: The names.
        changed: Is called when `problems` has changed.

    Attributes:
        problems: Of missing namespaces.
    """

    def __init__(self, client: ApiClient, namespaces: list[str], changed: Callable[[], None]) -> None:
        self.problems: tuple[Problem, ...] = ()
        self._client = client
        self._namespaces = namespaces
        self._on_changed = changed
        self._missing: set[str] = set()
        self._unknown: set[str] = set()

    async def run(self) -> None:
        """Check until cancelled."""
        while self._namespaces:
            for each in self._namespaces:
                await self._check(each)
            problems = tuple(map(_problem, sorted(self._missing)))
            if problems != self.problems:
                self.problems = problems
                self._on_changed()
            await asyncio.sleep(NAMESPACE_CHECK_SECONDS)

    async def _check(self, name: str) -> None:
        try:
            async with self._client.get(f"/api/v1/namespaces/{name}", {}, timeout=_TIMEOUT):
                self._missing.discard(name)
        except ErrorStatus as error:
            if error.status == 404:
                self._missing.add(name)
            elif error.status == 403 and name not in self._unknown:
                self._unknown.add(name)
                remedy = "Nothing to do if the namespace exists; `get` of namespaces lets a missing one be reported."
                _log.info("namespace_not_checked", namespace=name, error=error.message, remedy=remedy)
        except ApiUnavailable:
            pass


def _problem(namespace: str) -> Problem:
    reason = Reason.NAMESPACE_NOT_FOUND
    message = f"The namespace {namespace} of --namespace doesn't exist, so nothing is served from there."
    return Problem(ObjectRef("Namespace", "", namespace), reason, message, reason.remedy)
