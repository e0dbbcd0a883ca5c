"""auth-tls-*: from annotations and Secrets to the demands on clients of a host, and to the connections for the host.

Covers: values, Secrets that can't be used, several Ingresses of a host, terminations, credentials. Excludes: answers
(tests/support/route_table_client_certificates.py), certificates of clients (tests/e2e/test_client_certificates.py).
"""

import datetime
from datetime import timedelta
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding

from tests.support.objects import (
    NOW,
    World,
    authorities,
    certificate,
    ingress,
    key,
    path,
    rule,
    secret,
    service,
    tls,
)
from tests.support.route_table_annotations import annotated
from xds.kube.change import Deleted
from xds.kube.objects import Ingress, KubeObject, Secret
from xds.resources.client_verification import client_verification
from xds.traffic.actions import Closed, Forward
from xds.traffic.backend_tls import ClientAuthorities, CredentialKey, CredentialPart
from xds.traffic.client_certificates import NO_AUTHORITIES, ClientCertificates, Verification
from xds.traffic.tls import Termination

HOST, OTHER = "a.example.com", "b.example.com"
ASKED: dict[str, Any] = {"auth_tls_secret": "default/ca"}
CA = key("ca")
CREDENTIAL = CredentialKey(CA, CredentialPart.CLIENT_AUTHORITIES)


def shop(*hosts: str, name: str = "shop", entry: str = "cert", created: int = 1, **annotations: Any) -> Ingress:
    hosts = hosts or (HOST,)
    rules = [rule(host, path(f"/{name}")) for host in hosts]
    entries = [tls(*hosts, secret=entry)] if entry else []
    return ingress(name, *rules, tls=entries, annotations=annotated(**annotations), created=created)


def world(*objects: KubeObject, default: str | None = None) -> World:
    cert = secret("cert", certificate("*.example.com"))
    return World(service("web"), cert, *objects, default_tls_secret=default)


def demands(given: World, host: str = HOST) -> ClientCertificates | None:
    return given.traffic.hosts[host].client_certificates


def closed_statuses(given: World, host: str = HOST) -> set[int]:
    """The statuses of the closed routes of a host; 0 for a route that forwards."""
    actions = [route.action for route in given.traffic.hosts[host].routes]
    return {each.status if isinstance(each, Closed) else 0 for each in actions}


def revocations(names: int = 1) -> bytes:
    """Lists of revoked certificates."""
    made, now = [], datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)
    for number in range(names):
        issuer = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, f"ca-{number}")])
        builder = x509.CertificateRevocationListBuilder(issuer, now, now + datetime.timedelta(days=1))
        made.append(builder.sign(ec.generate_private_key(ec.SECP256R1()), hashes.SHA256()).public_bytes(Encoding.PEM))
    return b"".join(made)


@pytest.mark.parametrize(
    ("annotations", "expected"),
    [
        ({}, ClientCertificates(CA)),
        ({"auth_tls_secret": " default/ca "}, ClientCertificates(CA)),
        ({"auth_tls_verify_client": "on"}, ClientCertificates(CA)),
        ({"auth_tls_verify_client": " optional "}, ClientCertificates(CA, Verification.OPTIONAL)),
        ({"auth_tls_verify_client": "optional_no_ca"}, ClientCertificates(CA, Verification.OPTIONAL_NO_CA)),
        ({"auth_tls_verify_client": "off"}, ClientCertificates(CA, Verification.OFF)),
        ({"auth_tls_verify_client": ""}, ClientCertificates(CA)),
        ({"auth_tls_verify_depth": "3"}, ClientCertificates(CA, depth=3)),
        ({"auth_tls_verify_depth": "0"}, ClientCertificates(CA, depth=1)),
        ({"auth_tls_verify_depth": "1000"}, ClientCertificates(CA, depth=99)),
        ({"auth_tls_error_page": "https://x.test/a?b=c"}, ClientCertificates(CA, error_page="https://x.test/a?b=c")),
        ({"auth_tls_error_page": ""}, ClientCertificates(CA)),
        ({"auth_tls_pass_certificate_to_upstream": "true"}, ClientCertificates(CA, passes_certificate=True)),
        ({"auth_tls_pass_certificate_to_upstream": "0"}, ClientCertificates(CA)),
        ({"auth_tls_match_cn": "CN=(alice|bob),O=x"}, ClientCertificates(CA, subject="CN=(alice|bob),O=x")),
        ({"auth_tls_match_cn": 'CN=a"b\\\\c'}, ClientCertificates(CA, subject='CN=a"b\\\\c')),
        ({"auth_tls_match_cn": ""}, ClientCertificates(CA)),
    ],
)
def test_annotations_are_the_demands_of_the_host(annotations: dict[str, str], expected: ClientCertificates) -> None:
    given = world(shop(**ASKED | annotations), authorities("ca"))
    assert demands(given) == expected
    assert given.problems == []
    assert isinstance(given.traffic.hosts[HOST].routes[0].action, Forward)


@pytest.mark.parametrize(
    ("annotations", "expected"),
    [
        ({"auth_tls_verify_client": "maybe"}, ClientCertificates(CA)),
        ({"auth_tls_verify_client": "ON"}, ClientCertificates(CA)),
        ({"auth_tls_verify_depth": "two"}, ClientCertificates(CA)),
        ({"auth_tls_verify_depth": "-1"}, ClientCertificates(CA)),
        ({"auth_tls_error_page": "/path"}, ClientCertificates(CA)),
        ({"auth_tls_error_page": "@place"}, ClientCertificates(CA)),
    ],
)
def test_a_bad_value_that_opens_nothing_is_a_problem(annotations: dict[str, str], expected: ClientCertificates) -> None:
    given = world(shop(**ASKED | annotations), authorities("ca"))
    assert demands(given) == expected
    (problem,) = given.problems
    assert next(iter(annotations)).replace("_", "-") in problem.message


GOOD = authorities("ca")


@pytest.mark.parametrize(
    ("annotations", "ca", "why"),
    [
        (ASKED, None, "doesn't exist"),
        (ASKED, authorities("ca", b""), "has no ca.crt"),
        (ASKED, secret("ca"), "has no ca.crt"),
        (ASKED, authorities("ca", b"no"), "its ca.crt has no certificates"),
        (ASKED, authorities("ca", certificate("x").chain + certificate("y").chain[:-90]), "its ca.crt has no"),
        (ASKED, authorities("ca", revoked=b"no"), "its ca.crl has no revocation list"),
        (ASKED, authorities("ca", revoked=b""), "its ca.crl has no revocation list"),
        (ASKED, authorities("ca", revoked=revocations() + revocations()[:-60]), "its ca.crl has no"),
        ({"auth_tls_secret": "ca"}, GOOD, "not the name of an object with its namespace"),
        ({"auth_tls_secret": ""}, GOOD, "not the name of an object with its namespace"),
        ({"auth_tls_secret": "default/../ca"}, GOOD, "not the name of an object with its namespace"),
        ({"auth_tls_secret": "default/ca\n"}, GOOD, "not the name of an object with its namespace"),
        ({"auth_tls_secret": "safe/ca"}, authorities("ca", ns="safe"), "--allow-cross-namespace-resources"),
        ({"auth_tls_verify_client": "on"}, GOOD, "names no Secret to verify them by"),
        ({"auth_tls_verify_client": "maybe"}, GOOD, "names no Secret to verify them by"),
        ({"auth_tls_match_cn": "CN=a"}, GOOD, "names no Secret to verify them by"),
        ({**ASKED, "auth_tls_match_cn": "alice"}, GOOD, "not CN= and a regular expression"),
        ({**ASKED, "auth_tls_match_cn": "CN=("}, GOOD, "not CN= and a regular expression"),
        ({**ASKED, "auth_tls_match_cn": "CN=a(?!b)"}, GOOD, "not CN= and a regular expression"),
        ({**ASKED, "auth_tls_match_cn": "CN=a\r\nb"}, GOOD, "not CN= and a regular expression"),
        ({**ASKED, "auth_tls_match_cn": "CN=" + "[a-z]{100}" * 100}, GOOD, "steps"),
        ({**ASKED, "auth_tls_match_cn": "CN=" + "a" * 2048}, GOOD, "characters"),
        ({**ASKED, "auth_tls_pass_certificate_to_upstream": "yes"}, GOOD, "not true or false"),
        ({**ASKED, "auth_tls_error_page": "javascript:x()"}, GOOD, "not a URL"),
        ({**ASKED, "auth_tls_error_page": "https://x.test/\r\nset-cookie:a=b"}, GOOD, "not a URL"),
    ],
)
def test_certificates_that_cannot_be_verified_close_the_host(
    annotations: dict[str, Any], ca: Secret | None, why: str
) -> None:
    neighbour = ingress("neighbour", rule(HOST, path("/neighbour")), created=2)
    given = world(shop(**annotations), neighbour, *([ca] if ca else []))
    assert closed_statuses(given) == {403}
    assert demands(given) is NO_AUTHORITIES
    problem = next(each for each in given.problems if each.object.name == "shop")
    assert why in problem.message
    assert "answer 403" in problem.message
    assert problem.remedy
    assert not given.traffic.credentials


def test_a_mode_that_lets_all_in_needs_no_secret() -> None:
    for mode in ("off", "optional", "optional_no_ca"):
        given = world(shop(auth_tls_verify_client=mode, auth_tls_verify_depth="2"))
        assert demands(given) is None
        assert closed_statuses(given) == {0}
        assert {each.reason for each in given.problems} == {"AnnotationUnsupported"}


def test_the_oldest_ingress_decides_over_the_host() -> None:
    younger = shop(name="younger", created=2, auth_tls_secret="default/other")
    given = world(shop(**ASKED), younger, authorities("ca"), authorities("other", certificate("x").chain))
    assert demands(given) == ClientCertificates(CA)
    assert closed_statuses(given) == {0}
    assert "the client certificates of Ingress default/shop count" in given.problem("PathConflict").message
    given.apply(Deleted(Ingress, key("shop")))
    assert demands(given) == ClientCertificates(key("other"))


def test_stricter_demands_of_a_younger_ingress_close_its_paths_alone() -> None:
    for mode in ("off", "optional"):
        given = world(shop(**ASKED, auth_tls_verify_client=mode), shop(name="younger", created=2, **ASKED), GOOD)
        assert demands(given) == ClientCertificates(CA, Verification(mode))
        assert closed_statuses(given) == {0, 403}
        assert given.problem("ProtectionUnavailable").object.name == "younger"
    named = shop(name="younger", created=2, **ASKED, auth_tls_match_cn="CN=a")
    assert closed_statuses(world(shop(**ASKED), named, authorities("ca"))) == {0, 403}


def test_a_bad_secret_of_a_younger_ingress_closes_its_paths_alone() -> None:
    given = world(shop(**ASKED), shop(name="younger", created=2, auth_tls_secret="default/none"), authorities("ca"))
    assert demands(given) == ClientCertificates(CA)
    assert [each.path for each in given.traffic.hosts[HOST].routes if isinstance(each.action, Closed)] == ["/younger"]
    given.apply(Deleted(Secret, CA))
    assert closed_statuses(given) == {403}


def test_a_bad_secret_of_another_namespace_does_not_close_the_host() -> None:
    guest = ingress(
        "guest",
        rule(HOST, path("/guest")),
        ns="guests",
        created=2,
        annotations=annotated(auth_tls_secret="guests/none"),
    )
    given = world(shop(), guest, service("web", ns="guests"))
    assert demands(given) is None
    assert [each.path for each in given.traffic.hosts[HOST].routes if isinstance(each.action, Closed)] == ["/guest"]
    given.apply(Deleted(Ingress, key("shop")))
    assert demands(given) is NO_AUTHORITIES


# Connections


def terminations(given: World) -> dict[str, Termination]:
    """By host."""
    return {host: each for each in given.traffic.tls.terminations for host in each.hosts}


def test_each_host_has_connections_of_its_own() -> None:
    given = world(shop(HOST, OTHER, **ASKED), shop("c.example.com", name="open"), authorities("ca"))
    found = terminations(given)
    assert {each.secrets for each in found.values()} == {(key("cert"),)}
    assert len({each.name for each in found.values()}) == 3
    checked = found[HOST].checked
    assert checked is not None
    assert (checked.host, checked.certificates) == (HOST, ClientCertificates(CA))
    assert found["c.example.com"].checked is None


def test_the_demands_are_no_part_of_the_name_of_the_connections() -> None:
    names = {
        terminations(world(shop(**ASKED | annotations), *secrets))[HOST].name
        for annotations, secrets in (
            ({}, (authorities("ca"),)),
            ({}, ()),
            ({"auth_tls_verify_client": "off"}, (authorities("ca"),)),
            ({"auth_tls_secret": "default/more", "auth_tls_verify_depth": "3"}, (authorities("more"),)),
        )
    }
    assert len(names) == 1


def test_a_host_without_tls_entry_gets_connections_with_the_default_certificate() -> None:
    given = world(shop(entry="", **ASKED), authorities("ca"), shop(OTHER, name="open"), default="cert")
    table = given.traffic.tls
    assert table.without_entry == {HOST}
    assert HOST not in set(table.named)
    assert terminations(given)[HOST].secrets == (key("cert"),)
    assert not terminations(given)[HOST].is_default
    given.add(shop(entry=""))
    assert given.traffic.tls.without_entry == frozenset()
    assert HOST not in terminations(given)


def test_a_host_and_its_aliases_are_checked_together() -> None:
    aliases = "alias.example.com,*.w.example.com,begun.*"
    given = world(shop(**ASKED, server_alias=aliases), authorities("ca"), default="cert")
    found = terminations(given)
    checked = found[HOST].checked
    assert {host for host, each in found.items() if each.checked == checked} == {
        HOST,
        "alias.example.com",
        "*.w.example.com",
    }
    assert demands(given, "begun.*") == ClientCertificates(CA)


def test_a_host_of_its_own_below_a_wildcard_is_not_checked() -> None:
    wild = shop("*.example.com", **ASKED)
    entry = ingress("entry", rule("x.test", path("/")), tls=[tls(OTHER, secret="more")])
    more = secret("more", certificate(OTHER, serial=2))
    given = world(wild, entry, authorities("ca"), more)
    assert terminations(given)[OTHER].checked == terminations(given)["*.example.com"].checked
    given.add(ingress("own", rule(OTHER, path("/own"))))
    assert terminations(given)[OTHER].checked is None
    given.apply(Deleted(Ingress, key("own")))
    assert terminations(given)[OTHER].checked is not None


# Credentials


def test_new_authorities_change_a_credential_and_nothing_else() -> None:
    given = world(shop(**ASKED), authorities("ca"))
    before, table = given.traffic.hosts[HOST], given.traffic.tls
    lists = revocations(2)
    given.add(authorities("ca", certificate("x").chain, revoked=b"text " + lists))
    assert given.traffic.hosts[HOST] == before
    assert given.traffic.tls == table
    assert given.traffic.credentials == {CREDENTIAL: ClientAuthorities(certificate("x").chain, lists)}


def test_authorities_that_go_bad_or_vanish_close_the_host_until_they_are_back() -> None:
    given = world(shop(**ASKED), authorities("ca"))
    before, table = given.traffic.hosts[HOST], given.traffic.tls
    for change in (authorities("ca", b"no"), None):
        given.apply(Deleted(Secret, CA)) if change is None else given.add(change)
        assert closed_statuses(given) == {403}
        assert not given.traffic.credentials
        given.add(authorities("ca"))
        assert (given.traffic.hosts[HOST], given.traffic.tls) == (before, table)


def test_no_certificate_is_asked_for_where_it_decides_nothing() -> None:
    given = world(shop(**ASKED, auth_tls_verify_client="off"), authorities("ca"))
    checked = terminations(given)[HOST].checked
    assert checked is not None
    assert client_verification(checked) is None
    assert not given.traffic.credentials


def test_expired_authorities_are_reported_when_their_time_comes() -> None:
    ending = certificate("x", until=NOW + timedelta(hours=1)).chain
    given = world(shop(**ASKED), authorities("ca", ending))
    assert given.problems == []
    assert given.traffic.date_period.until == NOW + timedelta(hours=1)
    old = certificate("x", until=NOW - timedelta(hours=1)).chain
    later = world(shop(**ASKED), authorities("ca", old))
    assert "have expired" in later.problem("CertificateExpired").message
    assert demands(later) == ClientCertificates(CA)
    assert world(shop(**ASKED), authorities("ca", old + certificate("y").chain)).problems == []


def test_authorities_are_never_printed() -> None:
    given = world(shop(**ASKED), authorities("ca", revoked=revocations()))
    (each,) = given.traffic.credentials.values()
    assert "BEGIN" not in repr(each)
