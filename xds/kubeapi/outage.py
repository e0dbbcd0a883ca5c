"""Something that writes to the API server and can't: told once when it begins, and once when it is over."""

from collections.abc import Mapping
from random import SystemRandom
from typing import Any

import structlog

from xds.kubeapi.backoff import Backoff

_log = structlog.get_logger()

TEMPORARY = (401, 403, 408, 429)
"""Beside 5xx: answers that say nothing about the object, so that the next one would get the same."""


class Declined(Exception):  # noqa: N818 -- an answer, if not the one we want
    """The API server doesn't do such things now, whatever the object."""

    def __init__(self, status: int, found: Mapping[str, Any]) -> None:
        super().__init__(f"{status} {found.get('message', '')}".strip())
        self.status = status


def check(status: int, found: Mapping[str, Any]) -> None:
    """
    Raises:
        Declined: the answer is not about the object.
    """
    if status in TEMPORARY or status >= 500:
        raise Declined(status, found)


class Outage:
    """Of one thing that is tried again and again.

    Args:
        what: A word for the log: `status` gives `status_unavailable` and `status_available`.
        grant: What to do if it is not allowed.
    """

    def __init__(self, what: str, grant: str) -> None:
        self._what = what
        self._grant = grant
        self._backoff = Backoff(SystemRandom().random)
        self._lasts = False

    def failed(self, error: Exception) -> float:
        """Returns the seconds to wait before the next try."""
        if not self._lasts:
            forbidden = isinstance(error, Declined) and error.status == 403
            remedy = self._grant if forbidden else "It is tried again; routing is not affected."
            _log.warning(f"{self._what}_unavailable", error=str(error), remedy=remedy)
        self._lasts = True
        return self._backoff.delay()

    def worked(self) -> None:
        if self._lasts:
            _log.info(f"{self._what}_available")
        self._lasts = False
        self._backoff.reset()
