"""The answer to a request, and the steps that lead to it."""

from dataclasses import dataclass, field
from enum import Enum, auto
from typing import TypeAlias

from xds.traffic.bound import Chain
from xds.traffic.client_certificates import CheckedHost
from xds.traffic.cors import PREFLIGHT_STATUS
from xds.traffic.https_redirect import BY_OPERATOR, HttpsRedirect
from xds.traffic.routes import Route, VirtualHost
from xds.traffic.tls import Passthrough, Termination


class Choice(Enum):
    """The way in which a certificate or a virtual host was chosen."""

    PRECISE = auto()
    """By name."""
    WILDCARD = auto()
    DEFAULT = auto()
    """The default certificate, or the rules without host."""
    NO_CERTIFICATE = auto()
    """A TLS entry names the host, and has no usable certificate; or the host can't be passed through as asked."""
    NONE = auto()


@dataclass(frozen=True, slots=True)
class Handshake:
    """The choice of a certificate by SNI.

    Attributes:
        sni: Empty if the client sends none.
        choice: How the certificate was chosen.
        pattern: The TLS host that decided; empty for the default certificate, or none.
        termination: The certificate; None if the connection is closed or passed through.
        passthrough: The backend that the connection goes to undecrypted; None: to none.
        is_denied: Whether the connection is closed because the client is none of those that may connect.
    """

    sni: str
    choice: Choice
    pattern: str = ""
    termination: Termination | None = None
    passthrough: Passthrough | None = None
    is_denied: bool = False


@dataclass(frozen=True, slots=True)
class ChainMatch:
    """The choice of a chain of a bound listener by SNI.

    Attributes:
        sni: Empty if the client sends none, or no TLS.
        pattern: The server name that decided; empty for the chain of all other names.
        chain: None if the connection is closed because no chain is for the name, or TLS meets a plain listener.
        reads_sni: Whether connections of the listener begin with TLS.
    """

    sni: str
    pattern: str
    chain: Chain | None
    reads_sni: bool


@dataclass(frozen=True, slots=True)
class Malformed:
    """A request that proxies reject: 400, or 404."""

    why: str


class RedirectOutcome(Enum):
    """Whether a plain request is redirected to HTTPS, and why not."""

    REDIRECTED = auto()
    OFF = auto()
    """`--redirect-https` is off."""
    NOT_COVERED = auto()
    """No TLS entry covers the host."""
    NO_CERTIFICATE = auto()
    """Redirected, although the TLS entry of the host has no usable certificate."""
    CHALLENGE = auto()
    """The route is for ACME challenges."""
    OTHER_HOST = auto()
    """Redirected to another host first, with the scheme of the request."""
    CAME_BY_HTTPS = auto()
    """According to a trusted proxy in front."""
    FORCED = auto()
    """Redirected, with or without a TLS entry, as the Ingress of the path asks."""
    NOT_WANTED = auto()
    """The Ingress of the path asks for none."""
    ANSWERED = auto()
    """The path has a redirect of its own, or is closed."""


@dataclass(frozen=True, slots=True)
class Redirect:
    """The decision whether to redirect to HTTPS.

    Attributes:
        outcome: The decision.
        pattern: The TLS host that covers the host; empty if none does.
        asked: By the operator, or by the Ingress of the path.
        route: The route that would answer by HTTPS, the default backend's among them; None if none would.
        domain: The host, if the plain listener knows the host by name; else empty.
    """

    outcome: RedirectOutcome
    pattern: str = ""
    asked: HttpsRedirect = BY_OPERATOR
    route: Route | None = None
    domain: str = ""

    @property
    def redirected(self) -> bool:
        redirects = (RedirectOutcome.REDIRECTED, RedirectOutcome.NO_CERTIFICATE, RedirectOutcome.FORCED)
        return self.outcome in redirects


@dataclass(frozen=True, slots=True)
class Coverage:
    """Whether the connection's certificate covers the request's host; if not, 421.

    Attributes:
        host: From the request.
        pattern: The TLS host that covers the host, of this certificate or of another; empty if none does.
        covered: Whether the connection's certificate does.
        is_checked: Whether the clients of the host are asked for certificates, on connections of the host alone.
    """

    host: str
    pattern: str
    covered: bool
    is_checked: bool = False


class CheckOutcome(Enum):
    """Whether a request without a client certificate is let in."""

    ADMITTED = auto()
    REJECTED = auto()
    """By TLS, with the host's own answer for bad certificates."""
    FORBIDDEN = auto()
    """By plain HTTP: 403."""
    NO_SUBJECT = auto()
    """The certificate must have a certain subject: 403."""


@dataclass(frozen=True, slots=True)
class ClientCheck:
    """The check of a request without a client certificate.

    Attributes:
        checked: The host, and its demands on certificates.
        outcome: Whether the request is let in.
    """

    checked: CheckedHost
    outcome: CheckOutcome

    @property
    def status(self) -> int:
        """The answer; 0 for a request that is let in."""
        if self.outcome is CheckOutcome.ADMITTED:
            return 0
        return self.checked.certificates.rejected_status if self.outcome is CheckOutcome.REJECTED else 403


@dataclass(frozen=True, slots=True)
class HostMatch:
    """The choice of a virtual host.

    Attributes:
        host: From the request.
        choice: How the virtual host was chosen.
        virtual_host: None if no rule applies.
        passed_over: Wildcards that end like the host, which has more labels than they stand for.
    """

    host: str
    choice: Choice
    virtual_host: VirtualHost | None = None
    passed_over: tuple[str, ...] = ()


class Comparison(Enum):
    """A route's path compared with the request's."""

    TAKEN = auto()
    """The first route that matches."""
    BEHIND = auto()
    """Matches, behind the route that is taken."""
    DIFFERS = auto()
    CASE = auto()
    """Differs in upper and lower case only."""
    ELEMENT = auto()
    """A Prefix that ends within an element of the request's path."""
    SLASH = auto()
    """An Exact path that differs by the slash at the end only."""
    BELOW = auto()
    """An Exact path, and the request's path lies below it."""
    CONDITION = auto()
    """The path matches, and a condition of the route doesn't hold."""


@dataclass(frozen=True, slots=True)
class ComparedRoute:
    route: Route
    comparison: Comparison


@dataclass(frozen=True, slots=True)
class PathMatch:
    """The routes of the virtual host in the order of trial, against the normalized path."""

    path: str
    routes: tuple[ComparedRoute, ...]


@dataclass(frozen=True, slots=True)
class Fallback:
    """The default backend, for a path that no route matches.

    Attributes:
        route: None if there is no default backend.
        of_host: Whether the default backend is the host's own.
    """

    route: Route | None
    of_host: bool = False


@dataclass(frozen=True, slots=True)
class Preflight:
    """A preflight, which the proxy answers in place of the route, of a default backend's route too.

    Attributes:
        status: 204, or 403 for an origin that isn't allowed.
    """

    route: Route
    status: int = PREFLIGHT_STATUS


Step: TypeAlias = (
    Handshake
    | ChainMatch
    | Malformed
    | Redirect
    | Coverage
    | HostMatch
    | PathMatch
    | Fallback
    | Preflight
    | ClientCheck
)


@dataclass(frozen=True, slots=True)
class Answer:
    """The answer that a request gets.

    Attributes:
        status: 200 for a route with a backend, whatever the backend answers; 0 for a closed connection.
        route: The route that answers; None if none does, for a redirect to HTTPS, and for a preflight.
        steps: The decisions, in order.
    """

    status: int
    route: Route | None = None
    steps: tuple[Step, ...] = field(default=(), compare=False)


CLOSED = Answer(0)
PASSED = Answer(0)
"""The backend answers, by TLS."""
MALFORMED = Answer(400)
NOT_FOUND = Answer(404)
MISDIRECTED = Answer(421)
