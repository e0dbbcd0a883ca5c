"""The route table of ingress-nginx's own rules for paths, which --compatibility brings."""

from tests.support.objects import exact, ingress, path, rule
from tests.support.route_case import NOT_FOUND, Table, http, services
from tests.support.route_table_annotations import annotated

_MOVED = 301

SLASHES = Table(
    "slashes at the end",
    (
        ingress("slashes", rule("a.test", path("/shop/", "shop"), exact("/exact/", "exact"), path("/", "web"))),
        ingress("both", rule("b.test", path("/shop", "web"), path("/shop/", "shop"))),
        ingress("exact", rule("c.test", exact("/shop", "web"), path("/shop/", "shop"))),
        ingress("regex", rule("d.test", path("/shop/", "shop")), annotations=annotated(use_regex="true")),
        ingress("closed", rule("e.test", path("/shop/", "shop")), annotations=annotated(auth_url="a.test")),
    ),
    services("shop", "exact", "web"),
    (
        http("a.test", "/shop", _MOVED),
        http("a.test", "/shop?a=b", _MOVED),
        http("a.test", "/shop/", "shop"),
        http("a.test", "/shop/x", "shop"),
        http("a.test", "/shopping", "web"),
        http("a.test", "/exact", _MOVED),
        http("a.test", "/exact/", "exact"),
        http("a.test", "/exact/x", "web"),
        http("a.test", "/", "web"),
        http("b.test", "/shop", "shop", "no redirect beside the path without the slash"),
        http("b.test", "/shop/x", "shop"),
        http("c.test", "/shop", "web"),
        http("d.test", "/shop", NOT_FOUND, "no redirect among expressions"),
        http("e.test", "/shop", 503, "no redirect of a closed path"),
    ),
    is_compatible=True,
)
