"""The resume of a proxy on a new delta stream: its versions from the last stream against the served resources."""

from collections.abc import Mapping, Set
from weakref import WeakValueDictionary

from xds.protocol.backlog import BEFORE_STREAM
from xds.protocol.subscription import Demand, Subscription
from xds.protocol.type_stream import TypeStream
from xds.snapshot.resource import Resource, ResourceType
from xds.snapshot.view import View


class ResumedVersions:
    """Outdated resources that proxies have from other streams, known by version alone.

    Proxies with equal versions share an object, held weakly: the object goes with the last backlog.
    """

    def __init__(self) -> None:
        self._resources: WeakValueDictionary[tuple[ResourceType, str, str], Resource] = WeakValueDictionary()

    def resume(
        self, type_stream: TypeStream, demand: Demand, versions: Mapping[str, str], view: View, withdrawn: Set[str]
    ) -> None:
        """Fill the backlog with the difference between a proxy's versions and the served resources. A version of a
        `withdrawn` resource stays at the proxy: other proxies rejected its successor.

        "On reconnect the Incremental xDS client may tell the server of its known resources to avoid resending them over
        the network by sending them in initial_resource_versions."
        https://www.envoyproxy.io/docs/envoy/latest/api-docs/xds_protocol#incremental-xds
        """
        served = view.resources(type_stream.type)
        missing = demand.names.difference(versions)
        type_stream.apply(Demand(demand.subscription, missing))
        if missing:
            type_stream.backlog.requested_before = Subscription(frozenset(versions))
        for name in _outdated(versions, served):
            if demand.subscription.covers(name):
                base = self._resource(type_stream.type, name, versions[name])
                if name in withdrawn:
                    type_stream.keep_current(name, base)
                else:
                    type_stream.backlog.put(name, base, served.get(name), BEFORE_STREAM)
        if demand.everything:
            for name in served.keys() - versions.keys():
                type_stream.backlog.put(name, None, served[name], BEFORE_STREAM)

    def _resource(self, type_: ResourceType, name: str, version: str) -> Resource:
        key = (type_, name, version)
        known = self._resources.get(key)
        if known is None:
            known = self._resources[key] = Resource(type_, name, b"", version)
        return known


def _outdated(versions: Mapping[str, str], served: Mapping[str, Resource]) -> list[str]:
    # A thousand proxies may resume with thousands of names each, few of them outdated.
    return [name for name, version in versions.items() if (now := served.get(name)) is None or now.version != version]
