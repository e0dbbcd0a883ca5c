"""An xDS client over a real gRPC stream: subscribes, expects, acknowledges and rejects, and checks every message.

`expect` names the news of the next message, in delta and in the state of the world alike. In every test the client
asserts on each message that the server sends no more than needed: no resource twice, none without a subscription, none
unchanged and unasked, and no response of a type before the answer to the last.
"""

import asyncio
import contextlib
import itertools
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Self, TypeVar

import grpc

from tests.support.authority import SERVER_NAME, Issued
from tests.support.waiting import WAIT_LIMIT_SECONDS
from xds.envoyapi import codec
from xds.envoyapi.messages import (
    DeltaDiscoveryRequest,
    DeltaDiscoveryResponse,
    DiscoveryRequest,
    DiscoveryResponse,
    Node,
    Status,
)
from xds.protocol.messages import Variant
from xds.protocol.subscription import LEGACY_WILDCARD
from xds.protocol.type_stream import FULL_SET_TYPES
from xds.server.ads import SERVICE
from xds.snapshot.resource import ResourceType, resource, route_configuration_of

CDS, EDS, SDS, ECDS, LDS, RDS, VHDS = ResourceType

BEACON: Final = "beacon"
"""A Secret in the snapshot of `Plane` without references. A state-of-the-world client subscribes to it to know that
every earlier response has come, as the protocol has no answer to a missing name.
"""

ANY_CODE: Final = 13
"""google.rpc.Code INTERNAL, which Envoy sends with every NACK."""

_CHANNEL: Final = (
    # Streams that share a connection share its flow control: a stream without reads could hold up another.
    ("grpc.use_local_subchannel_pool", 1),
    ("grpc.max_receive_message_length", -1),
)

_EOF: Final = grpc.aio.EOF  # type: ignore[attr-defined]  # the stubs are older

_Response = TypeVar("_Response", DeltaDiscoveryResponse, DiscoveryResponse)


@dataclass(frozen=True, slots=True)
class Item:
    """A received resource. In the state of the world its version is the hash of its bytes."""

    name: str
    version: str
    body: bytes


@dataclass(frozen=True, slots=True)
class Received:
    """A response.

    Attributes:
        news: Names of resources that changed or were asked for; in delta, of every resource.
        removed: Names of resources that exist no more.
    """

    type: ResourceType
    nonce: str
    version: str
    items: Mapping[str, Item]
    news: frozenset[str]
    removed: frozenset[str]

    def content(self, name: str) -> dict[str, Any]:
        """A resource in protobuf's JSON."""
        return codec.to_dict(codec.decode(self.type.message, self.items[name].body))

    @property
    def text(self) -> str:
        """The content of every resource."""
        return str([self.content(name) for name in sorted(self.items)])


@dataclass(slots=True)
class _Interest:
    """One type: the subscription, and the server's messages about it.

    Attributes:
        due: Names that may come at a version that the client has: names asked for again, and the endpoints of sent
            clusters.
        routes: Only for virtual hosts, the interest in RouteConfigurations: virtual hosts are wanted of every
            configuration received.
        configured: RouteConfigurations sent since, whose virtual hosts are all due.
    """

    names: set[str] = field(default_factory=set)
    wildcard: bool = False
    legacy: bool = True
    told: dict[str, str] = field(default_factory=dict)
    due: set[str] = field(default_factory=set)
    everything_due: bool = False
    before: dict[str, str] = field(default_factory=dict)
    unanswered: str = ""
    nonce: str = ""
    accepted: str = ""
    routes: "_Interest | None" = None
    configured: set[str] = field(default_factory=set)

    def covers(self, name: str) -> bool:
        in_scope = self.routes is None or route_configuration_of(name) in self.routes.told
        return (self.wildcard and in_scope) or name in self.names

    def is_due(self, name: str) -> bool:
        return self.everything_due or name in self.due or route_configuration_of(name) in self.configured

    def drop_uncovered(self) -> None:
        self.told = {name: version for name, version in self.told.items() if self.covers(name)}
        self.due = set(filter(self.covers, self.due))
        self.everything_due = self.everything_due and self.wildcard


def _channel(address: str, issued: Issued | None) -> Any:
    if issued is None:
        return grpc.aio.insecure_channel(address, options=_CHANNEL)
    options = (*_CHANNEL, ("grpc.ssl_target_name_override", SERVER_NAME))
    return grpc.aio.secure_channel(address, issued.channel_credentials(), options=options)


class AdsClient(ABC):
    """One stream, which reads only when a test expects a message."""

    variant: Variant
    method: str

    def __init__(self, address: str, node: str, issued: Issued | None = None) -> None:
        self._channel: Any = _channel(address, issued)
        self._call: Any = None
        self._node: str | None = node
        self.node = node
        self._interests = {type_: _Interest() for type_ in ResourceType}
        self._interests[VHDS].routes = self._interests[RDS]
        self._nonces: set[str] = set()
        self._barriers = itertools.count()

    def open(self) -> Self:
        self._call = self._channel.stream_stream(f"/{SERVICE}/{self.method}")()
        return self

    async def close(self) -> None:
        """Cancel the stream, as a killed proxy."""
        self._call.cancel()
        await self._channel.close()

    async def done(self) -> None:
        """Half-close the stream."""
        await self._call.done_writing()

    async def arrived(self) -> None:
        """Wait until the server has this stream, though no answer is due: a later call on the same connection, of a
        missing method, was answered.
        """
        with contextlib.suppress(grpc.aio.AioRpcError):
            await self._channel.unary_unary("/no.Service/Method")(b"")

    async def send(self, data: bytes) -> None:
        """Send bytes, valid or not."""
        await self._call.write(data)

    @abstractmethod
    async def subscribe(self, type_: ResourceType, *names: str) -> None:
        """Subscribe to further names; without names, send the empty request that is the wildcard of LDS and CDS."""

    @abstractmethod
    async def unsubscribe(self, type_: ResourceType, *names: str) -> None: ...

    @abstractmethod
    async def ack(self, received: Received) -> None: ...

    @abstractmethod
    async def nack(self, received: Received, message: str) -> None: ...

    @abstractmethod
    def _decode(self, data: bytes) -> Received: ...

    @abstractmethod
    async def _barrier(self) -> None: ...

    async def expect(self, type_: ResourceType, *news: str, removed: tuple[str, ...] = ()) -> Received:
        """The next message, which is of this type and has exactly this news."""
        received = await self.receive()
        said = (received.type.short, sorted(received.news), sorted(received.removed))
        assert said == (type_.short, sorted(news), sorted(removed))
        return received

    async def accept(self, type_: ResourceType, *news: str, removed: tuple[str, ...] = ()) -> Received:
        """`expect`, and ACK."""
        received = await self.expect(type_, *news, removed=removed)
        await self.ack(received)
        return received

    async def reject(self, type_: ResourceType, *news: str, message: str = "rejected") -> Received:
        """`expect`, and NACK."""
        received = await self.expect(type_, *news)
        await self.nack(received, message)
        return received

    @property
    def routing(self) -> ResourceType:
        """The type in which virtual hosts come."""
        return VHDS if self.variant is Variant.DELTA else RDS

    async def expect_hosts(self, *news: str, removed: tuple[str, ...] = ()) -> Received:
        """The same for virtual hosts, which in the state of the world are inside of RouteConfigurations."""
        if self.variant is Variant.DELTA:
            return await self.expect(VHDS, *news, removed=removed)
        return await self.expect(RDS, *set(map(route_configuration_of, (*news, *removed))))

    async def accept_hosts(self, *news: str, removed: tuple[str, ...] = ()) -> Received:
        received = await self.expect_hosts(*news, removed=removed)
        await self.ack(received)
        return received

    async def reject_hosts(self, *news: str, removed: tuple[str, ...] = (), message: str = "rejected") -> Received:
        received = await self.expect_hosts(*news, removed=removed)
        await self.nack(received, message)
        return received

    async def expect_nothing(self) -> None:
        """Check that no message is unread or due: the next question is answered next.

        Asked twice, as one turn of the server's writer sends secrets before listeners and routes.
        """
        assert not self._interests[SDS].unanswered, "answer SDS first: the server can be asked about nothing else"
        for _ in range(2):
            await self._barrier()

    async def receive(self) -> Received:
        """The next message, of any type."""
        received = self._decode(await self._read())
        self._check(received)
        self._note(received)
        return received

    async def expect_end(self) -> tuple[grpc.StatusCode, str]:
        """Wait for the end of the stream without another message. Returns its code and details."""
        async with asyncio.timeout(WAIT_LIMIT_SECONDS):
            with contextlib.suppress(grpc.aio.AioRpcError):
                data = await self._call.read()
                assert data is _EOF, f"not an end: {self._decode(data)}"
            return await self._call.code(), await self._call.details()

    def versions(self, type_: ResourceType) -> dict[str, str]:
        """The versions that the client has, as its next stream would resume with."""
        return dict(self._interests[type_].told)

    async def _read(self) -> bytes:
        try:
            async with asyncio.timeout(WAIT_LIMIT_SECONDS):
                data = await self._call.read()
        except TimeoutError:
            raise AssertionError("the server said nothing") from None
        if data is _EOF:
            raise AssertionError("the server ended the stream")
        return bytes(data)

    def _greeting(self) -> Node | None:
        """Rule 1: the first request of a stream has the node; further requests need none."""
        node, self._node = self._node, None
        return None if node is None else Node(id=node, cluster="fleet", user_agent_name="test")

    def want(self, type_: ResourceType, names: set[str]) -> None:
        """Rules 5 and 6, on the client's side."""
        interest = self._interests[type_]
        everything = "*" in names or (not names and interest.legacy and type_ in LEGACY_WILDCARD)
        interest.everything_due |= everything
        interest.wildcard |= everything
        if names and interest.legacy:
            interest.legacy = False
            interest.wildcard = "*" in names or (interest.wildcard and self.variant is Variant.DELTA)
        interest.names |= names - {"*"}
        interest.due |= names - {"*"}
        interest.drop_uncovered()

    def _drop(self, type_: ResourceType, names: set[str]) -> None:
        """Rule 11: under a wildcard the server answers a dropped name."""
        interest = self._interests[type_]
        interest.legacy = False
        interest.wildcard = interest.wildcard and "*" not in names
        interest.due |= (names & interest.names) if interest.wildcard else set()
        interest.names -= names
        interest.drop_uncovered()

    def answered(self, received: Received, *, accepted: bool = True) -> None:
        """Note that a request with the response's nonce was sent."""
        interest = self._interests[received.type]
        assert interest.unanswered == received.nonce, "this was answered before"
        interest.unanswered = ""
        if accepted:
            interest.accepted = received.version
        elif received.type in FULL_SET_TYPES:
            # A rejected full set is at its last good version; of other types the whole response may come again.
            interest.told = interest.before
        elif len(received.news) > 1:
            interest.due |= received.news

    def _check(self, received: Received) -> None:
        interest = self._interests[received.type]
        full = self._is_full(received.type)
        assert received.nonce, "no nonce"
        assert received.nonce not in self._nonces, "a nonce twice in one stream"
        assert received.version, "no version"
        assert not interest.unanswered, f"two {received.type.short} responses in flight"
        assert not received.removed & received.items.keys(), "removed and not removed"
        assert all(map(interest.covers, received.items)), "what nobody asked for"
        assert full or received.items.keys() == received.news, "what is known, and nobody asked for"
        assert received.news or received.removed or interest.everything_due or (full and interest.due), "no news"
        for name in received.removed:
            has = name in interest.told
            assert interest.covers(name) or (has and received.type is VHDS), "the removal of what nobody asked for"
            assert has or interest.is_due(name), "the removal of what was never there"

    def _note(self, received: Received) -> None:
        interest = self._interests[received.type]
        if received.type is CDS:
            # Rule 4: a changed cluster warms until its endpoints come, perhaps again.
            self._interests[EDS].due |= received.news
        if received.type is RDS:
            self._interests[VHDS].configured |= received.items.keys()
        interest.before = interest.told
        interest.told = {name: version for name, version in interest.told.items() if name not in received.removed}
        interest.told |= {name: item.version for name, item in received.items.items()}
        interest.due -= received.items.keys() if received.type is EDS else interest.due
        interest.everything_due = False
        interest.configured.clear()
        interest.unanswered = interest.nonce = received.nonce
        self._nonces.add(received.nonce)

    def _received(self, type_url: str, message: _Response, items: list[Item], removed: frozenset[str]) -> Received:
        type_ = ResourceType(type_url)
        by_name = {item.name: item for item in items}
        assert len(by_name) == len(items), f"rule 8: a name twice in {[item.name for item in items]}"
        interest = self._interests[type_]
        news = {
            name for name, item in by_name.items() if interest.is_due(name) or interest.told.get(name) != item.version
        }
        version = self._version(message)
        if self._is_full(type_):
            removed = frozenset(interest.told.keys() - by_name.keys())
        return Received(type_, message.nonce, version, by_name, frozenset(news), removed)

    @abstractmethod
    def _version(self, message: Any) -> str: ...

    def _is_full(self, type_: ResourceType) -> bool:
        """Rule 7: a resource missing in such a response is removed."""
        return self.variant is Variant.SOTW and type_ in FULL_SET_TYPES


class DeltaClient(AdsClient):
    """A stream of DeltaAggregatedResources."""

    variant = Variant.DELTA
    method = "DeltaAggregatedResources"

    async def subscribe(
        self, type_: ResourceType, *names: str, known: Mapping[str, str] | None = None, nonce: str = ""
    ) -> None:
        """As in AdsClient.

        Args:
            known: The `initial_resource_versions`, from another stream.
            nonce: Rule 3: ignored, and may be stale.
        """
        self.want(type_, set(names))
        if known:
            self._bring(type_, known)
        await self.request(type_, subscribe=names, known=known, nonce=nonce)

    async def unsubscribe(self, type_: ResourceType, *names: str, nonce: str = "") -> None:
        self._drop(type_, set(names))
        await self.request(type_, unsubscribe=names, nonce=nonce)

    async def ack(self, received: Received) -> None:
        self.answered(received, accepted=True)
        await self.request(received.type, nonce=received.nonce)

    async def nack(self, received: Received, message: str) -> None:
        self.answered(received, accepted=False)
        await self.request(received.type, nonce=received.nonce, error=message)

    async def request(
        self,
        type_url: str,
        *,
        subscribe: tuple[str, ...] = (),
        unsubscribe: tuple[str, ...] = (),
        known: Mapping[str, str] | None = None,
        nonce: str = "",
        error: str | None = None,
    ) -> None:
        """Send a request without a note of its subscription."""
        message = DeltaDiscoveryRequest(
            node=self._greeting(),
            type_url=str(type_url),
            resource_names_subscribe=list(subscribe),
            resource_names_unsubscribe=list(unsubscribe),
            initial_resource_versions=dict(known or {}),
            response_nonce=nonce,
            error_detail=None if error is None else Status(code=ANY_CODE, message=error),
        )
        await self.send(codec.encode(message))

    def _bring(self, type_: ResourceType, known: Mapping[str, str]) -> None:
        """Rule 5: resumed resources need not be sent, though the first request subscribes to their names."""
        interest = self._interests[type_]
        interest.told |= known
        interest.due -= known.keys()
        interest.everything_due = False

    def _decode(self, data: bytes) -> Received:
        message = codec.decode(DeltaDiscoveryResponse, data)
        items = []
        for each in message.resources:
            assert each.resource is not None
            assert each.resource.type_url == message.type_url, "two types in one response"
            assert each.name == _name(message.type_url, each.resource.value), "two names of one resource"
            assert each.version, "no version"
            assert not codec.upb(each).HasField("ttl"), "rule 16: nobody said that it can do with that"
            items.append(Item(each.name, each.version, each.resource.value))
        return self._received(message.type_url, message, items, frozenset(message.removed_resources))

    def _version(self, message: Any) -> str:
        return str(message.system_version_info)

    async def _barrier(self) -> None:
        """Rule 10: a missing name is answered at once."""
        name = f"barrier-{next(self._barriers)}"
        await self.request(SDS, subscribe=(name,))
        received = self._decode(await self._read())
        assert (received.type, received.removed, *received.items) == (SDS, {name}), f"it said {received}"
        await self.request(SDS, unsubscribe=(name,), nonce=received.nonce)


class SotwClient(AdsClient):
    """A stream of StreamAggregatedResources."""

    variant = Variant.SOTW
    method = "StreamAggregatedResources"

    async def subscribe(self, type_: ResourceType, *names: str) -> None:
        """As in AdsClient. If a response waits for an answer, this request is its ACK: rule 2."""
        interest = self._interests[type_]
        new = set(names) - interest.names - ({"*"} if interest.wildcard and not interest.legacy else set())
        self.want(type_, new)
        interest.unanswered = ""
        await self._list(type_)

    async def unsubscribe(self, type_: ResourceType, *names: str) -> None:
        """The same with fewer names."""
        self._drop(type_, set(names))
        self._interests[type_].unanswered = ""
        await self._list(type_)

    async def ack(self, received: Received) -> None:
        self.answered(received, accepted=True)
        await self._list(received.type)

    async def nack(self, received: Received, message: str) -> None:
        self.answered(received, accepted=False)
        await self._list(received.type, error=message)

    async def request(
        self,
        type_url: str,
        names: tuple[str, ...] = (),
        *,
        version: str = "",
        nonce: str = "",
        error: str | None = None,
    ) -> None:
        """Send a request without a note of its subscription."""
        message = DiscoveryRequest(
            version_info=version,
            node=self._greeting(),
            resource_names=list(names),
            type_url=str(type_url),
            response_nonce=nonce,
            error_detail=None if error is None else Status(code=ANY_CODE, message=error),
        )
        await self.send(codec.encode(message))

    async def _list(self, type_: ResourceType, *extra: str, error: str | None = None) -> None:
        """Send the full list of names."""
        interest = self._interests[type_]
        star = {"*"} if interest.wildcard and not interest.legacy else set()
        names = tuple(sorted(interest.names.union(star, extra)))
        await self.request(type_, names, version=interest.accepted, nonce=interest.nonce, error=error)

    def _decode(self, data: bytes) -> Received:
        message = codec.decode(DiscoveryResponse, data)
        items = []
        for each in message.resources:
            assert each.type_url == message.type_url, "two types in one response"
            name = _name(each.type_url, each.value)
            items.append(Item(name, resource(ResourceType(each.type_url), name, each.value).version, each.value))
        return self._received(message.type_url, message, items, frozenset())

    def _version(self, message: Any) -> str:
        return str(message.version_info)

    async def _barrier(self) -> None:
        await self._list(SDS, BEACON)
        received = self._decode(await self._read())
        assert (received.type, *received.items) == (SDS, BEACON), f"it said {received}"
        self._interests[SDS].nonce = received.nonce
        await self._list(SDS)


def _name(type_url: str, body: bytes) -> str:
    message: Any = codec.decode(type_url.rpartition("/")[2], body)
    return str(message.cluster_name if type_url == EDS else message.name)
