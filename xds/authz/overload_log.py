"""Log lines of checks without an answer, a few however many there are."""

import asyncio
from typing import Final

import structlog

QUIET_SECONDS: Final = 10.0
"""Between two lines of one Ingress."""

MAX_INGRESSES: Final = 100
"""Most Ingresses with lines in that time."""

REMEDY: Final = (
    "clients get 503: somebody may be guessing passwords, or many users log in at once; a lower cost of the hashes, "
    "--max-hashes, or a rate limit of the Ingress helps"
)

_log = structlog.get_logger()


class OverloadLog:
    """The first check without an answer is logged at once, and further ones are counted."""

    def __init__(self) -> None:
        self._counts: dict[bytes, int] = {}

    def note(self, ingress: bytes, reason: str) -> None:
        if ingress in self._counts:
            self._counts[ingress] += 1
        elif len(self._counts) < MAX_INGRESSES:
            self._counts[ingress] = 0
            self._write(ingress, reason, 1)
            asyncio.get_running_loop().call_later(QUIET_SECONDS, self._sum_up, ingress, reason)

    def _sum_up(self, ingress: bytes, reason: str) -> None:
        count = self._counts.pop(ingress)
        if count:
            self._write(ingress, reason, count)

    def _write(self, ingress: bytes, reason: str, count: int) -> None:
        name = ingress.decode(errors="replace")
        _log.warning("checks_unanswered", ingress=name, count=count, reason=reason, remedy=REMEDY)
