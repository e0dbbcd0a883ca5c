"""`xds migrate --to gateway-api`: the routes that stand for Ingresses, the Ingresses that stay, and the notes.

Covers: plain requests get the answers of the Ingresses from the printed objects. Excludes: the report (test_migrate).
"""

import io
import json
from collections import Counter
from typing import Any

import pytest
import yaml

from tests.migrate.report_of import ingress, text_of
from tests.support.gateway_world import FIRST, GatewayWorld
from tests.support.objects import service
from xds.cli.main import run
from xds.cli.migration.gateway import manifests
from xds.cli.migration.input import Input, read_text
from xds.cli.migration.judging import Wish, converted
from xds.explain.matcher import TrafficExcerpt, answer
from xds.explain.request import Request
from xds.kube.decode import decode
from xds.kube.objects import KubeObject
from xds.migrate.gateway.annotations import Saying, said
from xds.migrate.gateway.conversion import Conversion
from xds.problems.problem import Key
from xds.traffic.actions import Forward
from xds.traffic.bound import ListenerKey, TableKey
from xds.traffic.hosts import wildcards_of
from xds.traffic.tls import TlsTable
from xds.translate.nginx.registry import ANNOTATIONS
from xds.translate.own.registry import ANNOTATIONS as OWN

GATEWAY = Key("edge", "web")
NS = "shop"
TLS = [{"hosts": ["a.test"], "secretName": "cert"}]


def conversion(*manifests: dict[str, Any]) -> Conversion:
    return converted(given(*manifests), Wish(), GATEWAY, "ours")


def given(*manifests: dict[str, Any]) -> Input:
    return read_text(text_of(*manifests))


def of_kind(found: Conversion, kind: str) -> list[dict[str, Any]]:
    return [each for each in found.objects if each["kind"] == kind]


def rules(found: Conversion) -> list[dict[str, Any]]:
    return [rule for each in of_kind(found, "HTTPRoute") for rule in each["spec"]["rules"]]


def rule(found: Conversion) -> dict[str, Any]:
    (only,) = rules(found)
    return only


def filters(found: Conversion) -> dict[str, Any]:
    """The filters of the only rule, by type."""
    return {
        each["type"]: next(value for key, value in each.items() if key != "type") for each in rule(found)["filters"]
    }


def told(found: Conversion, name: str = "web") -> list[tuple[str, str]]:
    """The notes about an Ingress: how and what."""
    return [(each.saying.value, each.about) for each in found.notes.get(Key(NS, name), ())]


def world_of(found: Conversion, *services: str) -> GatewayWorld:
    """The printed objects, served by a Gateway."""
    objects: list[KubeObject] = [service(each, ns=NS) for each in services]
    for document in found.objects:
        metadata = {"creationTimestamp": "2026-01-01T00:00:00Z", "generation": 1, **document["metadata"]}
        decoded = decode({**document, "metadata": metadata})
        assert isinstance(decoded, KubeObject), decoded
        objects.append(decoded)
    return GatewayWorld(*objects)


def asked(world: GatewayWorld, host: str, path: str, **headers: str) -> str:
    """The Service that a plain request reaches with its rewrites, or the status."""
    table = world.api.tables[TableKey(ListenerKey(FIRST, 80))]
    domain = next((each for each in (host, *wildcards_of(host), "*") if each in table), None)
    if domain is None:
        return "404"
    sent = tuple((name.replace("_", "-"), value) for name, value in headers.items())
    request = Request(host, path, headers=sent)
    found = answer(TrafficExcerpt({host: table[domain]}, None, TlsTable()), request)
    route = found.route
    if route is None or not isinstance(route.action, Forward) or not route.action.backends:
        return str(found.status)
    shares = Counter({each.key.service: each.weight for each in route.action.shares if each.key})
    return " ".join(f"{name}*{weight}" if len(shares) > 1 else name for name, weight in sorted(shares.items()))


def test_the_objects_are_a_class_a_gateway_and_routes() -> None:
    found = conversion(ingress("web", "/", "/api"))
    assert [(each["kind"], each["metadata"]) for each in found.objects] == [
        ("GatewayClass", {"name": "ours"}),
        ("Gateway", {"name": "web", "namespace": "edge"}),
        ("HTTPRoute", {"name": "web", "namespace": NS}),
    ]
    (route,) = of_kind(found, "HTTPRoute")
    parents = [{"name": "web", "namespace": "edge", "sectionName": "http"}]
    matches = [{"path": {"type": "PathPrefix", "value": each}} for each in ("/api", "/")]
    expected = {"matches": matches, "backendRefs": [{"name": "s", "port": 80}]}
    assert route["spec"] == {"parentRefs": parents, "hostnames": ["a.test"], "rules": [expected]}
    assert (found.notes, found.stays) == ({}, frozenset())


def test_requests_get_the_same_answers_from_the_routes() -> None:
    found = conversion(
        ingress("web", "/", "Exact /exact", "/api", service="front"),
        ingress("api", "/api/v2", "Exact /api", service="api", created="2024-01-02T00:00:00Z"),
        ingress("wild", "/", host="*.wild.test", service="wild"),
        ingress("next", "/", service="next", canary="true", canary_weight="20"),
        ingress("early", "/api/v2", service="next", canary="true", canary_by_header="x-early"),
        ingress("moved", "/moved", permanent_redirect="https://new.test/place"),
    )
    world = world_of(found, "front", "api", "wild", "next")
    assert not any(world.problems.values())
    assert asked(world, "a.test", "/x") == "front*80 next*20"
    assert asked(world, "a.test", "/exact") == "front"
    assert asked(world, "a.test", "/exact/x") == "front*80 next*20"
    assert asked(world, "a.test", "/api/x") == "front"
    assert asked(world, "a.test", "/api") == "api"
    assert asked(world, "a.test", "/api/v2/x") == "api"
    assert asked(world, "a.test", "/api/v2/x", x_early="always") == "next"
    assert asked(world, "a.test", "/api/v2/x", x_early="never") == "api"
    assert asked(world, "a.test", "/moved") == "301"
    assert asked(world, "x.wild.test", "/") == "wild"
    assert asked(world, "other.test", "/") == "404"


@pytest.mark.parametrize(
    ("path", "target", "match", "change"),
    [
        ("/app(/|$)(.*)", "/$2", ("PathPrefix", "/app"), ("ReplacePrefixMatch", "/")),
        ("/app/(.*)", "/$1", ("PathPrefix", "/app"), ("ReplacePrefixMatch", "/")),
        ("/a/b.c(/|$)(.*)", "/base/$2", ("PathPrefix", "/a/b.c"), ("ReplacePrefixMatch", "/base/")),
        ("/old", "/new", ("RegularExpression", "(?is)/old.*"), ("ReplaceFullPath", "/new")),
    ],
)
def test_a_rewrite_replaces_the_path_or_its_beginning(
    path: str, target: str, match: tuple[str, str], change: tuple[str, str]
) -> None:
    found = conversion(ingress("web", f"ImplementationSpecific {path}", rewrite_target=target, use_regex="true"))
    assert rule(found)["matches"] == [{"path": {"type": match[0], "value": match[1]}}]
    field = change[0][0].lower() + change[0][1:]
    assert filters(found) == {"URLRewrite": {"path": {"type": change[0], field: change[1]}}}


def test_a_rewrite_of_other_groups_stays_an_ingress() -> None:
    found = conversion(ingress("web", "ImplementationSpecific /a/([0-9]+)/(.*)", rewrite_target="/$2/$1"))
    assert not found.objects
    assert found.stays == {Key(NS, "web")}
    assert told(found) == [("stays", "Regex /a/([0-9]+)/(.*)")]


def test_plain_requests_for_a_host_with_a_certificate_are_redirected() -> None:
    found = conversion(ingress("web", "/", "/api", tls=TLS))
    (listeners,) = of_kind(found, "ListenerSet")
    assert listeners["metadata"] == {"name": "certificates", "namespace": NS}
    assert listeners["spec"]["parentRef"] == {"name": "web", "namespace": "edge"}
    (listener,) = listeners["spec"]["listeners"]
    assert (listener["hostname"], listener["tls"]["certificateRefs"]) == ("a.test", [{"name": "cert"}])
    (gateway,) = of_kind(found, "Gateway")
    assert gateway["spec"]["allowedListeners"] == {"namespaces": {"from": "All"}}
    served, redirecting = of_kind(found, "HTTPRoute")
    assert served["spec"]["parentRefs"] == [{"kind": "ListenerSet", "name": "certificates", "namespace": NS}]
    assert [each["sectionName"] for each in redirecting["spec"]["parentRefs"]] == ["http"]
    (answered,) = redirecting["spec"]["rules"]
    assert answered["matches"] == [{"path": {"type": "PathPrefix", "value": "/"}}]
    (redirect,) = answered["filters"]
    assert redirect["requestRedirect"] == {"scheme": "https", "statusCode": 308}


def test_each_host_keeps_the_certificate_that_its_entry_names() -> None:
    tls = [{"hosts": ["b.test"], "secretName": "other"}]
    found = conversion(ingress("web", tls=TLS), ingress("b", host="b.test", tls=tls))
    (listeners,) = of_kind(found, "ListenerSet")
    secrets = {each["hostname"]: each["tls"]["certificateRefs"] for each in listeners["spec"]["listeners"]}
    assert secrets == {"a.test": [{"name": "cert"}], "b.test": [{"name": "other"}]}


def test_without_a_redirect_one_route_answers_both_ways() -> None:
    found = conversion(ingress("web", tls=TLS, ssl_redirect="false"))
    (route,) = of_kind(found, "HTTPRoute")
    assert [each.get("kind", "Gateway") for each in route["spec"]["parentRefs"]] == ["Gateway", "ListenerSet"]


@pytest.mark.parametrize(
    ("annotations", "type_", "expected"),
    [
        ({"upstream_vhost": "inner.test"}, "URLRewrite", {"hostname": "inner.test"}),
        (
            {"permanent_redirect": "https://new.test"},
            "RequestRedirect",
            {
                "statusCode": 301,
                "scheme": "https",
                "hostname": "new.test",
                "path": {"type": "ReplaceFullPath", "replaceFullPath": "/"},
            },
        ),
        (
            {"enable_cors": "true", "cors_allow_origin": "https://*.a.test", "cors_allow_methods": "GET, PUT"},
            "CORS",
            {
                "allowOrigins": ["https://*.a.test"],
                "allowMethods": ["GET", "PUT"],
                "allowHeaders": [
                    "DNT",
                    "Keep-Alive",
                    "User-Agent",
                    "X-Requested-With",
                    "If-Modified-Since",
                    "Cache-Control",
                    "Content-Type",
                    "Range",
                    "Authorization",
                ],
                "allowCredentials": True,
                "maxAge": 1_728_000,
            },
        ),
        (
            {"mirror_target": "http://copy.shop.svc.cluster.local"},
            "RequestMirror",
            {"backendRef": {"name": "copy", "port": 80}},
        ),
    ],
)
def test_an_annotation_is_a_filter(annotations: dict[str, str], type_: str, expected: dict[str, Any]) -> None:
    copy = {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": "copy", "namespace": NS},
        "spec": {"ports": [{"port": 80}]},
    }
    web = copy | {"metadata": {"name": "s", "namespace": NS}}
    found = conversion(ingress(**annotations), copy, web)
    assert filters(found)[type_] == expected


def test_sessions_are_kept_by_the_same_cookie() -> None:
    found = conversion(ingress(affinity="cookie", session_cookie_name="sid", session_cookie_max_age="60"))
    assert rule(found)["sessionPersistence"] == {
        "sessionName": "sid",
        "type": "Cookie",
        "absoluteTimeout": "60s",
        "cookieConfig": {"lifetimeType": "Permanent"},
    }
    assert told(found) == [("partly", "affinity")]


@pytest.mark.parametrize(
    "annotations",
    [
        {"auth_type": "basic", "auth_secret": "users"},
        {"auth_url": "http://auth.shop.svc.cluster.local/"},
        {"whitelist_source_range": "10.0.0.0/8"},
        {"denylist_source_range": "10.0.0.0/8"},
        {"limit_rps": "5"},
        {"limit_connections": "5"},
        {"auth_tls_secret": "shop/ca"},
        {"enable_modsecurity": "true"},
        {"configuration_snippet": "deny all;"},
        {"ssl_passthrough": "true"},
        {"backend_protocol": "HTTPS", "proxy_ssl_secret": "shop/ca", "proxy_ssl_verify": "on"},
    ],
)
def test_an_ingress_with_a_protection_stays(annotations: dict[str, str]) -> None:
    found = conversion(ingress("web", "/", **annotations), ingress("open", host="open.test"))
    assert found.stays == {Key(NS, "web")}
    assert [each["metadata"]["name"] for each in of_kind(found, "HTTPRoute")] == ["open"]
    named = {about for saying, about in told(found) if saying == "stays"}
    assert named & {name.replace("_", "-") for name in annotations}


def test_an_annotation_that_is_off_is_not_named() -> None:
    found = conversion(ingress(limit_rps="0"))
    assert (found.notes, found.stays) == ({}, frozenset())


def test_our_own_annotations_are_said_or_named() -> None:
    web = ingress("web", "/")
    own = {"request-timeout": "90s", "response-headers": "x-a: 1", "max-body-size": "1m", "rate-limit": "5/s"}
    web["metadata"]["annotations"] = {f"xds-ingress.dev/{name}": value for name, value in own.items()}
    assert conversion(web).stays == {Key(NS, "web")}
    del web["metadata"]["annotations"]["xds-ingress.dev/rate-limit"]
    found = conversion(web)
    assert rule(found)["timeouts"] == {"request": "1m30s"}
    assert filters(found) == {"ResponseHeaderModifier": {"set": [{"name": "x-a", "value": "1"}]}}
    assert told(found) == [("unsaid", "xds-ingress.dev/max-body-size")]


def test_each_annotation_has_a_saying() -> None:
    known = (*(each.name for each in ANNOTATIONS.values()), *(each.full_name for each in OWN.values()))
    found = {name: said(name) for name in known}
    assert not any(each.text.startswith("no annotation") for each in found.values())
    assert all(each.text or each.saying is Saying.SAID for each in found.values())
    assert said("unknown").saying is Saying.UNSAID


def test_hosts_with_the_same_rules_share_a_route_and_many_rules_have_several() -> None:
    paths = [f"/p{number}" for number in range(40)]
    backends = [ingress(f"web-{each[1:]}", each, service=f"s{each[1:]}") for each in paths]
    assert len(of_kind(conversion(*backends), "HTTPRoute")) == 40
    several = ingress("web", "/")
    several["spec"]["rules"] += [{**several["spec"]["rules"][0], "host": f"h{number}.test"} for number in range(20)]
    found = of_kind(conversion(several), "HTTPRoute")
    assert [(each["metadata"]["name"], len(each["spec"]["hostnames"])) for each in found] == [("web", 16), ("web-2", 5)]
    many = ingress("many", "/")
    many["spec"]["rules"][0]["http"]["paths"] = [
        {"path": each, "pathType": "Prefix", "backend": {"service": {"name": f"s{each[1:]}", "port": {"number": 80}}}}
        for each in paths
    ]
    found = of_kind(conversion(many), "HTTPRoute")
    assert [len(each["spec"]["rules"]) for each in found] == [16, 16, 8]


def test_a_route_takes_no_name_that_another_ingress_has() -> None:
    several = ingress("web", "/")
    several["spec"]["rules"] += [{**several["spec"]["rules"][0], "host": f"h{number}.test"} for number in range(20)]
    found = of_kind(conversion(several, ingress("web-2", host="other.test")), "HTTPRoute")
    assert [each["metadata"]["name"] for each in found] == ["web", "web-3", "web-2"]


def test_paths_that_would_be_tried_in_another_order_stay() -> None:
    rewritten = ingress("web", "ImplementationSpecific /app(/|$)(.*)", rewrite_target="/$2")
    beside = ingress("beside", "/other")
    assert not conversion(rewritten, beside).stays
    found = conversion(rewritten, ingress("below", "/app/x"))
    assert found.stays == {Key(NS, "web"), Key(NS, "below")}
    assert told(found, "below") == [("stays", "Regex /app/x")]


def test_no_text_of_an_ingress_ends_a_comment() -> None:
    found = conversion(ingress(proxy_read_timeout="30", **{"x\napiVersion: v1\nkind: Secret": "1"}))
    assert found.notes
    assert not any(line.startswith(("apiVersion: v1", "kind: Secret")) for line in manifests(found).splitlines())


def test_the_default_backend_answers_any_host() -> None:
    default = ingress("web", "/")
    default["spec"]["defaultBackend"] = {"service": {"name": "fallback", "port": {"number": 80}}}
    world = world_of(conversion(default), "s", "fallback")
    assert asked(world, "other.test", "/x") == "fallback"
    assert asked(world, "a.test", "/x") == "s"


def test_the_command_prints_manifests_and_exits_with_1_if_an_ingress_stays(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    def migrated(*arguments: str, **annotations: str) -> tuple[int, str]:
        raw = text_of(ingress("web", "/", **annotations), ingress("open", "/open"))
        monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(raw)))
        code = run(["migrate", "-", "--to", "gateway-api", *arguments])
        return code, capfd.readouterr().out

    code, text = migrated()
    assert code == 0
    assert [each["kind"] for each in yaml.safe_load_all(text)][:2] == ["GatewayClass", "Gateway"]
    code, text = migrated("--gateway", "x/y", limit_rps="5")
    assert code == 1
    assert "# Ingress shop/web stays as it is, and has no HTTPRoute:\n# - limit-rps: stays: " in text
    assert [each["metadata"] for each in yaml.safe_load_all(text)][1] == {"name": "y", "namespace": "x"}
    code, text = migrated("-o", "json", limit_rps="5")
    found = json.loads(text)
    assert found["summary"] == {"objects": 3, "stays": 1}
    assert [(each["name"], each["stays"]) for each in found["ingresses"]] == [("web", True)]
    assert run(["migrate", "-", "--to", "gateway-api", "-o", "sarif"]) == 2
