"""The overview of Ingresses for generated objects and changes.

Covers: after any changes, with sweeps at any time, the overview equals the explanation of each Ingress. Excludes:
questions to the overview (tests/server/debug/test_answers.py), and its speed (docs/design/overview.md).
"""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.properties.test_translation import CERTIFICATES, FEW, changes, options
from tests.support.objects import (
    endpoint,
    external,
    feed,
    ingress,
    ingress_class,
    key,
    path,
    pipeline,
    rule,
    secret,
    service,
    slice_of,
    tls,
)
from xds.controlplane.pipeline import Pipeline
from xds.explain.ingress import Acceptance, UnitStatus, explain_ingress, is_served
from xds.explain.ingress_facts import ingress_facts
from xds.explain.overview import Overview
from xds.kube.change import Applied, Batch, Change, Deleted
from xds.kube.objects import EndpointSlice, Ingress, KubeObject, Secret
from xds.problems.problem import Key
from xds.problems.reasons import Level
from xds.protocol.rejection.reports import RejectionReport
from xds.snapshot.resource import ResourceType
from xds.snapshot.store import HISTORY_LIMIT
from xds.steps import finish
from xds.translate.options import TranslateOptions

Row = tuple[Acceptance, int, int, int, int, int]


def overviewed(overview: Overview) -> dict[Key, Row]:
    return {
        each.key: (
            each.acceptance,
            each.units,
            each.unserved,
            each.without_endpoints,
            each.errors,
            each.warnings,
        )
        for each in overview.summaries
    }


def explained(of: Pipeline) -> dict[Key, Row]:
    return {key: row(of, key) for key in of.state.all_ingresses}


def row(of: Pipeline, key: Key) -> Row:
    facts = ingress_facts(of.state_reader, key)
    assert facts
    found = explain_ingress(facts)
    levels = [problem.reason.level for problem, _ in found.problems]
    return (
        found.acceptance,
        len(found.units),
        sum(not is_served(unit) for unit in found.units),
        sum(unit.status is UnitStatus.NO_ENDPOINTS for unit in found.units),
        levels.count(Level.ERROR),
        levels.count(Level.WARNING),
    )


def check(overview: Overview, of: Pipeline) -> None:
    found = explained(of)
    assert overviewed(overview) == found
    acceptances = [each[0] for each in found.values()]
    assert overview.counts.by_acceptance == {each: acceptances.count(each) for each in Acceptance}
    assert overview.counts.without_endpoints == sum(bool(each[3]) for each in found.values())


def world(translate: TranslateOptions | None = None) -> Pipeline:
    """Objects that the generated changes meet."""
    return pipeline(
        ingress_class(),
        *(each for ns in ("default", "team") for each in (service("web", ns=ns), service("api", ns=ns))),
        slice_of("web", endpoint("10.0.0.1"), name="s1"),
        secret("cert-1", CERTIFICATES[0]),
        ingress(
            "one", rule("a.example.com", path("/"), path("/foo", "api")), tls=[tls("a.example.com", secret="cert-1")]
        ),
        ingress("two", rule("a.example.com", path("/foo", "web"), path("/bar", "ghost")), default="web"),
        ingress("three", rule("b.example.com", path("/")), annotations=ALIASED),
        ingress("one", rule("a.example.com", path("/")), annotations=CANARY, ns="team"),
        translate=translate,
        claim_classless=True,
    )


HTTPS = tls("a.example.com", secret="cert-1")
ALIASED = {"nginx.ingress.kubernetes.io/server-alias": "c.example.com"}
CANARY = {"nginx.ingress.kubernetes.io/canary": "true", "nginx.ingress.kubernetes.io/canary-weight": "10"}

SOME = settings(FEW, max_examples=8)


@SOME
@given(st.lists(changes, max_size=6), options)
def test_the_overview_equals_the_explanation_of_each_ingress(steps: list[Change], translate: TranslateOptions) -> None:
    built = world(translate)
    overview = Overview(built.state_reader)
    finish(overview.sweep())
    for step in steps:
        feed(built, step)
        finish(overview.sweep())
        assert overview.is_current
        check(overview, built)


STEPS: list[tuple[str, Change]] = [
    ("endpoints vanish", Deleted(EndpointSlice, key("s1"))),
    ("endpoints appear", Applied(slice_of("web", endpoint("10.0.0.2"), name="s1"))),
    ("endpoints of another Service appear", Applied(slice_of("api", endpoint("10.0.0.3"), name="s2"))),
    ("a Service loses its port", Applied(service("web", 8080))),
    ("a Service appears", Applied(service("ghost"))),
    ("a certificate goes", Deleted(Secret, key("cert-1"))),
    ("a host of rules takes the alias", Applied(ingress("four", rule("c.example.com", path("/"))))),
    ("an Ingress gets another class", Applied(ingress("two", rule("a.example.com", path("/foo")), class_name="nginx"))),
]


def test_every_kind_of_change_reaches_the_overview() -> None:
    """Changes one after the other: each makes a difference that no other change makes."""
    built = world()
    overview = Overview(built.state_reader)
    finish(overview.sweep())
    for name, step in STEPS:
        before = overviewed(overview)
        feed(built, step)
        finish(overview.sweep())
        assert overviewed(overview) == explained(built), name
        assert overviewed(overview) != before, name


def path_of(name: str, **fields: Any) -> Ingress:
    return ingress(name, rule("s.example.com", path("/")), **fields)


FIRST, JUNIOR = path_of("first"), path_of("junior")

ALONE: list[tuple[str, list[KubeObject], list[Change]]] = [
    ("another Ingress takes the path, with the same Service", [JUNIOR], [Applied(FIRST)]),
    ("the other Ingress with the path goes", [FIRST, JUNIOR], [Deleted(Ingress, key("first"))]),
    ("another default backend counts", [ingress("z", default="web")], [Applied(ingress("y", default="web"))]),
    (
        "the class becomes another controller's",
        [FIRST, ingress_class("mine"), path_of("a", class_name="mine")],
        [Applied(ingress_class("mine", "x.test/other"))],
    ),
    ("the class becomes ours", [path_of("a", class_name="nginx")], [Applied(ingress_class("nginx"))]),
    ("an Ingress of another class goes", [path_of("a", class_name="nginx")], [Deleted(Ingress, key("a"))]),
    ("an Ingress of another class comes", [], [Applied(path_of("a", class_name="nginx"))]),
    ("an Ingress goes", [FIRST], [Deleted(Ingress, key("first"))]),
    (
        "an alias goes to another host",
        [ingress("z", rule("z.example.com", path("/")), annotations=ALIASED)],
        [Applied(ingress("y", rule("y.example.com", path("/")), annotations=ALIASED))],
    ),
    (
        "a host with an alias goes",
        [
            ingress("z", rule("z.example.com", path("/")), annotations=ALIASED),
            ingress("y", rule("y.example.com", path("/")), annotations=ALIASED),
        ],
        [Deleted(Ingress, key("y"))],
    ),
    (
        "endpoints become unready",
        [FIRST, slice_of("web", endpoint("10.0.0.1"))],
        [Applied(slice_of("web", endpoint("10.0.0.1", ready=False)))],
    ),
    (
        "a certificate comes",
        [ingress("one", rule("a.example.com", path("/")), tls=[HTTPS])],
        [Applied(secret("cert-1", CERTIFICATES[0]))],
    ),
]


@pytest.mark.parametrize(("objects", "steps"), [each[1:] for each in ALONE], ids=[each[0] for each in ALONE])
def test_a_change_reaches_the_overview_with_a_sweep_after_any_slice_of_it(
    objects: list[KubeObject], steps: list[Change]
) -> None:
    """Few objects, so that no second trace of the change leads to the Ingress."""
    slices, is_done = 0, False
    while not is_done:
        built = pipeline(ingress_class(), service("web"), *objects)
        overview = Overview(built.state_reader)
        finish(overview.sweep())
        before = overviewed(overview)
        built.put(Batch(tuple(steps), 0.0))
        for _ in range(slices):
            built.work(lambda: 0.0, routing_seconds=-1.0)
        slices, is_done = slices + 1, not built.busy
        finish(overview.sweep())
        assert overview.has_states == (built.traffic.generation is not None)
        while built.busy:
            built.work(lambda: 0.0)
        finish(overview.sweep())
        assert overview.is_current
        check(overview, built)
        assert overviewed(overview) != before


def test_an_edit_of_an_ingress_of_another_class_shows() -> None:
    built = pipeline(ingress_class(), path_of("a", class_name="nginx"))
    overview = Overview(built.state_reader)
    finish(overview.sweep())
    feed(built, Applied(ingress("a", rule("new.example.com", path("/")), class_name="nginx")))
    finish(overview.sweep())
    assert [each.hosts for each in overview.summaries] == [("new.example.com",)]


def test_an_edit_that_leaves_routing_the_same_shows() -> None:
    built = pipeline(ingress_class(), service("web"), ingress("a", rule("a.example.com", path("/foo"))))
    overview = Overview(built.state_reader)
    finish(overview.sweep())
    edited = ingress("a", rule("a.example.com", path("/foo/")))
    feed(built, Applied(edited))
    assert not overview.has_states
    finish(overview.sweep())
    (summary,) = overview.summaries
    assert summary.ingress is edited
    assert "/foo/" in summary.words


def test_a_service_that_gets_another_type_shows() -> None:
    built = pipeline(ingress_class(), service("web"), FIRST, translate=TranslateOptions(allow_external_name=True))
    overview = Overview(built.state_reader)
    finish(overview.sweep())
    assert overview.counts.without_endpoints == 1
    feed(built, Applied(external("web", "web.example.org")))
    finish(overview.sweep())
    assert overview.counts.without_endpoints == 0


def test_a_change_during_a_sweep_calls_for_another_one() -> None:
    built = pipeline(ingress_class(), service("web"), FIRST)
    overview = Overview(built.state_reader)
    sweep = overview.sweep()
    next(sweep)
    feed(built, Applied(JUNIOR))
    finish(sweep)
    assert not overview.has_states
    finish(overview.sweep())
    assert overview.is_current
    check(overview, built)


def test_a_rejection_by_a_proxy_shows_without_a_change_of_routing() -> None:
    built = pipeline(ingress_class(), service("web"), FIRST)
    overview = Overview(built.state_reader)
    finish(overview.sweep())
    (before,) = overview.summaries
    (cluster,) = built.store.resources(ResourceType.CLUSTER).values()
    rejected = RejectionReport(cluster, "no", proxies=1, builds=(), on_trial=False, good=None)
    for reports in ([rejected], []):
        built.report_rejections(reports)
        assert not overview.has_states
        finish(overview.sweep())
        check(overview, built)
        (after,) = overview.summaries
        assert after.errors + after.warnings == before.errors + before.warnings + len(reports)


def test_endpoints_show_that_changed_before_the_history_begins() -> None:
    built = pipeline(ingress_class(), service("web"), service("api"), FIRST, OTHER, slice_of("web", "10.0.0.1"))
    overview = Overview(built.state_reader)
    finish(overview.sweep())
    assert overview.counts.without_endpoints == 1
    feed(built, Deleted(EndpointSlice, key("web-1")))
    changed = built.store.revision
    assert overview.has_states, "routing is the same"
    assert not overview.is_current
    for number in range(HISTORY_LIMIT):
        feed(built, Applied(slice_of("api", f"10.0.1.{number}")))
    assert built.store.history[0].number == changed + 1, "just forgotten"
    finish(overview.sweep())
    assert overview.counts.without_endpoints == 1
    check(overview, built)


OTHER = ingress("other", rule("o.example.com", path("/", "api")))


@SOME
@given(st.lists(changes, min_size=1, max_size=5), st.lists(st.integers(0, 2), max_size=40))
def test_sweeps_between_slices_of_routing_miss_no_change(steps: list[Change], turns: list[int]) -> None:
    """Each turn is a slice of work, a step of a sweep, or a change."""
    built = world()
    overview, waiting = Overview(built.state_reader), [Batch((step,), 0.0) for step in steps]
    sweep = overview.sweep()
    for turn in turns:
        if turn == 0 and waiting:
            built.put(waiting.pop())
        elif turn == 1:
            built.work(lambda: 0.0, routing_seconds=-1.0)
        elif next(sweep, "ended") == "ended":
            sweep = overview.sweep()
    finish(sweep)
    for batch in waiting:
        built.put(batch)
    while built.busy:
        built.work(lambda: 0.0)
    finish(overview.sweep())
    assert overview.is_current
    check(overview, built)
