"""The first delta request of a type: what a proxy brings from its last stream, against what it should have."""

from collections.abc import Mapping, Set
from weakref import WeakValueDictionary

from xds.protocol.backlog import BEFORE
from xds.protocol.subscription import Demand, Subscription
from xds.protocol.type_stream import TypeStream
from xds.snapshot.resource import Resource, ResourceType
from xds.snapshot.view import View

ObjectTracker = Mapping[str, str]


class ResumedVersions:
    """What proxies have from other streams, of which only the version is known: one object for all that bring the same.

    It holds them weakly: one goes with the last stream that is behind it.
    """

    def __init__(self) -> None:
        self._resources: WeakValueDictionary[tuple[ResourceType, str, str], Resource] = WeakValueDictionary()

    def resume(self, watch: TypeStream, demand: Demand, known: ObjectTracker, view: View, withdrawn: Set[str]) -> None:
        """Ask for what the proxy doesn't have; note as changed what it has in another version, or has no more reason to
        have. What is right is not sent again, and what was `withdrawn` since others refused it costs the proxy nothing.

        "On reconnect the Incremental xDS client may tell the server of its known resources to avoid resending them over
        the network by sending them in initial_resource_versions."
        https://www.envoyproxy.io/docs/envoy/latest/api-docs/xds_protocol#incremental-xds
        """
        current = view.resources(watch.type)
        asked = demand.names.difference(known)
        watch.ask(Demand(demand.subscription, asked))
        if asked:
            watch.backlog.before = Subscription(frozenset(known))
        for name in _wrong(known, current):
            if demand.subscription.covers(name):
                base = self._resource(watch.type, name, known[name])
                if name in withdrawn:
                    watch.spare(name, base)
                    continue
                watch.backlog.put(name, base, current.get(name), BEFORE)
        if demand.everything:
            for name in current.keys() - known.keys():
                watch.backlog.put(name, None, current[name], BEFORE)

    def _resource(self, type_: ResourceType, name: str, version: str) -> Resource:
        key = (type_, name, version)
        known = self._resources.get(key)
        if known is None:
            known = self._resources[key] = Resource(type_, name, b"", version)
        return known


def _wrong(known: ObjectTracker, current: Mapping[str, Resource]) -> list[str]:
    """Most are right, of the thousands that each of a thousand proxies brings."""
    return [name for name, version in known.items() if (now := current.get(name)) is None or now.version != version]
