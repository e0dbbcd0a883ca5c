"""TLS passthrough for generated Ingresses, Services and TLS entries that come, change and go.

Covers: step by step equals fresh; each host has one treatment; no namespace takes the TLS connections of an older host
of another one; no request for an undecrypted host is answered by TLS. Excludes: each rule by itself
(tests/translate/test_passthrough.py).
"""

from typing import Any, Final

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.support.objects import (
    World,
    certificate,
    exact,
    feed,
    ingress,
    key,
    path,
    pipeline,
    rule,
    secret,
    service,
    tls,
)
from tests.support.route_table_annotations import annotated, canary
from xds.controlplane.pipeline import Pipeline
from xds.envoyapi import codec
from xds.envoyapi.constraints import violations
from xds.explain.answer import MISDIRECTED
from xds.explain.matcher import answer
from xds.explain.request import Request
from xds.kube.change import Applied, Change, Deleted
from xds.kube.objects import Ingress, KubeObject, Service
from xds.snapshot.resource import ResourceType
from xds.translate.options import TranslateOptions
from xds.translate.ownership import HostOwnership

FEW = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])

HOSTS: Final = ("a.x.test", "a.x.test", "*.x.test", "alias.test")
NAMESPACES: Final = st.sampled_from(["default", "default", "team"])
SECRETS: Final = tuple(
    secret(name, certificate("*.x.test", "alias.test", serial=serial), ns=ns)
    for serial, name in enumerate(("cert", "other"), 1)
    for ns in ("default", "team")
)

roots: Final = st.builds(path, st.just("/"), st.sampled_from(["web", "web", "web", "api", "none", "bucket!"]))
paths: Final = st.one_of(roots, roots, roots, st.builds(exact, st.just("/")), st.builds(path, st.just("/app")))
rules: Final = st.builds(
    lambda host, found: rule(host, *found),
    st.sampled_from([*HOSTS, *HOSTS, None]),
    st.lists(paths, min_size=1, max_size=2, unique_by=lambda each: (each.path, each.path_type)),
)
entries: Final = st.builds(
    lambda hosts, name: tls(*hosts, secret=name),
    st.lists(st.sampled_from(HOSTS), max_size=2),
    st.sampled_from(["cert", "other", "none", None]),
)
passing: Final = st.builds(
    lambda first, more: first | more,
    st.sampled_from([annotated(ssl_passthrough="true")] * 4 + [annotated(ssl_passthrough="yes")]),
    st.sampled_from(
        [
            {},
            {},
            annotated(allowlist_source_range="10.0.0.0/8"),
            annotated(denylist_source_range="nobody"),
            annotated(server_alias="alias.test,*.y.test,z.*"),
            annotated(auth_tls_secret="default/none"),
            {"xds-ingress.dev/tls-passthrough-proxy-protocol": "v2"},
            canary(canary_weight="10"),
        ]
    ),
)
ingresses: Final = st.builds(
    lambda name, ns, created, asked, found, entry: ingress(
        name, *found, ns=ns, created=created, annotations=asked, tls=entry
    ),
    st.sampled_from(["one", "two", "three", "four"]),
    NAMESPACES,
    st.sampled_from([1, 2, 3, None]),
    st.one_of(passing, st.sampled_from([{}, {}, annotated(server_alias="alias.test"), canary(canary_weight="10")])),
    st.lists(rules, min_size=1, max_size=2, unique_by=lambda each: each.hostname),
    st.lists(entries, max_size=1),
)
services: Final = st.builds(
    lambda name, ns, port: service(name, port, ns=ns),
    st.sampled_from(["web", "api"]),
    NAMESPACES,
    st.sampled_from([80, 81]),
)
deletions: Final = st.sampled_from(
    [
        *(Deleted(Ingress, key(name, ns)) for name in ("one", "two", "three", "four") for ns in ("default", "team")),
        *(Deleted(Service, key(name, ns)) for name in ("web", "api") for ns in ("default", "team")),
    ]
)
changes: Final[st.SearchStrategy[Change]] = st.one_of(
    ingresses.map(Applied), ingresses.map(Applied), services.map(Applied), deletions
)
options: Final = st.builds(
    TranslateOptions,
    default_tls_secret=st.sampled_from([None, key("cert")]),
    host_ownership=st.sampled_from(HostOwnership),
    passes_tls=st.just(True),
)

FIRST: Final[tuple[KubeObject, ...]] = (service("web"), service("web", ns="team"), service("api"), *SECRETS)


def outcome(of: Pipeline) -> dict[tuple[str, str], str]:
    return {
        (type_.short, name): each.version for type_ in ResourceType for name, each in of.store.resources(type_).items()
    }


@FEW
@given(st.lists(changes, min_size=4, max_size=10), options)
def test_step_by_step_equals_fresh(steps: list[Change], translate: TranslateOptions) -> None:
    grown = pipeline(*FIRST, translate=translate)
    final: dict[tuple[Any, Any], KubeObject] = {(type(each), each.key): each for each in FIRST}
    for step in steps:
        feed(grown, step)
        match step:
            case Applied(object=each):
                final[type(each), each.key] = each
            case Deleted(kind=kind, key=deleted):
                final.pop((kind, deleted), None)
    fresh = pipeline(*final.values(), translate=translate)
    assert outcome(grown) == outcome(fresh)
    for type_ in (ResourceType.LISTENER, ResourceType.CLUSTER):
        for resource in fresh.store.resources(type_).values():
            assert not violations(codec.decode(type_.message, resource.body))


@FEW
@given(st.lists(ingresses, min_size=1, max_size=5), st.sampled_from(HostOwnership), st.sampled_from(["cert", None]))
def test_no_connection_is_decrypted_or_sent_to_another_namespace(
    some: list[Ingress], ownership: HostOwnership, default: str | None
) -> None:
    world = World(*FIRST, *some, passes_tls=True, host_ownership=ownership, default_tls_secret=default)
    table = world.traffic.tls
    treated = [host for termination in table.terminations for host in termination.hosts]
    treated += [*table.without_certificate, *table.undecrypted]
    assert len(set(treated)) == len(treated)
    for each in table.passed:
        assert each.backend in world.traffic.backends
        for host in each.hosts:
            found = world.traffic.hosts[host]
            ruled = world.state.ingresses_of_host(host if found.alias_of is None else found.alias_of)
            oldest = next(one for one in ruled if not world.traffic.canary(one))
            assert oldest.key.namespace == each.backend.namespace
    for undecrypted in table.undecrypted:
        name = undecrypted.replace("*", "any")
        if name in treated and name != undecrypted:
            continue
        for termination in table.terminations:
            for sni in (each.replace("*", "other") for each in (*termination.hosts, "nobody.test")):
                request = Request(name, "/", https=True, sni=sni)
                assert answer(world.traffic, request).status in (0, MISDIRECTED.status)
