"""Objects that annotations name come, change and vanish in any order: the traffic is that of the objects as they are.

Excludes: the traffic of a given state (tests/translate/nginx/test_custom_headers.py, test_backend_tls.py).
"""

from collections.abc import Sequence

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.authority import Authority
from tests.support.objects import NS, World, config_map, ingress, path, rule, service
from tests.support.route_table_annotations import annotated
from xds.kube.change import Applied, Change, Deleted
from xds.kube.objects import Ingress, KubeObject, Metadata, Secret, SecretData

ISSUED = [Authority().issue(common_name=name) for name in ("old", "new")]
VALUES: Sequence[dict[str, str]] = (
    {"custom_headers": "default/headers"},
    {"custom_headers": "default/other"},
    {"backend_protocol": "HTTPS", "proxy_ssl_secret": "default/identity"},
    {"backend_protocol": "HTTPS", "proxy_ssl_secret": "default/identity", "proxy_ssl_verify": "on"},
    {},
)


def shop(name: str, value: dict[str, str]) -> Ingress:
    return ingress(name, rule("a.test", path(f"/{name}")), default="web", created=1, annotations=annotated(**value))


OBJECTS: Sequence[KubeObject] = (
    *(shop(name, value) for name in ("one", "two") for value in VALUES),
    config_map("headers", x_a="1"),
    config_map("headers", x_frame_options="a\n"),
    config_map("other", x_b="2"),
    *(Secret(Metadata("identity", NS), SecretData(each.certificate, each.private_key)) for each in ISSUED),
    *(Secret(Metadata("identity", NS), SecretData(ca_crt=each.authority)) for each in ISSUED),
    Secret(Metadata("identity", NS), SecretData(ca_crt=b"no")),
)


def seen(world: World) -> object:
    traffic = world.traffic
    return traffic.hosts, traffic.default, traffic.backends, traffic.credentials, set(world.problems)


@given(st.lists(st.tuples(st.sampled_from(OBJECTS), st.booleans()), max_size=20))
@settings(max_examples=100, deadline=None)
def test_traffic_follows_named_objects_in_any_order(steps: list[tuple[KubeObject, bool]]) -> None:
    world = World(service("web"))
    present: dict[object, KubeObject] = {}
    for each, is_deleted in steps:
        change: Change = Deleted(type(each), each.key) if is_deleted else Applied(each)
        world.apply(change)
        present.pop((type(each), each.key), None)
        if not is_deleted:
            present[type(each), each.key] = each
    assert seen(world) == seen(World(service("web"), *present.values()))
