"""The route table of sessions, where canaries share a path."""

from tests.support.objects import ingress, path, rule, specific
from tests.support.route_case import Table, http, services
from tests.support.route_table_annotations import annotated, canary
from xds.traffic.affinity import mark_of
from xds.traffic.backends import BackendKey

_AT_WEB, _AT_NEXT = (
    f"INGRESSCOOKIE.canary={mark_of(BackendKey('default', service, 80))}" for service in ("web", "next")
)

SESSIONS = Table(
    "sessions",
    (
        ingress("main", rule("a.test", path("/"), path("/empty")), annotations=annotated(affinity="cookie")),
        ingress(
            "all",
            rule("a.test", path("/", "next"), path("/empty", "empty")),
            annotations=canary(canary_by_header="X-Canary", canary_weight="100"),
        ),
        ingress(
            "regex",
            rule("b.test", specific("/[a-z]+")),
            annotations=annotated(affinity="cookie", use_regex="true", session_cookie_name="s"),
        ),
        ingress("lent", rule("b.test", specific("/[a-z]+", "next")), annotations=canary(canary_by_header="X-Canary")),
        ingress("legacy", rule("c.test", path("/")), annotations=annotated(affinity="cookie")),
        ingress(
            "other",
            rule("c.test", path("/", "next")),
            annotations=canary(canary_weight="100", affinity_canary_behavior="legacy"),
        ),
    ),
    services("web", "next"),
    (
        http("a.test", "/", "next"),
        http("a.test", "/", "web", "a session stays off the canary", Cookie=_AT_WEB),
        http("a.test", "/", "next", "or at the canary, whatever the header says", Cookie=_AT_NEXT, X_Canary="never"),
        http("a.test", "/", "web", "also against the header", Cookie=f"a=b; {_AT_WEB}", X_Canary="always"),
        http("a.test", "/", "next", "the mark of another Service counts for nothing", Cookie=f"{_AT_WEB}0"),
        http("a.test", "/empty", "web", "the primary serves for a Service that doesn't exist"),
        http("b.test", "/x", "web"),
        http("b.test", "/x", "next", Cookie=_AT_NEXT.replace("INGRESSCOOKIE", "s")),
        http("c.test", "/", "next", "a legacy canary knows no sessions", Cookie=_AT_WEB),
    ),
)
