"""The redirect to HTTPS of paths and hosts, by annotations, defaults of all Ingresses and settings.

Excludes: the answers (tests/support/route_table_https.py) and the Locations (tests/e2e/test_https_redirects.py).
"""

from collections.abc import Mapping
from typing import Any

import pytest

from tests.support.objects import World, config_map, ingress, key, path, rule, service, tls
from tests.support.route_table_annotations import annotated
from xds.kube.change import Applied
from xds.kube.objects import IngressTLS
from xds.problems.reasons import Reason
from xds.traffic.actions import HostRedirect, LocationBase, Redirect
from xds.traffic.hosts import NO_HOST
from xds.traffic.https_redirect import BY_OPERATOR, NO_HTTPS_REDIRECT, HttpsRedirect, RedirectWhen
from xds.translate.nginx.https_redirects import on_path, plain_paths, read
from xds.translate.nginx.reader import AnnotationReader

HOST = "a.test"
WITH_TLS, ALWAYS = HttpsRedirect(RedirectWhen.WITH_TLS), HttpsRedirect(RedirectWhen.ALWAYS)


def reader(defaults: Mapping[str, str] | None = None, /, **values: str) -> AnnotationReader:
    return AnnotationReader(annotated(**values), lambda *problem: None, defaults or {})


@pytest.mark.parametrize(
    ("values", "asked"),
    [
        ({}, BY_OPERATOR),
        ({"ssl_redirect": ""}, BY_OPERATOR),
        ({"ssl_redirect": "yes"}, BY_OPERATOR),
        ({"ssl_redirect": "true"}, WITH_TLS),
        ({"ssl_redirect": "F"}, NO_HTTPS_REDIRECT),
        ({"force_ssl_redirect": "1", "ssl_redirect": "false"}, ALWAYS),
        ({"force_ssl_redirect": "false"}, BY_OPERATOR),
        ({"force_ssl_redirect": "false", "ssl_redirect": "true"}, WITH_TLS),
        ({"preserve_trailing_slash": "true", "use_port_in_redirects": "true"}, BY_OPERATOR),
        ({"ssl_redirect": "false", "preserve_trailing_slash": "true"}, NO_HTTPS_REDIRECT),
        (
            {"ssl_redirect": "true", "preserve_trailing_slash": "true", "use_port_in_redirects": "true"},
            HttpsRedirect(RedirectWhen.WITH_TLS, keeps_slash=True, names_port=True),
        ),
    ],
)
def test_redirects_by_annotations(values: dict[str, str], asked: HttpsRedirect) -> None:
    assert read(reader(**values)) == asked


@pytest.mark.parametrize(
    ("written", "status"), [("301", 301), ("302", 302), ("307", 307), ("308", 308), ("303", 308), ("", 308), ("x", 308)]
)
def test_the_status_of_all_redirects_is_a_setting(written: str, status: int) -> None:
    asked = read(reader({"http-redirect-code": written, "ssl-redirect": "true"}))
    assert asked == HttpsRedirect(RedirectWhen.WITH_TLS, status)


def test_an_annotation_beats_the_default_of_all_ingresses() -> None:
    defaults = {"ssl-redirect": "true", "force-ssl-redirect": "true"}
    assert read(reader(defaults, force_ssl_redirect="false")) == WITH_TLS
    assert read(reader(defaults, force_ssl_redirect="false", ssl_redirect="false")) == NO_HTTPS_REDIRECT
    assert read(reader(defaults, force_ssl_redirect="no")) == ALWAYS


@pytest.mark.parametrize(
    ("setting", "path", "is_plain"),
    [
        ("", "/.well-known/acme-challenge", True),
        ("", "/.well-known/acme-challenge/token", True),
        ("", "/.well-known", False),
        ("", "/x/.well-known/acme-challenge", False),
        ("/open, /zzz", "/opening", True),
        ("/open, /zzz", "/zzz", True),
        ("/open, /zzz", "/.well-known/acme-challenge", False),
    ],
)
def test_beginnings_of_paths_without_a_redirect(setting: str, path: str, is_plain: bool) -> None:
    plain = plain_paths(reader({"no-tls-redirect-locations": setting} if setting else {}))
    assert on_path(ALWAYS, path, plain) == (NO_HTTPS_REDIRECT if is_plain else ALWAYS)
    assert on_path(BY_OPERATOR, path, plain) == BY_OPERATOR


def redirects_of(
    host: str | None, *values: dict[str, str], **options: Any
) -> tuple[list[HttpsRedirect], HttpsRedirect]:
    """The redirects of the paths of one Ingress for each set of annotations, and of requests that no path matches."""
    given = [
        ingress(f"i{number}", rule(host, path(f"/{number}")), annotations=annotated(**each), created=number + 1)
        for number, each in enumerate(values)
    ]
    virtual_host = World(service("web"), *given, **options).traffic.hosts[host or NO_HOST]
    return [route.https_redirect for route in virtual_host.routes], virtual_host.https_redirect


def test_the_oldest_ingress_that_is_open_decides_for_paths_that_no_rule_has() -> None:
    force, plain = {"force_ssl_redirect": "true"}, {"ssl_redirect": "false"}
    assert redirects_of(HOST, force, plain) == ([ALWAYS, NO_HTTPS_REDIRECT], ALWAYS)
    assert redirects_of(HOST, {"auth_url": "http://x", **force}, plain) == ([NO_HTTPS_REDIRECT] * 2, NO_HTTPS_REDIRECT)
    assert redirects_of(HOST, {"canary": "true", **force}, plain) == ([NO_HTTPS_REDIRECT], NO_HTTPS_REDIRECT)


def test_rules_without_host_are_only_forced() -> None:
    values = ({"ssl_redirect": "true"}, {"force_ssl_redirect": "true"})
    assert redirects_of(None, *values) == ([BY_OPERATOR, ALWAYS], BY_OPERATOR)
    assert redirects_of(None, {}, is_compatible=True) == ([BY_OPERATOR], BY_OPERATOR)
    assert redirects_of(HOST, {}, is_compatible=True) == ([WITH_TLS], WITH_TLS)


@pytest.mark.parametrize(
    ("values", "base"),
    [
        ({"permanent_redirect": "/x"}, LocationBase.HOST),
        ({"permanent_redirect": "/x", "relative_redirects": "true"}, LocationBase.NONE),
        ({"permanent_redirect": "/x", "relative_redirects": "on"}, LocationBase.HOST),
        ({"permanent_redirect": "https://b.test/x"}, LocationBase.NONE),
        ({"app_root": "/x"}, LocationBase.AUTHORITY),
    ],
)
def test_the_beginning_of_a_location(values: dict[str, str], base: LocationBase) -> None:
    given = World(service("web"), ingress("shop", rule(HOST, path("/")), annotations=annotated(**values)))
    action = given.traffic.hosts[HOST].routes[0].action
    assert isinstance(action, Redirect)
    assert action.base is base


@pytest.mark.parametrize(
    ("entries", "fields"),
    [
        ((), []),
        ((tls("a.test"),), ["spec.rules[1].host", "spec.rules[2].host"]),
        ((tls("*.test"),), ["spec.rules[2].host"]),
        ((tls("A.test", "b.test"), tls("x.b.test")), []),
        ((tls("a.test"), tls()), []),
    ],
)
def test_hosts_that_only_ingress_nginx_redirects_are_problems(
    entries: tuple[IngressTLS, ...], fields: list[str]
) -> None:
    rules = [rule(host, path("/")) for host in ("a.test", "b.test", "x.b.test", None)]
    reported = []
    for written in ("true", "false"):
        asking = ingress("shop", *rules, tls=entries, annotations=annotated(ssl_redirect=written))
        given = World(service("web"), asking)
        reported.append([str(each.field) for each in given.problems if each.reason is Reason.HOST_WITHOUT_TLS])
    assert reported == [fields, []]


def test_settings_of_all_ingresses_follow_the_config_map() -> None:
    annotations = annotated(from_to_www_redirect="true")
    shop = ingress("shop", rule(HOST, path("/"), path("/open")), annotations=annotations)
    given = World(service("web"), shop, is_compatible=True, nginx_configmap=key("settings"))
    for settings, status, plain in (
        ({}, 308, []),
        ({"http-redirect-code": "301"}, 301, []),
        ({"http-redirect-code": "303", "no-tls-redirect-locations": "/o"}, 308, ["/open"]),
    ):
        given.apply(Applied(config_map("settings", **settings)))
        routes, www = given.traffic.hosts[HOST].routes, given.traffic.hosts[f"www.{HOST}"].routes[0].action
        assert www == HostRedirect(HOST, status)
        assert [route.path for route in routes if route.https_redirect == NO_HTTPS_REDIRECT] == plain
        assert routes[-1].https_redirect == HttpsRedirect(RedirectWhen.WITH_TLS, status)
