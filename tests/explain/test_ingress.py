"""What is said of an Ingress: the fate of each part of it. Excludes how it is shown (tests/test_cli_why)."""

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
from xds.explain.ingress import Acceptance, Record, UnitStatus, findings, record
from xds.kube.change import Applied, Batch, Change, Deleted
from xds.kube.objects import Ingress, KubeObject, Secret
from xds.resources.options import ProxyOptions
from xds.translate.translator import TranslateOptions

SERVED = (service("web"), service("idle"), slice_of("web", endpoint("10.0.0.1")))


def of(name: str, *objects: KubeObject, default_tls_secret: str | None = None) -> Record:
    secret_key = key(default_tls_secret) if default_tls_secret else None
    built = pipeline(*objects, translate=TranslateOptions(default_tls_secret=secret_key), proxy=ProxyOptions())
    known = findings(built.state_reader, key(name))
    assert known is not None
    return record(known)


def fates(told: Record) -> dict[str, UnitStatus]:
    return {str(unit.field): unit.fate for unit in told.units}


def paths(*fates_: UnitStatus) -> dict[str, UnitStatus]:
    return {f"spec.rules[0].http.paths[{index}]": fate for index, fate in enumerate(fates_)}


def test_one_that_is_accepted() -> None:
    told = of("one", ingress("one", rule("a.test", path("/", "web"), exact("/idle", "idle"))), *SERVED)
    assert told.acceptance is Acceptance.ACCEPTED
    assert fates(told) == paths(UnitStatus.SERVED, UnitStatus.NO_ENDPOINTS)
    assert (told.units[0].backend, told.units[0].healthy) == (("default", "web", 80), 1)
    assert [(each.type.short, each.name) for each in told.resources] == [
        ("cds", "default/idle/80"),
        ("cds", "default/web/80"),
        ("eds", "default/idle/80"),
        ("eds", "default/web/80"),
        ("lds", "http"),
        ("rds", "http"),
        ("vhds", "http/a.test"),
    ]


def test_one_that_is_partly_accepted() -> None:
    bad = rule("a.test", path("/", "web"), path("x"), path("/gone", "gone"), path("/bucket", "bucket!"))
    told = of("one", ingress("one", bad, rule("a_b.test", path("/", "web"))), *SERVED)
    assert told.acceptance is Acceptance.PARTLY
    left_out = {"spec.rules[1].http.paths[0]": UnitStatus.LEFT_OUT}
    assert (
        fates(told) == paths(UnitStatus.SERVED, UnitStatus.LEFT_OUT, UnitStatus.BROKEN, UnitStatus.LEFT_OUT) | left_out
    )
    assert all(unit.why for unit in told.units[1:])
    assert {each.reason for each, _ in told.problems} >= {"InvalidPath", "BackendNotFound", "InvalidHost"}
    assert all(since is not None for _, since in told.problems)


def test_one_that_is_refused() -> None:
    told = of("one", ingress("one", rule("a.test", path("x"))), *SERVED)
    assert (told.acceptance, fates(told)) == (Acceptance.REFUSED, paths(UnitStatus.LEFT_OUT))


def test_seniors_win() -> None:
    senior = ingress("senior", rule("a.test", path("/", "web"), path("/x", "web")), created=1)
    junior = ingress("junior", rule("a.test", path("/", "idle"), path("/x", "web"), path("/y", "web")), created=2)
    told = of("junior", senior, junior, *SERVED)
    assert fates(told) == paths(UnitStatus.SHADOWED, UnitStatus.SAME, UnitStatus.SERVED)
    assert [unit.senior for unit in told.units] == [key("senior"), key("senior"), None]
    assert of("senior", senior, junior, *SERVED).acceptance is Acceptance.ACCEPTED


def test_default_backends() -> None:
    senior = ingress("senior", rule("a.test", path("/x", "web")), default="web", created=1)
    junior = ingress("junior", default="idle", created=2)
    named = ingress("named", rule("b.test", path("/x", "web")), default="web", created=3)
    lost = ingress("lost", default="gone", created=4)
    every = (senior, junior, named, lost, *SERVED)
    assert of("senior", *every).units[-1].text == "default backend of a.test, all other hosts"
    assert of("named", *every).units[-1].text == "default backend of b.test"
    shadowed = of("junior", *every).units[0]
    assert (shadowed.fate, shadowed.senior) == (UnitStatus.SHADOWED, key("senior"))
    assert of("lost", *every).units[0].fate is UnitStatus.LEFT_OUT
    assert of("lost", lost).units[0].fate is UnitStatus.BROKEN


def test_tls() -> None:
    senior = ingress("senior", rule("a.test"), tls=[tls("a.test", secret="one")], created=1)
    entries = [
        tls("a.test", "b.test", "A_", secret="two"),
        tls("c.test", secret="gone"),
        tls(secret="two"),
        tls("d.test"),
    ]
    junior = ingress("junior", rule("e.test"), tls=entries, created=2)
    pairs = [secret("one", certificate("a.test")), secret("two", certificate("b.test")), secret("three")]
    told = of("junior", senior, junior, *pairs, default_tls_secret="three")
    assert [(unit.text, unit.fate) for unit in told.units[1:]] == [
        ("HTTPS of a.test", UnitStatus.SHADOWED),
        ("HTTPS of b.test", UnitStatus.SERVED),
        ("HTTPS of A_", UnitStatus.LEFT_OUT),
        ("HTTPS of c.test", UnitStatus.LEFT_OUT),
        ("HTTPS of e.test", UnitStatus.SERVED),
        ("HTTPS of d.test", UnitStatus.SERVED),
    ]
    assert told.units[1].senior == key("senior")
    assert told.units[2].expires is not None
    assert ("sds", "default/two") in [(each.type.short, each.name) for each in told.resources]


def test_one_that_is_not_ours() -> None:
    theirs = ingress("theirs", rule("a.test", path("/", "web")), class_name="nginx")
    told = of("theirs", theirs, ingress_class("nginx", "example.com/nginx"), *SERVED)
    assert told.acceptance is Acceptance.NOT_OURS
    assert told.claim.why == "its class 'nginx' has the controller 'example.com/nginx'"
    assert [*told.units, *told.problems, *told.resources] == []
    classless = ingress("classless", rule("a.test", path("/", "web")), class_name=None)
    assert "no class" in of("classless", classless, ingress_class("envoy")).claim.why


def test_a_held_ingress_is_served_and_says_why() -> None:
    built = pipeline(*SERVED, ingress_class(), ingress("one", rule("a.test", path("/", "web"), path("/x", "gone"))))
    feed(built, Applied(ingress_class(controller="example.com/other")))
    known = findings(built.state_reader, key("one"))
    assert known is not None
    told = record(known)
    assert (told.claim.ours, told.acceptance) == (True, Acceptance.PARTLY)
    assert "WithdrawalHeld" in told.claim.why
    assert fates(told) == paths(UnitStatus.SERVED, UnitStatus.BROKEN)
    assert [each.reason for each, _ in told.problems] == ["BackendNotFound"]
    assert "default/web/80" in [each.name for each in told.resources]


def test_since_when_it_is_so() -> None:
    built = pipeline(*SERVED, ingress("one", rule("a.test", path("/", "web")), tls=[tls("a.test", secret="cert")]))

    def since(now: float, *changes: Change) -> float | None:
        built.apply([Batch(changes, now)], now)
        known = findings(built.state_reader, key("one"))
        return record(known).since if known else None

    assert since(1) == 0
    assert since(2, Applied(slice_of("web", endpoint("10.0.0.2")))) == 0, "endpoints come and go"
    assert since(3, Applied(ingress("two", rule("b.test", path("/", "idle"))))) == 0
    assert since(4, Applied(secret("cert", certificate("a.test")))) == 4
    assert since(5, Applied(ingress("one", rule("a.test", path("/", "idle"))))) == 5
    assert since(6, Applied(ingress("one", rule("x_.test", path("/", "idle"))))) is None, "nothing of it is served"


def test_one_that_is_not_there() -> None:
    assert findings(pipeline().state_reader, key("nobody")) is None


def test_a_problem_keeps_its_time() -> None:
    world = World(ingress("one", rule("a.test", path("/", "web")), tls=[tls("a.test", secret="gone")]))
    (missing, gone) = sorted(world.problems, key=lambda each: each.reason)
    assert world.registry.since(missing) == world.registry.since(gone) == NOW
    world.now = NOW.replace(year=2027)
    world.add(service("other"), secret("gone"))
    assert world.registry.since(gone) is None
    assert world.registry.since(missing) == NOW
    world.apply(Deleted(Secret, key("gone")), Deleted(Ingress, key("nobody")))
    assert world.registry.since(gone) == world.now
