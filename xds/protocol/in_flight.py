"""What is on its way to a proxy."""

from dataclasses import dataclass

from xds.protocol.backlog import Update
from xds.protocol.messages import Acknowledged, Response
from xds.snapshot.resource import Resource


@dataclass(frozen=True, slots=True)
class InFlight:
    """A response that the proxy has not answered yet, what was news in it, and the event when the proxy takes it. One
    object for all streams that were to be told of the same.
    """

    response: Response
    news: Update
    acknowledged: Acknowledged

    @property
    def adds(self) -> bool:
        return self.news.everything or bool(self.news.added)

    @property
    def bases(self) -> dict[str, Resource | None]:
        """By name, what the proxy had before of what was news, removals included."""
        sent = {resource.name: resource for resource in self.response.resources}
        news = {name: self.news.base(sent[name]) for name, _ in self.resources}
        return news | {name: self.news.bases[name] for name in self.response.removed if name in self.news.bases}

    @property
    def resources(self) -> tuple[tuple[str, str], ...]:
        """Names and versions of what was news: the rest of a full set had been sent before."""
        return tuple(
            (resource.name, resource.version)
            for resource in self.response.resources
            if self.news.everything or resource.name in self.news.names
        )
