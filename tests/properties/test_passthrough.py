"""TLS passthrough for generated Ingresses, Services and TLS entries that come, change and go.

Covers: after each edit, the TLS table, backends and problems equal those of a fresh translation, and so do the
resources at the end; each host has one treatment; no namespace takes the TLS connections of an older host of another
one; no request for an undecrypted host is answered by TLS. Excludes: each rule by itself
(tests/translate/test_passthrough.py).
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.support.objects import (
    World,
    certificate,
    config_map,
    exact,
    external,
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
from xds.kube.objects import HTTPIngressPath, Ingress, IngressTLS, KubeObject, Secret, Service
from xds.kube.stale import Stale
from xds.problems.problem import Key
from xds.snapshot.resource import ResourceType
from xds.steps import finish
from xds.translate.options import TranslateOptions
from xds.translate.ownership import HostOwnership

FEW = settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
SOME = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
MANY = settings(max_examples=170, deadline=None, suppress_health_check=[HealthCheck.too_slow])

SECRETS: Final = tuple(
    secret(name, certificate("*.x.test", "alias.test", serial=serial), ns=ns)
    for serial, name in enumerate(("cert", "other"), 1)
    for ns in ("default", "team")
)
FURTHER: Final[tuple[dict[str, str], ...]] = (
    {},
    annotated(allowlist_source_range="10.0.0.0/8"),
    annotated(denylist_source_range="nobody"),
    annotated(auth_tls_secret="default/none"),
    {"xds-ingress.dev/tls-passthrough-proxy-protocol": "v2"},
)
ALIASES: Final = ("", "alias.test", "b.x.test,*.y.test,z.*")
ENTRIES: Final[tuple[tuple[IngressTLS, ...], ...]] = (
    (),
    (tls(secret="cert"),),
    (tls("a.x.test", secret="other"),),
    (tls("*.x.test", secret="cert"),),
    (tls("alias.test", "a.x.test"),),
    (tls("alias.test", secret="none"),),
)
PATHS: Final[tuple[tuple[HTTPIngressPath, ...], ...]] = (
    (path("/"),),
    (path("/", "api"),),
    (path("/", "bucket!"),),
    (exact("/"), path("/app")),
)


@dataclass(frozen=True)
class Form:
    """The fields of an Ingress that edits change, one at a time."""

    name: str
    ns: str = "default"
    exists: bool = True
    host: str = "a.x.test"
    created: int | None = 1
    passing: str = "true"
    is_canary: bool = False
    aliases: str = ""
    further: int = 0
    entry: int = 0
    paths: int = 0

    @property
    def ingress(self) -> Ingress:
        return ingress(
            self.name,
            rule(self.host, *PATHS[self.paths]),
            ns=self.ns,
            created=self.created,
            annotations={
                **(annotated(ssl_passthrough=self.passing) if self.passing else {}),
                **(annotated(server_alias=self.aliases) if self.aliases else {}),
                **(canary(canary_weight="10") if self.is_canary else {}),
                **FURTHER[self.further],
            },
            tls=ENTRIES[self.entry],
        )

    @property
    def change(self) -> Change:
        return Applied(self.ingress) if self.exists else Deleted(Ingress, key(self.name, self.ns))


VALUES: Final[dict[str, Sequence[Any]]] = {
    "exists": (True, False),
    "host": ("a.x.test", "*.x.test", "a.test", "alias.test"),
    "created": (1, 2, 3, None),
    "passing": ("true", "", "yes"),
    "is_canary": (False, True),
    "aliases": ALIASES,
    "further": range(len(FURTHER)),
    "entry": range(len(ENTRIES)),
    "paths": range(len(PATHS)),
}
NAMES: Final = (("one", "default"), ("two", "default"), ("three", "team"))
FIRST: Final[tuple[KubeObject, ...]] = (service("web"), service("web", ns="team"), service("api"), *SECRETS)
SERVICES: Final[tuple[Change, ...]] = (
    *(Deleted(Service, key(name)) for name in ("web", "api")),
    *(Applied(service(name, port)) for name in ("web", "api") for port in (80, 81)),
    Applied(service("web", annotations={"xds-ingress.dev/tcp-idle-timeout": "5m"})),
    Applied(service("web", annotations={"xds-ingress.dev/tcp-idle-timeout": "soon"})),
    Applied(external("web", "web.example.com")),
    Deleted(Service, key("web", "team")),
    Applied(service("web", ns="team")),
)
OTHERS: Final[tuple[Change, ...]] = (
    *SERVICES,
    Applied(config_map("nginx", block_cidrs="10.1.0.0/16")),
    Applied(config_map("nginx")),
    Deleted(Secret, SECRETS[0].key),
    Applied(SECRETS[0]),
)

FormEdit = tuple[int, str, int]
"""The index of an Ingress, a field, and a number that chooses another value of the field."""

form_edits: Final = st.sampled_from(
    [
        (index, name, number)
        for name in (*VALUES, "exists", "exists", "exists", "created", "passing")
        for index in range(len(NAMES))
        for number in range(3)
    ]
)
edits: Final[st.SearchStrategy[FormEdit | Change]] = st.one_of(
    form_edits, form_edits, form_edits, form_edits, st.sampled_from(OTHERS)
)
forms: Final = st.tuples(
    *(
        st.builds(
            Form,
            st.just(name),
            st.just(ns),
            exists=st.sampled_from([True, True, True, False]),
            host=st.sampled_from(["a.x.test", "a.x.test", "a.x.test", "*.x.test", "a.test"]),
            created=st.sampled_from([1, 2, 3]),
            passing=st.sampled_from(["true", ""]),
            aliases=st.sampled_from(["", *ALIASES]),
            entry=st.sampled_from([0, 0, *VALUES["entry"]]),
        )
        for name, ns in NAMES
    )
)
options: Final = st.builds(
    TranslateOptions,
    default_tls_secret=st.sampled_from([None, key("cert")]),
    host_ownership=st.sampled_from(HostOwnership),
    passes_tls=st.just(True),
    nginx_configmap=st.just(key("nginx")),
)


def edited(forms: Sequence[Form], edit: FormEdit) -> tuple[list[Form], Form]:
    """The forms after an edit, and the edited one. An Ingress that doesn't exist is created by any edit."""
    index, name, number = edit
    values = VALUES[name]
    at = values.index(getattr(forms[index], name)) + 1 + number % (len(values) - 1)
    form = replace(forms[index], **{"exists": True, name: values[at % len(values)]})
    return [*forms[:index], form, *forms[index + 1 :]], form


def outcome(of: Pipeline) -> dict[tuple[str, str], str]:
    return {
        (type_.short, name): each.version for type_ in ResourceType for name, each in of.store.resources(type_).items()
    }


Objects = dict[tuple[type[KubeObject], Key], KubeObject]


def follow(objects: Objects, change: Change) -> None:
    """Apply a change to the objects that exist."""
    match change:
        case Applied(object=each):
            objects[type(each), each.key] = each
        case Deleted(kind=kind, key=deleted):
            objects.pop((kind, deleted), None)


def first_objects(forms: Iterable[Form]) -> list[KubeObject]:
    return [*FIRST, *(form.ingress for form in forms if form.exists)]


def changes(forms: Sequence[Form], edits: Iterable[FormEdit | Change]) -> Iterator[Change]:
    for edit in edits:
        if isinstance(edit, tuple):
            forms, form = edited(forms, edit)
            yield form.change
        else:
            yield edit


def world(objects: Iterable[KubeObject], options: TranslateOptions) -> World:
    return World(
        *objects,
        passes_tls=options.passes_tls,
        nginx_configmap=options.nginx_configmap,
        host_ownership=options.host_ownership,
        default_tls_secret=options.default_tls_secret.name if options.default_tls_secret else None,
    )


def translated(of: World) -> tuple[Any, ...]:
    traffic = of.traffic
    return traffic.tls, dict(traffic.tls.owners), traffic.certificates, dict(traffic.backends), of.problems


@MANY
@given(forms, st.lists(edits, min_size=10, max_size=16), options)
def test_each_edit_makes_stale_what_differs(
    start: Sequence[Form], steps: list[FormEdit | Change], translate: TranslateOptions
) -> None:
    """To translate the TLS table once more after an edit changes nothing."""
    objects: Objects = {(type(each), each.key): each for each in first_objects(start)}
    grown = world(objects.values(), translate)
    for change in changes(start, steps):
        follow(objects, change)
        grown.apply(change)
        after = translated(grown)
        finish(grown.traffic.update(Stale(tls=True), grown.now))
        grown.traffic.publish()
        assert after == translated(grown)
    assert after == translated(world(objects.values(), translate))


@FEW
@given(forms, st.lists(edits, min_size=10, max_size=16), options)
def test_step_by_step_equals_fresh(
    start: Sequence[Form], steps: list[FormEdit | Change], translate: TranslateOptions
) -> None:
    objects: Objects = {(type(each), each.key): each for each in first_objects(start)}
    grown = pipeline(*objects.values(), translate=translate)
    for change in changes(start, steps):
        follow(objects, change)
        feed(grown, change)
    fresh = pipeline(*objects.values(), translate=translate)
    assert outcome(grown) == outcome(fresh)
    assert grown.problems == fresh.problems
    for type_ in (ResourceType.LISTENER, ResourceType.CLUSTER):
        for resource in fresh.store.resources(type_).values():
            assert not violations(codec.decode(type_.message, resource.body))


@SOME
@given(forms, st.lists(form_edits, max_size=6), st.sampled_from(HostOwnership), st.sampled_from(["cert", None]))
def test_no_connection_is_decrypted_or_sent_to_another_namespace(
    start: Sequence[Form], steps: list[FormEdit], ownership: HostOwnership, default: str | None
) -> None:
    for step in steps:
        start, _ = edited(start, step)
    built = World(*first_objects(start), passes_tls=True, host_ownership=ownership, default_tls_secret=default)
    table = built.traffic.tls
    treated = [host for termination in table.terminations for host in termination.hosts]
    treated += [*table.without_certificate, *table.undecrypted]
    assert len(set(treated)) == len(treated)
    for each in table.passed:
        assert each.backend in built.traffic.backends
        for host in each.hosts:
            found = built.traffic.hosts[host]
            ruled = built.state.ingresses_of_host(host if found.alias_of is None else found.alias_of)
            oldest = next(one for one in ruled if not built.traffic.canary(one))
            assert oldest.key.namespace == each.backend.namespace
    for undecrypted in table.undecrypted:
        name = undecrypted.replace("*", "any")
        if name in treated and name != undecrypted:
            continue
        for termination in table.terminations:
            for sni in (each.replace("*", "other") for each in (*termination.hosts, "nobody.test")):
                request = Request(name, "/", https=True, sni=sni)
                assert answer(built.traffic, request).status in (0, MISDIRECTED.status)
