"""The route table of the Gateway API through a real Envoy, whose answers equal those of the pure matcher.

Covers: every case of tests/support/route_table_gateway.py, the path that backends are sent, the Location of redirects,
and shares of requests with answers 500. Excludes: the matcher itself (tests/explain), and chains by server name
(test_gateway_listeners.py).
"""

from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from tests.support.envoy import free_port, needs_envoy
from tests.support.gateway_objects import to
from tests.support.http import get
from tests.support.objects import service
from tests.support.route_table_gateway import ADDRESS, BACKENDS, CASES, EMPTY, ROUTES, GatewayCase, gateway, route
from tests.support.site import echoes, site
from xds.resources.options import ProxyOptions
from xds.translate.gateway.options import GatewayOptions
from xds.translate.options import TranslateOptions

pytestmark = needs_envoy

OPTIONS = TranslateOptions(gateway=GatewayOptions(addresses=(ADDRESS,)))


@pytest.mark.parametrize("vhds", [True, False], ids=["vhds", "no-vhds"])
async def test_envoy_answers_as_the_table_says(tmp_path: Path, *, vhds: bool) -> None:
    port = free_port()
    async with (
        echoes(BACKENDS) as slices,
        site(
            tmp_path,
            *gateway(port),
            *ROUTES,
            *BACKENDS,
            EMPTY,
            *slices,
            translate=OPTIONS,
            proxy=ProxyOptions(vhds=vhds),
        ) as running,
    ):
        found = [(case, await _ask(port, case)) for case in CASES]
        wrong = [f"{case.name}: {given}" for case, given in found if given != _expected(case, port)]
        assert wrong == []
        assert running.rejections == []


async def _ask(port: int, case: GatewayCase) -> tuple[Any, ...]:
    sent: dict[str, Any] = {name.replace("-", "_"): value for name, value in case.headers}
    reply = await get(port, case.authority, case.path, method=case.method, at=ADDRESS, **sent)
    path = reply.json["path"] if reply.backend and case.sent else ""
    return (reply.status, reply.backend, path, reply.headers.get("location", ""))


def _expected(case: GatewayCase, port: int) -> tuple[Any, ...]:
    return (case.status, case.service, case.sent, case.location.format(port=port))


async def test_shares_of_requests_follow_weights_and_invalid_backends_answer_500(tmp_path: Path) -> None:
    port, services = free_port(), (service("web"), service("next"))
    shared = route("shared", to("web*5", "next*3", "absent*2"))
    async with (
        echoes(services) as slices,
        site(tmp_path, *gateway(port), shared, *services, *slices, translate=OPTIONS) as running,
    ):
        replies = [await get(port, "any.test", at=ADDRESS) for _ in range(400)]
        found = Counter(each.backend or str(each.status) for each in replies)
        assert running.rejections == []
    assert found.keys() == {"web", "next", "500"}
    assert 150 < found["web"] < 250
    assert 80 < found["next"] < 160
    assert 45 < found["500"] < 120


async def test_headers_change_for_rule_and_share_in_the_order_of_the_specification(tmp_path: Path) -> None:
    port, services = free_port(), (service("web"), service("next"))

    def changes(**fields: Any) -> dict[str, Any]:
        return {"type": "RequestHeaderModifier", "requestHeaderModifier": fields}

    def header(name: str, value: str) -> dict[str, str]:
        return {"name": name, "value": value}

    rule_filters = [
        changes(set=[header("Set", "rule")], add=[header("Added", "50% of rule")], remove=["Gone"]),
        {"type": "ResponseHeaderModifier", "responseHeaderModifier": {"set": [header("Server", "rule")]}},
    ]
    of_share = [changes(set=[header("set", "share")], add=[header("added", "share")])]
    ref = {"name": "next", "port": 80, "filters": of_share}
    rules = (
        {"backendRefs": [{"name": "web", "port": 80}, ref], "filters": rule_filters},
        {"backendRefs": [ref], "filters": rule_filters, "matches": [{"path": {"value": "/only"}}]},
    )
    async with (
        echoes(services) as slices,
        site(tmp_path, *gateway(port), route("headers", *rules), *services, *slices, translate=OPTIONS),
    ):
        asked = [await get(port, "any.test", at=ADDRESS, gone="1", added="client") for _ in range(30)]
        only = await get(port, "any.test", "/only", at=ADDRESS, gone="1", added="client")
    expected = {"web": ("rule", "50% of rule"), "next": ("share", "share")}
    assert {each.backend for each in asked} == {"web", "next"}
    for each in (*asked, only):
        headers = each.json["headers"]
        assert (headers["set"], headers["added"]) == expected[each.backend]
        assert "gone" not in headers
        assert each.headers["server"] == "rule"
