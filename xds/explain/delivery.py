"""Timeouts, retries and bounds of bodies in words."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Final

from xds.traffic.policy import NO_POLICY, Policy
from xds.traffic.retries import Retries

_UNITS: Final = ((1024**3, "GiB"), (1024**2, "MiB"), (1024, "KiB"))


_MANY: Final = 10
"""Statuses; more are all of a class."""


def delivery(policy: Policy) -> Iterator[tuple[str, str]]:
    """The parts of a policy, each as subject and text; nothing for the usual ones."""
    if policy is NO_POLICY:
        return
    timeouts, bodies = policy.timeouts, policy.bodies
    if timeouts.read is not None:
        yield "timeout", f"504 after {_seconds(timeouts.read)} of silence of the backend"
    if timeouts.whole is not None:
        yield "timeout", f"504 if the answer takes more than {_seconds(timeouts.whole)}"
    if timeouts.silence is not None and timeouts.read is None:
        silence = (
            f"504 after {_seconds(timeouts.silence)} of silence of both sides" if timeouts.silence else "unbounded"
        )
        yield "silence", silence
    elif timeouts.silence is not None:
        yield "silence", f"uploads and upgrades end after {_seconds(timeouts.silence)} of silence"
    if policy.retries is not None:
        yield "retries", _retries(policy.retries)
    if bodies.max_bytes is not None:
        whole = ", and bodies are read whole before the backend is asked" if bodies.buffered else ""
        yield "bodies", f"413 for bodies of more than {_size(bodies.max_bytes)}{whole}"


def _retries(retries: Retries) -> str:
    if retries.tries == 1:
        return "no retries"
    reasons = [
        *(["errors"] if retries.on_error else ["failed connections"] if retries.on_unsent else []),
        *(["silence"] if retries.on_timeout else []),
        *(["5xx"] if len(retries.on_statuses) > _MANY else map(str, retries.on_statuses)),
    ]
    methods = "" if retries.any_method else "; POST, LOCK and PATCH only while no backend has seen them"
    return f"{retries.tries} tries on {' or '.join(filter(None, (', '.join(reasons[:-1]), reasons[-1])))}{methods}"


def _seconds(duration: timedelta) -> str:
    return f"{duration.total_seconds():g} s"


def _size(size: int) -> str:
    return next((f"{size // unit} {name}" for unit, name in _UNITS if not size % unit), f"{size} bytes")
