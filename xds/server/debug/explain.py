"""Explain and WhyIngress of the debug API: the live state is read on the event loop, and evaluated in a thread."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Final

from xds.api.v1 import debug_pb2 as pb
from xds.explain.connection import ListenerRejection
from xds.explain.facts import StateReader
from xds.explain.gateway_facts import KINDS, gateway_facts
from xds.explain.gateway_objects import explain_gateway_object
from xds.explain.ingress import explain_ingress
from xds.explain.ingress_facts import index_hosts, ingress_facts
from xds.explain.layer4 import connection_facts, explain_connection
from xds.explain.layer4_object_facts import ObjectReading, object_facts
from xds.explain.layer4_objects import explain_object
from xds.explain.layer4_question import Layer4Question, layer4_question
from xds.explain.narration import explain_request
from xds.explain.traffic_index import TrafficIndex
from xds.explain.url import question
from xds.problems.problem import Key, ObjectRef
from xds.protocol.status import DeliveryState
from xds.server.debug.explanation_messages import explain_response, why_ingress_response
from xds.server.debug.layer4_messages import connection_response, why_object_response
from xds.server.debug.messages import ProxyDelivery, WallClock
from xds.server.debug.slices import in_slices
from xds.server.debug.threads import InThread
from xds.snapshot.resource import Resource, ResourceType

MAX_STATE_READS: Final = 3
"""Reads of the state for one answer, at most, if the state changes during the evaluation."""


class Explaining:
    """Explains answers to requests, and the state of Ingresses.

    Args:
        state_reader: Reads the live state.
        deliveries: Returns, for given resources, the delivery to each connected proxy.
    """

    def __init__(
        self, state_reader: StateReader, deliveries: Callable[[Sequence[Resource]], Sequence[ProxyDelivery]]
    ) -> None:
        self._state_reader = state_reader
        self._deliveries = deliveries

    async def explain(self, asked: pb.ExplainRequest, in_thread: InThread) -> pb.ExplainResponse:
        """Explain the answer to a request, or the end of a connection.

        Raises:
            QuestionError: the request is invalid.
        """
        is_plain = asked.method in ("", "GET") and not asked.headers
        if about := layer4_question(asked.url, asked.source, asked.address, is_plain=is_plain):
            return await self._explain_connection(about, in_thread)
        state_reader = self._state_reader
        headers = [(each.name, each.value) for each in asked.headers]
        request = question(asked.url, asked.method or "GET", headers, asked.source, asked.address)
        for _ in range(MAX_STATE_READS):
            excerpt = state_reader.excerpt(request)
            given = await in_thread(lambda excerpt=excerpt: state_reader.answer(excerpt, request))  # type: ignore[misc]
            if state_reader.excerpt(request) == excerpt:
                break
        facts = state_reader.request_facts(request, given)
        deliveries, pending = self._deliveries(facts.resources), state_reader.busy()
        return await in_thread(lambda: explain_response(explain_request(facts), deliveries, pending=pending))

    async def _explain_connection(self, about: Layer4Question, in_thread: InThread) -> pb.ExplainResponse:
        facts = connection_facts(self._state_reader, about)
        deliveries, pending = self._deliveries(facts.resources), self._state_reader.busy()
        rejections = [each for one in deliveries for each in _rejections(one, facts.listener_name)]
        return await in_thread(
            lambda: connection_response(
                explain_connection(facts, rejections, len(deliveries)), deliveries, pending=pending
            )
        )

    def rejections_of(self, listeners: Iterable[str]) -> tuple[int, Mapping[str, Sequence[ListenerRejection]]]:
        """The number of connected proxies, and the rejections of some listeners by name.

        Args:
            listeners: Names, few of them: each proxy is asked about each.
        """
        store = self._state_reader.store
        found = [each for name in sorted(listeners) if (each := store.get(ResourceType.LISTENER, name))]
        deliveries = self._deliveries(found) if found else ()
        rejections = {each.name: [r for one in deliveries for r in _rejections(one, each.name)] for each in found}
        return len(deliveries), rejections

    async def why_object(self, about: ObjectRef, in_thread: InThread, at: WallClock) -> pb.WhyObjectResponse | None:
        """The state of an object; None if there is none and nothing names it."""
        reader, reading = self._state_reader, ObjectReading()
        if about.kind in KINDS:
            return await self._why_gateway_object(about, in_thread, at)
        async for _ in in_slices(reading.steps(reader, about)):
            pass
        facts = object_facts(reader, about, reading)
        if facts is None:
            return None
        deliveries, pending = self._deliveries(facts.resources), reader.busy()
        return await in_thread(lambda: why_object_response(explain_object(facts), at, deliveries, pending=pending))

    async def _why_gateway_object(
        self, about: ObjectRef, in_thread: InThread, at: WallClock
    ) -> pb.WhyObjectResponse | None:
        facts = gateway_facts(self._state_reader, about)
        if facts is None:
            return None
        deliveries, pending = self._deliveries(facts.resources), self._state_reader.busy()
        return await in_thread(
            lambda: why_object_response(explain_gateway_object(facts), at, deliveries, pending=pending)
        )

    async def why_ingress(
        self, asked: pb.WhyIngressRequest, in_thread: InThread, at: WallClock
    ) -> pb.WhyIngressResponse | None:
        """The state of an Ingress; None if no such Ingress exists."""
        reader, key, index = self._state_reader, Key(asked.namespace, asked.name), TrafficIndex()
        if ingress := reader.state.all_ingresses.get(key):
            async for _ in in_slices(index_hosts(reader, ingress, index)):
                pass
        facts = ingress_facts(reader, key, index)
        if facts is None:
            return None
        deliveries = self._deliveries(facts.resources) if facts.claim.ours else ()
        pending = self._state_reader.busy()
        return await in_thread(lambda: why_ingress_response(explain_ingress(facts), at, deliveries, pending=pending))


def _rejections(delivery: ProxyDelivery, name: str) -> Iterator[ListenerRejection]:
    """The proxy's rejection of a listener."""
    for each in delivery.out_of_sync:
        is_listener = each.type is ResourceType.LISTENER and each.name == name
        if is_listener and each.state is DeliveryState.REJECTED:
            yield ListenerRejection(delivery.node.id if delivery.node else delivery.peer, each.message)
