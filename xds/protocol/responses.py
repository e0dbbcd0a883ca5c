"""The cache of responses: streams with equal content share a response."""

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from hashlib import blake2b
from operator import attrgetter
from typing import Final, TypeAlias
from weakref import WeakValueDictionary

from xds.protocol.backlog import SharedChange
from xds.protocol.in_flight import InFlight
from xds.protocol.messages import Response, Variant
from xds.snapshot.resource import Resource, ResourceType
from xds.snapshot.view import View

ChangeKey: TypeAlias = tuple[Variant, ResourceType, SharedChange]

RECENT_RESPONSES: Final = 8
"""Responses of the newest revision kept for proxies that connect one after the other."""

_by_name = attrgetter("name")


@dataclass(frozen=True, slots=True)
class ResponseContent:
    """The content of a response.

    Attributes:
        names: Names of the resources; sent as removed if the snapshot doesn't have them.
        everything: Whether the response holds every resource of the type.
        kept: Resources that this proxy keeps for now although the snapshot has another version or none.
        withheld: Names that this proxy is not sent.
    """

    variant: Variant
    type: ResourceType
    names: frozenset[str]
    everything: bool = False
    kept: tuple[Resource, ...] = ()
    withheld: frozenset[str] = frozenset()

    @property
    def differs_from_served(self) -> frozenset[str]:
        """Names of resources that are not as in the snapshot."""
        return self.withheld.union(resource.name for resource in self.kept)


class ResponseCache:
    """Makes responses, each once in a revision for all streams with equal content.

    Responses are held weakly: a response goes when no stream has it in flight. Longer held are the most recent ones,
    and responses for a single change until the next revision. Nonces count the responses of this cache: streams share
    the nonce of a shared response, and nonces grow on every stream.
    """

    def __init__(self, view: View) -> None:
        self.view = view
        self._revision = 0
        self._shared: WeakValueDictionary[ResponseContent, Response] = WeakValueDictionary()
        self._recent: deque[Response] = deque(maxlen=RECENT_RESPONSES)
        self._in_flight: dict[ChangeKey, InFlight] = {}
        self._last_nonce = 0

    def in_flight(self, key: ChangeKey, *, after: int) -> InFlight | None:
        """The response in flight on another stream for the same change in this revision, if its nonce is above
        `after`.
        """
        self._forget_old()
        in_flight = self._in_flight.get(key)
        return in_flight if in_flight is not None and int(in_flight.response.nonce) > after else None

    def share(self, key: ChangeKey, in_flight: InFlight) -> None:
        """Offer a response to other streams. Its update holds the base, so the base's id stays unique."""
        self._in_flight[key] = in_flight

    def response(self, content: ResponseContent, *, after: int) -> Response:
        """The response with a content. `after` is the stream's last nonce for this type; the new nonce is higher."""
        self._forget_old()
        response = self._shared.get(content)
        if response is None or int(response.nonce) <= after:
            response = self._shared[content] = self._make(content)
            self._recent.append(response)
        return response

    def _forget_old(self) -> None:
        if self._revision != self.view.revision:
            self._shared.clear()
            self._recent.clear()
            self._in_flight.clear()
            self._revision = self.view.revision

    def _make(self, content: ResponseContent) -> Response:
        self._last_nonce += 1
        resources = (*map(self.view.complete, self._resources(content)), *content.kept)
        return Response(
            variant=content.variant,
            type=content.type,
            nonce=str(self._last_nonce),
            version=self._version(content),
            revision=self._revision,
            resources=tuple(sorted(resources, key=_by_name)),
            removed=self._removed(content) if content.variant is Variant.DELTA else (),
        )

    def _version(self, content: ResponseContent) -> str:
        """The store's version; with a suffix for a content that differs from the store."""
        version = self.view.version(content.type)
        if not content.kept and not content.withheld:
            return version
        kept = [f"{resource.name}\0{resource.version}\0" for resource in content.kept]
        differences = "".join((*kept, "\0", *sorted(content.withheld)))
        return f"{version}+{blake2b(differences.encode(), digest_size=8).hexdigest()}"

    def _resources(self, content: ResponseContent) -> Iterable[Resource]:
        resources = self.view.resources(content.type)
        differing = content.differs_from_served if content.kept or content.withheld else None
        if not content.everything:
            names = content.names - differing if differing else content.names
            return (resources[name] for name in names if name in resources)
        if differing:
            return (resource for name, resource in resources.items() if name not in differing)
        return resources.values()

    def _removed(self, content: ResponseContent) -> tuple[str, ...]:
        resources = self.view.resources(content.type)
        kept = {resource.name for resource in content.kept}
        return tuple(sorted(name for name in content.names if name not in resources and name not in kept))
