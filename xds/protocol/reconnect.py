"""The first delta request of a type: what a proxy brings from its last stream, against what it should have."""

from collections.abc import Mapping, Set

from xds.protocol.backlog import BEFORE
from xds.protocol.subscription import Demand, Subscription
from xds.protocol.watch import Watch
from xds.snapshot.resource import Resource, ResourceType
from xds.snapshot.store import ResourceChange
from xds.snapshot.view import View

Known = Mapping[str, str]


def resume(watch: Watch, demand: Demand, known: Known, view: View, withdrawn: Set[str]) -> None:
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
            base = _known(watch.type, name, known[name])
            if name in withdrawn:
                watch.spare(name, base)
                continue
            watch.backlog.note(ResourceChange(watch.type, name, base, current.get(name)), BEFORE)
    if demand.everything:
        for name in current.keys() - known.keys():
            watch.backlog.note(ResourceChange(watch.type, name, None, current[name]), BEFORE)


def _wrong(known: Known, current: Mapping[str, Resource]) -> list[str]:
    """Most are right, of the thousands that each of a thousand proxies brings."""
    return [name for name, version in known.items() if (now := current.get(name)) is None or now.version != version]


def _known(type_: ResourceType, name: str, version: str) -> Resource:
    """What the proxy says it has: the bytes are anyone's guess."""
    return Resource(type_, name, b"", version)
