"""The vocabulary of the route table: a request and its answer, and the Ingresses under test."""

from dataclasses import dataclass

from tests.support.objects import service
from xds.kube.objects import Ingress, KubeObject, Secret, Service
from xds.problems.problem import Key

CLOSED = 0
"""Expected where no connection comes about: no certificate for the SNI."""

NOT_FOUND = 404
MISDIRECTED = 421
UNAVAILABLE = 503
FORBIDDEN = 403
REDIRECTED = 308


@dataclass(frozen=True)
class Case:
    """A request and its answer: the name of the Service, a status, or CLOSED.

    Attributes:
        path: Sent unchanged.
        authority: The Host header or `:authority`.
        sni: Empty: without SNI.
        headers: Of the request, beside Host.
    """

    name: str
    authority: str
    path: str
    expected: str | int
    https: bool = False
    sni: str = ""
    headers: tuple[tuple[str, str], ...] = ()
    method: str = "GET"

    @property
    def status(self) -> int:
        return self.expected if isinstance(self.expected, int) else 200

    @property
    def service(self) -> str | None:
        return self.expected if isinstance(self.expected, str) else None


@dataclass(frozen=True)
class Table:
    """Ingresses and requests. Only `services` exist; other Services that Ingresses name are missing."""

    name: str
    ingresses: tuple[Ingress, ...]
    services: tuple[Service, ...]
    cases: tuple[Case, ...]
    secrets: tuple[Secret, ...] = ()
    default_tls_secret: Key | None = None
    redirect_https: bool = False
    is_compatible: bool = False
    merge_slashes: bool = True
    passes_tls: bool = False

    @property
    def objects(self) -> tuple[KubeObject, ...]:
        return (*self.ingresses, *self.services, *self.secrets)


def http(authority: str, path: str, expected: str | int, why: str = "", *, method: str = "GET", **headers: str) -> Case:
    """Names of headers have underscores for hyphens."""
    sent = tuple((name.replace("_", "-"), value) for name, value in headers.items())
    url = f"http://{authority}{path}"
    asked = url if method == "GET" else f"{method} {url}"
    name = " ".join((asked, *(f"{name}: {value}" for name, value in sent)))
    return Case(f"{name} ({why})" if why else name, authority, path, expected, headers=sent, method=method)


def https(authority: str, path: str, expected: str | int, *, sni: str | None = None, why: str = "") -> Case:
    """Where no SNI is said, the client sends the host as browsers do."""
    sni = authority.partition(":")[0] if sni is None else sni
    name = f"https://{authority}{path} sni={sni or 'none'}"
    return Case(f"{name} ({why})" if why else name, authority, path, expected, https=True, sni=sni)


def services(*names: str) -> tuple[Service, ...]:
    return tuple(service(name) for name in names)
