"""Our own annotations: their values, problems, and precedence over ingress-nginx's.

Excludes: the answers of a real Envoy (tests/e2e/test_own_annotations.py).
"""

from datetime import timedelta

import msgspec
import pytest

from tests.support.authority import Authority
from tests.support.objects import World, config_map, ingress, path, rule, service
from tests.support.route_table_annotations import annotated
from xds.kube.change import Deleted
from xds.kube.objects import Metadata, Secret, SecretData, Service
from xds.problems.problem import Key
from xds.traffic.actions import Closed, DirectAnswer, Forward, Redirect
from xds.traffic.backend_tls import BackendTls
from xds.traffic.bodies import Bodies
from xds.traffic.headers import HeaderChanges
from xds.traffic.policy import NO_POLICY, Policy
from xds.traffic.retries import Retries
from xds.traffic.routes import Route
from xds.traffic.service_settings import HealthCheck, ServiceSettings
from xds.traffic.timeouts import Timeouts
from xds.traffic.upstream import Balancing
from xds.translate.nginx.annotation import OWN_PREFIX

HOST = "a.example.com"
CA = Authority().pem


def own(**values: str) -> dict[str, str]:
    """Annotations by their names without our prefix, with underscores for hyphens."""
    return {OWN_PREFIX + name.replace("_", "-"): text for name, text in values.items()}


def world_with(annotations: dict[str, str], *others: Service) -> World:
    return World(*(others or (service("web"),)), ingress("shop", rule(HOST, path("/")), annotations=annotations))


def route_of(world: World) -> Route:
    (route,) = world.traffic.hosts[HOST].routes
    return route


def annotated_service(**values: str) -> Service:
    web = service("web")
    return msgspec.structs.replace(web, metadata=msgspec.structs.replace(web.metadata, annotations=own(**values)))


def settings_of(world: World) -> ServiceSettings:
    key = route_of(world).backend
    assert key
    return world.traffic.backends[key].settings


def test_headers_are_set_and_removed() -> None:
    world = world_with(own(request_headers="X-A: 1\n-X-B", response_headers=" X-C : a: b%\n\n-Server\n"))
    policy = route_of(world).policy
    assert policy.request_headers == HeaderChanges((("x-a", "1"),), ("x-b",))
    assert policy.response_headers == HeaderChanges((("x-c", "a: b%"),), ("server",))
    assert not world.problems


@pytest.mark.parametrize(
    "line",
    ["X-A", "a b: 1", "Host: x", "X-Forwarded-For: 1", "x-envoy-retry-on: 5xx", "X-A:", "X-A: \x01", "-", "te: 1"],
)
def test_a_bad_line_alone_is_left_out(line: str) -> None:
    world = world_with(own(request_headers=f"X-Good: 1\n{line}"))
    assert route_of(world).policy.request_headers == HeaderChanges((("x-good", "1"),))
    assert "is left out" in world.problem("AnnotationInvalid").message


@pytest.mark.parametrize("name", ["Content-Security-Policy", "x-frame-options", "Strict-Transport-Security"])
def test_a_protecting_header_that_cannot_be_set_closes_the_path(name: str) -> None:
    assert isinstance(route_of(world_with(own(response_headers=f"{name}: a\x7f"))).action, Closed)
    assert isinstance(route_of(world_with(own(response_headers="X-Other: a\x7f"))).action, Forward)


@pytest.mark.parametrize("name", ["request_headers", "response_headers"])
def test_more_lines_than_envoy_takes_count_for_nothing(name: str) -> None:
    lines = [f"x{number}: 1" for number in range(1001)]
    world = world_with(own(**{name: "\n".join(lines)}))
    assert route_of(world).policy == NO_POLICY
    assert world.reasons() == [("shop", "AnnotationInvalid")]
    assert isinstance(
        route_of(world_with(own(response_headers="\n".join([*lines, "X-Frame-Options: DENY"])))).action, Closed
    )


def test_headers_of_a_config_map_and_our_own_are_both_set_and_ours_count_for_equal_names() -> None:
    both = annotated(custom_headers="default/headers") | own(response_headers="X-A: ours\n-X-B")
    world = world_with(both)
    world.add(config_map("headers", **{"x-a": "theirs", "x-b": "theirs", "x-c": "theirs"}))
    assert route_of(world).policy.response_headers == HeaderChanges((("x-a", "ours"), ("x-c", "theirs")), ("x-b",))


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("403", DirectAnswer(403)),
        (" 410 Gone for good.\n", DirectAnswer(410, "Gone for good.")),
        ("200 a\nb", DirectAnswer(200, "a\nb")),
    ],
)
def test_a_path_answers_by_itself(text: str, answer: DirectAnswer) -> None:
    assert route_of(world_with(own(answer=text))).action == answer


def test_a_default_backend_answers_as_the_paths_do() -> None:
    """The usual use is a 403, which a request for another path must not get around."""
    asking = ingress("shop", rule(HOST, path("/x")), default="web", annotations=own(answer="403"))
    given = World(service("web"), asking)
    found = (given.traffic.hosts[HOST].default, given.traffic.default)
    assert [each.action for each in found if each] == [DirectAnswer(403)] * 2


@pytest.mark.parametrize("text", ["", "403x", "199", "600", "no", "200 " + "x" * 4097])
def test_a_bad_answer_closes_the_path(text: str) -> None:
    assert isinstance(route_of(world_with(own(answer=text))).action, Closed)


def test_our_own_balancing_counts_beside_that_of_ingress_nginx() -> None:
    world = world_with(annotated(load_balance="ewma") | own(load_balance="random"))
    key = route_of(world).backend
    assert key
    assert world.traffic.backends[key].upstream.balancing is Balancing.RANDOM
    assert "beside xds-ingress.dev/load-balance" in world.problem("AnnotationOverridden").message


def test_a_ring_hash_takes_a_part_of_the_request() -> None:
    (key,) = route_of(world_with(own(load_balance="ring-hash:header=X-User"))).policy.hash_keys
    assert str(key) == "header x-user"
    assert not route_of(world_with(own(load_balance="ring-hash:body"))).policy.hash_keys


@pytest.mark.parametrize(
    ("name", "remedy"),
    [
        ("anwser", "Did you mean xds-ingress.dev/answer?"),
        ("health-check", "Write xds-ingress.dev/health-check on the Service."),
        ("qqqqq", "Correct the name"),
    ],
)
def test_an_unknown_name_is_a_problem(name: str, remedy: str) -> None:
    assert remedy in world_with({OWN_PREFIX + name: "1"}).problem("AnnotationUnknown").remedy


def test_a_service_asks_for_checks_and_limits() -> None:
    world = world_with({}, annotated_service(health_check="/ok?x=1, interval=5s,unhealthy=4", max_requests="7"))
    check = HealthCheck("/ok?x=1", timedelta(seconds=5), timedelta(seconds=2), 2, 4)
    assert settings_of(world) == ServiceSettings(check, max_requests=7)
    world.add(annotated_service(health_check="passive", max_connections="9"))
    assert settings_of(world) == ServiceSettings(detects_outliers=True, max_connections=9)
    world.add(service("web"))
    assert settings_of(world) == ServiceSettings()
    assert not world.problems


@pytest.mark.parametrize(
    "text",
    ["ok", "/x,interval", "/x,interval=0s", "/x,intreval=2s", "/x,timeout=2h", "/x,healthy=0", "passive,healthy=2"],
)
def test_a_bad_check_is_a_problem_of_the_service(text: str) -> None:
    world = world_with({}, annotated_service(health_check=text))
    assert settings_of(world) == ServiceSettings()
    assert str(world.problem("AnnotationInvalid").object) == "Service default/web"


def test_an_unknown_name_on_a_service_is_a_problem() -> None:
    world = world_with({}, annotated_service(max_request="1"))
    assert "xds-ingress.dev/max-requests" in world.problem("AnnotationUnknown").remedy


# tls-verify


def verified(value: str, *, ca: bytes | None = CA, ns: str = "default", **annotations: str) -> World:
    secret = Secret(Metadata("ca", ns), SecretData(None, None, None, ca))
    shop = ingress(
        "shop",
        rule(HOST, path("/")),
        annotations=own(tls_verify=value) | annotated(backend_protocol="HTTPS", **annotations),
    )
    return World(service("web"), shop, secret)


def tls_of(world: World) -> BackendTls | None:
    key = route_of(world).backend
    assert key
    return world.traffic.backends[key].upstream.tls


@pytest.mark.parametrize(
    ("value", "name"), [("ca", ""), (" default/ca ", ""), ("ca,name=Backend.internal", "backend.internal")]
)
def test_tls_verify_verifies_backends(value: str, name: str) -> None:
    world = verified(value)
    assert tls_of(world) == BackendTls(Key("default", "ca"), verify_depth=100, name=name, sends_name=True)
    assert not world.problems
    world.apply(Deleted(Secret, Key("default", "ca")))
    assert isinstance(route_of(world).action, Closed)


def test_tls_verify_off_verifies_nothing_and_counts_before_proxy_ssl() -> None:
    world = verified("off", proxy_ssl_verify="on")
    assert tls_of(world) is None
    assert [each.reason for each in world.problems] == ["AnnotationOverridden"]


@pytest.mark.parametrize("value", ["", "on", "ca,", "ca,name=", "ca,host=a", "ca,name=a,name=b", "a/b/c", "other/ca"])
def test_tls_verify_that_cannot_be_had_closes_the_paths(value: str) -> None:
    world = verified(value)
    assert isinstance(route_of(world).action, Closed)
    assert [each.reason for each in world.problems] == ["NamedObjectUnusable"]


def test_tls_verify_needs_authorities() -> None:
    world = verified("ca", ca=None)
    assert isinstance(route_of(world).action, Closed)
    assert "neither ca.crt" in world.problem("NamedObjectUnusable").message


def policy_with(**values: str) -> Policy:
    return route_of(world_with(own(**values))).policy


def test_timeouts_are_durations_or_off() -> None:
    assert policy_with(request_timeout="90s").timeouts == Timeouts(whole=timedelta(seconds=90))
    assert policy_with(idle_timeout="2m").timeouts == Timeouts(silence=timedelta(minutes=2))
    assert policy_with(idle_timeout="off").timeouts == Timeouts(silence=timedelta(0))
    assert policy_with(request_timeout="off", idle_timeout="60").timeouts == Timeouts()


def test_our_own_silence_counts_beside_that_of_ingress_nginx() -> None:
    world = world_with(annotated(proxy_read_timeout="5") | own(idle_timeout="1h"))
    assert route_of(world).policy.timeouts == Timeouts(silence=timedelta(hours=1))
    assert "proxy-read-timeout" in world.problem("AnnotationOverridden").message


@pytest.mark.parametrize(
    ("text", "retries"),
    [
        ("0", Retries(1)),
        ("3", Retries(4, on_unsent=True)),
        ("1,reset", Retries(2, on_error=True, on_unsent=True)),
        ("1,gateway", Retries(2, on_unsent=True, on_statuses=(502, 503, 504))),
        ("11", None),
        ("1,never", None),
    ],
)
def test_retries_have_a_number_and_a_reason(text: str, retries: Retries | None) -> None:
    assert policy_with(retries=text).retries == retries


def test_bodies_have_a_size_in_units_of_1024() -> None:
    assert policy_with(max_body_size="8Mi").bodies == Bodies(8 * 2**20)
    assert policy_with(max_body_size="8m").bodies == Bodies()
    assert policy_with(max_body_size=f"{2**33 - 1}Gi").bodies == Bodies((2**33 - 1) * 2**30)
    assert policy_with(max_body_size=f"{2**33}Gi").bodies == Bodies()


@pytest.mark.parametrize(
    ("text", "redirect"),
    [
        ("301 https://new.test/x?y=1", Redirect(301, "https://new.test/x?y=1")),
        ("308 https://new.test{path}", Redirect(308, "https://new.test{path}", keeps="{path}")),
        ("302 http://n.test/v2{path}?{query}", Redirect(302, "http://n.test/v2{path}?{query}", keeps="{path}?{query}")),
    ],
)
def test_a_redirect_keeps_the_parts_that_are_written(text: str, redirect: Redirect) -> None:
    assert route_of(world_with(own(redirect=text))).action == redirect


@pytest.mark.parametrize(
    "text", ["https://new.test", "300 https://x", "301 /x", "301 https://x{query}", "301 https://x{path}{path}"]
)
def test_a_bad_redirect_is_a_problem_and_the_path_forwards(text: str) -> None:
    world = world_with(own(redirect=text))
    assert isinstance(route_of(world).action, Forward)
    assert world.problem("AnnotationInvalid")
