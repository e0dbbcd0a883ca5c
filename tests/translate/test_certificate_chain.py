"""The order of the certificates in a Secret, and blocks that are passed over.

Covers: faults that Envoy rejects, and faults that only clients reject. Excludes: keys and forms of the leaf
(test_certificates).
"""

from datetime import UTC, datetime

import pytest

from tests.support.authority import Authority
from tests.support.objects import NOW, World, certificate, ingress, path, rule, secret_of, service, tls
from xds.kube.objects import Ingress, IngressTLS, Secret

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


ROOT = Authority("root")
INTERMEDIATE = Authority("intermediate", by=ROOT)
LEAF = INTERMEDIATE.issue(A)
TRUSTED = LEAF.certificate.replace(b"BEGIN CERT", b"BEGIN TRUSTED CERT").replace(b"END CERT", b"END TRUSTED CERT")


@pytest.mark.parametrize(
    ("chain", "words"),
    [
        ([INTERMEDIATE.pem, LEAF.certificate], "is an authority's, 'CN=intermediate'; the one that its tls.key"),
        ([ROOT.pem, INTERMEDIATE.pem, LEAF.certificate], "must be first and is number 3"),
        ([OTHER.chain, LEAF.certificate], "is not the server's, 'CN=a.example.com'"),
        ([TRUSTED], "TRUSTED CERTIFICATE"),
        ([TRUSTED, INTERMEDIATE.pem], "TRUSTED CERTIFICATE"),
        ([INTERMEDIATE.pem], "doesn't belong"),
    ],
    ids=["intermediate first", "reversed", "stranger first", "trusted", "trusted first", "without leaf"],
)
def test_a_chain_without_the_leaf_in_front_is_told_as_such(chain: list[bytes], words: str) -> None:
    world = world_of(shop(tls(A, secret="cert")), secret_of("cert", b"".join(chain), LEAF.private_key))
    assert served(world) == {}
    assert words in world.problem("SecretInvalid").message


@pytest.mark.parametrize(
    ("chain", "words"),
    [
        ([INTERMEDIATE.pem], ""),
        ([INTERMEDIATE.pem, ROOT.pem], ""),
        ([], ""),
        ([ROOT.pem], "certificate 1 in its tls.crt is signed by 'CN=intermediate', and certificate 2 is 'CN=root'"),
        ([ROOT.pem, INTERMEDIATE.pem], "certificate 2 is 'CN=root'"),
        ([INTERMEDIATE.pem, OTHER.chain], "certificate 2 in its tls.crt is signed by 'CN=root'"),
        ([TRUSTED], "TRUSTED CERTIFICATE"),
    ],
    ids=["good", "with root", "leaf alone", "gap", "wrong order", "stranger", "trusted"],
)
def test_a_chain_that_is_not_in_order_is_served_with_a_problem(chain: list[bytes], words: str) -> None:
    pem = b"".join((LEAF.certificate, *chain))
    now = datetime.now(UTC)
    world = world_of(shop(tls(A, secret="cert")), secret_of("cert", pem, LEAF.private_key), now=now)
    assert served(world) == {"cert": (A,)}
    found = [each for each in world.problems if each.reason == "CertificateChainBroken"]
    assert [words in each.message for each in found] == ([True] if words else [])
