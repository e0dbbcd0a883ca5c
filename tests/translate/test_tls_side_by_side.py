"""Several Secrets for one TLS host, and one certificate in several Secrets.

Covers: RSA and ECDSA side by side, and copies of a certificate. Excludes: conflicts of Ingresses in general
(test_tls_table).
"""

from datetime import datetime

from hypothesis import given
from hypothesis import strategies as st

from tests.support.objects import NOW, World, certificate, ingress, key, path, rule, secret, service, tls
from xds.kube.change import Deleted
from xds.kube.objects import Ingress, IngressTLS, Secret
from xds.traffic.tls import Termination

A, B = "a.example.com", "b.example.com"
NAMES = (A, B)
PAIR = certificate(*NAMES)
OTHER = certificate(*NAMES, serial=2)


def shop(*entries: IngressTLS, name: str = "shop", **fields: int) -> Ingress:
    return ingress(name, rule(A, path("/")), tls=entries, **fields)  # type: ignore[arg-type]


def world_of(*objects: Ingress | Secret, default: str | None = None, now: datetime = NOW) -> World:
    return World(service("web"), *objects, default_tls_secret=default, now=now)


def served(world: World) -> dict[str, tuple[str, ...]]:
    """By the names of Secrets, the hosts."""
    return {"+".join(secret.name for secret in each.secrets): each.hosts for each in world.traffic.tls.terminations}


RSA_PAIR = certificate(*NAMES, kind="rsa2048")


def test_an_rsa_and_an_ecdsa_certificate_of_one_ingress_are_served_side_by_side() -> None:
    world = world_of(
        shop(tls(A, B, secret="ecdsa"), tls(A, secret="rsa")), secret("ecdsa", PAIR), secret("rsa", RSA_PAIR)
    )
    assert served(world) == {"ecdsa": (B,), "ecdsa+rsa": (A,)}
    assert world.problems == []
    world.apply(Deleted(Secret, key("ecdsa")))
    assert served(world) == {"rsa": (A,)}
    assert world.traffic.tls.without_certificate == (B,)


def test_two_ingresses_of_a_namespace_have_an_rsa_and_an_ecdsa_certificate() -> None:
    world = world_of(
        shop(tls(A, secret="ecdsa"), name="old", created=1),
        shop(tls(A, secret="rsa"), name="young", created=2),
        secret("ecdsa", PAIR),
        secret("rsa", RSA_PAIR),
    )
    assert served(world) == {"ecdsa+rsa": (A,)}
    assert world.problems == []


def test_no_other_namespace_adds_a_certificate_to_a_host() -> None:
    world = world_of(
        shop(tls(A, secret="rsa"), name="old", created=1),
        ingress("young", rule(A, path("/")), tls=[tls(A, secret="ecdsa")], ns="other", created=2),
        secret("rsa", RSA_PAIR),
        secret("ecdsa", PAIR, ns="other"),
    )
    assert served(world) == {"rsa": (A,)}
    assert world.reasons().count(("young", "CertificateConflict")) == 1


def test_a_second_certificate_of_the_same_kind_is_a_conflict_with_an_earlier_entry() -> None:
    world = world_of(
        shop(tls(A, secret="ecdsa"), tls(A, secret="rsa"), tls(A, secret="more")),
        *(secret("ecdsa", PAIR), secret("rsa", RSA_PAIR), secret("more", OTHER)),
    )
    assert served(world) == {"ecdsa+rsa": (A,)}
    problem = world.problem("CertificateConflict")
    assert str(problem.field) == "spec.tls[2]"
    assert "where the first entry counts" in problem.message


def test_secrets_with_the_same_certificate_have_a_single_termination() -> None:
    world = world_of(
        shop(tls(A, secret="one"), name="one"),
        shop(tls(B, secret="two"), name="two"),
        secret("one", PAIR),
        secret("two", PAIR),
    )
    assert served(world) == {"one": (A, B)}
    assert [each.secret.name for each in world.traffic.certificates.values()] == ["one"]
    assert world.problems == []
    world.add(secret("one", OTHER))
    assert served(world) == {"one": (A,), "two": (B,)}
    world.add(secret("two", OTHER))
    assert served(world) == {"one": (A, B)}


def test_the_same_certificate_in_two_secrets_is_no_conflict() -> None:
    there = ingress("there", tls=[tls(A, secret="copy")], ns="there", created=2)
    world = world_of(
        shop(tls(A, secret="cert"), created=1), there, secret("cert", PAIR), secret("copy", PAIR, ns="there")
    )
    assert served(world) == {"cert": (A,)}
    assert world.problems == []


def test_hosts_of_a_copy_of_the_default_certificate_are_hosts_of_the_default() -> None:
    world = world_of(shop(tls(A, secret="copy")), secret("copy", PAIR), secret("default", PAIR), default="default")
    assert world.traffic.tls.terminations == (Termination((key("copy"),), (A,), is_default=True),)


@given(st.lists(st.tuples(st.integers(0, 2), st.sampled_from([A, B]), st.integers(0, 3)), max_size=6))
def test_each_host_has_at_most_a_certificate_for_each_kind_of_key(entries: list[tuple[int, str, int]]) -> None:
    pairs = [PAIR, OTHER, RSA_PAIR, PAIR]
    world = world_of(
        *(shop(tls(host, secret=f"s{number}"), name=f"i{age}", created=age) for age, host, number in entries),
        *(secret(f"s{number}", pair) for number, pair in enumerate(pairs)),
    )
    found = [host for each in world.traffic.tls.terminations for host in each.hosts]
    assert len(found) == len(set(found))
    for each in world.traffic.tls.terminations:
        kinds = [world.traffic.certificates[secret].key_type for secret in each.secrets]
        assert len(kinds) == len(set(kinds))
        assert sorted(each.secrets) == list(each.secrets)
