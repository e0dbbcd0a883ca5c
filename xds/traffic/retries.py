"""Retries: the failures after which a request is sent to a backend again."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Final


@dataclass(frozen=True, slots=True)
class Retries:
    """The retries of a route's requests, in place of the usual ones.

    Requests that are not idempotent (POST, LOCK and PATCH) are sent again only while no backend has seen them.

    Attributes:
        tries: Times that a request is sent at most; 1: no retry.
        on_error: Whether a connection that fails is a reason, before and after the request was sent.
        on_timeout: Whether silence of the backend is a reason.
        on_statuses: The statuses of answers that are a reason. The last answer reaches the client.
        any_method: Whether requests that are not idempotent are sent again all the same.
        on_unsent: Whether a connection that fails before the request was sent is a reason, as it is with `on_error`.
        pause: Between two tries, on average: a proxy draws up to twice the time. None: next to none.
        longest_try: From the end of the request to the end of a try's answer, a reason like silence. None: no bound.
    """

    tries: int
    on_error: bool = False
    on_timeout: bool = False
    on_statuses: tuple[int, ...] = ()
    any_method: bool = False
    on_unsent: bool = False
    pause: timedelta | None = None
    longest_try: timedelta | None = None

    @property
    def on_reset(self) -> bool:
        """Whether a request that a backend may have seen is sent again because no answer began."""
        return self.on_error or self.on_timeout


NO_RETRIES: Final = Retries(tries=1)
