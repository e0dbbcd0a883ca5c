"""What a bad object is, what is said of it, and what its requests are answered before and after it is mended."""

import ssl
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final

from tests.support.objects import Pair, ingress, manifest, path, rule, secret_of, tls
from xds.kube.objects import KubeObject

Manifest = dict[str, Any]
"""Without namespace: it gets that of the site."""

CLOSED: Final = "closed"
NO_ROUTE: Final = "404"
NO_BACKEND: Final = "503"

BACKENDS: Final = tuple(f"s{number}" for number in range(10))
"""The Services of the good objects, which the bad ones may use. Each answers with its name."""

A, B = BACKENDS[:2]


@dataclass(frozen=True, slots=True)
class Target:
    """Where a backend listens that answers as A: for EndpointSlices of the case's own."""

    address: str
    port: int


@dataclass(frozen=True, slots=True)
class Ask:
    """A request, and what must come of it: a backend's name, a status, or CLOSED. `pair`: the certificate expected."""

    host: str
    expected: str = A
    path: str = "/"
    tls: bool = False
    pair: Pair | None = None

    @property
    def peer(self) -> bytes:
        """The certificate expected in DER; empty if any will do."""
        return ssl.PEM_cert_to_DER_cert(self.pair.chain.decode()) if self.pair else b""


@dataclass(frozen=True, slots=True, order=True)
class Told:
    """A Problem, without its words."""

    kind: str
    name: str
    reason: str


@dataclass(frozen=True, slots=True)
class Case:
    """
    Args:
        told: All Problems that there are while it is bad.
        before: What there is before it becomes bad.
        asked: Requests while it is bad, and `mended_asked` when it is mended.
        refused: What the API server says to it; empty: it takes it.
        hushed: It says so much that its last Event comes half a minute late, and isn't waited for.
    """

    name: str
    told: tuple[Told, ...]
    bad: tuple[Manifest, ...]
    mended: tuple[Manifest, ...]
    asked: tuple[Ask, ...]
    mended_asked: tuple[Ask, ...]
    before: tuple[Manifest, ...] = ()
    refused: str = ""
    hushed: bool = False


def identity(each: Manifest) -> tuple[str, str]:
    return each["kind"], each["metadata"]["name"]


def without(some: Iterable[Manifest], others: Iterable[Manifest]) -> list[Manifest]:
    """Those whose kind and name none of the others has."""
    kept = {identity(each) for each in others}
    return [each for each in some if identity(each) not in kept]


# Makers


def host(name: str) -> str:
    return f"{name}.bad.test"


def of(each: KubeObject, **more: Any) -> Manifest:
    """The manifest of an object, with more fields at its top, and without a namespace."""
    made = {**manifest(each), **more}
    metadata = {name: value for name, value in made["metadata"].items() if name != "namespace"}
    return {**made, "metadata": metadata}


def shop(name: str, to: str = A, text: str = "/", *, secret: str | None = None) -> Manifest:
    """An Ingress with one path, and with TLS if it names a Secret."""
    entries = [tls(host(name), secret=secret)] if secret else None
    return of(ingress(name, rule(host(name), path(text, to)), tls=entries))


def tls_secret(name: str, chain: bytes | None, key: bytes | None) -> Manifest:
    """Its type can't be changed, so it is the same for all, and one that says nothing of the content."""
    return of(secret_of(name, chain, key))


def tls_pair(name: str, pair: Pair) -> Manifest:
    return tls_secret(name, pair.chain, pair.key)
