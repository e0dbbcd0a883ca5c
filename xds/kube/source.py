"""The interface of a source of Kubernetes objects."""

from collections.abc import AsyncGenerator
from typing import Protocol

from xds.kube.change import Batch


class SourceError(Exception):
    """The source can't be read at all. The message is one line with a remedy."""


class Source(Protocol):
    """A folder, or an API server."""

    def batches(self) -> AsyncGenerator[Batch, None]:
        """Yield all objects, then changes, for ever; to be called once.

        Raises:
            SourceError: at the start, the source can't be read.
        """
        ...

    def waiting_for(self) -> str:
        """Name the unread part of the source and the cause, for people; empty after the first reading."""
        ...

    def is_current(self) -> bool:
        """Whether the objects yielded so far are as in the source, but for a moment."""
        ...
