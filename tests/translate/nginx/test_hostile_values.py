"""Values that would open closed paths, stop the translation, or take long.

Covers: odd forms of protecting values, huge numbers, expressions that are none, expressions that RE2 refuses on closed
paths, many unknown names, values of any annotation that break a resource. Excludes: grammars of each family, answers
(tests/support/route_table_annotations.py).
"""

import time

import pytest

from tests.support.objects import World, ingress, path, pipeline, rule, service, specific
from tests.support.route_table_annotations import annotated
from xds.problems.reasons import Reason
from xds.resources.names import HTTP_ROUTES
from xds.traffic.actions import Closed
from xds.traffic.policy import NO_POLICY
from xds.traffic.routes import Route
from xds.translate.nginx.annotation import PREFIX, AnyAnnotation
from xds.translate.nginx.registry import ANNOTATIONS
from xds.translate.own.registry import ANNOTATIONS as OWN_ANNOTATIONS

HOST = "a.example.com"


def route_with(**values: str) -> Route:
    given = World(service("web"), ingress("shop", rule(HOST, path("/")), annotations=annotated(**values)))
    (route,) = given.traffic.hosts[HOST].routes
    return route


@pytest.mark.parametrize(
    "values",
    [
        {"auth_type": "none"},
        {"denylist_source_range": "none"},
        {"whitelist_source_range": "0.0.0.0/0,::/0,"},
        {"whitelist_source_range": "0.0.0.0/0,::/0,10.0.0.0/40"},
        {"enable_modsecurity": "1"},
        {"enable_modsecurity": "on"},
        {"enable_owasp_core_rules": "T"},
        {"configuration_snippet": "if ($a) { set $b 1; }deny all;"},
        {"configuration_snippet": '"deny" all;'},
    ],
    ids=str,
)
def test_odd_forms_of_protecting_values_close(values: dict[str, str]) -> None:
    assert isinstance(route_with(**values).action, Closed)


@pytest.mark.parametrize("value", ["false", "0", "F", ""])
def test_a_protection_that_is_switched_off_closes_nothing(value: str) -> None:
    assert not isinstance(route_with(enable_modsecurity=value).action, Closed)


@pytest.mark.parametrize("value", ["0" * 20 + "9" * 30, "0" * 5000, "9" * 5000, "-" + "1" * 5000])
def test_a_huge_number_is_a_bad_value(value: str) -> None:
    given = World(
        service("web"), ingress("shop", rule(HOST, path("/")), annotations=annotated(proxy_connect_timeout=value))
    )
    assert given.reasons() == [("shop", "AnnotationInvalid")]


@pytest.mark.parametrize(
    "values",
    [
        {"permanent_redirect": f"https://new.test/{'x' * 3000}"},
        {"rewrite_target": f"/{'x' * 3000}"},
        {"upstream_hash_by": f"$http_{'x' * 3000}"},
        {"rewrite_target": "https://new.test/$1"},
        {"app_root": "/"},
    ],
    ids=str,
)
def test_huge_texts_urls_as_paths_and_loops_are_bad_values(values: dict[str, str]) -> None:
    given = World(service("web"), ingress("shop", rule(HOST, path("/")), annotations=annotated(**values)))
    assert given.reasons() == [("shop", "AnnotationInvalid")]
    (route,) = given.traffic.hosts[HOST].routes
    assert (route.path_type, route.policy) == ("Prefix", NO_POLICY)


def test_blanks_are_no_hash_key() -> None:
    assert route_with(upstream_hash_by="  ").policy.hash_keys == ()


@pytest.mark.parametrize("written", ["/a)|(?:b", "/a)|(b", "/a)(", "/\\Qa", "/a\\"])
def test_a_path_that_is_no_expression_by_itself_is_left_out(written: str) -> None:
    asking = ingress("shop", rule(HOST, specific(written)), annotations=annotated(rewrite_target="/z$1"))
    given = World(service("web"), asking)
    assert given.reasons() == [("shop", "InvalidPath")]
    assert given.traffic.hosts[HOST].routes == ()


@pytest.mark.parametrize(
    "written", ["/admin(?!x)(/|$)(.*)", "/a)|(b", f"/admin/{'x' * 90}.*", "/büro.*", "/a b.*", "/\\pL{1000}"]
)
def test_a_closed_path_that_is_no_usable_expression_opens_nothing(written: str) -> None:
    asking = annotated(use_regex="true", auth_url="auth.test")
    given = World(
        service("web"),
        ingress("shop", rule(HOST, specific(written)), annotations=asking),
        ingress("open", rule(HOST, path("/"))),
    )
    assert {type(route.action) for route in given.traffic.hosts[HOST].routes} == {Closed}
    assert given.problem("InvalidPath")


@pytest.mark.parametrize(
    "annotations",
    [
        {f"{PREFIX}auth-url{number}": "" for number in range(2000)},
        annotated(configuration_snippet=";" * 200_000),
        annotated(whitelist_source_range="::/0," * 40_000),
        annotated(denylist_source_range=",".join(map(str, range(40_000)))),
    ],
    ids=["unknown names", "snippet", "list", "bad list"],
)
def test_large_annotations_of_many_hosts_take_little_time(annotations: dict[str, str]) -> None:
    hosts = [rule(f"h{number}.example.com", path("/")) for number in range(50)]
    began = time.monotonic()
    given = World(service("web"), ingress("shop", *hosts, annotations=annotations))
    assert time.monotonic() - began < 5
    assert len(given.problems) == len(annotations)


HOSTILE = (
    "%REQ(x)%",
    "a\r\nx-b: c",
    "18446744073709551615",
    f"{'9' * 15}Gi",
    "2147483647/h,burst=2147483647",
    "a" * 2000,
    "[a-z]{200}",
    "x: é\x85%",
    "\n".join(f"x{number}: 1" for number in range(1100)),
    "403 " + "%" * 4096,
    "https://[%/{path}",
    ",".join(f"*.h{number}.test" for number in range(100)),
)
USED = annotated(
    affinity="cookie",
    limit_rps="1",
    default_backend="web",
    custom_http_errors="404",
    mirror_target="http://web.default.svc",
    permanent_redirect_code="308",
    canary_by_header="x-a",
    proxy_redirect_from="/a",
    proxy_redirect_to="/b",
)
"""Without these, other annotations mean nothing."""


@pytest.mark.parametrize("annotation", [*ANNOTATIONS.values(), *OWN_ANNOTATIONS.values()], ids=lambda each: each.name)
def test_no_value_breaks_a_resource(annotation: AnyAnnotation) -> None:
    """A rejected virtual host takes the paths of other Ingresses along, and an error in a builder all hosts."""
    lends = annotation.name.startswith("canary")
    asking = []
    for number, value in enumerate(HOSTILE):
        host = f"h{number}.example.com"
        given = USED | (annotated(canary="true") if lends else {}) | {annotation.full_name: value}
        asking.append(ingress(f"asks{number}", rule(host, path("/", "next" if lends else "web")), annotations=given))
        asking.append(ingress(f"other{number}", rule(host, path("/" if lends else "/other"))))
    found = pipeline(service("web"), service("next"), *asking)
    assert [each.message for each in found.problems if each.reason is Reason.ENVOY_WOULD_REFUSE] == []
    assert len(found.store.virtual_hosts(HTTP_ROUTES)) >= len(HOSTILE)
