"""cert-manager's objects make no problem while a certificate is issued by HTTP-01, whatever the site's Ingress says.

Covers: solver Ingresses of each form that cert-manager writes, beside sites with redirects, lists, passwords, client
certificates and so on; a solver's Service that comes late or goes early; the Secret that cert-manager has yet to make.
Excludes: the answer of a real Envoy (tests/e2e/test_cert_manager.py) and Events (tests/cluster/test_cert_manager.py).
"""

import itertools
from datetime import timedelta

import pytest

from tests.support.cert_manager import CHALLENGE, FORMS, SITES, SOLVER, TOKEN, site_ingress, solver_ingress
from tests.support.objects import (
    EPOCH,
    World,
    authorities,
    exact,
    ingress,
    ingress_class,
    password_file,
    path,
    pipeline,
    rule,
    secret,
    service,
    slice_of,
    tls,
)
from xds.explain.narration import explain_now
from xds.explain.url import question
from xds.kube.change import Deleted
from xds.kube.objects import Ingress, KubeObject, Service
from xds.problems.problem import Problem
from xds.resources.options import ProxyOptions
from xds.translate.cert_manager import ISSUE_TIME
from xds.translate.options import TranslateOptions
from xds.translate.ownership import HostOwnership

HOST = "a.example.com"
ISSUER = {"cert-manager.io/cluster-issuer": "letsencrypt"}

SERVERS = {
    "as it comes": (TranslateOptions(), ProxyOptions()),
    "redirects": (TranslateOptions(), ProxyOptions(redirect_https=True)),
    "compatible": (TranslateOptions(is_compatible=True), ProxyOptions()),
    "host ownership": (TranslateOptions(host_ownership=HostOwnership.NAMESPACE), ProxyOptions(redirect_https=True)),
}
"""Options of `xds serve` that say something about all Ingresses."""

OBJECTS: tuple[KubeObject, ...] = (
    service("web"),
    slice_of("web", "10.0.0.1"),
    service(SOLVER, "http:8089", type="NodePort"),
    slice_of(SOLVER, "10.0.0.9", ports=("http:8089",)),
    password_file("me:{SHA}nU4eI71bcnBGqeO0t9tXvY1u5oQ="),
    authorities("ca"),
)


@pytest.mark.parametrize("server", SERVERS)
def test_challenges_are_answered_and_make_no_problem(server: str) -> None:
    """Each form of a solver beside each kind of a site, a host for each pair."""
    translate, proxy = SERVERS[server]
    hosts = {f"shop.{number}.example.com": pair for number, pair in enumerate(itertools.product(SITES.values(), FORMS))}
    objects = [*OBJECTS, ingress_class("envoy", default=True)]
    for host, (site, form) in hosts.items():
        objects.append(site_ingress(host, site, name=f"site-{host}", created=1))
        objects.append(solver_ingress(host, *form, name=f"{SOLVER}-{host}", created=2))
    built = pipeline(*objects, translate=translate, proxy=proxy)
    urls = [f"http://{host}{CHALLENGE}{TOKEN}" for host in hosts]
    answers = {url: explain_now(built.state_reader, question(url, "GET", ())).status for url in urls}
    assert answers == dict.fromkeys(urls, 200)
    assert [each for each in built.problems if each.object.name.startswith(SOLVER)] == []


def test_a_solver_is_served_without_another_ingress_of_its_host() -> None:
    built = pipeline(*OBJECTS, solver_ingress(HOST, "Exact", "name"))
    answer = explain_now(built.state_reader, question(f"http://{HOST}{CHALLENGE}{TOKEN}", "GET", ()))
    assert (answer.status, built.problems) == (200, [])


@pytest.mark.parametrize("order", ["comes late", "goes early"])
def test_a_solver_without_service_is_no_problem(order: str) -> None:
    """The two watches know no order, and cert-manager removes the Service before the Ingress."""
    first = (solver_ingress(HOST, "Exact", "name"),)
    world = World(*first, *(OBJECTS if order == "goes early" else ()))
    if order == "goes early":
        world.apply(Deleted(Service, service(SOLVER).key))
    assert world.problems == []
    world.add(*OBJECTS)
    assert world.problems == []


@pytest.mark.parametrize(
    "written",
    [
        exact(f"{CHALLENGE}x", "web2"),
        exact("/x", f"{SOLVER}:8089"),
        exact("/.well-known/acme-challenge", f"{SOLVER}:8089"),
    ],
    ids=["another Service", "another path", "no token"],
)
def test_other_paths_without_service_are_problems(written: object) -> None:
    world = World(ingress("shop", rule(HOST, written)))  # type: ignore[arg-type]
    assert world.reasons() == [("shop", "BackendNotFound")]


def test_a_challenge_in_the_ingress_of_the_site_is_no_problem() -> None:
    """With the annotation acme.cert-manager.io/http01-edit-in-place."""
    edited = ingress("site", rule(HOST, path("/"), exact(f"{CHALLENGE}{TOKEN}", f"{SOLVER}:8089")))
    world = World(*OBJECTS, edited)
    assert world.problems == []
    world.apply(Deleted(Service, service(SOLVER).key))
    assert world.problems == []


def waiting(**annotations: str) -> Ingress:
    named = {name.replace("__", "/").replace("_", "-"): value for name, value in annotations.items()}
    return ingress("site", rule(HOST, path("/")), tls=[tls(HOST, secret="made")], annotations=named, created=0)


def missing_secrets(world: World) -> list[Problem]:
    return [each for each in world.problems if each.reason == "SecretNotFound"]


@pytest.mark.parametrize(
    "annotations",
    [
        {"cert-manager.io__issuer": "x"},
        {"cert-manager.io__cluster_issuer": "x"},
        {"kubernetes.io__tls_acme": "true"},
    ],
    ids=["issuer", "cluster-issuer", "tls-acme"],
)
def test_a_secret_that_cert_manager_makes_has_ten_minutes(annotations: dict[str, str]) -> None:
    made = waiting(**annotations)
    assert missing_secrets(World(service("web"), made, now=EPOCH + ISSUE_TIME - timedelta(seconds=1))) == []
    late = World(service("web"), made, now=EPOCH + ISSUE_TIME)
    (problem,) = missing_secrets(late)
    assert problem.remedy.startswith("cert-manager is asked for the Secret by an annotation")
    late.add(secret("made"))
    assert missing_secrets(late) == []


@pytest.mark.parametrize(
    "annotations",
    [{}, {"kubernetes.io__tls_acme": "false"}, {"cert-manager.io__issuer": ""}, {"cert-manager.io__duration": "1h"}],
    ids=str,
)
def test_a_secret_that_nobody_makes_is_missed_at_once(annotations: dict[str, str]) -> None:
    (problem,) = missing_secrets(World(service("web"), waiting(**annotations), now=EPOCH))
    assert problem.remedy == "Create the Secret, or correct secretName in the Ingress."


def test_a_secret_of_two_ingresses_is_missed_by_the_one_without_issuer() -> None:
    other = ingress("other", rule("b.example.com", path("/")), tls=[tls("b.example.com", secret="made")], created=0)
    world = World(service("web"), waiting(**{"cert-manager.io__issuer": "x"}), other, now=EPOCH)
    assert [each.object.name for each in missing_secrets(world)] == ["other"]


def test_a_secret_is_missed_when_its_time_is_over() -> None:
    """Without a change of any object: the period of the TLS table ends."""
    world = World(service("web"), waiting(**{"cert-manager.io__issuer": "x"}), now=EPOCH)
    assert world.traffic.date_period.until == EPOCH + ISSUE_TIME


def test_an_ingress_of_a_folder_has_no_age_and_misses_its_secret_at_once() -> None:
    asked = ingress("site", rule(HOST, path("/")), tls=[tls(HOST, secret="made")], annotations=ISSUER)
    assert len(missing_secrets(World(service("web"), asked, now=EPOCH))) == 1


def test_an_annotation_that_goes_ends_the_wait() -> None:
    world = World(service("web"), waiting(**{"cert-manager.io__issuer": "x"}), now=EPOCH)
    world.add(waiting())
    assert len(missing_secrets(world)) == 1
