"""Verdicts: of annotations by registry, value and problem; of keys and flags; of snippets by line.

Excludes: surprises (test_surprises).
"""

from typing import Any

import pytest

from tests.migrate.report_of import config_map, data, ingress, of, report, secret, verdicts
from xds.cli.migration.judging import Wish
from xds.migrate.controller import controllers, parse_arguments
from xds.migrate.flags import flag_verdicts
from xds.migrate.report import IngressReport, Judge
from xds.migrate.snippets import BY_HAND, lines
from xds.migrate.subject import Subject
from xds.migrate.verdict import Verdict, worst
from xds.translate.nginx.annotation import Verdict as RegistryVerdict
from xds.translate.nginx.paths_policy import ClosedPaths, IngressPolicy
from xds.translate.nginx.registry import ANNOTATIONS


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("proxy-body-size", "8m", "exact"),
        ("proxy-body-size", "8Mi", "approximate"),
        ("proxy-body-size", "", "exact"),
        ("http2-push-preload", "true", "exact"),
        ("load-balance", "round_robin", "exact"),
        ("load-balance", "ewma", "approximate"),
        ("load-balance", "ip_hash", "approximate"),
        ("proxy-buffering", "off", "exact"),
        ("proxy-buffering", "on", "approximate"),
        ("preserve-trailing-slash", "false", "exact"),
        ("preserve-trailing-slash", "true", "approximate"),
        ("limit-connections", "5", "refused"),
        ("limit-connections", "0", "exact"),
        ("limit-rate", "5", "exact"),
        ("enable-modsecurity", "false", "exact"),
        ("enable-modsecurity", "true", "refused"),
        ("proxy-http-version", "1.0", "refused"),
        ("proxy-http-version", "1.1", "exact"),
        ("rewrite-target", "/$host", "refused"),
        ("rewrite-target", "/x", "exact"),
        ("temporal-redirect-code", "308", "exact"),
        ("temporal-redirect-code", "x", "approximate"),
        ("backend-protocol", "FCGI", "refused"),
        ("permanent-redirect", "https://b.test", "exact"),
        ("server-alias", "b.test", "exact"),
        ("server-alias", "b.*", "approximate"),
        ("no-such-annotation", "x", "exact"),
        ("app-root", "app", "approximate"),
        ("temporal-redirect", "/new", "exact"),
        ("session-cookie-name", "a;b", "approximate"),
        ("proxy-ssl-protocols", "TLSv1.9", "approximate"),
        ("mirror-target", "http://localhost/x", "refused"),
        ("configuration-snippet", "gzip on;", "refused"),
    ],
)
def test_verdict_of_an_annotation_follows_its_value(name: str, value: str, expected: str) -> None:
    found = of(data(ingress(**{name.replace("-", "_"): value})))
    assert verdicts(found) == {name: expected}
    assert found["verdict"] == expected


@pytest.mark.parametrize("name", sorted(ANNOTATIONS))
def test_no_annotation_that_is_not_supported_is_called_exact(name: str) -> None:
    """Also those that come later: a value that asks for something is never exact while nobody honours it."""
    annotation = ANNOTATIONS[name]
    if annotation.verdict not in (RegistryVerdict.REFUSED, RegistryVerdict.NOT_YET):
        return
    value = {"limit-connections": "5", "mirror-request-body": "off"}.get(name, "true")
    found = of(data(ingress(**{name.replace("-", "_"): value, "proxy_buffering": "on"})))
    assert found["annotations"][name]["verdict"] == "refused"


def test_an_expression_that_envoy_does_not_know_refuses_use_regex() -> None:
    found = of(data(ingress("web", "/(?!api)(.*)", use_regex="true")))
    assert verdicts(found) == {"use-regex": "refused"}


@pytest.mark.parametrize(
    ("annotations", "expected"),
    [
        ({"auth_type": "basic", "auth_secret": "u", "auth_realm": "x"}, "exact"),
        ({"auth_type": "basic", "auth_secret": "u", "auth_realm": "off"}, "approximate"),
        ({"auth_type": "digest", "auth_secret": "u"}, "refused"),
        ({"auth_secret": "u"}, "refused"),
        ({"auth_url": "http://x.test/check"}, "exact"),
        ({"auth_url": "https://x.test/check"}, "approximate"),
        ({"auth_url": "http://x.test/$http_cookie"}, "refused"),
        ({"auth_url": "http://127.0.0.1/"}, "refused"),
        ({"auth_url": "http://x.test", "auth_cache_key": "$http_cookie"}, "approximate"),
        ({"auth_url": "http://x.test", "auth_snippet": "x y;"}, "refused"),
        ({"satisfy": "any", "auth_url": "http://x.test", "whitelist_source_range": "10.0.0.0/8"}, "exact"),
        ({"whitelist_source_range": "10.0.0.0/33"}, "refused"),
        ({"enable_cors": "true"}, "exact"),
        ({"enable_cors": "on"}, "approximate"),
        ({"cors_max_age": "60"}, "exact"),
        ({"auth_tls_secret": "shop/ca", "force_ssl_redirect": "true"}, "exact"),
        ({"auth_tls_secret": "shop/ca"}, "approximate"),
        (
            {"auth_tls_secret": "shop/ca", "auth_tls_verify_client": "optional_no_ca", "force_ssl_redirect": "true"},
            "approximate",
        ),
    ],
)
def test_verdict_of_access_follows_its_values(annotations: dict[str, str], expected: str) -> None:
    assert of(data(ingress(**annotations)))["verdict"] == expected


VALUES = (
    "",
    "true",
    "off",
    "1",
    "/",
    "(",
    "a b",
    "\r\n",
    "http://",
    "10.0.0.0/33",
    "shop/y",
    "CN=(",
    "basic",
    "$x",
    "x;y",
)


@pytest.mark.parametrize("name", sorted(name for name, each in ANNOTATIONS.items() if each.protects))
def test_paths_that_are_closed_are_refused(name: str) -> None:
    """Also by an annotation that is missing, and with the Secret of another one missing or not judged."""
    beside = {"auth_tls_secret": "shop/y"} if name.startswith("auth-tls-") else {}
    for value in VALUES:
        for others in ([], [secret("x")]):
            annotations = {**beside, name.replace("-", "_"): value}
            found = judged(ingress(**annotations), *others)
            subject, policy = found
            assert not isinstance(policy, ClosedPaths) or subject.verdict is Verdict.REFUSED, annotations


def judged(*documents: dict[str, Any]) -> tuple[IngressReport, IngressPolicy]:
    """The report on an Ingress, and the policy that the translation gives to it."""
    policies: list[IngressPolicy] = []
    ingress_of = Judge.ingress

    def noted(judge: Judge, subject: Subject) -> IngressReport:
        policies.append(judge.policy(subject.ingress))
        return ingress_of(judge, subject)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Judge, "ingress", noted)
        found = report(*documents)
    return found.ingresses[0], policies[0]


def test_an_auth_type_without_a_secret_is_refused() -> None:
    found = of(data(ingress(auth_type="basic")))
    assert found["verdict"] == "refused"
    assert [each["field"] for each in found["problems"]] == [
        "metadata.annotations['nginx.ingress.kubernetes.io/auth-secret']"
    ]


def test_a_problem_of_our_own_annotation_is_told() -> None:
    entry = ingress()
    entry["metadata"]["annotations"] = {"xds-ingress.dev/retries": "many"}
    assert of(data(entry))["verdict"] == "approximate"


def test_a_secret_that_is_missing_from_a_whole_input_refuses() -> None:
    found = of(data(ingress(auth_type="basic", auth_secret="u"), secret("other")))
    assert found["annotations"]["auth-secret"]["verdict"] == "refused"
    assert "doesn't exist" in found["annotations"]["auth-secret"]["text"]


def test_a_bad_value_is_found_beside_an_annotation_that_closes() -> None:
    found = of(data(ingress(enable_modsecurity="true", proxy_read_timeout="60s")))
    assert verdicts(found) == {"enable-modsecurity": "refused", "proxy-read-timeout": "approximate"}
    assert "60s" in found["annotations"]["proxy-read-timeout"]["text"]


def test_an_annotation_of_hosts_names_the_other_ingresses() -> None:
    found = of(data(ingress("web", "/a", use_regex="true"), ingress("b", "/b"), ingress("c", host="c.test")))
    assert found["annotations"]["use-regex"]["also_concerns"] == ["shop/b"]


def test_verdict_of_an_ingress_is_the_worst() -> None:
    found = of(data(ingress(proxy_body_size="8m", load_balance="ewma", limit_connections="1")))
    assert found["verdict"] == "refused"
    assert worst([]) is Verdict.EXACT
    assert worst([Verdict.APPROXIMATE, Verdict.EXACT]) is Verdict.APPROXIMATE


def test_annotations_of_a_canary_have_no_effect_there_either() -> None:
    canary = ingress("web", service="c", canary="true", canary_weight="5", rewrite_target="/")
    assert of(data(canary, ingress("main")))["annotations"]["rewrite-target"]["verdict"] == "exact"


def test_a_canary_with_a_protection_is_refused() -> None:
    canary = ingress("web", service="c", canary="true", canary_weight="5", enable_modsecurity="true")
    found = of(data(canary, ingress("main")))
    assert found["annotations"]["enable-modsecurity"]["verdict"] == "refused"
    assert [(each["reason"], each["verdict"]) for each in found["problems"]] == [("CanaryUnused", "refused")]


@pytest.mark.parametrize(
    ("key", "value", "expected"),
    [
        ("proxy-body-size", "8m", "exact"),
        ("worker-processes", "4", "exact"),
        ("custom-http-errors", "404", "refused"),
        ("block-cidrs", "10.0.0.0/8", "approximate"),
        ("use-gzip", "maybe", "approximate"),
        ("no-such-key", "x", "exact"),
        ("enable-modsecurity", "true", "refused"),
        ("enable-modsecurity", "false", "exact"),
        ("allow-cross-namespace-resources", "true", "exact"),
        ("proxy-stream-timeout", "600s", "exact"),
        ("proxy-stream-timeout", "1h", "approximate"),
        ("proxy-stream-timeout", "soon", "approximate"),
        ("proxy-stream-next-upstream", "false", "exact"),
        ("proxy-stream-responses", "1", "exact"),
        ("proxy-stream-responses", "5", "refused"),
        ("disable-stream-access-log", "true", "exact"),
    ],
)
def test_verdict_of_a_key(key: str, value: str, expected: str) -> None:
    found = data(ingress(), config_map(**{key.replace("-", "_"): value}))
    assert found["config_map"]["keys"][key]["verdict"] == expected


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ("--default-ssl-certificate=a/b", [("exact", ("--default-tls-secret", "a/b"))]),
        ("--default-ssl-certificate a/b", [("exact", ("--default-tls-secret", "a/b"))]),
        ("--disable-catch-all", [("exact", ("--disable-catch-all",))]),
        ("--disable-catch-all=false", [("exact", ())]),
        ("--watch-namespace=a", [("exact", ("--namespace", "a"))]),
        ("--enable-ssl-passthrough", [("exact", ("--enable-ssl-passthrough",))]),
        ("--enable-ssl-passthrough=false", [("exact", ())]),
        ("--tcp-services-configmap=a/b", [("exact", ("--tcp-services-configmap", "a/b"))]),
        ("--v=2", [("exact", ())]),
        ("--enable-metrics", [("approximate", ())]),
        ("--no-such-flag", [("approximate", ())]),
    ],
)
def test_verdict_of_a_flag(arguments: str, expected: list[tuple[str, tuple[str, ...]]]) -> None:
    assert [(each.verdict.value, each.ours) for each in flag_verdicts(parse_arguments(arguments))] == expected


@pytest.mark.parametrize(
    "document",
    [
        "text",
        {"kind": "Deployment"},
        {"kind": "Deployment", "spec": "x"},
        {"kind": "Deployment", "spec": {"template": {"spec": {"containers": [None, {"args": "x"}, {"image": "y"}]}}}},
        {"kind": "Pod", "spec": {"containers": [{"args": ["/nginx-ingress-controller"]}]}},
    ],
)
def test_a_document_that_is_no_controller_is_passed_over(document: Any) -> None:
    assert list(controllers([document])) == []


def test_a_snippet_is_told_line_by_line() -> None:
    snippet = """
        # a comment; with a semicolon
        more_set_headers "X-A: b; c";
        return 301 https://b.test$request_uri;
        return 403;
        proxy_read_timeout 30s;
        if ($http_x = "1") { set $y 2; }
        rewrite ^/a /b break;
        deny 10.0.0.0/8
    """
    assert [(each.text, each.instead) for each in lines(snippet)] == [
        ('more_set_headers "X-A: b; c"', "xds-ingress.dev/response-headers"),
        ("return 301 https://b.test$request_uri", "permanent-redirect"),
        ("return 403", "xds-ingress.dev/answer"),
        ("proxy_read_timeout 30s", "proxy-read-timeout"),
        ('if ($http_x = "1")', BY_HAND),
        ("set $y 2", BY_HAND),
        ("rewrite ^/a /b break", "rewrite-target"),
        ("deny 10.0.0.0/8", "denylist-source-range"),
    ]


@pytest.mark.parametrize("snippet", ["", ";;;", "'unclosed", '"' * 999, "{" * 999, "\\", "a" * 99_999])
def test_a_snippet_of_any_form_is_read(snippet: str) -> None:
    assert len(list(lines(snippet))) <= 100


def test_differences_of_all_ingresses_are_told_once() -> None:
    found = data(ingress(), config_map(use_forwarded_headers="true"))
    assert found["general"][0]["id"] == "trusts-everybody"
    assert "trusts-everybody" not in of(found)["surprises"]
    tamed = data(ingress(), config_map(use_forwarded_headers="true", proxy_real_ip_cidr="10.0.0.0/8"))
    assert "trusts-everybody" not in [each["id"] for each in tamed["general"]]


def test_an_ingress_that_is_left_out_today_is_told_so() -> None:
    found = of(data(ingress(load_balance="ip_hash")))
    assert not found["served_today"]
    assert found["why_not_served"] == "load-balance has a bad value"
    relaxed = of(data(ingress(load_balance="ip_hash"), wish=Wish(flags={"enable-annotation-validation": "false"})))
    assert relaxed["served_today"]
