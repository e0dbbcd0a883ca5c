"""The registry of ingress-nginx's annotations, and what becomes of annotations without effect.

Covers: that no protection is ever without effect, names that don't exist, values that can't be read, ignored
annotations. Excludes: the answers that annotations give (tests/support/route_table_annotations.py).
"""

import pytest

from tests.support.objects import World, ingress, path, rule, service, specific
from tests.support.route_table_annotations import annotated
from xds.problems.problem import Problem
from xds.traffic.actions import Closed, Forward
from xds.translate.nearest import nearest
from xds.translate.nginx.annotation import PREFIX, AnyAnnotation, Scope, Verdict
from xds.translate.nginx.registry import ANNOTATIONS

HOST = "a.example.com"

PROTECTING = (
    *("whitelist-source-range", "allowlist-source-range", "denylist-source-range"),
    *("auth-type", "auth-secret", "auth-secret-type", "auth-realm", "auth-url"),
    *("auth-tls-secret", "auth-tls-verify-client", "auth-tls-match-cn", "proxy-ssl-secret", "proxy-ssl-verify"),
    *("custom-headers", "enable-modsecurity", "enable-owasp-core-rules"),
    *("configuration-snippet", "server-snippet", "auth-snippet", "stream-snippet"),
)
"""The annotations that keep traffic out, or that other annotations need to."""


def world(annotations: dict[str, str], *ignored: str) -> World:
    return World(
        service("web"),
        ingress("shop", rule(HOST, path("/")), default="web", annotations=annotations),
        ignored_annotations=frozenset(ignored),
    )


def forwards(given: World) -> bool:
    routes = [*given.traffic.hosts[HOST].routes, given.traffic.hosts[HOST].default, given.traffic.default]
    found = {isinstance(route.action, Forward) for route in routes if route}
    assert len(found) == 1
    return found.pop()


def only(given: World) -> Problem:
    (problem,) = given.problems
    return problem


@pytest.mark.parametrize("name", PROTECTING)
def test_the_registry_knows_which_annotations_protect(name: str) -> None:
    assert ANNOTATIONS[name].protects is not None


@pytest.mark.parametrize("annotation", ANNOTATIONS.values(), ids=lambda annotation: annotation.name)
def test_no_annotation_that_protects_is_without_effect(annotation: AnyAnnotation) -> None:
    """Whatever the value is, the paths are closed or the annotation says that the value asks for no protection."""
    for value in ("", " ", "on", "true", "x", "default/gone", "deny all;", "\n", "off", "false", "{"):
        given = world({annotation.full_name: value})
        asked = annotation.protects is not None and annotation.protects(value)
        assert annotation.protects is None or annotation.verdict is not Verdict.NO_EFFECT
        if asked and annotation.verdict in (Verdict.REFUSED, Verdict.NOT_YET):
            assert not forwards(given)
            assert annotation.full_name in only(given).message
            assert only(given).reason == "ProtectionUnavailable"
        if asked and annotation.names:
            assert not forwards(given)
            assert {each.reason for each in given.problems} <= {"ProtectionUnavailable", "NamedObjectUnusable"}


def test_a_closed_host_answers_for_all_its_paths() -> None:
    given = World(
        service("web"),
        ingress("shop", rule(HOST, path("/a")), annotations=annotated(auth_tls_secret="default/ca")),
        ingress("other", rule(HOST, path("/b")), rule("b.example.com", path("/"))),
    )
    host = given.traffic.hosts[HOST]
    assert host.default is not None
    assert {type(route.action) for route in (*host.routes, host.default)} == {Closed}
    assert isinstance(given.traffic.hosts["b.example.com"].routes[0].action, Forward)
    assert given.traffic.backends.keys() == {given.traffic.hosts["b.example.com"].routes[0].backend}


def test_a_closed_host_without_a_usable_path_is_closed() -> None:
    given = World(ingress("shop", rule(HOST, path("relative")), annotations=annotated(auth_tls_secret="default/ca")))
    host = given.traffic.hosts[HOST]
    assert host.default is not None
    assert isinstance(host.default.action, Closed)


def test_a_closed_path_that_is_left_out_reaches_no_other_ingress() -> None:
    """An expression that RE2 doesn't know, for example."""
    annotations = annotated(auth_url="auth.test", use_regex="true")
    given = World(
        service("web"),
        ingress("open", rule(HOST, path("/"))),
        ingress("admin", rule(HOST, specific("/admin(?!/public)")), annotations=annotations),
    )
    host = given.traffic.hosts[HOST]
    assert host.default is not None
    assert {type(route.action) for route in (*host.routes, host.default)} == {Closed}
    assert any(each.reason == "InvalidPath" and "answer 503" in each.message for each in given.problems)


def test_an_ignored_annotation_opens_the_paths_with_a_problem() -> None:
    given = world(annotated(auth_url="auth.test"), "auth-url")
    assert forwards(given)
    assert only(given).reason == "AnnotationIgnored"


def test_a_misspelt_annotation_has_the_nearest_name_in_its_remedy() -> None:
    problem = only(world({f"{PREFIX}rewrite-targt": "/"}))
    assert (problem.reason, f"{PREFIX}rewrite-target" in problem.remedy) == ("AnnotationUnknown", True)
    assert nearest("zzzzzzzz", tuple(ANNOTATIONS)) == ""


def test_a_bad_value_is_shown_with_its_grammar_and_the_default() -> None:
    problem = only(world(annotated(permanent_redirect="https://new.test", permanent_redirect_code="moved")))
    assert problem.reason == "AnnotationInvalid"
    assert all(text in problem.message for text in ("'moved'", "a whole number", "301"))


def test_an_annotation_at_its_default_is_no_problem() -> None:
    given = world(annotated(enable_modsecurity="false", proxy_ssl_verify="off"))
    assert forwards(given)
    assert given.problems == []


def test_each_annotation_is_registered_with_what_documents_need() -> None:
    for annotation in ANNOTATIONS.values():
        assert annotation.grammar.words
        assert annotation.note or annotation.verdict in (Verdict.EXACT, Verdict.NOT_YET)
        assert annotation.remedy or annotation.verdict is not Verdict.REFUSED
        assert annotation.scope in Scope
