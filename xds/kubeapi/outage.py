"""Outages of the API server for a writer, logged once at the beginning and once at the end."""

from collections.abc import Mapping
from random import SystemRandom
from typing import Any, Final

import structlog

from xds.kubeapi.backoff import Backoff

_log = structlog.get_logger()

TEMPORARY_STATUSES: Final = (401, 403, 408, 429)
"""Beside 5xx: statuses that don't depend on the object, so that requests about other objects fail too."""


class TemporaryFailure(Exception):  # noqa: N818 -- an answer of the API server, not an error of the program
    """The API server answered with a status that doesn't depend on the object."""

    def __init__(self, status: int, found: Mapping[str, Any]) -> None:
        super().__init__(f"{status} {found.get('message', '')}".strip())
        self.status = status


def check(status: int, found: Mapping[str, Any]) -> None:
    """Check the answer to a write.

    Raises:
        TemporaryFailure: the status doesn't depend on the object.
    """
    if status in TEMPORARY_STATUSES or status >= 500:
        raise TemporaryFailure(status, found)


class Outage:
    """Logs the outage of one kind of request, and computes the delays between attempts.

    Args:
        subject: A word for the log: `status` gives the events `status_unavailable` and `status_available`.
        permissions: The remedy if the API server forbids the request (403).
    """

    def __init__(self, subject: str, permissions: str) -> None:
        self._subject = subject
        self._permissions = permissions
        self._backoff = Backoff(SystemRandom().random)
        self._lasts = False

    def failed(self, error: Exception) -> float:
        """Note a failure, and return the seconds to wait before the next attempt."""
        if not self._lasts:
            forbidden = isinstance(error, TemporaryFailure) and error.status == 403
            remedy = self._permissions if forbidden else "It is tried again; routing is not affected."
            _log.warning(f"{self._subject}_unavailable", error=str(error), remedy=remedy)
        self._lasts = True
        return self._backoff.delay()

    def worked(self) -> None:
        """Note a success."""
        if self._lasts:
            _log.info(f"{self._subject}_available")
        self._lasts = False
        self._backoff.reset()
