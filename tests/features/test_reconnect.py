"""Reconnecting: resources that a proxy has from its last stream are not sent again, whichever server answers.

Covers right, wrong and outdated `initial_resource_versions`, and the new start of a state-of-the-world stream. Excludes
first requests of proxies without resources (test_subscriptions).
"""

from tests.support.ads_client import CDS, EDS, LDS, RDS, SDS, VHDS, DeltaClient
from tests.support.objects import certificate, ingress, path, rule, secret, service, slice_of, tls
from tests.support.plane import Plane, cluster, site
from xds.kube.objects import KubeObject
from xds.protocol.subscription import LEGACY_WILDCARD

WEB, API = cluster("web"), cluster("api")
TYPES = (CDS, EDS, LDS, RDS, VHDS, SDS)
"""In the order in which an Envoy asks."""


def objects() -> list[KubeObject]:
    secure = ingress("secure", rule("secure.example", path("/", "web")), tls=[tls("secure.example", secret="cert")])
    return [*site("web"), *site("api"), secure, secret("cert", certificate("secure.example"))]


async def come_back(client: DeltaClient, old: DeltaClient) -> DeltaClient:
    """Subscribe as an Envoy that lost its stream: to clusters and listeners by wildcard, to other types by name."""
    for type_ in TYPES:
        known = old.versions(type_)
        await client.subscribe(type_, *(("*",) if type_ in LEGACY_WILDCARD else known), known=known)
    return client


async def test_a_proxy_with_right_versions_receives_nothing(plane: Plane) -> None:
    """Rules 5, 14 and 15: the resumed versions are right."""
    plane.apply(*objects())
    old = await plane.delta_proxy("old")
    client = await come_back(plane.delta(), old)
    await client.expect_nothing()
    plane.apply(slice_of("web", "10.0.0.2"))
    await client.accept(EDS, WEB)
    await client.expect_nothing()


async def test_an_empty_request_resumes_the_wildcard(plane: Plane) -> None:
    """Rules 6 and 14."""
    plane.apply(*objects())
    old = await plane.delta_proxy("old")
    client = plane.delta()
    await client.subscribe(CDS, known=old.versions(CDS))
    await client.subscribe(LDS, known=old.versions(LDS))
    await client.expect_nothing()
    plane.apply(*site("third"))
    await client.accept(CDS, cluster("third"))


async def test_a_restarted_server_gives_the_versions_of_its_predecessor() -> None:
    """Rule 15: the objects come in another order, the versions are the same."""
    async with Plane(*objects()) as before, Plane(*reversed(objects())) as after:
        client = await come_back(after.delta(), await before.delta_proxy())
        await client.expect_nothing()


async def test_only_resources_changed_meanwhile_are_sent(plane: Plane) -> None:
    """Rule 15, for every type."""
    plane.apply(*objects())
    old = await plane.delta_proxy("old")
    plane.apply(
        slice_of("web", "10.0.0.2"),
        secret("cert", certificate("secure.example", serial=2)),
        ingress("api", rule("api.example", path("/moved", "api"))),
    )
    client = await come_back(plane.delta(), old)
    received = [await client.receive() for _ in range(3)]
    assert {each.type: (set(each.news), set(each.removed)) for each in received} == {
        EDS: ({WEB}, set()),
        VHDS: ({"http@3/api.example"}, set()),
        SDS: ({"default/cert"}, set()),
    }
    for each in received:
        await client.ack(each)
    await client.expect_nothing()


async def test_a_changed_cluster_gets_its_endpoints_again(plane: Plane) -> None:
    """Rule 4: the resumed endpoints are right, but the changed cluster warms until they come again."""
    plane.apply(*objects())
    old = await plane.delta_proxy("old")
    plane.apply(service("web", {"port": 80, "appProtocol": "kubernetes.io/h2c"}))
    client = await come_back(plane.delta(), old)
    await client.accept(CDS, WEB)
    await client.accept(EDS, WEB)
    await client.expect_nothing()


async def test_deleted_resources_are_removed(plane: Plane) -> None:
    """Rules 15 and 13: the routes go before their cluster."""
    plane.apply(*objects())
    old = await plane.delta_proxy("old")
    plane.delete(*site("api"))
    client = plane.delta()
    for type_ in (RDS, VHDS, CDS, EDS):
        names = ("*",) if type_ in LEGACY_WILDCARD else old.versions(type_)
        await client.subscribe(type_, *names, known=old.versions(type_))
    await client.accept(VHDS, removed=("http@3/api.example",))
    await client.accept(CDS, removed=(API,))
    await client.accept(EDS, removed=(API,))
    await client.expect_nothing()


async def test_resources_unknown_to_the_server_are_removed(plane: Plane) -> None:
    """Rule 15: a proxy of another control plane comes over."""
    plane.apply(*site("web"))
    client = plane.delta()
    await client.subscribe(CDS, "*", known={"foreign": "1", WEB: "of another"})
    await client.accept(CDS, WEB, removed=("foreign",))
    await client.subscribe(EDS, WEB, "foreign", known={WEB: "", "foreign": "1"})
    await client.accept(EDS, WEB, removed=("foreign",))
    await client.expect_nothing()


async def test_resumed_resources_without_a_subscription_are_ignored(plane: Plane) -> None:
    plane.apply(*site("web"), *site("api"))
    client = plane.delta()
    await client.request(EDS, subscribe=(WEB,), known={API: "old", "foreign": "1"})
    client.want(EDS, {WEB})
    await client.accept(EDS, WEB)
    await client.expect_nothing()


async def test_only_the_first_request_of_a_type_resumes_versions(plane: Plane) -> None:
    """Rule 5: later requests are plain subscriptions, which are answered."""
    plane.apply(*site("web"), *site("api"))
    old = await plane.delta_proxy("old")
    client = plane.delta()
    await client.subscribe(EDS, WEB, known={WEB: old.versions(EDS)[WEB]})
    await client.expect_nothing()
    await client.request(EDS, subscribe=(API,), known={API: old.versions(EDS)[API]})
    client.want(EDS, {API})
    await client.accept(EDS, API)


async def test_a_nonce_of_another_stream_is_ignored(plane: Plane) -> None:
    """Rule 3: nonces are per stream."""
    plane.apply(*site("web"))
    client = plane.delta()
    await client.subscribe(CDS, nonce="42")
    await client.accept(CDS, WEB)
    await client.expect_nothing()


async def test_the_state_of_the_world_is_sent_anew(plane: Plane) -> None:
    """Rule 5: whatever version and nonce the first requests have."""
    plane.apply(*site("web"))
    old = plane.sotw("old")
    await old.subscribe(CDS)
    received = await old.accept(CDS, WEB)
    client = plane.sotw()
    client.want(CDS, set())
    await client.request(CDS, version=received.version, nonce=received.nonce)
    await client.accept(CDS, WEB)
    client.want(EDS, {WEB})
    await client.request(EDS, (WEB,), version=plane.pipeline.store.version(EDS), nonce="7")
    await client.accept(EDS, WEB)
    await client.expect_nothing()
