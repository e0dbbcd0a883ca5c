"""Explain and WhyIngress of the debug API: the live state is read on the event loop, and evaluated in a thread."""

from collections.abc import Callable, Sequence
from typing import Final

from xds.api.v1 import debug_pb2 as pb
from xds.explain.facts import StateReader
from xds.explain.ingress import explain_ingress
from xds.explain.ingress_facts import index_hosts, ingress_facts
from xds.explain.narration import explain_request
from xds.explain.traffic_index import TrafficIndex
from xds.explain.url import question
from xds.problems.problem import Key
from xds.server.debug.explanation_messages import explain_response, why_ingress_response
from xds.server.debug.messages import ProxyDelivery, WallClock
from xds.server.debug.slices import in_slices
from xds.server.debug.threads import InThread
from xds.snapshot.resource import Resource

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
        """Explain the answer to a request.

        Raises:
            QuestionError: the request is invalid.
        """
        state_reader = self._state_reader
        headers = [(each.name, each.value) for each in asked.headers]
        request = question(asked.url, asked.method or "GET", headers, asked.source)
        for _ in range(MAX_STATE_READS):
            excerpt = state_reader.excerpt(request)
            given = await in_thread(lambda excerpt=excerpt: state_reader.answer(excerpt, request))  # type: ignore[misc]
            if state_reader.excerpt(request) == excerpt:
                break
        facts = state_reader.request_facts(request, given)
        deliveries, pending = self._deliveries(facts.resources), state_reader.busy()
        return await in_thread(lambda: explain_response(explain_request(facts), deliveries, pending=pending))

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
