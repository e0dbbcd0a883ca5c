"""mirror-target, mirror-host and mirror-request-body: grammars, and the backends of copies.

Excludes: the copies themselves (tests/e2e/test_mirrors.py).
"""

from collections.abc import Iterator

import pytest

from tests.support.objects import World, external, ingress, path, rule, service
from tests.support.route_table_annotations import annotated
from xds.kube.change import Deleted
from xds.kube.objects import KubeObject, Service
from xds.traffic.backends import Backend
from xds.traffic.mirror import Mirror
from xds.traffic.upstream import BackendProtocol

HOST = "a.example.com"
COPY = "copy.default.svc.cluster.local"


def world(*others: KubeObject, **values: str) -> World:
    return World(*_objects(**values), *others)


def open_world(*others: KubeObject, **values: str) -> World:
    """With --allow-external-name."""
    return World(*_objects(**values), *others, allow_external_name=True)


def _objects(**values: str) -> Iterator[KubeObject]:
    yield service("web")
    yield service("copy", 80, 443)
    yield ingress("shop", rule(HOST, path("/")), annotations=annotated(**values))


def mirror(given: World) -> Mirror | None:
    (route,) = given.traffic.hosts[HOST].routes
    return next(iter(route.policy.mirrors), None)


def copied_to(given: World) -> Backend:
    found = mirror(given)
    assert found is not None
    return given.traffic.backends[found.backend]


@pytest.mark.parametrize(
    "url",
    [
        f"http://{COPY}",
        f"http://{COPY}/",
        f"http://{COPY}$request_uri",
        f"http://{COPY}/$request_uri",
        f" http://{COPY}:80 ",
        "http://copy.default.svc",
        "http://Copy.Default.Svc.Cluster.Local.",
        "http://copy.default.svc.other.domain",
    ],
)
def test_a_target_in_the_cluster_is_the_service_of_the_name(url: str) -> None:
    given = world(mirror_target=url)
    backend = copied_to(given)
    assert (backend.key[:3], backend.external_name) == (("default", "copy", 80), "")
    assert not given.problems


def test_copies_have_a_cluster_of_their_own_that_ends_requests() -> None:
    given = world(mirror_target="http://web.default.svc")
    (route,) = given.traffic.hosts[HOST].routes
    assert copied_to(given).upstream.longest_request is not None
    assert copied_to(given).key != route.backend
    assert len(given.traffic.backends) == 2


def test_https_to_a_service_has_port_443_and_no_server_name() -> None:
    backend = copied_to(world(mirror_target=f"https://{COPY}"))
    assert (backend.key.port, backend.protocol, backend.upstream.sends_sni) == (443, BackendProtocol.HTTPS, False)


@pytest.mark.parametrize(
    ("values", "host"),
    [
        ({"mirror_target": f"http://{COPY}:80/"}, COPY),
        ({"mirror_target": f"http://{COPY}", "mirror_host": "shop.test:8080"}, "shop.test:8080"),
        ({"mirror_target": f"http://{COPY}", "mirror_host": "$host"}, COPY),
    ],
)
def test_the_host_of_a_copy_is_the_target_s_unless_mirror_host_says_another(values: dict[str, str], host: str) -> None:
    found = mirror(world(**values))
    assert found is not None
    assert found.host == host


@pytest.mark.parametrize(
    "url",
    [
        COPY,
        f"ftp://{COPY}",
        f"http://{COPY}/path",
        f"http://{COPY}/path$request_uri",
        f"http://{COPY}?a=b",
        "http://$host",
        f"http://user@{COPY}",
        f"http://{COPY}:0",
        f"http://{COPY}:70000",
        f"http://{COPY}:80:80",
        "http://copy",
        "http://*.example.com",
        "http://",
        f"http://{'x' * 300}.test",
        f"http://{COPY}\nx",
        "http://localhost",
        "http://x.localhost",
        "http://metadata.google.internal",
        "http://127.0.0.1",
        "http://127.1",
        "http://0x7f000001",
        "http://0.0.0.0",
        "http://169.254.169.254",
        "http://[::1]",
        "http://[::ffff:127.0.0.1]",
        "http://[::ffff:169.254.169.254]",
        "http://[fe80::1]",
        "http://224.0.0.1",
    ],
)
def test_bad_and_forbidden_targets_copy_nothing(url: str) -> None:
    given = open_world(mirror_target=url)
    assert mirror(given) is None
    assert given.reasons() == [("shop", "AnnotationInvalid")]


@pytest.mark.parametrize(
    ("url", "name", "host"),
    [
        ("https://api.example.com:8443", ("api.example.com", 8443), "api.example.com"),
        ("http://192.0.2.1", ("192.0.2.1", 80), "192.0.2.1"),
        ("http://[2001:DB8::1]", ("2001:db8::1", 80), "[2001:db8::1]"),
    ],
)
def test_an_outside_host_needs_the_flag(url: str, name: tuple[str, int], host: str) -> None:
    refused = world(mirror_target=url)
    assert mirror(refused) is None
    assert "--allow-external-name" in refused.problem("AnnotationBackendUnusable").remedy
    given = open_world(mirror_target=url)
    backend, found = copied_to(given), mirror(given)
    assert (backend.external_name, backend.target_port or backend.key.port) == name
    assert found is not None
    assert found.host == host
    assert not given.problems


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("http://gone.default.svc", "doesn't exist"),
        (f"http://{COPY}:81", "no TCP port"),
        ("http://copy.other.svc", "another namespace"),
    ],
)
def test_a_target_that_can_not_be_used_is_a_problem_and_the_path_is_served(url: str, why: str) -> None:
    given = world(service("copy", ns="other"), mirror_target=url)
    assert mirror(given) is None
    problem = given.problem("AnnotationBackendUnusable")
    assert why in problem.message
    assert "no request is mirrored" in problem.message


def test_the_target_follows_its_service() -> None:
    given = world(mirror_target="http://late.default.svc")
    assert mirror(given) is None
    late = service("late")
    given.add(late)
    assert copied_to(given).key.service == "late"
    assert not given.problems
    given.apply(Deleted(Service, late.key))
    assert mirror(given) is None
    assert given.reasons() == [("shop", "AnnotationBackendUnusable")]


def test_a_service_of_type_external_name_needs_the_flag() -> None:
    out = external("out", "api.example.com")
    refused = world(out, mirror_target="http://out.default.svc")
    assert refused.reasons() == [("shop", "AnnotationBackendUnusable")]
    allowed = open_world(out, mirror_target="http://out.default.svc")
    assert copied_to(allowed).external_name == "api.example.com"


def test_bodies_are_always_copied() -> None:
    assert world(mirror_target=f"http://{COPY}", mirror_request_body="off").reasons() == [
        ("shop", "AnnotationUnsupported")
    ]
    assert not world(mirror_target=f"http://{COPY}", mirror_request_body="on").problems


def test_a_host_without_a_target_is_a_problem() -> None:
    assert world(mirror_host="shop.test").reasons() == [("shop", "AnnotationUnsupported")]


def test_a_service_of_another_namespace_needs_a_flag() -> None:
    objects = (*_objects(mirror_target="http://copy.other.svc"), service("copy", ns="other"))
    given = World(*objects, allow_cross_namespace=True)
    assert copied_to(given).key[:3] == ("other", "copy", 80)
    given.apply(Deleted(Service, service("copy", ns="other").key))
    assert mirror(given) is None
    assert World(*objects).reasons() == [("shop", "AnnotationBackendUnusable")]
