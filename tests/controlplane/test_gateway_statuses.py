"""Changes of statuses of the Gateway API: those of the translation, and those of proxies' rejections.

Excludes: which condition a rejection becomes (tests/reporting/test_gateway_status.py).
"""

from tests.support.gateway_objects import gateway_object
from tests.support.gateway_world import OPTIONS, GatewayWorld
from xds.controlplane.gateway_statuses import GatewayStatuses
from xds.kube.gateway_objects import Gateway
from xds.problems.problem import Problem
from xds.problems.reasons import Reason
from xds.protocol.rejection.reports import RejectionReport
from xds.reporting.gateway_delta import NO_GATEWAY_DELTA
from xds.snapshot.resource import Resource, ResourceType
from xds.translate.gateway.status import GatewayStatus

LISTENER = {"name": "http", "port": 80, "protocol": "HTTP"}
EDGE = gateway_object(Gateway, "edge", gatewayClassName="ours", listeners=[LISTENER])
REPORT = RejectionReport(Resource(ResourceType.LISTENER, "tcp/192.0.2.1:80", b"", "1"), "no", 1, ("1.40",), True, None)


def programmed(status: object) -> str:
    assert isinstance(status, GatewayStatus)
    return next(each.reason for each in status.conditions if each.type == "Programmed")


def test_a_rejection_changes_the_status_until_it_is_over() -> None:
    statuses = GatewayStatuses(GatewayWorld(EDGE, options=OPTIONS).api, has_services=False)
    assert programmed(statuses.take_delta().statuses[EDGE.ref]) == "Programmed"
    assert statuses.take_delta() is NO_GATEWAY_DELTA
    problem = Problem(EDGE.ref, Reason.REJECTED_BY_PROXY, "the proxy says no", "Undo it.")
    statuses.note_rejections({REPORT: [problem]})
    assert programmed(statuses.take_delta().statuses[EDGE.ref]) == "Invalid"
    statuses.note_rejections({REPORT: [problem]})
    assert statuses.take_delta() is NO_GATEWAY_DELTA
    statuses.note_rejections({})
    assert programmed(statuses.take_delta().statuses[EDGE.ref]) == "Programmed"


def test_services_are_told_where_there_are_some_and_a_gateway_changed() -> None:
    world = GatewayWorld(EDGE, options=OPTIONS)
    statuses = GatewayStatuses(world.api, has_services=True)
    services = statuses.take_delta().services
    assert services is not None
    assert [*services] == [EDGE.key]
    assert statuses.take_delta().services is None
    world.delete(EDGE)
    delta = statuses.take_delta()
    assert delta.services == {}
    assert delta.statuses[EDGE.ref] is None
