"""A bad object: its problems, and the answers to its requests before and after it is mended."""

import ssl
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final

from tests.support.objects import Pair, ingress, manifest, path, rule, secret_of, tls
from xds.kube.objects import KubeObject

Manifest = dict[str, Any]
"""Without namespace, which the site adds."""

CLOSED: Final = "closed"
NO_ROUTE: Final = "404"
NO_BACKEND: Final = "503"

BACKENDS: Final = tuple(f"s{number}" for number in range(10))
"""The Services of the good objects, for bad objects too. A backend answers with its Service's name."""

A, B = BACKENDS[:2]


@dataclass(frozen=True, slots=True)
class Target:
    """The address of a backend that answers as A, for EndpointSlices of the case."""

    address: str
    port: int


@dataclass(frozen=True, slots=True)
class Ask:
    """A request and its expected answer: a backend's name, a status, or CLOSED. `pair`: the expected certificate."""

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
    """A Problem, without its message."""

    kind: str
    name: str
    reason: str


@dataclass(frozen=True, slots=True)
class Case:
    """Args:
    told: All Problems of the bad state.
    before: Objects that exist before the bad state.
    asked: Requests in the bad state; `mended_asked`: in the mended state.
    refused: The API server's message of rejection; empty: accepted.
    hushed: The case has so many Events that the last is half a minute late, and isn't waited for.
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
    """The manifests whose kind and name `others` doesn't have."""
    kept = {identity(each) for each in others}
    return [each for each in some if identity(each) not in kept]


# Makers


def host(name: str) -> str:
    return f"{name}.bad.test"


def of(each: KubeObject, **more: Any) -> Manifest:
    """The manifest of an object, with more top-level fields and without a namespace."""
    made = {**manifest(each), **more}
    metadata = {name: value for name, value in made["metadata"].items() if name != "namespace"}
    return {**made, "metadata": metadata}


def shop(name: str, to: str = A, text: str = "/", *, secret: str | None = None) -> Manifest:
    """An Ingress with one path, and with TLS if `secret` names a Secret."""
    entries = [tls(host(name), secret=secret)] if secret else None
    return of(ingress(name, rule(host(name), path(text, to)), tls=entries))


def tls_secret(name: str, chain: bytes | None, key: bytes | None) -> Manifest:
    """A Secret of a neutral type, the same for every case, since the type is immutable."""
    return of(secret_of(name, chain, key))


def tls_pair(name: str, pair: Pair) -> Manifest:
    return tls_secret(name, pair.chain, pair.key)
