"""auth-url and its companions: values, reach, and where an authorizer is found.

Excludes: questions and answers (tests/e2e/test_authorizers).
"""

import pytest

from tests.support.objects import World, config_map, external, ingress, path, rule, service, slice_of, specific
from tests.support.route_table_annotations import annotated
from xds.kube.change import Deleted
from xds.kube.objects import ConfigMap, KubeObject, Metadata, Service
from xds.problems.field_path import FieldPath, MapKey
from xds.problems.problem import Key
from xds.problems.reasons import Reason
from xds.traffic.actions import Closed, Forward
from xds.traffic.authorizer import Authorizer
from xds.translate.nginx.authorizer_reach import OURS, PART_OF
from xds.translate.nginx.external_auth import AUTH_URL

HOST = "shop.test"
AUTH = "http://auth.default.svc.cluster.local/check"
NGINX = Key("default", "nginx")


def world(*objects: KubeObject, ns: str = "default", **annotations: str) -> World:
    shop = ingress("shop", rule(HOST, path("/")), ns=ns, annotations=annotated(**annotations))
    return World(service("web", ns=ns), service("auth"), shop, *objects)


def authorizer(given: World, host: str = HOST) -> Authorizer:
    (route,) = given.traffic.hosts[host].routes
    assert isinstance(route.action, Forward)
    assert route.policy.access is not None
    assert route.policy.access.authorizer is not None
    return route.policy.access.authorizer


def asked_at(given: World, host: str = HOST) -> str:
    """The cluster of the authorizer, without the variant; empty for none."""
    backend = authorizer(given, host).backend
    if backend is None:
        return ""
    assert backend in given.traffic.backends
    assert given.traffic.backends[backend].upstream.questions is not None
    return str(backend).partition("@")[0]


def is_closed(given: World) -> bool:
    (route,) = given.traffic.hosts[HOST].routes
    return isinstance(route.action, Closed)


CLOSING = (
    "",
    " ",
    "auth.test/check",
    "//auth.test/",
    "ftp://auth.test/",
    "http://",
    "http:///check",
    "http://a..test/",
    "http://auth/",
    "http://auth.test:0/",
    "http://auth.test:65536/",
    "http://auth.test:x/",
    "http://u:p@auth.test/",
    "http://auth.test/#x",
    "http://auth.test/%0a",
    "http://auth.test/\n",
    "http://auth.test/\r\nX: y",
    "http://auth.test/$http_cookie",
    "http://auth.test/$",
    "http://auth.test/$hostname",
    "http://auth.$host/",
    "http://$host.test/",
    "$scheme://$host/",
    "http://$request_uri/",
    f"http://auth.test/{'x' * 3000}",
    # Addresses that no authorizer has, in all forms.
    "http://127.0.0.1:10246/healthz",
    "http://127.0.0.1./",
    "http://127.1/",
    "http://2130706433/",
    "http://0x7f000001/",
    "http://0x7f.1/",
    "http://0177.0.0.1/",
    "http://017700000001/",
    "http://0/",
    "http://0.0.0.0/",
    "http://169.254.169.254/latest/meta-data",
    "http://224.0.0.1/",
    "http://localhost/",
    "http://LOCALHOST:8080/",
    "http://a.localhost/",
    "http://localhost./",
    "http://[::1]/",
    "http://[::ffff:127.0.0.1]/",
    "http://metadata.google.internal/",
    "http://127.0.0.1.",
    # The API server.
    "https://kubernetes.default.svc/",
    "https://kubernetes.default.svc.cluster.local/api",
    "https://KUBERNETES.default.svc.cluster.local./api",
    "https://kubernetes.default/",
    "https://kubernetes/",
)


@pytest.mark.parametrize("url", CLOSING)
def test_a_url_that_nobody_may_ask_closes_the_paths(url: str) -> None:
    given = world(auth_url=url)
    assert is_closed(given)
    assert given.problem(Reason.PROTECTION_UNAVAILABLE).field == FieldPath.of(
        "metadata", "annotations", MapKey(AUTH_URL.full_name)
    )


@pytest.mark.parametrize(
    ("url", "backend", "path"),
    [
        (AUTH, "default/auth/80", "/check"),
        ("http://auth.default.svc:80", "default/auth/80", "/"),
        ("http://AUTH.default.svc.cluster.local./a b?c=d,e", "default/auth/80", "/a%20b?c=d,e"),
        ("http://auth.default/x", "default/auth/80", "/x"),
        ("https://sso.example.com/auth", "default/sso.example.com/443", "/auth"),
        ("http://10.1.2.3:9091/api/verify", "default/10.1.2.3/9091", "/api/verify"),
        ("http://auth.default.svc/$escaped_request_uri?u=$request_uri", "default/auth/80", "/?u=$request_uri"),
    ],
)
def test_an_authorizer_is_a_service_or_a_host_outside(url: str, backend: str, path: str) -> None:
    given = world(auth_url=url)
    assert (asked_at(given), authorizer(given).asked_path, given.problems) == (backend, path, [])


def test_certificates_of_hosts_outside_are_verified_and_those_of_services_are_not() -> None:
    for url, name, is_verified in (
        ("https://sso.example.com/", "sso.example.com", True),
        ("https://auth.default.svc:80/", "auth.default.svc", False),
        (AUTH, "", False),
    ):
        given = world(auth_url=url)
        questions = given.traffic.backends[authorizer(given).backend or next(iter(()))].upstream.questions
        assert questions is not None
        assert (questions.name, questions.is_verified) == (name, is_verified)


@pytest.mark.parametrize(
    "values",
    [
        {"auth_method": "FETCH"},
        {"auth_method": "GET\n;return 200 pwned"},
        {"auth_method": "get"},
        {"auth_response_headers": "X-User,X.Groups"},
        {"auth_response_headers": "X-User\r\nX: y"},
        {"auth_response_headers": "Content-Length"},
        {"auth_response_headers": "Host"},
        {"auth_response_headers": "x-envoy-upstream-rq-timeout-ms"},
        {"auth_response_headers": ",".join(f"X-{number}" for number in range(101))},
        {"auth_proxy_set_headers": "default/nowhere"},
        {"auth_proxy_set_headers": "headers"},
        {"auth_proxy_set_headers": "other/headers"},
        {"auth_proxy_set_headers": "default/bad-name"},
        {"auth_proxy_set_headers": "default/variable"},
        {"auth_proxy_set_headers": "default/break"},
        {"auth_proxy_set_headers": "default/host"},
        {"auth_proxy_set_headers": "default/ours"},
        {"auth_proxy_set_headers": "default/large"},
        {"auth_snippet": "proxy_set_header A b;"},
    ],
    ids=str,
)
def test_a_bad_companion_closes_the_paths(values: dict[str, str]) -> None:
    bad = {
        "bad-name": {"X.Tenant": "a"},
        "variable": {"X-A": "$http_cookie"},
        "break": {"X-A": 'x";\nreturn 200'},
        "host": {"Host": "a"},
        "ours": {"X-Xds-Authz-Path": "/x"},
        "large": {"X-A": "x" * 20000},
    }
    maps = (ConfigMap(Metadata(name, "default"), data) for name, data in bad.items())
    assert is_closed(world(*maps, config_map("headers", ns="other", X_A="b"), auth_url=AUTH, **values))


@pytest.mark.parametrize(
    "values",
    [
        {"auth_signin": "javascript:alert"},
        {"auth_signin": "https://login.test/?c=$http_cookie"},
        {"auth_signin": "//login.test/"},
        {"auth_signin_redirect_param": "a b"},
        {"auth_request_redirect": "https://home.test/$request_uri"},
        {"auth_always_set_cookie": "yes"},
        {"auth_cache_key": "a b"},
        {"auth_cache_duration": "200 5m;"},
        {"auth_keepalive": "many"},
        {"enable_global_auth": "yes"},
    ],
    ids=str,
)
def test_a_bad_value_of_less_weight_leaves_the_authorizer_in_place(values: dict[str, str]) -> None:
    given = world(auth_url=AUTH, **values)
    assert asked_at(given) == "default/auth/80"
    assert authorizer(given).sign_in == ""
    if "enable_global_auth" not in values and "auth_keepalive" not in values:
        assert Reason.ANNOTATION_INVALID in {each.reason for each in given.problems}


def test_companions_alone_ask_nobody() -> None:
    given = world(auth_signin="https://login.test/", auth_method="POST")
    assert {each.reason for each in given.problems} == {Reason.ANNOTATION_UNSUPPORTED}
    (route,) = given.traffic.hosts[HOST].routes
    assert route.policy.access is None


@pytest.mark.parametrize(
    ("method", "closed"), [("GET", False), ("HEAD", False), ("POST", False), ("DELETE", True), ("PUT", True)]
)
def test_services_of_other_namespaces_are_asked_by_reading_methods_alone(method: str, closed: bool) -> None:
    assert is_closed(world(ns="other", auth_url=AUTH, auth_method=method)) == closed
    assert not is_closed(world(auth_url=AUTH, auth_method=method))


def labelled(name: str, address: str) -> Service:
    found = service(name, ns="xds-ingress", clusterIP=address)
    return Service(Metadata(name, "xds-ingress", labels={PART_OF: OURS}), found.spec)


@pytest.mark.parametrize(
    "url",
    [
        "http://xds-ingress.xds-ingress.svc/",
        "http://xds-ingress.xds-ingress/",
        "http://10.9.0.1/",
        "http://10.9.0.2:9901/",
        "https://10.9.0.3/",
        "https://10.9.0.4:6443/",
        "http://edge.proxies.svc/",
    ],
)
def test_the_api_server_and_our_own_services_are_never_asked(url: str) -> None:
    shop = ingress("shop", rule(HOST, path("/")), annotations=annotated(auth_url=url))
    given = World(
        labelled("xds-ingress", "10.9.0.1"),
        slice_of("xds-ingress", "10.9.0.2", ports=[80], ns="xds-ingress"),
        service("kubernetes", 443, clusterIP="10.9.0.3"),
        slice_of("kubernetes", "10.9.0.4", ports=[6443]),
        service("edge", ns="proxies"),
        service("web"),
        shop,
        published=Key("proxies", "edge"),
    )
    assert is_closed(given)


def test_a_service_that_becomes_our_own_is_no_longer_asked() -> None:
    url = "http://xds-ingress.xds-ingress.svc/"
    given = world(service("xds-ingress", ns="xds-ingress"), auth_url=url)
    assert not is_closed(given)
    given.add(labelled("xds-ingress", "10.9.0.1"))
    assert is_closed(given)


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("http://gone.default.svc/", "doesn't exist"),
        ("http://auth.default.svc:81/", "no TCP port"),
        ("http://outside.default.svc/", "ExternalName"),
    ],
)
def test_without_a_usable_service_nobody_is_asked(url: str, why: str) -> None:
    given = world(external("outside", "a.example.com", 80), auth_url=url)
    assert asked_at(given) == ""
    assert why in given.problem(Reason.AUTHORIZER_UNUSABLE).message


def test_a_service_that_comes_and_goes_is_found_and_lost() -> None:
    url = "http://late.other.svc/"
    given = world(auth_url=url)
    late = service("late", ns="other")
    for _ in range(2):
        given.add(late)
        assert (asked_at(given), given.problems) == ("other/late/80", [])
        given.apply(Deleted(Service, late.key))
        assert asked_at(given) == ""


# Hosts that Ingresses serve


def test_a_host_of_an_ingress_is_asked_at_its_service_and_follows_the_ingress() -> None:
    url = "https://sso.test/oauth2/auth"
    given = world(auth_url=url)
    outside = "default/sso.test/443"
    assert asked_at(given) == outside
    sso = ingress("sso", rule("sso.test", path("/", "web"), path("/oauth2", "auth")), ns="default")
    given.add(sso)
    assert asked_at(given) == "default/auth/80"
    given.add(ingress("sso", rule("*.test", path("/oauth2", "auth:81"))))
    assert asked_at(given) == ""
    given.add(service("auth", 80, 81))
    assert asked_at(given) == "default/auth/81"
    given.apply(Deleted(type(sso), sso.key))
    assert asked_at(given) == outside


@pytest.mark.parametrize(
    "values",
    [
        {"auth_url": "http://inner.example.com/"},
        {"auth_url": ""},
        {"whitelist_source_range": "10.0.0.0/8"},
        {"denylist_source_range": "10.0.0.0/8"},
        {"permanent_redirect": "https://elsewhere.test/"},
        {"custom_headers": "default/gone"},
    ],
    ids=str,
)
def test_a_path_with_conditions_of_its_own_is_never_passed_by(values: dict[str, str]) -> None:
    """Its Service would answer requests that the path's own conditions keep out."""
    sso = ingress("sso", rule("sso.test", path("/", "auth")), annotations=annotated(**values))
    assert asked_at(world(sso, auth_url="http://sso.test/x")) == "default/sso.test/80"


def test_an_application_is_not_asked_about_itself() -> None:
    assert asked_at(world(auth_url="http://$host/oauth2/auth")) == f"default/{HOST}/80"


@pytest.mark.parametrize("host", ["*.wild.test", None])
def test_a_host_of_many_names_needs_an_open_path_for_its_authorizer(host: str | None) -> None:
    asking = ingress("asking", rule(host, path("/")), annotations=annotated(auth_url="https://$host/oauth2/auth"))
    given = World(service("web"), service("auth"), asking)
    assert asked_at(given, host or "") == ""
    assert "no path of" in given.problem(Reason.AUTHORIZER_UNUSABLE).message
    given.add(ingress("login", rule(host, path("/oauth2", "auth"))))
    login, protected = given.traffic.hosts[host or ""].routes
    assert login.policy.access is None
    assert protected.policy.access is not None
    assert protected.policy.access.authorizer is not None
    assert protected.policy.access.authorizer.backend is not None


def test_the_question_has_the_path_that_the_ingress_of_the_host_rewrites() -> None:
    sso = ingress(
        "sso",
        rule("sso.test", specific("/sso(/|$)(.*)", "auth")),
        annotations=annotated(rewrite_target="/$2", use_regex="true"),
    )
    given = world(sso, auth_url="http://sso.test/sso/check?a=b")
    assert authorizer(given).asked_path == "/check?a=b"


# The ConfigMap


def configured(*objects: KubeObject, **data: str) -> World:
    found = ConfigMap(
        Metadata(NGINX.name, NGINX.namespace), {name.replace("_", "-"): text for name, text in data.items()}
    )
    plain = ingress("plain", rule(HOST, path("/")))
    return World(found, service("web"), plain, *objects, nginx_configmap=NGINX)


def test_the_authorizer_of_all_follows_its_service_and_its_host() -> None:
    given = configured(global_auth_url=AUTH, global_auth_response_headers="X-User", global_auth_signin="/login")
    assert asked_at(given) == ""
    given.add(service("auth"))
    assert asked_at(given) == "default/auth/80"
    assert authorizer(given).passed_headers == ("x-user",)
    assert authorizer(given).sign_in.startswith("$scheme://$host/login?rd=$pass_access_scheme://")
    given = configured(service("auth"), global_auth_url="http://sso.test/")
    assert asked_at(given) == "default/sso.test/80"
    off = annotated(enable_global_auth="false")
    given.add(ingress("sso", rule("sso.test", path("/", "auth")), annotations=off))
    assert asked_at(given) == "default/auth/80"


@pytest.mark.parametrize(
    "data",
    [{"global_auth_url": "auth.test"}, {"global_auth_method": "FETCH"}, {"global_auth_response_headers": "a b"}],
    ids=str,
)
def test_a_bad_key_closes_all_that_it_covers(data: dict[str, str]) -> None:
    covered = {"global_auth_url": "http://auth.example.com/", **data}
    opted_out = ingress("out", rule("out.test", path("/")), annotations=annotated(enable_global_auth="false"))
    given = configured(opted_out, **covered)
    assert is_closed(given)
    assert isinstance(given.traffic.hosts["out.test"].routes[0].action, Forward)


def test_a_config_map_that_was_never_read_closes_everything() -> None:
    unread = ConfigMap(Metadata(NGINX.name, NGINX.namespace), None, fault="it has no text")
    out = ingress("out", rule(HOST, path("/")), annotations=annotated(enable_global_auth="false", auth_url=AUTH))
    given = World(unread, service("web"), out, nginx_configmap=NGINX)
    assert is_closed(given)
    given.add(ConfigMap(Metadata(NGINX.name, NGINX.namespace), {}))
    assert not is_closed(given)
    given.add(unread)
    assert not is_closed(given)


def test_a_deleted_config_map_that_protected_closes_everything() -> None:
    for data, closes in (({"global_auth_url": AUTH}, True), ({"proxy_read_timeout": "5"}, False)):
        given = configured(service("auth"), **data)
        given.apply(Deleted(ConfigMap, NGINX))
        assert is_closed(given) == closes
        given.add(ConfigMap(Metadata(NGINX.name, NGINX.namespace), {}))
        assert not is_closed(given)
