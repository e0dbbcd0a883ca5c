"""The part of the debug API that says why: the live state is looked at on the loop, and told in a thread."""

from collections.abc import Callable, Coroutine, Sequence
from typing import Any, Final, Protocol, TypeVar

from xds.api.v1 import debug_pb2 as pb
from xds.explain.facts import StateReader
from xds.explain.ingress import Acceptance, Record, Unit, findings, record
from xds.explain.narration import ExplainStep, Explanation, Tried, explain
from xds.explain.url import question
from xds.problems.problem import Key, ObjectRef
from xds.protocol.messages import Node
from xds.protocol.status import DeliveryState, OutOfSync
from xds.server.debug import messages
from xds.server.debug.messages import ProxyStanding, WallClock
from xds.snapshot.resource import Resource

LOOKS: Final = 3
"""How often the state is looked at again, if what was looked at changes meanwhile."""

_Result = TypeVar("_Result")


class InThread(Protocol):
    """Runs work in a thread of its own."""

    def __call__(self, work: Callable[[], _Result]) -> Coroutine[Any, Any, _Result]: ...


class Explaining:
    """Answers why.

    Args:
        standings: What each connected proxy has of some resources.
    """

    def __init__(
        self, witness: StateReader, standings: Callable[[Sequence[Resource]], Sequence[ProxyStanding]]
    ) -> None:
        self._witness = witness
        self._standings = standings

    async def explain(self, asked: pb.ExplainRequest, in_thread: InThread) -> pb.ExplainResponse:
        """What becomes of a request.

        Raises:
            QuestionError: it is none.
        """
        witness = self._witness
        request = question(asked.url, asked.method or "GET", [(each.name, each.value) for each in asked.headers])
        for _ in range(LOOKS):
            seen = witness.look(request)
            given = await in_thread(lambda seen=seen: witness.answer(seen, request))  # type: ignore[misc]
            if witness.look(request) == seen:
                break
        evidence = witness.evidence(request, given)
        standings, pending = self._standings(evidence.resources), witness.busy()
        return await in_thread(lambda: explanation(explain(evidence), standings, pending=pending))

    async def why_ingress(
        self, asked: pb.WhyIngressRequest, in_thread: InThread, at: WallClock
    ) -> pb.WhyIngressResponse | None:
        """All that is known of an Ingress; None if there is no such one."""
        known = findings(self._witness, Key(asked.namespace, asked.name))
        if known is None:
            return None
        standings = self._standings(known.resources) if known.claim.ours else ()
        pending = self._witness.busy()
        return await in_thread(lambda: ingress_record(record(known), at, standings, pending=pending))


def explanation(
    value: Explanation, standings: Sequence[ProxyStanding] = (), *, pending: bool = False
) -> pb.ExplainResponse:
    return pb.ExplainResponse(
        status=value.status,
        outcome=value.outcome,
        location=value.location,
        cluster=str(value.backend.key) if value.backend else "",
        steps=map(_step, value.passages),
        problems=map(messages.problem, value.problems),
        resources=map(_dependency, value.resources),
        proxies=map(_standing, sorted(standings, key=_by_node)),
        pending=pending,
    )


def _step(value: ExplainStep) -> pb.Step:
    objects, routes = map(messages.reference, value.objects), map(_tried, value.routes)
    return pb.Step(stage=value.stage, text=value.text, objects=objects, routes=routes)


def _tried(value: Tried) -> pb.TriedRoute:
    return pb.TriedRoute(
        path_type=str(value.route.path_type),
        path=value.route.path,
        ingress=messages.reference(ObjectRef("Ingress", *value.route.ingress)),
        service=messages.reference(ObjectRef("Service", *value.route.service)),
        taken=value.taken,
        why=value.why,
    )


def _dependency(value: Resource) -> pb.Dependency:
    return pb.Dependency(type_url=value.type, name=value.name, version=value.version)


def ingress_record(
    value: Record, at: WallClock | None = None, standings: Sequence[ProxyStanding] = (), *, pending: bool = False
) -> pb.WhyIngressResponse:
    """Without a clock nothing is said of when."""
    return pb.WhyIngressResponse(
        ingress=messages.reference(ObjectRef("Ingress", *value.ingress)),
        acceptance=_ACCEPTANCES[value.acceptance],
        claim=value.claim.why,
        since=at(value.since) if at and value.since is not None else None,
        units=map(_unit, value.units),
        problems=[pb.DatedProblem(problem=messages.problem(each), since=since) for each, since in value.problems],
        resources=map(_dependency, value.resources),
        proxies=map(_standing, sorted(standings, key=_by_node)),
        pending=pending,
    )


def _unit(value: Unit) -> pb.Unit:
    return pb.Unit(
        field=str(value.field),
        text=value.text,
        fate=f"FATE_{value.fate.name}",
        why=value.why,
        senior=messages.reference(ObjectRef("Ingress", *value.senior)) if value.senior else None,
        cluster=str(value.backend) if value.backend else "",
        healthy_endpoints=value.healthy,
        draining_endpoints=value.draining,
        expires=value.expires,
    )


_ACCEPTANCES: Final = {
    Acceptance.NOT_OURS: pb.ACCEPTANCE_NOT_OURS,
    Acceptance.ACCEPTED: pb.ACCEPTANCE_ACCEPTED,
    Acceptance.PARTLY: pb.ACCEPTANCE_PARTLY,
    Acceptance.REFUSED: pb.ACCEPTANCE_REFUSED,
}

_STANDINGS: Final = {
    DeliveryState.SYNCED: pb.STANDING_CURRENT,
    DeliveryState.IN_FLIGHT: pb.STANDING_IN_FLIGHT,
    DeliveryState.PENDING: pb.STANDING_WAITING,
    DeliveryState.REJECTED: pb.STANDING_REJECTED,
    DeliveryState.NOT_SUBSCRIBED: pb.STANDING_NOT_ASKED,
}


def _by_node(value: ProxyStanding) -> tuple[str, str]:
    return (value.node or Node("")).id, value.peer


def _standing(value: ProxyStanding) -> pb.ProxyStanding:
    node = value.node.id if value.node else ""
    return pb.ProxyStanding(node_id=node, peer=value.peer, current=not value.lacks, lacks=map(_lack, value.lacks))


def _lack(value: OutOfSync) -> pb.Lack:
    return pb.Lack(type_url=value.type, name=value.name, standing=_STANDINGS[value.state], message=value.message)
