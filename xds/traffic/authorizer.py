"""Authorizers: services that decide on requests (auth-url)."""

from dataclasses import dataclass

from xds.traffic.backends import BackendKey


@dataclass(frozen=True, slots=True)
class AuthorizerUrl:
    """The URL at which an authorizer is asked. Host and path may hold variables of nginx: `$host`.

    Attributes:
        host: In lower case, or one variable.
        path: With the query.
    """

    tls: bool
    host: str
    port: int
    path: str

    def __str__(self) -> str:
        return f"{'https' if self.tls else 'http'}://{self.host}:{self.port}{self.path}"


@dataclass(frozen=True, slots=True)
class Authorizer:
    """A service that is asked about each request.

    Attributes:
        url: As the Ingress, or the operator, writes it.
        backend: Is asked. None: nobody can be, and each request is answered 500.
        path: The path of the question, with the query, where it is another than that of the URL; else empty.
        method: Of the question; empty: GET, without a word on path and scheme of the request.
        headers: Of the question, names in lower case.
        passed_headers: Headers of the answer, in lower case, that the backend gets, and gets from nobody else.
        sign_in: The Location for requests that the authorizer answers 401, with variables of nginx; empty: 401.
        redirect: What the question says for the way back from a sign-in; empty: the path of the request.
        always_sets_cookies: Whether cookies of the authorizer reach clients with each answer, refusals included.
    """

    url: AuthorizerUrl
    backend: BackendKey | None = None
    path: str = ""
    method: str = ""
    headers: tuple[tuple[str, str], ...] = ()
    passed_headers: tuple[str, ...] = ()
    sign_in: str = ""
    redirect: str = ""
    always_sets_cookies: bool = False

    @property
    def asked_path(self) -> str:
        return self.path or self.url.path
