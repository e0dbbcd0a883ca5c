"""The content of a response and, until the proxy answers, the response in flight."""

from collections.abc import Mapping
from dataclasses import dataclass

from xds.protocol.messages import Acknowledged, Response
from xds.protocol.subscription import Subscription
from xds.snapshot.resource import Resource


@dataclass(frozen=True, slots=True)
class Update:
    """The part of a backlog that goes into the next response.

    A *base* is the version that the proxy had before; None: the proxy didn't have the resource.

    Attributes:
        names: Names of changed, removed and requested resources.
        everything: Whether the response holds every resource of the type.
        added: Names that the proxy didn't have.
        kept: Resources that the store removed but the proxy must keep for now.
        oldest_revision: The oldest revision in the update; None: the update only answers a request.
        uncertain_since: The oldest revision that the proxy may lack until the ACK, whether from a change or from a
            repeated request for a resource; None: there is none.
        bases: Bases of the changed and removed resources.
        requested_before: The subscription before the request, which tells the bases of requested resources; None: the
            proxy had all of them.
        withheld: Names to leave out of a full set.
    """

    names: frozenset[str]
    everything: bool
    added: frozenset[str]
    kept: tuple[Resource, ...]
    oldest_revision: int | None
    uncertain_since: int | None
    bases: Mapping[str, Resource | None]
    requested_before: Subscription | None = None
    withheld: frozenset[str] = frozenset()

    def base(self, sent: Resource) -> Resource | None:
        """The base of a resource in the response."""
        if sent.name in self.bases:
            return self.bases[sent.name]
        return sent if self.requested_before is None or self.requested_before.covers(sent.name) else None


@dataclass(frozen=True, slots=True)
class InFlight:
    """A response without an answer yet. Streams with equal updates share one object.

    Attributes:
        acknowledged: The event for the ACK.
    """

    response: Response
    update: Update
    acknowledged: Acknowledged

    @property
    def adds(self) -> bool:
        """Whether the response holds a resource that the proxy didn't have."""
        return self.update.everything or bool(self.update.added)

    @property
    def bases(self) -> dict[str, Resource | None]:
        """Bases of the new and removed resources in the response, by name."""
        sent = {resource.name: resource for resource in self.response.resources}
        bases = {name: self.update.base(sent[name]) for name, _ in self.resources}
        removed = (name for name in self.response.removed if name in self.update.bases)
        return bases | {name: self.update.bases[name] for name in removed}

    @property
    def resources(self) -> tuple[tuple[str, str], ...]:
        """Names and versions of the new resources. A full set repeats resources of former responses besides."""
        return tuple(
            (resource.name, resource.version)
            for resource in self.response.resources
            if self.update.everything or resource.name in self.update.names
        )
