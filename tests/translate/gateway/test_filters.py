"""Filters of HTTPRoutes: headers, redirects and rewrites, of rules and of backendRefs."""

from typing import Any

import pytest

from tests.support.gateway_objects import http_route, to
from tests.support.objects import World, service
from xds.kube.objects import KubeObject
from xds.traffic.actions import Forward, RequestRedirect
from xds.traffic.headers import HeaderChanges
from xds.traffic.rewrite import Rewrite
from xds.traffic.routes import Route
from xds.translate.gateway.context import GatewayContext
from xds.translate.gateway.grants import Grants
from xds.translate.gateway.options import NO_GATEWAYS
from xds.translate.gateway.rules.http_route import translate_http_route
from xds.translate.gateway.translated import TranslatedRoute

WEB, NEXT = service("web"), service("next")


def translated(*rules: dict[str, Any], objects: tuple[KubeObject, ...] = (WEB, NEXT)) -> TranslatedRoute:
    state = World(*objects).state
    context = GatewayContext(state, NO_GATEWAYS, Grants(state), allow_external_name=True)
    return translate_http_route(context, http_route(*rules))


def only_route(**rule: Any) -> Route:
    found = translated(to("web", **rule))
    assert found.refused is None
    (route,) = found.routes
    return route


def request_headers(**changes: Any) -> dict[str, Any]:
    return {"type": "RequestHeaderModifier", "requestHeaderModifier": changes}


def response_headers(**changes: Any) -> dict[str, Any]:
    return {"type": "ResponseHeaderModifier", "responseHeaderModifier": changes}


def header(name: str, value: str) -> dict[str, str]:
    return {"name": name, "value": value}


def rewrite(**fields: Any) -> dict[str, Any]:
    return {"type": "URLRewrite", "urlRewrite": fields}


def redirect(**fields: Any) -> dict[str, Any]:
    return {"type": "RequestRedirect", "requestRedirect": fields}


def prefix(text: str) -> dict[str, str]:
    return {"type": "ReplacePrefixMatch", "replacePrefixMatch": text}


def full(text: str) -> dict[str, str]:
    return {"type": "ReplaceFullPath", "replaceFullPath": text}


def at(path: str, type_: str = "PathPrefix") -> list[dict[str, Any]]:
    return [{"path": {"type": type_, "value": path}}]


def test_a_rule_changes_headers_of_requests_and_of_answers() -> None:
    changes = request_headers(set=[header("X-B", "2"), header("X-A", "1")], add=[header("Add", "3")], remove=["Gone"])
    route = only_route(filters=[changes, response_headers(remove=["Server"])])
    assert route.policy.request_headers == HeaderChanges((("x-a", "1"), ("x-b", "2")), ("gone",), (("add", "3"),))
    assert route.policy.response_headers == HeaderChanges(removed=("server",))


def test_filters_of_the_only_backend_come_behind_those_of_the_rule() -> None:
    ref = {
        "name": "web",
        "port": 80,
        "filters": [request_headers(set=[header("a", "backend")], add=[header("b", "2")])],
    }
    filters = [request_headers(set=[header("a", "rule")], add=[header("b", "1")])]
    (route,) = translated({"backendRefs": [ref], "filters": filters}).routes
    assert route.policy.request_headers == HeaderChanges((("a", "backend"),), added=(("b", "1"), ("b", "2")))


def test_filters_of_one_among_several_backends_are_for_its_share() -> None:
    changes, host = request_headers(set=[header("a", "backend")]), rewrite(hostname="v2.example.com")
    refs = [{"name": "web", "port": 80}, {"name": "next", "port": 80, "filters": [changes, host]}]
    (route,) = translated({"backendRefs": refs, "filters": [request_headers(set=[header("a", "rule")])]}).routes
    assert isinstance(route.action, Forward)
    first, second = route.action.shares
    assert first.request_headers == HeaderChanges((("a", "rule"),))
    assert second.request_headers == HeaderChanges((("a", "backend"),))
    assert (first.upstream_host, second.upstream_host) == ("", "v2.example.com")
    assert not route.policy.request_headers.values


def test_a_share_whose_filter_cannot_be_followed_answers_500() -> None:
    refs = [{"name": "web", "port": 80}, {"name": "next", "port": 80, "filters": [rewrite(path=full("/"))]}]
    found = translated({"backendRefs": refs})
    (route,) = found.routes
    assert isinstance(route.action, Forward)
    assert [each.key and each.key.service for each in route.action.shares] == ["web", None]
    assert found.refused is None
    assert found.partially
    assert found.partially.message.startswith(f"Dropped Rule {0}: spec.rules[0].backendRefs[1].filters[0]")


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({}, RequestRedirect()),
        ({"hostname": "example.org", "statusCode": 301}, RequestRedirect(301, host="example.org")),
        ({"scheme": "https", "port": 8443}, RequestRedirect(scheme="https", port=8443)),
        ({"path": prefix("/new")}, RequestRedirect(path=Rewrite("", "/new", of_prefix=True))),
        ({"path": full("/new")}, RequestRedirect(path=Rewrite("", "/new"))),
    ],
)
def test_a_redirect_replaces_parts_of_the_url(fields: dict[str, Any], expected: RequestRedirect) -> None:
    (route,) = translated({"matches": at("/old"), "filters": [redirect(**fields)]}).routes
    assert route.action == expected
    assert route.backends == ()


@pytest.mark.parametrize(
    ("path", "text", "expected"),
    [
        ("/foo", "/xyz", Rewrite("", "/xyz", of_prefix=True)),
        ("/foo/", "/xyz/", Rewrite("", "/xyz", of_prefix=True)),
        ("/foo", "", Rewrite("^/foo(?:/|$)", "/")),
        ("/foo", "/", Rewrite("^/foo(?:/|$)", "/")),
        ("/", "/xyz", Rewrite("", "/xyz/", of_prefix=True)),
        ("/", "/", None),
        ("/" + "a" * 200, "/", Rewrite(f"^/{'a' * 200}(?:/|$)", "/")),
    ],
)
def test_a_rewrite_replaces_the_prefix_of_a_match(path: str, text: str, expected: Rewrite | None) -> None:
    assert only_route(matches=at(path), filters=[rewrite(path=prefix(text))]).policy.rewrite == expected


def test_a_rewrite_replaces_host_and_full_path() -> None:
    policy = only_route(filters=[rewrite(hostname="Example.com", path=full("new"))]).policy
    assert (policy.upstream_host, policy.rewrite) == ("example.com", Rewrite("", "/new"))


def test_a_rewritten_host_precedes_that_of_an_outside_service() -> None:
    annotations = {"xds-ingress.dev/external-host": "true"}
    outside = service("outside", type="ExternalName", externalName="example.com", annotations=annotations)
    plain = translated(to("outside"), objects=(outside,)).routes[0]
    assert plain.policy.upstream_host == "example.com"
    rewritten = translated(to("outside", filters=[rewrite(hostname="a.example")]), objects=(outside,)).routes[0]
    assert rewritten.policy.upstream_host == "a.example"


@pytest.mark.parametrize(
    ("filters", "reason"),
    [
        ([{"type": "ExtensionRef", "extensionRef": {"group": "g", "kind": "K", "name": "n"}}], "UnsupportedValue"),
        ([{"type": "Novel"}], "UnsupportedValue"),
        ([{"type": "URLRewrite"}], "UnsupportedValue"),
        ([request_headers(set=[header("Host", "a")])], "UnsupportedValue"),
        ([request_headers(set=[header("x-envoy-upstream-rq-timeout-ms", "1")])], "UnsupportedValue"),
        ([request_headers(set=[header("a", "1\r\nb: 2")])], "UnsupportedValue"),
        ([response_headers(remove=["content-length"])], "UnsupportedValue"),
        ([response_headers(remove=["a b"])], "UnsupportedValue"),
        ([redirect(scheme="ftp")], "UnsupportedValue"),
        ([redirect(statusCode=200)], "UnsupportedValue"),
        ([redirect(hostname="*.example.com")], "UnsupportedValue"),
        ([redirect(), rewrite(hostname="a.example")], "IncompatibleFilters"),
        ([rewrite(path=full("/a?b"))], "UnsupportedValue"),
        ([rewrite(path={"type": "ReplaceSuffix"})], "UnsupportedValue"),
    ],
)
def test_a_rule_with_a_filter_that_cannot_be_followed_answers_500(filters: list[Any], reason: str) -> None:
    found = translated(to("web", filters=filters))
    (route,) = found.routes
    assert isinstance(route.action, Forward)
    assert route.action.status == 500
    assert found.refused
    assert found.refused.reason == reason


def test_a_prefix_is_replaced_for_prefix_matches_alone() -> None:
    found = translated(to("web", matches=at("/a", "Exact"), filters=[rewrite(path=prefix("/b"))]))
    assert found.refused
    assert isinstance(found.routes[0].action, Forward)
    assert found.routes[0].action.status == 500
