"""The virtual hosts that an edit of an Ingress builds again.

Covers virtual hosts that a change reaches through another host. Excludes: equality of incremental and full builds
(tests/properties), and the content of virtual hosts (tests/golden).
"""

from tests.support.objects import certificate, feed, ingress, path, pipeline, rule, secret, service, tls
from tests.support.route_table_annotations import annotated
from xds.controlplane.pipeline import Pipeline
from xds.kube.change import Applied
from xds.kube.objects import Ingress
from xds.resources.options import ProxyOptions
from xds.snapshot.resource import ResourceType


def shop(text: str, host: str | None) -> Ingress:
    return ingress("shop", rule(host, path(text, "web")))


NAMED = ingress("named", rule("b.example.com", path("/", "web")), tls=[tls("a.example.com", secret="cert")])
OBJECTS = (NAMED, service("web"), secret("cert", certificate("a.example.com")))


def edited(of: Pipeline, *objects: Ingress) -> set[str]:
    """The virtual hosts that differ after applying the objects."""
    before = dict(of.store.resources(ResourceType.VIRTUAL_HOST))
    feed(of, *map(Applied, objects))
    after = of.store.resources(ResourceType.VIRTUAL_HOST)
    return {name for name in before.keys() | after.keys() if before.get(name) != after.get(name)}


def test_an_edit_builds_the_hosts_of_the_ingress() -> None:
    built = pipeline(*OBJECTS, shop("/", "c.example.com"))
    assert edited(built, shop("/more", "c.example.com")) == {"http@3/c.example.com"}


def test_a_wildcard_answers_tls_hosts_that_no_rule_names() -> None:
    built = pipeline(*OBJECTS, shop("/", "*.example.com"), proxy=ProxyOptions(redirect_https=True))
    hosts = {"http@3/*.example.com", "http@3/a.example.com", "https@3/default/cert/a.example.com"}
    assert edited(built, shop("/more", "*.example.com")) == hosts


def test_rules_without_host_answer_hosts_that_no_rule_names() -> None:
    built = pipeline(*OBJECTS, shop("/", None))
    assert edited(built, shop("/more", None)) == {"http@3/*", "https@3/default/cert/a.example.com"}


def secured(*hosts: str) -> Ingress:
    """An Ingress with TLS entries alone."""
    return ingress("secured", tls=[tls(*hosts, secret="cert")])


def test_a_tls_entry_builds_the_plain_hosts_whose_redirect_depends_on_tls() -> None:
    where_tls = annotated(ssl_redirect="true")
    built = pipeline(
        service("web"),
        *(ingress(host, rule(f"{host}.example.com", path("/", "web")), annotations=where_tls) for host in "abc"),
        ingress("wild", rule("*.example.com", path("/", "web")), annotations=where_tls),
        ingress("silent", rule("d.example.com", path("/", "web"))),
        secured("a.example.com"),
    )
    others = {"http@3/a.example.com", "http@3/b.example.com", "http@3/d.example.com", "http@3/x.example.com"}
    changed = edited(built, secured("b.example.com", "d.example.com", "x.example.com"))
    assert changed == others - {"http@3/d.example.com"}
    assert edited(built, secured("*.example.com")) == {
        "http@3/*.example.com",
        "http@3/a.example.com",
        "http@3/c.example.com",
        "http@3/x.example.com",
    }


def test_a_tls_entry_builds_the_plain_hosts_that_the_operator_has_redirected() -> None:
    built = pipeline(
        service("web"),
        *(ingress(host, rule(f"{host}.example.com", path("/", "web"))) for host in "ab"),
        secured("a.example.com", "c.example.com"),
        proxy=ProxyOptions(redirect_https=True),
    )
    assert edited(built, secured("a.example.com")) == {"http@3/c.example.com"}
    assert edited(built, secured("*.example.com")) == {"http@3/b.example.com", "http@3/*.example.com"}
    assert edited(built, secured("b.example.com")) == {"http@3/a.example.com", "http@3/*.example.com"}
