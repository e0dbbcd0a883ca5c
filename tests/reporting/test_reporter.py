"""From what a source says to what is written, against a mock of the API server.

Covers: that the state decides whose an Ingress is, what of a batch is told to whom, and that nothing is said of an
incomplete state. Excludes: the parts (test_lease.py, test_status.py, test_events.py).
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace

from msgspec import structs

from tests.support.fake_api import FakeApi, Object
from tests.support.gateway_objects import gateway_object, http_route, to
from tests.support.gateway_world import gateway_class
from tests.support.objects import config_map, ingress, ingress_class, path, rule, service
from xds.controlplane.pipeline import Pipeline
from xds.kube.change import Applied, Batch, Change, Deleted, Listed
from xds.kube.gateway_objects import Gateway, GatewayAddress, GatewayRecord, HTTPRoute
from xds.kube.ingress_class import ClassOptions
from xds.kube.kinds import KINDS
from xds.kube.objects import Ingress, IngressClass
from xds.kube.state import KubeState
from xds.problems.problem import Key
from xds.reporting.reporter import Reporter, ReportingOptions, lease_name, process_identity
from xds.reporting.status import LoadBalancerAddress, PublishOptions
from xds.resources.options import ProxyOptions
from xds.translate.gateway.options import GatewayOptions
from xds.translate.options import TranslateOptions

GROUP = "/apis/networking.k8s.io/v1/namespaces/default/ingresses"
PLAIN = TranslateOptions()
WANT = ReportingOptions(Key("xds", "xds-ingress"), PublishOptions((LoadBalancerAddress(ip="192.0.2.1"),)))


@dataclass
class Site:
    api: FakeApi
    pipeline: Pipeline
    reporter: Reporter

    def do(self, *changes: Change) -> None:
        """The source says so, and the API server has it already."""
        for change in changes:
            if isinstance(change, Applied):
                self.api.put(f"{GROUP}/{change.object.key.name}", {"metadata": {"uid": change.object.metadata.uid}})
        self.pipeline.apply([Batch(changes, 0)], 0)
        news = self.pipeline.take_problem_delta()
        self.reporter.note(changes, news.appeared, news.solved, gateway=self.pipeline.take_gateway_delta())

    def status(self, name: str) -> object:
        return self.api.objects[f"{GROUP}/{name}"].get("status", {}).get("loadBalancer", {}).get("ingress")

    def conditions(self, path: str) -> dict[str, str]:
        """The reasons of the conditions of an object of the Gateway API, by type."""
        found = self.api.objects[f"{GATEWAYS}/{path}"].get("status", {}).get("conditions", ())
        return {each["type"]: each["reason"] for each in found}

    def attached(self) -> object:
        """Number of routes of the listener."""
        return self.api.objects[f"{GATEWAYS}/gateways/edge"]["status"]["listeners"][0]["attachedRoutes"]

    def reasons(self) -> list[str]:
        return [each["reason"] for each in self.events()]

    def events(self) -> list[Object]:
        return [each for at, each in self.api.objects.items() if "/events/" in at]


@contextlib.asynccontextmanager
async def site(want: ReportingOptions = WANT, translate: TranslateOptions = PLAIN) -> AsyncIterator[Site]:
    api = FakeApi()
    pipeline = Pipeline(KubeState(config_maps=translate.config_maps), translate, ProxyOptions())
    it = Site(api, pipeline, Reporter(api, pipeline.state, lambda: pipeline.problems, want))
    task = asyncio.create_task(it.reporter.run())
    yield it
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


def made(name: str, ingress_class: str = "envoy", to: str = "web") -> Applied:
    found = ingress(name, rule(f"{name}.test", path("/", to)), class_name=ingress_class)
    return Applied(structs.replace(found, metadata=structs.replace(found.metadata, uid=f"u-{name}")))


def web(ingress_class: str = "envoy") -> Applied:
    return made("web", ingress_class)


async def test_nobody_stands_for_election_before_everything_is_listed() -> None:
    async with site() as it:
        for _ in range(10):
            await asyncio.sleep(0)
        assert not it.api.log


async def test_statuses_and_events_follow_the_source() -> None:
    async with site() as it:
        it.do(web(), *map(Listed, KINDS))
        await it.api.until(lambda: it.status("web") and it.reasons() == ["BackendNotFound"])
        it.do(web("nginx"))
        await it.api.until(lambda: it.status("web") is None and it.reasons() == ["BackendNotFound", "Resolved"])
        it.do(web())
        await it.api.until(lambda: it.status("web"))


async def test_a_change_of_a_class_updates_the_statuses_of_its_ingresses() -> None:
    async with site() as it:
        it.do(web("edge"), *map(Listed, KINDS))
        await it.api.until(lambda: it.api.log)
        it.do(Applied(ingress_class("edge")))
        await it.api.until(lambda: it.status("web"))
        it.do(Deleted(IngressClass, Key("", "edge")))
        await it.api.until(lambda: it.status("web") is None)


async def test_a_held_ingress_keeps_the_status_until_released() -> None:
    async with site() as it:
        it.do(made("shop", "edge"), Applied(service("web")), Applied(ingress_class("edge")), *map(Listed, KINDS))
        await it.api.until(lambda: it.status("shop"))
        it.do(Applied(ingress_class("edge", "example.com/other")))
        await it.api.until(lambda: it.reasons() == ["WithdrawalHeld"])
        assert it.status("shop")
        it.do(made("next"))
        await it.api.until(lambda: it.status("shop") is None and it.status("next"))
        await it.api.until(lambda: it.reasons() == ["WithdrawalHeld", "Resolved"])


async def test_a_class_has_no_events_where_permissions_cover_some_namespaces_only() -> None:
    async with site(replace(WANT, namespaces=("team",))) as it:
        it.do(made("shop", "edge"), Applied(service("web")), Applied(ingress_class("edge")), *map(Listed, KINDS))
        it.do(Applied(ingress_class("edge", "example.com/other")))
        for count, name in enumerate(("next", "last"), 1):
            it.do(made(name, to="gone"))
            await it.api.until(lambda count=count: it.reasons().count("BackendNotFound") == count)  # type: ignore[misc]
        assert "WithdrawalHeld" not in it.reasons()


async def test_a_config_map_of_a_flag_has_events_also_outside_the_watched_namespaces() -> None:
    config = Key("ingress", "settings")
    want = replace(WANT, namespaces=("default",), named=frozenset({config}))
    async with site(want, TranslateOptions(nginx_configmap=config)) as it:
        bad = Applied(config_map("settings", ns="ingress", prxy_body_size="8m"))
        it.do(bad, *map(Listed, KINDS))
        await it.api.until(lambda: it.reasons() == ["ConfigKeyUnknown"])
        [event] = it.events()
        assert event["metadata"]["namespace"] == "ingress"
        assert (event["regarding"]["kind"], event["regarding"]["apiVersion"]) == ("ConfigMap", "v1")
        it.do(Applied(config_map("settings", ns="ingress", proxy_body_size="8m")))
        await it.api.until(lambda: it.reasons() == ["ConfigKeyUnknown", "Resolved"])
        listed = {path for method, path, _ in it.api.log if method == "GET" and path.endswith("/events")}
        assert listed == {f"/apis/events.k8s.io/v1/namespaces/{name}/events" for name in ("default", "ingress")}


async def test_a_deleted_ingress_is_let_go() -> None:
    async with site() as it:
        it.do(web(), *map(Listed, KINDS))
        await it.api.until(lambda: it.status("web"))
        del it.api.objects[f"{GROUP}/web"]
        it.do(Deleted(Ingress, Key("default", "web")))
        it.do(made("next"))
        await it.api.until(lambda: it.status("next"))
        await it.api.until(lambda: len(it.reasons()) == 2)
        assert it.reasons() == ["BackendNotFound"] * 2


GATEWAYS = "/apis/gateway.networking.k8s.io/v1/namespaces/default"
POOL = GatewayOptions(addresses=("192.0.2.1",), records=True)


async def test_a_gateway_and_its_routes_get_statuses_and_events() -> None:
    listener = {"name": "http", "port": 80, "protocol": "HTTP"}
    edge = gateway_object(Gateway, "edge", gatewayClassName="ours", listeners=[listener])
    web = http_route(to("gone"), name="web", parentRefs=[{"name": "edge"}])
    async with site(translate=TranslateOptions(gateway=POOL)) as it:
        for path in ("gateways/edge", "httproutes/web"):
            it.api.put(f"{GATEWAYS}/{path}", {"metadata": {"uid": "", "generation": 1}})
        it.api.put("/apis/gateway.networking.k8s.io/v1/gatewayclasses/ours", {"metadata": {"uid": "", "generation": 1}})
        it.do(Applied(gateway_class()), Applied(edge), Applied(web), *map(Listed, KINDS))
        await it.api.until(lambda: it.conditions("gateways/edge").get("Programmed") == "Pending")
        assert it.api.objects[f"{GATEWAYS}/gateways/edge"]["status"]["addresses"][0]["value"] == "192.0.2.1"
        await it.api.until(lambda: it.reasons() == ["ReferenceUnresolved"])
        [event] = it.events()
        assert event["regarding"]["apiVersion"] == "gateway.networking.k8s.io/v1"
        await it.api.until(lambda: "status" in it.api.objects[f"{GATEWAYS}/httproutes/web"])
        [parent] = it.api.objects[f"{GATEWAYS}/httproutes/web"]["status"]["parents"]
        assert {each["type"]: each["reason"] for each in parent["conditions"]}["ResolvedRefs"] == "BackendNotFound"

        recorded = GatewayRecord((GatewayAddress("192.0.2.1"),))
        it.do(Applied(structs.replace(edge, status=recorded)))
        await it.api.until(lambda: it.conditions("gateways/edge").get("Programmed") == "Programmed")
        it.do(Deleted(HTTPRoute, web.key))
        await it.api.until(lambda: it.attached() == 0)


def test_leases_differ_by_class_and_identities_by_process() -> None:
    named = [ClassOptions(), ClassOptions("envoy", is_exclusive=True), ClassOptions("edge")]
    assert [*map(lease_name, named)] == ["xds-ingress", "xds-ingress", "xds-ingress-edge"]
    assert lease_name(ClassOptions(controllers=("example.com/Edge",))) == "xds-ingress-example.com-edge"
    assert len(lease_name(ClassOptions("e" * 253))) <= 63
    assert process_identity() != process_identity()
