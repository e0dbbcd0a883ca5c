"""The explanation of a request: the steps, the objects behind them, and the relevant problems.

Excludes: whether the answer is right (tests/e2e/test_explain).
"""

from dataclasses import replace
from typing import Any

import pytest

from tests.support.objects import (
    certificate,
    endpoint,
    exact,
    feed,
    ingress,
    ingress_class,
    path,
    pipeline,
    rule,
    secret,
    service,
    slice_of,
    tls,
)
from tests.support.route_table_annotations import annotated, canary
from xds.explain.access import is_forbidden, lacks_password
from xds.explain.explanation import RequestExplanation
from xds.explain.narration import explain_now
from xds.explain.request import Request
from xds.explain.url import question
from xds.kube.change import Applied
from xds.kube.objects import KubeObject
from xds.problems.problem import Key
from xds.resources.options import ProxyOptions
from xds.traffic.access import Access, Passwords


def explained(
    url: str, *objects: KubeObject, headers: tuple[tuple[str, str], ...] = (), **options: Any
) -> RequestExplanation:
    built = pipeline(*objects, proxy=ProxyOptions(**options), claim_classless=True)
    return explain_now(built.state_reader, question(url, "GET", headers))


def explained_to(client: str, *objects: KubeObject) -> RequestExplanation:
    """The explanation to a client of an address."""
    built = pipeline(*objects, claim_classless=True)
    return explain_now(built.state_reader, question("http://a.example.com/", "GET", (), client))


def texts(explanation: RequestExplanation) -> dict[str, str]:
    """The text of each step by title."""
    return {step.title: step.text for step in explanation.steps}


def objects_of(explanation: RequestExplanation, title: str) -> list[str]:
    return [str(each) for step in explanation.steps if step.title == title for each in step.objects]


SHOP = ingress(
    "shop",
    rule("a.example.com", path("/a", "web"), exact("/a/b", "web"), path("/api", "api"), path("/", "gone"), path("x")),
    rule("*.example.com", path("/", "web")),
    tls=[tls("a.example.com", secret="cert"), tls("*.example.com", secret="missing")],
)
SERVED = (service("web"), service("api"), slice_of("web", endpoint("10.0.0.1"), endpoint("10.0.0.2")))


def test_every_route_has_its_reason() -> None:
    explanation = explained("http://a.example.com/x/..//A/b", SHOP, *SERVED)
    (path_step,) = (each for each in explanation.steps if each.title == "path")
    assert path_step.text == "'/A/b', normalized from '/x/..//A/b'"
    assert [(each.route.path, each.why, each.taken) for each in path_step.routes] == [
        ("/a/b", "differs in upper and lower case", False),
        ("/api", "is another path", False),
        ("/a", "differs in upper and lower case", False),
        ("/", "matches", True),
    ]
    assert (explanation.status, explanation.outcome) == (503, "503: Service default/gone or its port can't be used")


def test_reasons_of_paths_that_differ() -> None:
    shop = ingress(
        "shop", rule("a.test", exact("/x", "web"), exact("/y/", "web"), path("/yy", "web"), path("/z", "web"))
    )
    for asked, why in {
        "/x/": {"/x": "differs by the slash at the end, and is Exact"},
        "/x/1": {"/x": "is Exact, and covers nothing below it"},
        "/yyy": {"/yy": "ends within an element of the path"},
        "/z/1": {"/z": "matches"},
        "/x": {"/x": "matches exactly", "/z": "is another path"},
    }.items():
        explanation = explained(f"http://a.test{asked}", shop, *SERVED)
        routes = {each.route.path: each.why for step in explanation.steps for each in step.routes}
        assert routes.items() >= why.items()


def test_a_backend_is_explained_with_its_endpoints() -> None:
    explanation = explained("http://a.example.com/a", SHOP, *SERVED)
    assert explanation.status == 200
    assert texts(explanation)["endpoints"] == "2 healthy, 0 draining"
    assert objects_of(explanation, "endpoints") == ["EndpointSlice default/web-1"]
    assert [(each.type.short, each.name) for each in explanation.resources] == [
        ("cds", "default/web/80"),
        ("eds", "default/web/80"),
        ("lds", "http"),
        ("rds", "http@3"),
        ("vhds", "http@3/a.example.com"),
    ]
    empty = explained("http://a.example.com/api", SHOP, *SERVED)
    assert empty.outcome == "503: Service default/api has no ready endpoint"
    assert "no EndpointSlice" in texts(empty)["endpoints"]


def test_a_rate_limit_is_explained_with_its_buckets() -> None:
    shop = ingress("shop", rule("a.example.com", path("/", "web")), annotations=annotated(limit_rps="5"))
    explanation = explained("http://a.example.com/", shop, *SERVED)
    assert (
        texts(explanation)["rate limit"]
        == "of a client 5 a second, and 26 at once, over all routes of Ingress default/shop"
    )
    assert ("ecds", "rate-limits@1") in [(each.type.short, each.name) for each in explanation.resources]


def test_a_preflight_is_explained() -> None:
    shop = ingress(
        "shop",
        rule("a.example.com", path("/", "web"), path("/none", "none")),
        annotations=annotated(
            enable_cors="true", cors_allow_origin="https://*.a.test", permanent_redirect="https://b.test"
        ),
    )
    built = pipeline(shop, *SERVED, claim_classless=True)
    for origin, status, outcome in (
        ("https://x.a.test", 204, "204: the proxy answers the preflight"),
        ("https://a.test", 301, "301, to https://b.test"),
    ):
        asked = question("http://a.example.com/", "OPTIONS", (("Origin", origin),))
        found = explain_now(built.state_reader, asked)
        assert (found.status, found.outcome) == (status, outcome)
        assert (found.location, found.backend) == ("https://b.test" if status == 301 else "", None)
        assert objects_of(found, "preflight") == (["Ingress default/shop"] if status == 204 else [])


def test_problems_without_relation_to_the_answer_are_left_out() -> None:
    def fields(url: str) -> list[str]:
        return [
            str(each.field)
            for each in explained(url, SHOP, *SERVED, secret("cert", certificate("a.example.com"))).problems
        ]

    left_out = "spec.rules[0].http.paths[4]"
    assert fields("http://a.example.com/a") == [left_out]
    assert fields("http://a.example.com/other") == ["spec.rules[0].http.paths[3].backend", left_out]
    assert fields("http://b.example.com/") == []
    assert fields("https://b.example.com/") == ["spec.tls[1].secretName"]


def test_a_certificate_is_explained_with_its_owners() -> None:
    cert = secret("cert", certificate("a.example.com"))
    explanation = explained("https://A.example.com/a", SHOP, *SERVED, cert)
    covered = "SNI 'a.example.com': TLS host 'a.example.com' has the certificate of Secret default/cert"
    assert texts(explanation)["certificate"] == f"{covered}, valid until 2125-01-01"
    assert objects_of(explanation, "certificate") == ["Secret default/cert", "Ingress default/shop"]
    refused = explained("https://b.example.com/", SHOP, *SERVED, cert)
    assert (refused.status, refused.outcome) == (0, "the connection is closed")
    assert "'*.example.com' has no usable certificate" in texts(refused)["certificate"]
    other = explained("https://a.example.com/", SHOP, *SERVED, cert, headers=(("Host", "b.example.com"),))
    assert other.status == 421
    assert "TLS host '*.example.com' does" in texts(other)["authority"]
    nothing = explained("https://a.example.com/", SHOP, *SERVED)
    assert "nothing listens" in texts(nothing)["listener"]


def test_a_redirect_depends_on_the_forwarded_protocol() -> None:
    cert = secret("cert", certificate("a.example.com"))
    explanation = explained("http://a.example.com:8080/x?q", SHOP, *SERVED, cert, redirect_https=True)
    assert (explanation.status, explanation.location) == (308, "https://a.example.com:8443/x?q")
    assert objects_of(explanation, "redirect") == ["Ingress default/shop"]
    forwarded = (("x-forwarded-proto", "https"),)
    direct = explained("http://a.example.com/a", SHOP, *SERVED, cert, redirect_https=True, headers=forwarded)
    assert direct.status == 308
    behind = explained(
        "http://a.example.com/a", SHOP, *SERVED, cert, redirect_https=True, trusted_hops=1, headers=forwarded
    )
    assert behind.status == 200
    assert "x-forwarded-proto" in texts(behind)["redirect"]


def test_a_redirect_to_closed_https_names_the_tls_host() -> None:
    explanation = explained("http://b.example.com/", SHOP, *SERVED, redirect_https=True)
    assert explanation.outcome == "308, to https://b.example.com/"
    redirect = "redirected to HTTPS, which is closed: '*.example.com' has no usable certificate"
    assert texts(explanation)["redirect"] == redirect
    assert "SecretNotFound" in [each.reason for each in explanation.problems]


def test_a_challenge_is_not_redirected() -> None:
    solver = ingress("solver", rule("a.example.com", path("/.well-known/acme-challenge/token", "web")))
    url = "http://a.example.com/.well-known/acme-challenge/token"
    explanation = explained(url, SHOP, solver, *SERVED, redirect_https=True)
    assert explanation.status == 200
    assert texts(explanation)["redirect"].startswith("stays plain")


def test_a_host_without_rules_gets_404() -> None:
    explanation = explained("http://x.b.example.com/", SHOP, *SERVED)
    assert explanation.outcome == "404: no route"
    assert texts(explanation)["virtual host"] == (
        "no rule names 'x.b.example.com', and no rule is without host; '*.example.com' stands for one label only"
    )


def test_an_ingress_of_another_class_that_names_the_host_is_mentioned() -> None:
    theirs = ingress("theirs", rule("b.test", path("/", "web")), class_name="nginx")
    explanation = explained("http://b.test/", theirs, SHOP, *SERVED, ingress_class("nginx", "example.com/nginx"))
    assert texts(explanation)["virtual host"].endswith(
        "; Ingress default/theirs names the host and isn't ours: "
        "its class 'nginx' has the controller 'example.com/nginx'"
    )


def test_a_default_backend_is_explained_with_its_ingress() -> None:
    first = ingress("first", rule("a.test", path("/x", "web")), default="web", created=1)
    assert objects_of(explained("http://a.test/", first, *SERVED), "default backend") == [
        "Ingress default/first",
        "Service default/web",
    ]
    assert "of the host's oldest" in texts(explained("http://a.test/", first, *SERVED))["default backend"]
    assert "of the oldest" in texts(explained("http://b.test/", first, *SERVED))["default backend"]


def test_a_held_ingress_is_explained_as_ours() -> None:
    built = pipeline(ingress_class(), SHOP, *SERVED)
    feed(built, Applied(ingress_class(controller="example.com/other")))
    explanation = explain_now(built.state_reader, question("http://a.example.com/a", "GET", ()))
    assert explanation.status == 200
    assert "isn't ours" not in texts(explanation)["virtual host"]


def test_a_policy_is_explained_in_words() -> None:
    usual = annotated(proxy_read_timeout="5", proxy_body_size="8m", proxy_next_upstream="error http_503")
    shop = ingress("shop", rule("a.example.com", path("/")), annotations=usual)
    once = ingress("once", rule("a.example.com", path("/once")), annotations=annotated(proxy_next_upstream="off"))
    given = texts(explained("http://a.example.com/", shop, *SERVED))
    assert given["timeout"] == "504 after 5 s of silence of the backend"
    tries = "3 tries on errors or 503; POST, LOCK and PATCH only while no backend has seen them"
    assert (given["retries"], given["bodies"]) == (tries, "413 for bodies of more than 8 MiB")
    assert texts(explained("http://a.example.com/once", once, *SERVED))["retries"] == "no retries"
    assert "retries" not in texts(explained("http://a.example.com/", SHOP, *SERVED))


def test_a_canary_is_explained_with_its_condition_and_its_share() -> None:
    lent = ingress(
        "next",
        rule("a.test", path("/", "api")),
        annotations=canary(canary_by_header="X-A", canary_weight="10"),
    )
    objects = (ingress("shop", rule("a.test", path("/", "web"))), lent, *SERVED)
    plain = explained("http://a.test/", *objects)
    assert plain.outcome == "default/web/80 answers"
    assert texts(plain)["shares"] == "of 100 requests, default/web/80 gets 90, default/api/80 gets 10"
    (path_step,) = (each for each in plain.steps if each.title == "path")
    assert [each.why for each in path_step.routes] == [
        "matches, but not its condition: 'header x-a=always'",
        "matches, but not its condition: 'header x-a=never'",
        "matches exactly",
    ]
    forced = explained("http://a.test/", *objects, headers=(("x-A", "always"),))
    assert forced.outcome == "default/web/80 answers"
    assert [each.text for each in forced.steps if each.title in ("cluster", "endpoints")] == [
        "default/api/80, by HTTP/1.1",
        "none: the Service has no EndpointSlice; check that its selector matches existing Pods",
        "default/web/80, by HTTP/1.1",
        "2 healthy, 0 draining",
    ]
    ready = explained("http://a.test/", *objects, slice_of("api", endpoint("10.0.0.3")), headers=(("x-A", "always"),))
    assert ready.outcome == "default/api/80 answers"


def test_an_alias_is_explained_with_its_host() -> None:
    shop = ingress("shop", rule("a.test", path("/")), annotations=annotated(server_alias="b.test,*.b.test"))
    explanation = explained("http://b.test/", shop, *SERVED)
    assert texts(explanation)["virtual host"] == "'b.test' has the routes of host 'a.test', by server-alias 'b.test'"
    assert objects_of(explanation, "virtual host") == ["Ingress default/shop"]
    assert explanation.status == 200
    explanation = explained("http://x.y.b.test/", shop, *SERVED)
    assert texts(explanation)["virtual host"].endswith("by server-alias '*.b.test'")
    assert explanation.resources[-1].name.endswith("/*.b.test")


def test_a_redirect_to_another_host_comes_before_the_one_to_https() -> None:
    shop = ingress(
        "shop",
        rule("a.example.com", path("/")),
        tls=[tls("*.a.example.com", "a.example.com", secret="cert")],
        annotations=annotated(from_to_www_redirect="true"),
    )
    explanation = explained("http://www.a.example.com:8080/x/?y=/", shop, *SERVED, redirect_https=True)
    assert texts(explanation)["redirect"] == "not redirected to HTTPS, as another host comes first"
    assert explanation.location == "http://a.example.com/x/?y=/"
    assert explanation.outcome == "308, to http://a.example.com/x/?y=/"
    assert explained("http://www.a.example.com/x/", shop, *SERVED).location == "http://a.example.com/x"
    assert explained("http://www.a.example.com/", shop, *SERVED).location == "http://a.example.com"
    with_port = explained("http://www.a.example.com/", shop, *SERVED, public_http_port=8000)
    assert with_port.location == "http://a.example.com:8000"


def test_a_policy_is_explained() -> None:
    names = {"affinity": "cookie", "enable_access_log": "false", "session_cookie_name": "sid"}
    shop = ingress("shop", rule("a.example.com", path("/shop")), annotations=annotated(**names))
    found = explained("http://a.example.com/shop", shop, service("web"), slice_of("web", "192.0.2.1"))
    given = texts(found)
    assert given["session"] == "cookie sid for /shop names the endpoint, and a failure is not tried again"
    assert given["access log"] == "no line"


@pytest.mark.parametrize(
    ("access", "client", "lacks"),
    [
        (Access(allowed=("10.0.0.0/8",), any_suffices=True), "", False),
        (Access(allowed=("10.0.0.0/8",), any_suffices=True), "10.0.0.1", False),
        (Access(allowed=("10.0.0.0/8",), any_suffices=True), "192.0.2.1", True),
        (Access(("10.1.0.0/16",), ("10.0.0.0/8",), any_suffices=True), "10.1.0.1", True),
        (Access(("10.1.0.0/16",), any_suffices=True), "", True),
        (Access(), "10.0.0.1", True),
    ],
    ids=str,
)
def test_a_listed_client_needs_no_password_where_one_condition_suffices(
    access: Access, client: str, lacks: bool
) -> None:
    asked = replace(access, passwords=Passwords("", (), Key("default", "shop")))
    assert lacks_password(asked, Request("a.test", "/", client=client)) == lacks
    assert not is_forbidden(asked, client)


LISTED = ingress(
    "listed",
    rule("a.example.com", path("/", "web")),
    annotations=annotated(denylist_source_range="10.1.0.0/16", whitelist_source_range="10.0.0.0/8,2001:db8::/32"),
)


def test_without_a_source_an_answer_is_for_clients_that_have_access() -> None:
    explanation = explained_to("", LISTED, *SERVED)
    assert (explanation.status, explanation.outcome) == (200, "default/web/80 answers clients that have access")
    assert [step.text for step in explanation.steps if step.title == "access"] == [
        "403 for clients of 10.1.0.0/16",
        "403 for clients of other networks than 10.0.0.0/8, 2001:db8::/32",
    ]


@pytest.mark.parametrize(
    ("client", "status"),
    [
        ("10.2.0.1", 200),
        ("::ffff:10.2.0.1", 200),
        ("10.1.0.1", 403),
        ("192.0.2.1", 403),
        ("2001:db8::1", 200),
        ("2001:db9::1", 403),
    ],
)
def test_a_source_is_compared_with_the_lists(client: str, status: int) -> None:
    explanation = explained_to(client, LISTED, *SERVED)
    assert explanation.status == status
    if status == 403:
        told = client.removeprefix("::ffff:")
        assert explanation.outcome == f"403: the address lists of Ingress default/listed keep {told} out"
        assert [step.title for step in explanation.steps].count("access") == 2


def test_the_cipher_suites_of_a_host_are_explained() -> None:
    names = {"ssl_ciphers": "ECDHE-RSA-AES256-GCM-SHA384:DHE-RSA-AES256-GCM-SHA384", "ssl_prefer_server_ciphers": "0"}
    rules, entries = rule("a.example.com", path("/")), [tls("a.example.com", secret="pair")]
    shop = ingress("shop", rules, tls=entries, annotations=annotated(**names))
    found = explained("https://a.example.com/", shop, secret("pair", certificate("a.example.com")), service("web"))
    assert texts(found)["certificate"].endswith("TLS 1.2: ECDHE-RSA-AES256-GCM-SHA384, as the client prefers")


def test_a_policy_says_where_copies_go_and_which_answers_are_replaced() -> None:
    annotations = annotated(
        mirror_target="http://api.default.svc",
        default_backend="api",
        custom_http_errors="404,503",
        proxy_cookie_path="/inner /",
    )
    shop = ingress("shop", rule("a.test", path("/", "web")), annotations=annotations)
    explanation = explained("http://a.test/", shop, *SERVED)
    titles = ("mirror", "error page", "answer")
    policy = [step.text for step in explanation.steps if step.title in titles]
    assert policy[0].startswith("a copy goes to default/api/80")
    assert policy[1:] == [
        "default/api/80 answers requests without a body while web has no endpoint",
        "answers of backend and proxy with 404, 503 may be replaced by those of default/api/80",
        "'/inner' becomes '/' in the Path of cookies",
    ]
    assert (explanation.status, explanation.outcome) == (200, "default/web/80 answers")


def test_a_default_backend_answers_for_a_service_without_endpoints() -> None:
    shop = ingress("shop", rule("a.test", path("/", "api")), annotations=annotated(default_backend="web"))
    explanation = explained("http://a.test/", shop, *SERVED)
    assert (explanation.status, explanation.outcome) == (200, "default/web/80 answers")
    counted = [step.text for step in explanation.steps if step.title == "endpoints"]
    assert counted[-1] == "2 healthy, 0 draining"


def test_a_closed_host_asks_for_no_client_certificate() -> None:
    shop = ingress("shop", rule("a.example.com", path("/", "web")), annotations=annotated(auth_tls_secret="default/ca"))
    explanation = explained("http://a.example.com/", shop, *SERVED)
    step = "the authorities of client certificates can't be had, so none is asked for"
    assert (explanation.status, texts(explanation)["client certificate"]) == (403, step)
