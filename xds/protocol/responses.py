"""Makes responses, once for all streams that are to get the same."""

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

Key: TypeAlias = tuple[Variant, ResourceType, SharedChange]

RECENT: Final = 8
"""Responses of the newest revision that are kept for whoever asks for the same."""

_by_name = attrgetter("name")


@dataclass(frozen=True, slots=True)
class ResponseContent:
    """What a response is to hold: `names` (told as removed if they don't exist), or `everything`.

    `kept` is what this proxy keeps for now although the store has nothing or something else of that name; `withheld`
    are names that it is not to get.
    """

    variant: Variant
    type: ResourceType
    names: frozenset[str]
    everything: bool = False
    kept: tuple[Resource, ...] = ()
    withheld: frozenset[str] = frozenset()

    @property
    def apart(self) -> frozenset[str]:
        """The names of which it doesn't hold what the store has."""
        return self.withheld.union(resource.name for resource in self.kept)


class ResponseCache:
    """Makes the response for a selection, or hands out the one that another stream got in this revision.

    It holds them weakly, but for some: a response goes with the last stream that has it in flight. Those that were made
    last stay for proxies that come one after the other, and those for a single change as long as the revision does.
    Nonces are numbers of this composer: the same for all streams that share a response, and growing on each.
    """

    def __init__(self, view: View) -> None:
        self.view = view
        self._revision = 0
        self._shared: WeakValueDictionary[ResponseContent, Response] = WeakValueDictionary()
        self._recent: deque[Response] = deque(maxlen=RECENT)
        self._flights: dict[Key, InFlight] = {}
        self._last_nonce = 0

    def flight(self, key: Key, *, after: int) -> InFlight | None:
        """What another stream was sent in this revision for the same change, if its nonce is above `after`."""
        self._forget_old()
        flight = self._flights.get(key)
        return flight if flight is not None and int(flight.response.nonce) > after else None

    def share(self, key: Key, flight: InFlight) -> None:
        """Let others have it. It holds the base, so that no other object can be taken for that."""
        self._flights[key] = flight

    def compose(self, selection: ResponseContent, *, after: int) -> Response:
        """The response, with a nonce above `after`: the last one that the stream got for this type."""
        self._forget_old()
        response = self._shared.get(selection)
        if response is None or int(response.nonce) <= after:
            response = self._shared[selection] = self._make(selection)
            self._recent.append(response)
        return response

    def _forget_old(self) -> None:
        if self._revision != self.view.revision:
            self._shared.clear()
            self._recent.clear()
            self._flights.clear()
            self._revision = self.view.revision

    def _make(self, selection: ResponseContent) -> Response:
        self._last_nonce += 1
        return Response(
            variant=selection.variant,
            type=selection.type,
            nonce=str(self._last_nonce),
            version=self._version(selection),
            revision=self._revision,
            resources=tuple(sorted((*map(self.view.complete, self._found(selection)), *selection.kept), key=_by_name)),
            removed=self._removed(selection) if selection.variant is Variant.DELTA else (),
        )

    def _version(self, selection: ResponseContent) -> str:
        """That of the store; what a proxy has that keeps something for a while is not what the store has."""
        version = self.view.version(selection.type)
        if not selection.kept and not selection.withheld:
            return version
        kept = [f"{resource.name}\0{resource.version}\0" for resource in selection.kept]
        apart = "".join((*kept, "\0", *sorted(selection.withheld)))
        return f"{version}+{blake2b(apart.encode(), digest_size=8).hexdigest()}"

    def _found(self, selection: ResponseContent) -> Iterable[Resource]:
        resources = self.view.resources(selection.type)
        if not selection.everything:
            names = selection.names - selection.apart if selection.kept or selection.withheld else selection.names
            return (resources[name] for name in names if name in resources)
        if selection.kept or selection.withheld:
            apart = selection.apart
            return (resource for name, resource in resources.items() if name not in apart)
        return resources.values()

    def _removed(self, selection: ResponseContent) -> tuple[str, ...]:
        resources = self.view.resources(selection.type)
        kept = {resource.name for resource in selection.kept}
        return tuple(sorted(name for name in selection.names if name not in resources and name not in kept))
