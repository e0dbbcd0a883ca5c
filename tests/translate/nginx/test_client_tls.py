"""ssl-ciphers and ssl-prefer-server-ciphers: cipher strings of OpenSSL, and the hosts for which they hold.

Excludes: handshakes (tests/e2e/test_cipher_annotations.py).
"""

import pytest

from tests.support.objects import World, certificate, ingress, path, rule, secret, service, tls
from tests.support.route_table_annotations import annotated
from xds.kube.change import Deleted
from xds.kube.objects import Ingress, IngressTLS
from xds.traffic.tls import CipherChoice
from xds.translate.nginx.cipher_suites import SUITES, CipherList, cipher_list

A, B, WILD = "a.example.com", "b.example.com", "*.example.com"
ECDSA_256, RSA_256 = "ECDHE-ECDSA-AES256-GCM-SHA384", "ECDHE-RSA-AES256-GCM-SHA384"
RSA_128 = "ECDHE-RSA-AES128-GCM-SHA256"
STRONG = CipherChoice((ECDSA_256, RSA_256))


def asking(name: str, host: str, *entries: IngressTLS, created: int = 0, **values: str) -> Ingress:
    return ingress(name, rule(host, path("/")), tls=entries, created=created, annotations=annotated(**values))


def world_of(*ingresses: Ingress, default: str | None = None) -> World:
    secrets = (secret("one", certificate(A, B)), secret("wild", certificate(WILD, serial=2)))
    return World(service("web"), *secrets, *ingresses, default_tls_secret=default)


def ciphers(world: World) -> dict[str, CipherChoice | None]:
    """By host."""
    return {host: each.ciphers for each in world.traffic.tls.terminations for host in each.hosts}


@pytest.mark.parametrize(
    ("text", "suites"),
    [
        (f"{ECDSA_256}:{RSA_256}", (ECDSA_256, RSA_256)),
        (f"{RSA_128}:{RSA_256}:{RSA_128}", (RSA_128, RSA_256)),
        ("ECDHE+AESGCM+AES256", (ECDSA_256, RSA_256)),
        ("kEECDH+AES256:!SHA1:!aECDSA", (RSA_256,)),
        (f"!AES128:{RSA_128}:{RSA_256}", (RSA_256,)),
        (f"{RSA_128}:{RSA_256}:-AES128:{RSA_128}", (RSA_256, RSA_128)),
        (f"{RSA_128}:{RSA_256}:+AES128", (RSA_256, RSA_128)),
        ("HIGH:!aNULL:!MD5", tuple(each.name for each in SUITES)),
        (f"{RSA_128}:@STRENGTH:@SECLEVEL=2:TLS_AES_128_GCM_SHA256:!DHE:+RC4", (RSA_128,)),
        (f"ECDHE:!SHA1:!SHA256:!CHACHA20:!aECDSA:!AES128:::{RSA_256}", (RSA_256,)),
    ],
)
def test_a_cipher_string_means_suites_of_envoy(text: str, suites: tuple[str, ...]) -> None:
    assert cipher_list(text) == CipherList(suites, ())


def test_hashes_of_a_cipher_string_are_those_of_ciphers_without_one_of_their_own() -> None:
    found = cipher_list("ALL:!SHA1:!SHA256:!SHA384").suites
    assert {RSA_128, RSA_256} <= set(found)
    assert not any(name.endswith("-SHA") or name == "ECDHE-RSA-AES128-SHA256" for name in found)


@pytest.mark.parametrize("word", ["DHE-RSA-AES128-GCM-SHA256", "RC4+RSA", "ecdhe", "+", "!", "DES-CBC3-SHA", "@OTHER"])
def test_words_without_a_suite_of_envoy_are_left_out(word: str) -> None:
    found = cipher_list(f"{word}:{RSA_128}")
    assert found.suites == (RSA_128,)
    assert found.unknown == ((word,) if word not in "+!" else ())
    given = world_of(asking("shop", A, tls(A, secret="one"), ssl_ciphers=word))
    assert ciphers(given) == {A: None}
    assert given.reasons() == [("shop", "AnnotationUnsupported")]


def test_the_oldest_ingress_with_an_annotation_decides_for_the_host() -> None:
    given = world_of(
        asking("oldest", A, tls(A, B, secret="one"), created=1),
        asking("old", A, created=2, ssl_ciphers=f"{ECDSA_256}:{RSA_256}"),
        asking("young", A, created=3, ssl_ciphers=RSA_128, ssl_prefer_server_ciphers="false"),
    )
    assert ciphers(given) == {A: CipherChoice(STRONG.suites, server_prefers=False), B: None}
    assert len({each.name for each in given.traffic.tls.terminations}) == 2
    given.apply(Deleted(Ingress, given.state.ingresses_of_host(A)[2].key))
    assert ciphers(given) == {A: STRONG, B: None}
    given.apply(Deleted(Ingress, given.state.ingresses_of_host(A)[1].key))
    assert ciphers(given) == {A: None, B: None}
    assert given.problems == []


def test_a_host_below_a_wildcard_has_the_certificate_of_the_wildcard() -> None:
    given = world_of(
        asking("wild", WILD, tls(WILD, secret="wild")), asking("shop", A, ssl_ciphers=f"{ECDSA_256}:{RSA_256}")
    )
    assert ciphers(given) == {WILD: None, A: STRONG}
    assert {each.secrets for each in given.traffic.tls.terminations} == {given.traffic.tls.terminations[0].secrets}


def test_ciphers_of_a_host_without_tls_entry_are_a_problem() -> None:
    given = world_of(asking("shop", A, ssl_ciphers=RSA_128), default="one")
    assert [each.is_default for each in given.traffic.tls.terminations] == [True]
    assert given.reasons() == [("shop", "AnnotationUnsupported")]


def test_the_server_prefers_unless_an_ingress_says_otherwise() -> None:
    entry = tls(A, secret="one")
    assert ciphers(world_of(asking("shop", A, entry, ssl_prefer_server_ciphers="true"))) == {A: None}
    assert ciphers(world_of(asking("shop", A, entry, ssl_prefer_server_ciphers="on"))) == {A: None}
    found = ciphers(world_of(asking("shop", A, entry, ssl_prefer_server_ciphers="false")))
    assert found == {A: CipherChoice(server_prefers=False)}


@pytest.mark.parametrize("value", ["[A|B]", "ALL,HIGH", "ALL HIGH", "a\nb", '"'])
def test_another_language_than_that_of_openssl_is_invalid(value: str) -> None:
    given = world_of(asking("shop", A, tls(A, secret="one"), ssl_ciphers=value))
    assert ciphers(given) == {A: None}
    assert given.reasons() == [("shop", "AnnotationInvalid")]
