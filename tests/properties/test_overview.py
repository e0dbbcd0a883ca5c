"""The overview of Ingresses for generated objects and changes.

Covers: after any changes, with sweeps at any time, the overview equals the explanation of each Ingress. Excludes:
questions to the overview (tests/server/debug/test_answers.py), and its speed (docs/design/overview.md).
"""

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.properties.test_translation import CERTIFICATES, FEW, changes, options
from tests.support.objects import (
    endpoint,
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
from xds.kube.objects import EndpointSlice, Secret
from xds.problems.problem import Key
from xds.problems.reasons import Level
from xds.steps import finish
from xds.translate.translator import TranslateOptions

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

SOME = settings(FEW, max_examples=25)


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
