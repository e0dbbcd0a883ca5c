"""From TLS entries and Secrets to which certificate serves which host.

Covers: claims, wildcards, entries without hosts or secretName, the default Secret, every way in which a Secret can be
unusable, last good, expiry, conflicts, redaction. Excludes: which request gets which certificate (test_route_table),
and how Envoy is told (tests/golden).
"""

import ssl
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.objects import (
    NOW,
    Pair,
    World,
    certificate,
    encrypted,
    ingress,
    key,
    path,
    rule,
    secret,
    secret_of,
    service,
    tls,
)
from tests.support.route_table_annotations import canary
from xds.kube.change import Deleted
from xds.kube.objects import Ingress, IngressTLS, Secret
from xds.traffic.tls import Certificate, KeyType, Termination
from xds.translate.certificate_dates import Validity

A, B = "a.example.com", "b.example.com"
NAMES = (A, B, "*.example.com", "*.c.example.com")
PAIR = certificate(*NAMES)
OTHER = certificate(*NAMES, serial=2)
GOOD = Certificate(key("cert"), PAIR.chain, PAIR.key, KeyType.ECDSA)


def shop(*entries: IngressTLS, hosts: tuple[str | None, ...] = (A,), name: str = "shop", **fields: int) -> Ingress:
    return ingress(name, *(rule(host, path("/")) for host in hosts), tls=entries, **fields)  # type: ignore[arg-type]


def world_of(*objects: Ingress | Secret, default: str | None = None, now: datetime = NOW) -> World:
    return World(service("web"), *objects, default_tls_secret=default, now=now)


def served(world: World) -> dict[str, tuple[str, ...]]:
    """By Secret, the hosts."""
    return {"+".join(secret.name for secret in each.secrets): each.hosts for each in world.traffic.tls.terminations}


def chain(world: World) -> bytes:
    (only,) = tuple(world.traffic.certificates.values())
    return only.chain


# Claims


def test_an_entry_with_a_good_secret() -> None:
    world = world_of(shop(tls(A, secret="cert")), secret("cert", PAIR))
    assert world.traffic.tls.terminations == (Termination((key("cert"),), (A,)),)
    assert tuple(world.traffic.certificates.values()) == (
        Certificate(key("cert"), PAIR.chain, PAIR.key, KeyType.ECDSA),
    )
    assert world.problems == []


def test_without_tls_there_is_none() -> None:
    world = world_of(ingress("shop", rule(A, path("/"))), secret("cert", PAIR))
    assert world.traffic.tls.terminations == ()
    assert tuple(world.traffic.certificates.values()) == ()


def test_a_secret_used_many_times_has_a_single_termination() -> None:
    world = world_of(
        shop(tls(B, secret="cert"), tls("c.example.com", secret="cert")),
        shop(tls(A, secret="cert"), name="other"),
        secret("cert", PAIR),
    )
    assert served(world) == {"cert": (A, B, "c.example.com")}
    assert len(tuple(world.traffic.certificates.values())) == 1


def test_a_secret_is_of_the_ingress_namespace() -> None:
    world = world_of(shop(tls(A, secret="cert")), secret("cert", PAIR, ns="elsewhere"))
    assert served(world) == {}
    assert world.reasons() == [("shop", "SecretNotFound")]


def test_the_same_name_in_two_namespaces_is_two() -> None:
    there = ingress("shop", tls=[tls(B, secret="cert")], ns="there")
    world = world_of(shop(tls(A, secret="cert")), there, secret("cert", PAIR), secret("cert", OTHER, ns="there"))
    assert [(each.secrets, each.hosts) for each in world.traffic.tls.terminations] == [
        ((key("cert"),), (A,)),
        ((key("cert", "there"),), (B,)),
    ]


def test_tls_hosts_without_a_rule_are_fine() -> None:
    world = world_of(ingress("shop", tls=[tls(A, secret="cert")]), secret("cert", PAIR))
    assert served(world) == {"cert": (A,)}
    assert world.problems == []


def test_tls_hosts_have_no_case() -> None:
    assert served(world_of(shop(tls(A.upper(), secret="cert")), secret("cert", PAIR))) == {"cert": (A,)}


def test_a_wildcard_beside_a_host_beneath_the_wildcard() -> None:
    world = world_of(
        shop(tls("*.example.com", secret="wild"), tls(A, secret="cert")), secret("cert", PAIR), secret("wild", OTHER)
    )
    assert served(world) == {"cert": (A,), "wild": ("*.example.com",)}
    assert world.problems == []


def test_an_entry_without_hosts_covers_the_hosts_of_the_rules() -> None:
    world = world_of(shop(tls(secret="cert"), hosts=(B, A, None, "*.c.example.com")), secret("cert", PAIR))
    assert served(world) == {"cert": ("*.c.example.com", A, B)}
    assert world.problems == []


def test_an_entry_without_hosts_follows_the_rules() -> None:
    world = world_of(shop(tls(secret="cert")), secret("cert", PAIR))
    world.add(shop(tls(secret="cert"), hosts=(B,)))
    assert served(world) == {"cert": (B,)}


def test_an_entry_without_any_host_is_a_problem() -> None:
    world = world_of(shop(tls(secret="cert"), hosts=(None,)), secret("cert", PAIR))
    assert served(world) == {}
    assert world.reasons() == [("shop", "TLSHostsMissing")]


@pytest.mark.parametrize("host", ["*", "a b", "a\0", "10.0.0.1", "☃", "x" * 65536, "*.*.com", ".*"])
def test_a_hostile_tls_host_takes_only_itself_away(host: str) -> None:
    world = world_of(shop(tls(host, A, secret="cert")), secret("cert", PAIR))
    assert served(world) == {"cert": (A,)}
    problem = world.problem("InvalidHost")
    assert str(problem.field) == "spec.tls[0].hosts[0]"
    assert problem.message.isprintable()
    assert len(problem.message) < 500


# The default Secret


def test_an_entry_without_secret_name_uses_the_default_secret() -> None:
    world = world_of(shop(tls(A)), secret("cert", PAIR), default="cert")
    assert world.traffic.tls.terminations == (Termination((key("cert"),), (A,), is_default=True),)
    assert world.problems == []


def test_without_secret_name_and_default() -> None:
    world = world_of(shop(tls(A)))
    assert served(world) == {}
    problem = world.problem("NoDefaultCertificate")
    assert "--default-tls-secret" in problem.remedy


def test_the_default_secret_serves_without_any_ingress() -> None:
    world = world_of(secret("cert", PAIR), default="cert")
    assert world.traffic.tls.terminations == (Termination((key("cert"),), (), is_default=True),)


def test_the_default_secret_is_in_the_namespace_of_the_flag() -> None:
    world = World(ingress("shop", tls=[tls(A)], ns="there"), secret("cert", PAIR), default_tls_secret="cert")
    assert served(world) == {"cert": (A,)}


def test_a_missing_default_secret_is_a_problem() -> None:
    world = World(service("web"), default_tls_secret="cert")
    world.add(ingress("shop", tls=[tls(A)]))
    assert ("shop", "SecretNotFound") in world.reasons()
    assert served(world) == {}
    world.add(secret("cert", PAIR))
    assert served(world) == {"cert": (A,)}
    assert world.problems == []


def test_a_missing_default_secret_is_a_problem_without_any_ingress() -> None:
    """The operator asked for it: never silence."""
    world = World(ingress("shop", rule(A, path("/", "web"))), service("web"), default_tls_secret="cert")
    assert ("cert", "SecretNotFound") in world.reasons()


# Secrets that are no good

JUNK = b"-----BEGIN CERTIFICATE-----\nnonsense\n-----END CERTIFICATE-----\n"
RSA = certificate(A, kind="rsa2048")

BAD = {
    "no data": (None, None),
    "no key": (PAIR.chain, None),
    "no certificate": (None, PAIR.key),
    "empty": (b"", b""),
    "blank": (b"\n", b" "),
    "garbage": (b"\x00\xff garbage", b"\xff"),
    "junk in PEM": (JUNK, PAIR.key),
    "junk key in PEM": (PAIR.chain, JUNK.replace(b"CERTIFICATE", b"PRIVATE KEY")),
    "another's key": (PAIR.chain, OTHER.key),
    "key of another kind": (PAIR.chain, RSA.key),
    "swapped": (PAIR.key, PAIR.chain),
    "DER": (b"0\x82\x01", b"0\x82\x01"),
    "cut": (PAIR.chain[:200], PAIR.key),
    "leaf good, rest junk": (PAIR.chain + JUNK, PAIR.key),
    "encrypted": (encrypted(PAIR).chain, encrypted(PAIR).key),
    "Ed25519": (certificate(A, kind="ed25519").chain, certificate(A, kind="ed25519").key),
    "RSA-1024": (certificate(A, kind="rsa1024").chain, certificate(A, kind="rsa1024").key),
    "secp256k1": (certificate(A, kind="secp256k1").chain, certificate(A, kind="secp256k1").key),
    "huge": (b"x" * 2**20, PAIR.key),
}


@pytest.mark.parametrize("bad", BAD.values(), ids=BAD)
def test_a_bad_secret_affects_no_hosts_of_good_secrets(bad: tuple[bytes | None, bytes | None]) -> None:
    world = world_of(
        shop(tls(A, secret="bad"), tls(B, secret="cert"), hosts=(A, B)),
        secret_of("bad", *bad),
        secret("cert", PAIR),
    )
    assert served(world) == {"cert": (B,)}
    assert set(world.traffic.hosts) == {A, B}, "HTTP goes on"
    problem = world.problem("SecretInvalid")
    assert problem.object.name == "shop"
    assert "default/bad" in problem.message
    assert str(problem.field).startswith("spec.tls[0]")
    assert problem.message.isprintable()


def test_a_missing_secret_affects_no_hosts_of_good_secrets() -> None:
    world = world_of(shop(tls(A, secret="gone"), tls(B, secret="cert"), hosts=(A, B)), secret("cert", PAIR))
    assert served(world) == {"cert": (B,)}
    assert set(world.traffic.hosts) == {A, B}
    assert str(world.problem("SecretNotFound").field).startswith("spec.tls[0]")


@pytest.mark.parametrize("kind", ["p256", "rsa2048"])
def test_good_kinds(kind: str) -> None:
    pair = certificate(A, kind=kind)
    assert chain(world_of(shop(tls(A, secret="cert")), secret("cert", pair))) == pair.chain


def test_a_chain_is_kept_whole() -> None:
    pair = Pair(PAIR.chain + OTHER.chain, PAIR.key)
    assert chain(world_of(shop(tls(A, secret="cert")), secret("cert", pair))) == pair.chain


def test_a_certificate_for_different_names_is_served_with_a_problem() -> None:
    """Half of all test clusters depend on it."""
    world = world_of(shop(tls(A, B, "*.example.com", secret="cert")), secret("cert", certificate(A)))
    assert served(world) == {"cert": ("*.example.com", A, B)}
    problem = world.problem("CertificateNamesOthers")
    assert problem.object.name == "shop"
    assert str(problem.field) == "spec.tls[0]"
    assert "names 'a.example.com', and not 'b.example.com', '*.example.com'" in problem.message
    world.add(secret("cert", PAIR))
    assert world.problems == []


@pytest.mark.parametrize(
    ("names", "is_covered"),
    [
        (("*.example.com",), True),
        (("A.EXAMPLE.COM",), True),
        (("*.EXAMPLE.com",), True),
        (("example.com",), False),
        (("*.com",), False),
        (("*.a.example.com",), False),
        (("*",), False),
    ],
)
def test_a_host_is_covered_by_a_name_or_a_wildcard_for_its_first_label(
    names: tuple[str, ...], is_covered: bool
) -> None:
    world = world_of(shop(tls(A, secret="cert")), secret("cert", certificate(*names)))
    assert world.reasons() == ([] if is_covered else [("shop", "CertificateNamesOthers")])


def test_many_names_of_a_certificate_are_cut_short() -> None:
    pair = certificate(*(f"h{number}.example.org" for number in range(100)))
    message = world_of(shop(tls(A, secret="cert")), secret("cert", pair)).problem("CertificateNamesOthers").message
    assert "and 97 more" in message
    assert len(message) < 500


def test_a_host_that_another_certificate_serves_needs_no_name_in_the_certificate() -> None:
    world = world_of(
        shop(tls(A, B, secret="young"), name="young", created=2),
        shop(tls(A, secret="old"), name="old", created=1),
        secret("old", PAIR),
        secret("young", certificate(B)),
    )
    assert world.reasons() == [("young", "CertificateConflict")]


def test_the_default_certificate_needs_no_name_for_hosts_that_no_entry_names() -> None:
    assert world_of(secret("cert", certificate("x")), default="cert").problems == []


def test_a_secret_appears_after_the_ingress() -> None:
    world = world_of(shop(tls(A, secret="cert")))
    assert world.reasons() == [("shop", "SecretNotFound")]
    world.add(secret("cert", PAIR))
    assert served(world) == {"cert": (A,)}
    assert world.problems == []


# Last good


def test_a_new_certificate_changes_no_termination() -> None:
    world = world_of(shop(tls(A, secret="cert")), secret("cert", PAIR))
    before = world.traffic.tls.terminations
    world.add(secret("cert", OTHER))
    assert world.traffic.tls.terminations == before
    assert chain(world) == OTHER.chain


@pytest.mark.parametrize("bad", BAD.values(), ids=BAD)
def test_the_last_good_certificate_is_kept(bad: tuple[bytes | None, bytes | None]) -> None:
    world = world_of(shop(tls(A, secret="cert")), secret("cert", PAIR))
    world.add(secret_of("cert", *bad))
    assert served(world) == {"cert": (A,)}
    assert tuple(world.traffic.certificates.values()) == (
        Certificate(key("cert"), PAIR.chain, PAIR.key, KeyType.ECDSA),
    )
    assert world.reasons() == [("shop", "SecretInvalid")]
    world.add(secret("cert", OTHER))
    assert chain(world) == OTHER.chain
    assert world.problems == []


def test_the_latest_good_certificate_is_served_and_not_the_first() -> None:
    world = world_of(shop(tls(A, secret="cert")), secret("cert", PAIR))
    world.add(secret("cert", OTHER))
    world.add(secret_of("cert", b"bad", b"bad"))
    assert chain(world) == OTHER.chain


def test_a_deleted_secret_has_no_last_good() -> None:
    world = world_of(shop(tls(A, secret="cert")), secret("cert", PAIR))
    world.apply(Deleted(Secret, key("cert")))
    assert served(world) == {}
    assert world.reasons() == [("shop", "SecretNotFound")]
    world.add(secret_of("cert", b"bad", b"bad"))
    assert served(world) == {}
    assert world.reasons() == [("shop", "SecretInvalid")]


def test_the_last_good_certificate_stays_while_an_unrelated_object_changes() -> None:
    world = world_of(shop(tls(A, secret="cert")), secret("cert", PAIR))
    world.add(secret_of("cert", b"bad", b"bad"))
    world.add(shop(tls(B, secret="cert"), name="other"))
    assert served(world) == {"cert": (A, B)}
    assert sorted(world.reasons()) == [("other", "SecretInvalid"), ("shop", "SecretInvalid")]


def test_the_last_good_certificate_of_an_unused_secret_is_forgotten() -> None:
    """A deleted object has no last good, whoever looked at the time."""
    world = world_of(shop(tls(A, secret="cert")), secret("cert", PAIR))
    world.apply(Deleted(Ingress, key("shop")))
    world.apply(Deleted(Secret, key("cert")))
    world.add(secret_of("cert", b"bad", b"bad"))
    world.add(shop(tls(A, secret="cert")))
    assert served(world) == {}
    assert world.reasons() == [("shop", "SecretInvalid")]


# Expiry


def test_an_expired_certificate_is_renewed() -> None:
    world = world_of(
        shop(tls(A, secret="cert")), secret("cert", certificate(A, until=datetime(2025, 1, 1, tzinfo=UTC)))
    )
    assert world.reasons() == [("shop", "CertificateExpired")]
    world.add(secret("cert", PAIR))
    assert world.problems == []


DAY = timedelta(days=1)


def reasons_at(now: datetime, pair: Pair) -> list[str]:
    world = world_of(shop(tls(A, secret="cert")), secret("cert", pair), now=now)
    assert served(world) == {"cert": (A,)}
    return [each.reason for each in world.problems]


@pytest.mark.parametrize(
    ("ahead", "reasons"),
    [
        (timedelta(days=14, seconds=1), []),
        (timedelta(days=14), ["CertificateExpiresSoon"]),
        (timedelta(seconds=1), ["CertificateExpiresSoon"]),
        (timedelta(), ["CertificateExpired"]),
        (timedelta(days=-1000), ["CertificateExpired"]),
    ],
)
def test_a_certificate_is_served_with_a_problem_from_14_days_ahead(ahead: timedelta, reasons: list[str]) -> None:
    assert reasons_at(NOW, certificate(A, until=NOW + ahead)) == reasons


@pytest.mark.parametrize(("lifetime", "ahead"), [(6 * DAY, 2 * DAY), (7 * DAY, 7 * DAY / 3), (8 * DAY, 14 * DAY)])
def test_expiry_of_a_short_lived_certificate_is_reported_in_the_last_third(
    lifetime: timedelta, ahead: timedelta
) -> None:
    pair = certificate(A, begins=NOW - lifetime / 2, until=NOW + lifetime / 2)
    end, second = NOW + lifetime / 2, timedelta(seconds=1)
    assert reasons_at(end - min(ahead, lifetime) + second, pair) == ["CertificateExpiresSoon"]
    if ahead < lifetime:
        assert reasons_at(end - ahead - second, pair) == []


def test_a_certificate_of_the_year_1_is_expired() -> None:
    pair = certificate(A, begins=datetime(1950, 1, 1, tzinfo=UTC), until=datetime(1950, 1, 2, tzinfo=UTC))
    assert reasons_at(NOW, pair) == ["CertificateExpired"]
    first = datetime.min.replace(tzinfo=UTC)
    assert Validity(first, first + DAY).dates == (first, first + DAY * 2 / 3, first + DAY)
    assert Validity(first, first + 10 * DAY).dates == (first, first, first + 10 * DAY)
    assert Validity(first + DAY, first).dates == (first + DAY, first, first)


def test_dates_of_a_last_good_certificate_count() -> None:
    world = world_of(shop(tls(A, secret="cert")), secret("cert", certificate(A, until=NOW + DAY)))
    world.add(secret_of("cert", b"bad", b"bad"))
    assert world.reasons() == [("shop", "CertificateExpiresSoon"), ("shop", "SecretInvalid")]
    assert world.traffic.certificate_expiry == {key("cert"): NOW + DAY}
    assert NOW + DAY not in world.traffic.date_period


@given(
    lifetimes=st.lists(st.tuples(st.integers(0, 40), st.integers(0, 40)), min_size=1, max_size=3),
    now=st.integers(-1, 41),
    later=st.integers(-1, 41),
)
def test_problems_stay_the_same_within_a_period(lifetimes: list[tuple[int, int]], now: int, later: int) -> None:
    pairs = [
        certificate(A, begins=NOW + min(each) * DAY, until=NOW + (max(each) + 1) * DAY, serial=index + 1)
        for index, each in enumerate(lifetimes)
    ]
    objects: list[Ingress | Secret] = [
        *(shop(tls(A, secret=f"s{index}"), name=f"s{index}") for index, _ in enumerate(pairs)),
        *(secret(f"s{index}", pair) for index, pair in enumerate(pairs)),
    ]
    world = world_of(*objects, now=NOW + now * DAY)
    if NOW + later * DAY in world.traffic.date_period:
        assert world_of(*objects, now=NOW + later * DAY).reasons() == world.reasons()


# Conflicts


def test_the_oldest_ingress_has_the_host() -> None:
    world = world_of(
        shop(tls(A, B, secret="young"), name="young", created=2),
        shop(tls(A, secret="old"), name="old", created=1),
        secret("old", PAIR),
        secret("young", OTHER),
    )
    assert served(world) == {"old": (A,), "young": (B,)}
    problem = world.problem("CertificateConflict")
    assert problem.object.name == "young"
    assert "default/old" in problem.message
    assert A in problem.message


def test_the_same_secret_twice_is_no_conflict() -> None:
    world = world_of(
        shop(tls(A, secret="cert"), name="one"), shop(tls(A, secret="cert"), name="two"), secret("cert", PAIR)
    )
    assert served(world) == {"cert": (A,)}
    assert world.problems == []


def test_the_first_entry_of_an_ingress_wins() -> None:
    world = world_of(shop(tls(A, secret="one"), tls(A, secret="two")), secret("one", PAIR), secret("two", OTHER))
    assert served(world) == {"one": (A,)}
    assert str(world.problem("CertificateConflict").field).startswith("spec.tls[1]")


def test_a_wildcard_does_not_conflict_with_covered_hosts() -> None:
    world = world_of(
        shop(tls("*.example.com", secret="one"), name="one"),
        shop(tls(A, secret="two"), name="two"),
        secret("one", PAIR),
        secret("two", OTHER),
    )
    assert world.problems == []


def test_an_entry_that_lost_every_host_has_no_termination() -> None:
    world = world_of(
        shop(tls(A, secret="old"), name="old", created=1),
        shop(tls(A, secret="young"), name="young", created=2),
        secret("old", PAIR),
        secret("young", OTHER),
    )
    assert served(world) == {"old": (A,)}
    assert [each.secret.name for each in tuple(world.traffic.certificates.values())] == ["old"]


def test_the_next_takes_over_when_the_winner_goes() -> None:
    world = world_of(
        shop(tls(A, secret="old"), name="old", created=1),
        shop(tls(A, secret="young"), name="young", created=2),
        secret("old", PAIR),
        secret("young", OTHER),
    )
    world.apply(Deleted(Ingress, key("old")))
    assert served(world) == {"young": (A,)}
    assert world.problems == []


# Redaction


def test_private_keys_are_in_no_repr_and_no_problem() -> None:
    lines = [line for line in PAIR.key.decode().splitlines() if not line.startswith("-----")]
    world = world_of(
        shop(tls(A, secret="cert"), tls(B, secret="bad")),
        secret("cert", PAIR),
        secret_of("bad", OTHER.chain, PAIR.key),
    )
    kept = world.state.secret(key("cert"))
    shown = [repr(each) for each in (world.traffic.tls, kept, kept and kept.data, world.problems)]
    for line in lines:
        assert not [text for text in shown if line in text]


def test_private_keys_in_tls_crt_are_not_served() -> None:
    """Many a tls.crt holds the private key too."""
    world = world_of(shop(tls(A, secret="cert")), secret("cert", Pair(PAIR.key + b"hello\n" + PAIR.chain, PAIR.key)))
    assert chain(world) == PAIR.chain
    assert "PRIVATE" not in repr(tuple(world.traffic.certificates.values()))


def test_a_certificate_that_is_not_yet_valid_is_a_problem() -> None:
    world = world_of(shop(tls(A, secret="cert")), secret("cert", PAIR), now=datetime(2019, 1, 1, tzinfo=UTC))
    assert [problem.reason for problem in world.problems] == ["CertificateNotYetValid"]
    assert served(world) == {"cert": (A,)}


@given(at=st.integers(0, 10_000), value=st.integers(0, 255))
def test_no_flipped_byte_is_more_than_a_problem(at: int, value: int) -> None:
    der = bytearray(ssl.PEM_cert_to_DER_cert(PAIR.chain.decode()))
    der[at % len(der)] = value
    bad = Pair(ssl.DER_cert_to_PEM_cert(bytes(der)).encode(), PAIR.key)
    world = world_of(shop(tls(A, secret="cert")), secret("cert", bad))
    assert served(world) in ({"cert": (A,)}, {})


def test_the_tls_entries_of_an_ingress_that_turns_into_a_canary_no_longer_count() -> None:
    ordinary = shop(tls(A, secret="cert"))
    turned = ingress("shop", rule(A, path("/")), tls=ordinary.spec.tls, annotations=canary(canary_weight="10"))
    world = world_of(ordinary, secret("cert", PAIR))
    world.add(turned)
    assert served(world) == {}
    world.add(ordinary)
    assert served(world) == {"cert": (A,)}
