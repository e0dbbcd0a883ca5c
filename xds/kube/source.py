"""What a source of Kubernetes objects is to those that follow it."""

from collections.abc import AsyncGenerator
from typing import Protocol

from xds.kube.change import Batch


class SourceError(Exception):
    """The source can't be read at all. The message is one line and says what to do."""


class Source(Protocol):
    """A folder, or an API server."""

    def batches(self) -> AsyncGenerator[Batch, None]:
        """First all there is, then what changes, for ever; to be called once.

        Raises:
            SourceError: at the start, if it can't ever work.
        """
        ...

    def waiting_for(self) -> str:
        """What has not been read yet, and why not, for people; empty once everything was."""
        ...
