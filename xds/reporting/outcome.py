"""Outcomes of writes to the cluster, for metrics."""

from enum import StrEnum


class Outcome(StrEnum):
    """The result of a write."""

    WRITTEN = "written"
    CONFLICTED = "conflicted"
    """The object changed meanwhile, or was deleted. It is read again."""
    REJECTED = "rejected"
    """The API server will not take this write. It is not tried again soon."""
    FAILED = "failed"
    """No answer, or one that passes. The write is tried again."""


def no_writes() -> dict[str, int]:
    return dict.fromkeys(Outcome, 0)
