"""Bad Secrets and TLS entries. Plain HTTP is served in every case."""

import dataclasses
import datetime
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from tests.support.authority import Authority
from tests.support.matrix.case import CLOSED, A, Ask, Case, Manifest, Told, host, of, shop, tls_pair, tls_secret
from tests.support.objects import certificate, encrypted, ingress, path, rule, secret_of, tls

REJECTED: Final = Path(__file__).parents[1] / "rejected"
PAST: Final = datetime.datetime(2021, 1, 1, tzinfo=datetime.UTC)

GOOD: Final = certificate("*.bad.test")
OTHER: Final = certificate("*.bad.test", serial=2)


def certificates() -> Iterator[Case]:
    yield secret_case("key-mismatch", GOOD.chain, OTHER.key)
    yield secret_case("garbage-certificate", b"garbage", GOOD.key)
    yield secret_case("garbage-inside-pem", GOOD.chain.replace(b"M", b"N", 4), GOOD.key)
    yield secret_case("garbage-key", GOOD.chain, b"garbage")
    yield secret_case("empty-certificate", b"", b"")
    yield secret_case("key-with-passphrase", encrypted(GOOD).chain, encrypted(GOOD).key)
    yield secret_case("weak-rsa-1024", *_parts("rsa1024"))
    yield secret_case("ed25519-key", *_parts("ed25519"))
    yield secret_case("secp256k1-key", *_parts("secp256k1"))
    yield secret_case("chain-out-of-order", *_out_of_order())
    yield secret_case("must-staple", *((REJECTED / f"must-staple.{end}").read_bytes() for end in ("crt", "key")))
    yield _expired()
    yield _renewed_badly()
    yield _missing()
    yield _another_kind()
    yield _no_name()
    yield _conflict()


def secret_case(name: str, chain: bytes, key: bytes) -> Case:
    """A Secret from which no certificate can be had: HTTPS is closed, HTTP isn't touched."""
    ingress = shop(name, secret=name)
    return Case(
        name,
        told=(Told("Ingress", name, "SecretInvalid"),),
        bad=(ingress, tls_secret(name, chain, key)),
        mended=(ingress, tls_pair(name, GOOD)),
        asked=(Ask(host(name)), Ask(host(name), CLOSED, tls=True)),
        mended_asked=(Ask(host(name)), Ask(host(name), tls=True, pair=GOOD)),
    )


def _parts(kind: str) -> tuple[bytes, bytes]:
    pair = certificate("weak.bad.test", kind=kind)
    return pair.chain, pair.key


def _out_of_order() -> tuple[bytes, bytes]:
    """The authority's certificate comes first; a server must send its own first.

    https://www.rfc-editor.org/rfc/rfc8446#section-4.4.2
    """
    issued = Authority().issue("chain.bad.test")
    return issued.authority + issued.certificate, issued.private_key


def _expired() -> Case:
    """Served all the same: the client decides whether to accept an expired certificate."""
    expired = certificate("*.bad.test", until=PAST)
    case = secret_case("expired-certificate", expired.chain, expired.key)
    told = (Told("Ingress", case.name, "CertificateExpired"),)
    return dataclasses.replace(
        case, told=told, asked=(Ask(host(case.name)), Ask(host(case.name), tls=True, pair=expired))
    )


def _renewed_badly() -> Case:
    """The last good certificate stays."""
    case = secret_case("bad-renewal", GOOD.chain, OTHER.key)
    return dataclasses.replace(
        case,
        before=(shop(case.name, secret=case.name), tls_pair(case.name, OTHER)),
        asked=(Ask(host(case.name)), Ask(host(case.name), tls=True, pair=OTHER)),
    )


def _missing() -> Case:
    case = secret_case("secret-missing", b"", b"")
    ingress, _ = case.bad
    return dataclasses.replace(case, told=(Told("Ingress", case.name, "SecretNotFound"),), bad=(ingress,))


def _another_kind() -> Case:
    """A pull secret, whose type is immutable: the mended Ingress names the right Secret."""
    case = secret_case("secret-of-another-kind", b"", b"")
    config = {".dockerconfigjson": "e30="}
    pull: Manifest = of(secret_of(case.name, None, None), data=config, type="kubernetes.io/dockerconfigjson")
    ingress, _ = case.bad
    return dataclasses.replace(
        case, bad=(ingress, pull), mended=(shop(case.name, secret="right"), pull, tls_pair("right", GOOD))
    )


def _no_name() -> Case:
    case = secret_case("tls-without-secret", b"", b"")
    entry = ingress(case.name, rule(host(case.name), path("/", A)), tls=[tls(host(case.name))])
    return dataclasses.replace(case, told=(Told("Ingress", case.name, "NoDefaultCertificate"),), bad=(of(entry),))


def _conflict() -> Case:
    """Two TLS entries want different certificates for a host, which the first entry wins."""
    name = "certificate-conflict"
    secrets = (tls_pair(f"{name}-1", GOOD), tls_pair(f"{name}-2", OTHER))

    def entries(*numbers: int) -> Manifest:
        built = [tls(host(name), secret=f"{name}-{number}") for number in numbers]
        return of(ingress(name, rule(host(name), path("/", A)), tls=built))

    return Case(
        name,
        told=(Told("Ingress", name, "CertificateConflict"),),
        bad=(*secrets, entries(1, 2)),
        mended=(*secrets, entries(2)),
        asked=(Ask(host(name), tls=True, pair=GOOD),),
        mended_asked=(Ask(host(name), tls=True, pair=OTHER),),
    )
