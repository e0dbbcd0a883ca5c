"""The timeouts and retries of a route that has its own."""

from datetime import timedelta
from functools import lru_cache
from typing import Final

from xds.envoyapi import codec
from xds.envoyapi.messages import (
    PreviousHostsPredicate,
    RetryPolicy,
    RetryPolicyRetryBackOff,
    RetryPolicyRetryHostPredicate,
)
from xds.resources.retries import MAX_RETRY_BACK_OFF, RETRY_ANY_ON, RETRY_BACK_OFF, RETRY_SAFE_ON
from xds.traffic.policy import Policy
from xds.traffic.retries import Retries

RETRY_STATUSES_ON: Final = "retriable-status-codes"
"""Answers with a status that the route's retry policy lists."""

RETRIED_BODY_BYTES: Final = 1024 * 1024
"""Most of a body that is kept for a retry on a route with retries of its own. nginx keeps bodies on disk."""

_DOUBLED: Final = 20
"""The longest pause, in average pauses: the ratio of Envoy's defaults."""

_HOST_SELECTIONS: Final = 5
"""Draws of an endpoint until one is accepted that has not been tried. The last one is taken in any case."""


def retry_policy_of(policy: Policy) -> RetryPolicy | None:
    """The retries of a route, and the silence that ends a try; None where those of the virtual host hold.

    Methods are left to filters (`filters.retries_by_method`), as a retry policy knows none.
    """
    return _retry_policy(policy.retries, silence_of_a_try(policy)) if policy.retries else None


@lru_cache(maxsize=256)
def _retry_policy(retries: Retries, silence: timedelta | None) -> RetryPolicy:
    if retries.tries == 1:
        return RetryPolicy(num_retries=0, per_try_idle_timeout=silence)
    predicate = RetryPolicyRetryHostPredicate(
        name="envoy.retry_host_predicates.previous_hosts", typed_config=codec.pack(PreviousHostsPredicate())
    )
    return RetryPolicy(
        retry_on=",".join(_conditions(retries)),
        num_retries=retries.tries - 1,
        per_try_timeout=retries.longest_try,
        per_try_idle_timeout=silence,
        retriable_status_codes=list(retries.on_statuses),
        retry_host_predicate=[predicate],
        host_selection_retry_max_attempts=_HOST_SELECTIONS,
        retry_back_off=_back_off(retries.pause),
    )


def _back_off(pause: timedelta | None) -> RetryPolicyRetryBackOff:
    """The pauses between tries. Envoy draws each from zero to an interval that doubles from try to try."""
    if not pause:
        return RetryPolicyRetryBackOff(base_interval=RETRY_BACK_OFF, max_interval=MAX_RETRY_BACK_OFF)
    return RetryPolicyRetryBackOff(base_interval=2 * pause, max_interval=_DOUBLED * pause)


def _conditions(retries: Retries) -> list[str]:
    """The conditions for requests of any method."""
    before_sent = [RETRY_ANY_ON] if retries.on_reset or retries.on_unsent else []
    if not retries.any_method:
        return before_sent
    return [*before_sent, *after_sent(retries)]


def after_sent(retries: Retries) -> list[str]:
    """The conditions for requests that a backend may have seen."""
    reset = [RETRY_SAFE_ON] if retries.on_reset else []
    return [*reset, *([RETRY_STATUSES_ON] if retries.on_statuses else [])]


def silence_of_a_try(policy: Policy) -> timedelta | None:
    """The silence of a backend that ends a try. Envoy takes its end for a reset.

    So where resets are retried and silence is not, only `idle_timeout` ends a request.
    """
    retries = policy.retries
    return None if retries is None or (retries.on_error and not retries.on_timeout) else policy.timeouts.read


def idle_timeout(policy: Policy) -> timedelta | None:
    """The silence of both sides that ends a request with all tries. No retry starts the time anew."""
    read, retries = policy.timeouts.read, policy.retries
    if read and retries and retries.on_timeout:
        read *= retries.tries
    if read is None or silence_of_a_try(policy) is None:
        return policy.timeouts.silence if read is None else read
    return max(read, policy.timeouts.silence or read)


def retried_body_bytes(policy: Policy) -> int | None:
    """The bytes of a body that are kept for a retry; None: as for the virtual host."""
    if policy.retries is None or policy.retries.tries == 1:
        return None
    return min(policy.bodies.max_bytes or RETRIED_BODY_BYTES, RETRIED_BODY_BYTES)
