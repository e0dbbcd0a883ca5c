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


def remedy(error: Exception, permissions: str) -> str:
    """What to do about a failure.

    Args:
        error: As raised by `check` or by the client.
        permissions: The remedy if this program's own permissions don't include the request.
    """
    if isinstance(error, TemporaryFailure):
        text = str(error)
        if error.status == 403 and "User " in text and " cannot " in text:
            return permissions
        if error.status == 403 or "webhook" in text:
            return "Repair the admission policy or webhook that the message names, or exempt this service account."
    return "It is tried again; routing is not affected."


class Outage:
    """Logs the outage of one kind of request, and computes the delays between attempts.

    Args:
        subject: A word for the log: `status` gives the events `status_unavailable` and `status_available`.
        permissions: The remedy if the API server forbids the request (403).
        facts: Further keys for the log.
    """

    def __init__(self, subject: str, permissions: str, **facts: str) -> None:
        self._facts = facts
        self._subject = subject
        self._permissions = permissions
        self._backoff = Backoff(SystemRandom().random)
        self._lasts = False

    def failed(self, error: Exception) -> float:
        """Note a failure, and return the seconds to wait before the next attempt."""
        if not self._lasts:
            action = remedy(error, self._permissions)
            _log.warning(f"{self._subject}_unavailable", error=str(error), remedy=action, **self._facts)
        self._lasts = True
        return self._backoff.delay()

    def worked(self) -> None:
        """Note a success."""
        if self._lasts:
            _log.info(f"{self._subject}_available", **self._facts)
        self._lasts = False
        self._backoff.reset()
