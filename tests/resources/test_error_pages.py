"""The configuration of error pages that no Ingress leads to, or whose effect is on other hosts alone.

Excludes: the pages themselves (tests/e2e/test_error_pages.py).
"""

from dataclasses import replace
from typing import Any

import pytest

from xds.envoyapi import codec
from xds.problems.field_path import FieldPath
from xds.problems.problem import Key, ObjectRef
from xds.resources.domains import Domain
from xds.resources.error_page_routes import error_page_routes
from xds.resources.filters.error_pages import NAME, error_page_filters, page_marker
from xds.resources.options import ProxyOptions
from xds.resources.place import Place
from xds.traffic.actions import Forward, WeightedBackend
from xds.traffic.backends import BackendKey
from xds.traffic.cors import Cors
from xds.traffic.error_pages import ErrorPages
from xds.traffic.headers import HeaderChanges
from xds.traffic.policy import Policy
from xds.traffic.routes import Origin, PathType, Route, VirtualHost

HOST = "shop.test"
WEB = BackendKey("default", "web", 80)
INGRESS = Key("default", "shop")
PAGES = ErrorPages(BackendKey("default", "pages", 80), INGRESS, "web", "80", statuses=(401, 404))
ORIGIN = Origin(ObjectRef("Ingress", *INGRESS), FieldPath.of("spec"))


def route(pages: ErrorPages = PAGES, *, host: str = "", share_host: str = "") -> Route:
    action = Forward((WeightedBackend(WEB, upstream_host=share_host),))
    policy = Policy(upstream_host=host, error_pages=pages)
    return Route("/", PathType.PREFIX, action, ORIGIN, Key("default", "web"), policy)


def redirects(of: Route, host: str = HOST) -> list[Any]:
    """The redirect policies of a route in the order of trial."""
    filters = error_page_filters(of, Place(tls=False, has_tls=False, host=host, options=ProxyOptions()))
    if not filters:
        return []
    matcher = codec.to_dict(filters[NAME])["config"]["custom_response_matcher"]
    return [each["on_match"]["action"]["typed_config"] for each in matcher["matcher_list"]["matchers"]]


def hosts(of: Route, host: str = HOST) -> list[str]:
    return [each["redirect_action"].get("host_redirect", "") for each in redirects(of, host)]


def test_the_request_s_own_host_is_asked_again() -> None:
    assert hosts(route()) == ["", ""]


@pytest.mark.parametrize("rewriting", [route(host="inner.test"), route(share_host="inner.test")], ids=["all", "share"])
def test_a_route_that_rewrites_host_names_the_virtual_host(rewriting: Route) -> None:
    assert hosts(rewriting) == [HOST, HOST]
    assert redirects(rewriting, host="") == []


def test_kept_statuses_are_the_client_s() -> None:
    kept = redirects(route(replace(PAGES, kept_statuses=(401,))))
    assert [each.get("status_code") for each in kept] == [None, 401, None]


def test_a_default_backend_that_stands_in_replaces_nothing() -> None:
    assert redirects(route(replace(PAGES, instead=True))) == []


def pages_of(of: Route) -> list[tuple[str, bool, list[str]]]:
    """The end of each name of the routes to default backends, whether the filter is on, and the headers of answers."""
    host = VirtualHost(HOST, (of,))
    found = [codec.to_dict(each) for each in error_page_routes(Domain(HOST, host, host, None))]
    return [
        (
            each["name"].removeprefix("error-page default/pages/80 default/shop"),
            NAME in each.get("typed_per_filter_config", {}),
            [header["header"]["key"] for header in each.get("response_headers_to_add", [])],
        )
        for each in found
    ]


def test_a_page_has_a_route_with_the_filter_where_a_status_is_kept() -> None:
    assert pages_of(route()) == [("", False, [])]
    assert pages_of(route(replace(PAGES, kept_statuses=(401,)))) == [("", False, []), (" status", True, [])]


def test_pages_have_the_headers_of_the_route() -> None:
    cors = Cors((("https://a.test",),), "GET", "X-A", "", credentials=False, max_age_seconds=1)
    policy = Policy(error_pages=PAGES, cors=cors, response_headers=HeaderChanges((("x-team", "red"),)))
    (allowed, with_cors), (others, without) = (
        (name, headers) for name, _, headers in pages_of(replace(route(), policy=policy))
    )
    assert allowed != others
    assert (with_cors[:2], without) == (["x-team", "access-control-allow-origin"], ["x-team", "vary"])
    for is_allowed, name in ((True, allowed), (False, others)):
        assert (
            page_marker(policy, PAGES, allowed=is_allowed, keeps_status=False) == f"default/pages/80 default/shop{name}"
        )
