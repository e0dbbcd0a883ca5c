"""The explanation of an Ingress: the status of each part. Excludes: how the CLI shows it (tests/cli/test_why)."""

from tests.support.objects import (
    NOW,
    World,
    certificate,
    endpoint,
    exact,
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
from tests.support.route_table_annotations import annotated, canary
from xds.explain.ingress import Acceptance, IngressExplanation, UnitStatus, explain_ingress
from xds.explain.ingress_facts import ingress_facts
from xds.kube.change import Applied, Batch, Change, Deleted
from xds.kube.objects import Ingress, KubeObject, Secret
from xds.resources.options import ProxyOptions
from xds.traffic.backends import BackendKey
from xds.translate.options import TranslateOptions

SERVED = (service("web"), service("idle"), slice_of("web", endpoint("10.0.0.1")))


def explained(name: str, *objects: KubeObject, default_tls_secret: str | None = None) -> IngressExplanation:
    secret_key = key(default_tls_secret) if default_tls_secret else None
    built = pipeline(*objects, translate=TranslateOptions(default_tls_secret=secret_key), proxy=ProxyOptions())
    facts = ingress_facts(built.state_reader, key(name))
    assert facts is not None
    return explain_ingress(facts)


def statuses(explanation: IngressExplanation) -> dict[str, UnitStatus]:
    return {str(unit.field): unit.status for unit in explanation.units}


def paths(*expected: UnitStatus) -> dict[str, UnitStatus]:
    return {f"spec.rules[0].http.paths[{index}]": status for index, status in enumerate(expected)}


def test_an_ingress_with_only_valid_parts_is_accepted() -> None:
    explanation = explained("one", ingress("one", rule("a.test", path("/", "web"), exact("/idle", "idle"))), *SERVED)
    assert explanation.acceptance is Acceptance.ACCEPTED
    assert statuses(explanation) == paths(UnitStatus.SERVED, UnitStatus.NO_ENDPOINTS)
    assert (explanation.units[0].backend, explanation.units[0].healthy) == (BackendKey("default", "web", 80), 1)
    assert [(each.type.short, each.name) for each in explanation.resources] == [
        ("cds", "default/idle/80"),
        ("cds", "default/web/80"),
        ("eds", "default/idle/80"),
        ("eds", "default/web/80"),
        ("lds", "http"),
        ("rds", "http@3"),
        ("vhds", "http@3/a.test"),
    ]


def test_a_rate_limit_is_explained_with_its_buckets() -> None:
    limits = annotated(limit_rpm="30", limit_allowlist="10.0.0.0/8")
    explanation = explained("one", ingress("one", rule("a.test", path("/", "web")), annotations=limits), *SERVED)
    expected = "rate limit: of a client 30 a minute, and 151 at once, over all routes of Ingress default/one; no limit "
    assert explanation.units[0].why == f"{expected}for 10.0.0.0/8"
    assert ("ecds", "rate-limits@1") in [(each.type.short, each.name) for each in explanation.resources]


def test_an_ingress_with_an_invalid_part_is_partly_accepted() -> None:
    bad = rule("a.test", path("/", "web"), path("x"), path("/gone", "gone"), path("/bucket", "bucket!"))
    explanation = explained("one", ingress("one", bad, rule("a_b.test", path("/", "web"))), *SERVED)
    assert explanation.acceptance is Acceptance.PARTLY
    left_out = {"spec.rules[1].http.paths[0]": UnitStatus.LEFT_OUT}
    assert (
        statuses(explanation)
        == paths(UnitStatus.SERVED, UnitStatus.LEFT_OUT, UnitStatus.BROKEN, UnitStatus.LEFT_OUT) | left_out
    )
    assert all(unit.why for unit in explanation.units[1:])
    assert {each.reason for each, _ in explanation.problems} >= {"InvalidPath", "BackendNotFound", "InvalidHost"}
    assert all(since is not None for _, since in explanation.problems)


def test_an_ingress_without_valid_parts_is_not_served() -> None:
    explanation = explained("one", ingress("one", rule("a.test", path("x"))), *SERVED)
    assert (explanation.acceptance, statuses(explanation)) == (Acceptance.NOT_SERVED, paths(UnitStatus.LEFT_OUT))


def test_a_senior_ingress_shadows_paths_of_a_junior() -> None:
    senior = ingress("senior", rule("a.test", path("/", "web"), path("/x", "web")), created=1)
    junior = ingress("junior", rule("a.test", path("/", "idle"), path("/x", "web"), path("/y", "web")), created=2)
    explanation = explained("junior", senior, junior, *SERVED)
    assert statuses(explanation) == paths(UnitStatus.SHADOWED, UnitStatus.SAME, UnitStatus.SERVED)
    assert [unit.senior for unit in explanation.units] == [key("senior"), key("senior"), None]
    assert explained("senior", senior, junior, *SERVED).acceptance is Acceptance.ACCEPTED


def test_the_senior_default_backend_is_used() -> None:
    senior = ingress("senior", rule("a.test", path("/x", "web")), default="web", created=1)
    junior = ingress("junior", default="idle", created=2)
    named = ingress("named", rule("b.test", path("/x", "web")), default="web", created=3)
    lost = ingress("lost", default="gone", created=4)
    every = (senior, junior, named, lost, *SERVED)
    assert explained("senior", *every).units[-1].text == "default backend of a.test, all other hosts"
    assert explained("named", *every).units[-1].text == "default backend of b.test"
    shadowed = explained("junior", *every).units[0]
    assert (shadowed.status, shadowed.senior) == (UnitStatus.SHADOWED, key("senior"))
    assert explained("lost", *every).units[0].status is UnitStatus.LEFT_OUT
    assert explained("lost", lost).units[0].status is UnitStatus.BROKEN


def test_tls_hosts_have_a_status_each() -> None:
    senior = ingress("senior", rule("a.test"), tls=[tls("a.test", secret="one")], created=1)
    entries = [
        tls("a.test", "b.test", "A_", secret="two"),
        tls("c.test", secret="gone"),
        tls(secret="two"),
        tls("d.test"),
    ]
    junior = ingress("junior", rule("e.test"), tls=entries, created=2)
    pairs = [secret("one", certificate("a.test")), secret("two", certificate("b.test")), secret("three")]
    explanation = explained("junior", senior, junior, *pairs, default_tls_secret="three")
    assert [(unit.text, unit.status) for unit in explanation.units[1:]] == [
        ("HTTPS of a.test", UnitStatus.SHADOWED),
        ("HTTPS of b.test", UnitStatus.SERVED),
        ("HTTPS of A_", UnitStatus.LEFT_OUT),
        ("HTTPS of c.test", UnitStatus.LEFT_OUT),
        ("HTTPS of e.test", UnitStatus.SERVED),
        ("HTTPS of d.test", UnitStatus.SERVED),
    ]
    assert explanation.units[1].senior == key("senior")
    assert explanation.units[2].expires is not None
    assert ("sds", "default/two") in [(each.type.short, each.name) for each in explanation.resources]


def test_an_ingress_of_another_class_is_not_ours() -> None:
    theirs = ingress("theirs", rule("a.test", path("/", "web")), class_name="nginx")
    explanation = explained("theirs", theirs, ingress_class("nginx", "example.com/nginx"), *SERVED)
    assert explanation.acceptance is Acceptance.NOT_OURS
    assert explanation.claim.why == "its class 'nginx' has the controller 'example.com/nginx'"
    assert [*explanation.units, *explanation.problems, *explanation.resources] == []
    classless = ingress("classless", rule("a.test", path("/", "web")), class_name=None)
    assert "no class" in explained("classless", classless, ingress_class("envoy")).claim.why


def test_a_held_ingress_is_served_with_a_reason() -> None:
    built = pipeline(*SERVED, ingress_class(), ingress("one", rule("a.test", path("/", "web"), path("/x", "gone"))))
    feed(built, Applied(ingress_class(controller="example.com/other")))
    facts = ingress_facts(built.state_reader, key("one"))
    assert facts is not None
    explanation = explain_ingress(facts)
    assert (explanation.claim.ours, explanation.acceptance) == (True, Acceptance.PARTLY)
    assert "WithdrawalHeld" in explanation.claim.why
    assert statuses(explanation) == paths(UnitStatus.SERVED, UnitStatus.BROKEN)
    assert [each.reason for each, _ in explanation.problems] == ["BackendNotFound"]
    assert "default/web/80" in [each.name for each in explanation.resources]


def test_since_is_the_last_change_of_resources_but_endpoints() -> None:
    built = pipeline(*SERVED, ingress("one", rule("a.test", path("/", "web")), tls=[tls("a.test", secret="cert")]))

    def since(now: float, *changes: Change) -> float | None:
        built.apply([Batch(changes, now)], now)
        facts = ingress_facts(built.state_reader, key("one"))
        return explain_ingress(facts).since if facts else None

    assert since(1) == 0
    assert since(2, Applied(slice_of("web", endpoint("10.0.0.2")))) == 0, "endpoints come and go"
    assert since(3, Applied(ingress("two", rule("b.test", path("/", "idle"))))) == 0
    assert since(4, Applied(secret("cert", certificate("a.test")))) == 4
    assert since(5, Applied(ingress("one", rule("a.test", path("/", "idle"))))) == 5
    assert since(6, Applied(ingress("one", rule("x_.test", path("/", "idle"))))) is None, "no part is served"


def test_a_missing_ingress_has_no_facts() -> None:
    assert ingress_facts(pipeline().state_reader, key("nobody")) is None


def test_a_problem_keeps_the_time_since_when_it_stands() -> None:
    world = World(ingress("one", rule("a.test", path("/", "web")), tls=[tls("a.test", secret="gone")]))
    (missing, gone) = sorted(world.problems, key=lambda each: each.reason)
    assert world.registry.since(missing) == world.registry.since(gone) == NOW
    world.now = NOW.replace(year=2027)
    world.add(service("other"), secret("gone"))
    assert world.registry.since(gone) is None
    assert world.registry.since(missing) == NOW
    world.apply(Deleted(Secret, key("gone")), Deleted(Ingress, key("nobody")))
    assert world.registry.since(gone) == world.now


def test_a_canary_says_which_requests_it_shares() -> None:
    objects = (
        ingress("main", rule("a.test", path("/", "web"))),
        ingress(
            "next",
            rule("a.test", path("/", "idle"), path("/b", "idle")),
            default="idle",
            annotations=canary(canary_by_header="x-a", canary_weight="20"),
        ),
        *SERVED,
    )
    explanation = explained("next", *objects)
    why = "shares the path of Ingress default/main: if header x-a=always, unless header x-a=never"
    assert [(unit.status, unit.why, unit.backend, unit.healthy) for unit in explanation.units] == [
        (
            UnitStatus.SERVED,
            f"{why}, 20 of 100 other requests",
            BackendKey("default", "idle", 80),
            0,
        ),
        (
            UnitStatus.LEFT_OUT,
            "no Ingress but canaries has Prefix path '/b' of host a.test, so the canary gets no request",
            None,
            0,
        ),
        (
            UnitStatus.LEFT_OUT,
            "the Ingress is a canary, which only lends its backends and has no default backend",
            None,
            0,
        ),
    ]
    assert ("cds", "default/idle/80+default/web/80") in [(each.type.short, each.name) for each in explanation.resources]
    assert statuses(explained("main", *objects)) == paths(UnitStatus.SERVED)


def test_names_beside_the_hosts_of_an_ingress_are_parts_of_the_ingress() -> None:
    explanation = explained(
        "one",
        ingress(
            "one",
            rule("a.test", path("/")),
            annotations=annotated(server_alias="b.test,c.test", from_to_www_redirect="true"),
        ),
        ingress("two", rule("c.test", path("/"))),
        *SERVED,
    )
    assert [unit.text for unit in explanation.units][1:] == [
        "b.test, alias of a.test",
        "www.a.test, redirected to a.test",
    ]
    assert {each.name.rpartition("/")[2] for each in explanation.resources if each.type.short == "vhds"} == {
        "a.test",
        "b.test",
        "www.a.test",
    }
    assert [problem.reason for problem, _ in explanation.problems] == ["AliasConflict"]


def test_a_path_says_what_its_annotations_do() -> None:
    annotations = annotated(mirror_target="http://idle.default.svc", default_backend="idle")
    explanation = explained(
        "one", ingress("one", rule("a.test", path("/", "web"), path("/x", "gone")), annotations=annotations), *SERVED
    )
    served, stand_in = explanation.units
    assert served.status is UnitStatus.SERVED
    assert "a copy goes to default/idle/80" in served.why
    assert stand_in.backend == BackendKey("default", "idle", 80)
    assert "Service 'gone' can't be used" in stand_in.why
