"""Gateways with a Service each, through a real Envoy: target ports lead to the listeners of their own Gateway.

Excludes: the Services (tests/reporting, tests/cluster), and the way from a Service's port to a target port.
"""

from pathlib import Path
from typing import Final

from tests.support.envoy import free_port, needs_envoy
from tests.support.gateway_objects import http_route, to
from tests.support.gateway_world import gateway, gateway_class, listener, parent
from tests.support.http import get
from tests.support.objects import service
from tests.support.site import echoes, site
from xds.kube.objects import KubeObject, Metadata, Service, ServicePort, ServiceSpec
from xds.problems.problem import Key
from xds.translate.gateway.listening.service_record import own_labels, service_name
from xds.translate.gateway.options import GatewayOptions, TargetPorts
from xds.translate.options import TranslateOptions

pytestmark = needs_envoy

ADDRESS, HOST, PORT = "127.0.0.1", "shop.test", 8080
OPTIONS: Final = GatewayOptions(
    listener_address=ADDRESS, target_ports=TargetPorts(1024, 65535), fleet="fleet", records=True
)


def record(name: str, target: int) -> Service:
    """The Service of a Gateway, whose port leads to a target port."""
    key = Key("default", name)
    metadata = Metadata(service_name(key), "fleet", labels=own_labels(key))
    return Service(metadata, ServiceSpec("LoadBalancer", ports=(ServicePort(PORT, target_port=target),)))


async def test_equal_ports_of_two_gateways_lead_to_their_own_routes(tmp_path: Path) -> None:
    first, second, third = free_port(), free_port(), free_port()
    path = {"type": "ReplaceFullPath", "replaceFullPath": "/b"}
    moved = {"filters": [{"type": "RequestRedirect", "requestRedirect": {"path": path}}]}
    services = [service("one"), service("two")]
    objects: list[KubeObject] = [gateway_class(), *services]
    for name, target in (("one", first), ("two", second)):
        objects += [gateway(listener(port=PORT), name=name), record(name, target)]
        rules = to(name), {"matches": [{"path": {"value": "/old"}}], **moved}
        objects.append(http_route(*rules, name=name, parentRefs=parent(name)))
    async with (
        echoes(services) as slices,
        site(tmp_path, *objects, *slices, translate=TranslateOptions(gateway=OPTIONS)) as running,
    ):
        assert [(await get(each, HOST)).backend for each in (first, second)] == ["one", "two"]
        reply = await get(first, f"{HOST}:{PORT}", "/old")
        assert (reply.status, reply.headers["location"]) == (302, f"http://{HOST}:{PORT}/b")
        await running.apply(record("one", third))
        assert [(await get(each, HOST)).backend for each in (third, second)] == ["one", "two"]
        assert running.rejections == []
