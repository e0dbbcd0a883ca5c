"""proxy-ssl-*: the use of a Secret for TLS to backends, and when the paths are closed.

Excludes: handshakes with backends (tests/e2e/test_backend_identities.py).
"""

import pytest

from tests.support.authority import Authority
from tests.support.objects import NS, World, certificate, ingress, path, rule, service
from tests.support.route_table_annotations import annotated, canary
from xds.kube.change import Deleted
from xds.kube.objects import Metadata, Secret, SecretData
from xds.problems.problem import Key
from xds.traffic.actions import Closed
from xds.traffic.backend_tls import Authorities, BackendTls, BackendTlsVersion, ClientCertificate, CredentialPart
from xds.traffic.backends import Backend

HOST = "a.example.com"
CA = Authority().pem
PAIR = certificate()
OTHER = Authority().issue(common_name="other")
IDENTITY = Key(NS, "identity")
DEFAULT_VERSIONS = (BackendTlsVersion.TLS_1_2, BackendTlsVersion.TLS_1_2)
USED = {"backend_protocol": "HTTPS", "proxy_ssl_secret": "default/identity"}
VERIFIED = {**USED, "proxy_ssl_verify": "on", "proxy_ssl_name": "backend.internal"}


def identity(
    *, chain: bytes | None = PAIR.chain, key: bytes | None = PAIR.key, ca: bytes | None = CA, ns: str = NS
) -> Secret:
    return Secret(Metadata("identity", ns), SecretData(chain, key, None, ca))


def world(*secrets: Secret, **annotations: str) -> World:
    shop = ingress("shop", rule(HOST, path("/")), default="web", annotations=annotated(**annotations))
    return World(service("web"), shop, *secrets)


def is_closed(given: World) -> bool:
    host = given.traffic.hosts[HOST]
    found = {isinstance(each.action, Closed) for each in (*host.routes, host.default, given.traffic.default) if each}
    assert len(found) == 1
    return found.pop()


def backend(given: World) -> Backend:
    assert not is_closed(given)
    (found,) = given.traffic.backends.values()
    return found


def tls(given: World) -> BackendTls | None:
    return backend(given).upstream.tls


def test_the_parts_of_the_secret_are_used() -> None:
    assert tls(world(identity(), **USED)) == BackendTls(IDENTITY, presents_certificate=True, versions=DEFAULT_VERSIONS)
    assert tls(world(identity(ca=None), **USED)) == BackendTls(IDENTITY, presents_certificate=True)
    assert tls(world(identity(key=None), **USED)) == BackendTls(IDENTITY, versions=DEFAULT_VERSIONS)
    verified = BackendTls(
        IDENTITY, presents_certificate=True, verify_depth=1, name="backend.internal", versions=DEFAULT_VERSIONS
    )
    given = world(identity(), **VERIFIED)
    assert tls(given) == verified
    assert not given.problems
    assert {key.part: type(each) for key, each in given.traffic.credentials.items()} == {
        CredentialPart.CLIENT_CERTIFICATE: ClientCertificate,
        CredentialPart.AUTHORITIES: Authorities,
    }


def test_credentials_are_never_printed() -> None:
    given = world(identity(), **VERIFIED)
    for each in given.traffic.credentials.values():
        assert "PRIVATE KEY" not in repr(each)
        assert "CERTIFICATE" not in repr(each)
    assert {key.holder for key in given.traffic.credentials} == {IDENTITY}


def test_a_new_certificate_changes_credentials_and_no_backend() -> None:
    given = world(identity(), **VERIFIED)
    before, credentials = dict(given.traffic.backends), dict(given.traffic.credentials)
    given.add(identity(chain=OTHER.certificate, key=OTHER.private_key))
    assert given.traffic.backends == before
    assert given.traffic.credentials != credentials
    given.apply(Deleted(Secret, IDENTITY))
    assert is_closed(given)
    assert not given.traffic.credentials
    given.add(identity())
    assert given.traffic.credentials == credentials


@pytest.mark.parametrize(
    ("secret", "annotations", "why"),
    [
        (None, USED, "names Secret default/identity, which doesn't exist"),
        (identity(), {**USED, "proxy_ssl_secret": "identity"}, "'identity', which is not the name of an object"),
        (identity(ns="safe"), {**USED, "proxy_ssl_secret": "safe/identity"}, "--allow-cross-namespace-resources"),
        (identity(ca=b"no"), USED, "its ca.crt has no certificates"),
        (identity(key=OTHER.private_key), USED, "doesn't belong to its tls.crt"),
        (identity(chain=b"no"), USED, "not a chain of certificates"),
        (identity(key=None, ca=None), USED, "neither ca.crt nor tls.crt with tls.key"),
        (identity(ca=None), VERIFIED, "has no ca.crt to verify backends by"),
        (None, {"backend_protocol": "HTTPS", "proxy_ssl_verify": "on"}, "names no Secret to verify backends by"),
    ],
)
def test_credentials_that_cannot_be_had_close_the_paths(
    secret: Secret | None, annotations: dict[str, str], why: str
) -> None:
    given = world(*([secret] if secret else []), **annotations)
    assert is_closed(given)
    problem = given.problem("NamedObjectUnusable")
    assert why in problem.message
    assert "answer 503" in problem.message
    assert not given.traffic.credentials


def test_a_secret_of_another_namespace_is_used_if_that_is_allowed() -> None:
    annotations = annotated(**USED | {"proxy_ssl_secret": "safe/identity"})
    shop = ingress("shop", rule(HOST, path("/")), annotations=annotations)
    given = World(service("web"), shop, identity(ns="safe"), allow_cross_namespace=True)
    assert tls(given) == BackendTls(Key("safe", "identity"), presents_certificate=True, versions=DEFAULT_VERSIONS)


def test_a_backend_without_tls_is_not_verified_and_so_answers_503() -> None:
    given = world(identity(), **VERIFIED | {"backend_protocol": "HTTP"})
    assert not given.traffic.backends
    assert {each.reason for each in given.problems} == {"ProtectionUnavailable"}
    assert tls(world(identity(), **USED | {"backend_protocol": "HTTP"})) is None


def test_auto_http_speaks_plainly_to_requests_that_came_plainly() -> None:
    given = world(identity(), **VERIFIED | {"backend_protocol": "AUTO_HTTP"})
    assert {each.upstream.tls is not None for each in given.traffic.backends.values()} == {True, False}
    assert not given.problems


def test_without_a_secret_the_other_annotations_mean_nothing() -> None:
    given = world(backend_protocol="HTTPS", proxy_ssl_server_name="on", proxy_ssl_name="x.test", proxy_ssl_verify="off")
    assert tls(given) is None
    assert [each.reason for each in given.problems] == ["AnnotationUnsupported"] * 2


def test_verification_without_a_name_has_a_problem() -> None:
    given = world(identity(), **USED, proxy_ssl_verify="on")
    assert "NAME.NAMESPACE.svc" in given.problem("AnnotationInvalid").message
    assert tls(given) is not None


def test_policies_that_differ_have_clusters_of_their_own() -> None:
    """Even where the difference has no effect: a backend must not be two things at once."""
    given = world(identity(), **USED)
    used = annotated(**USED, proxy_ssl_name="x.test")
    given.add(ingress("other", rule("b.example.com", path("/")), annotations=used))
    assert len(given.traffic.backends) == 2


def test_bad_values_are_defaults() -> None:
    bad = {
        "proxy_ssl_verify": "true",
        "proxy_ssl_protocols": "TLSv1.9",
        "proxy_ssl_verify_depth": "x",
        "proxy_ssl_name": "a b",
        "proxy_ssl_server_name": "yes",
    }
    given = world(identity(), **USED | bad)
    assert tls(given) == BackendTls(IDENTITY, presents_certificate=True, versions=DEFAULT_VERSIONS)
    assert [each.reason for each in given.problems] == ["AnnotationInvalid"] * len(bad)


@pytest.mark.parametrize(
    ("protocols", "versions"),
    [
        ("TLSv1.3", ("TLSv1.3", "TLSv1.3")),
        ("TLSv1.3 TLSv1.2", ("TLSv1.2", "TLSv1.3")),
        ("SSLv3  TLSv1 TLSv1.1", ("TLSv1", "TLSv1.1")),
    ],
)
def test_protocols(protocols: str, versions: tuple[str, str]) -> None:
    found = tls(world(identity(), **USED, proxy_ssl_protocols=protocols))
    assert found is not None
    assert found.versions == versions


def test_ciphers_that_envoy_lacks_are_left_out() -> None:
    given = world(identity(), **USED, proxy_ssl_ciphers="DHE-RSA-AES128-SHA:ECDHE-RSA-AES256-GCM-SHA384:!aNULL")
    found = tls(given)
    assert found is not None
    assert found.ciphers == ("ECDHE-RSA-AES256-GCM-SHA384",)
    assert "DHE-RSA-AES128-SHA" in given.problem("AnnotationUnsupported").message


def test_a_canary_is_spoken_to_as_its_primary() -> None:
    given = world(identity(), **VERIFIED)
    given.add(service("next"), ingress("canary", rule(HOST, path("/", "next")), annotations=canary(canary_weight="50")))
    used = {each.key.service: each.upstream.tls for each in given.traffic.backends.values()}
    assert used["next"] == used["web"]
    assert used["web"] is not None
