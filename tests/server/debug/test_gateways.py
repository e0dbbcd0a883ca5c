"""The answers of the debug API about Gateways: the list, and the counts of the status.

Excludes: the page (tests/ui/test_pages.py), and the conditions themselves (tests/translate/gateway).
"""

from tests.support.debug_server import DebugServer
from tests.support.gateway_objects import http_route, to
from tests.support.gateway_world import gateway, gateway_class, listener, parent
from tests.support.objects import service
from xds.api.v1 import debug_pb2 as pb
from xds.translate.gateway.options import GatewayOptions
from xds.translate.options import TranslateOptions

OPTIONS = TranslateOptions(gateway=GatewayOptions(addresses=("192.0.2.1", "192.0.2.2")))


async def test_gateways_are_listed_with_addresses_conditions_and_routes() -> None:
    odd = listener(name="odd", port=81, allowedRoutes={"kinds": [{"kind": "TCPRoute"}]})
    async with DebugServer(translate=OPTIONS) as server:
        server.do(
            gateway_class(),
            gateway_class("theirs", "example.com/other"),
            gateway(),
            gateway(listener(), odd, name="half"),
            gateway(name="late"),
            gateway(name="foreign", gatewayClassName="theirs"),
            service("web"),
            http_route(to("web"), parentRefs=parent(), name="shop"),
            http_route(to("missing"), parentRefs=parent(), name="broken"),
            http_route(to("web"), parentRefs=parent(sectionName="none"), name="lost"),
        )
        listed = await server.answers.list_gateways(pb.ListGatewaysRequest())
        found = {each.gateway.name: each for each in listed.gateways}
        assert list(found) == ["edge", "half", "late"]
        assert {name: list(each.addresses) for name, each in found.items()} == {
            "edge": ["192.0.2.1"],
            "half": ["192.0.2.2"],
            "late": [],
        }
        assert {name: each.acceptance for name, each in found.items()} == {
            "edge": pb.ACCEPTANCE_ACCEPTED,
            "half": pb.ACCEPTANCE_PARTLY,
            "late": pb.ACCEPTANCE_NOT_SERVED,
        }
        assert [each.name for each in found["edge"].routes] == ["broken", "shop"]
        assert (found["edge"].class_name, found["half"].listeners) == ("ours", 2)
        failed = {each.type: (each.status, each.failed) for each in found["late"].conditions}
        assert failed["Programmed"] == ("False", True)
        status = await server.answers.get_status(pb.GetStatusRequest())
        assert status.gateways == pb.GatewayCounts(
            accepted=1, partly_accepted=1, not_served=1, routes=3, faulty_routes=2
        )
