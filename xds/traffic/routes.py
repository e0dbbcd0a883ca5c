"""Routes: which requests match, the answer, the treatment of both, and the object that asks for the route."""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from xds.problems.field_path import FieldPath
from xds.problems.problem import Key, ObjectRef
from xds.traffic.actions import Action, Forward, HostRedirect
from xds.traffic.backends import BackendKey
from xds.traffic.client_certificates import CheckedHost, ClientCertificates
from xds.traffic.conditions import (
    Condition,
    CookieCondition,
    GrpcMethodCondition,
    HeaderCondition,
    MethodCondition,
    QueryCondition,
    SessionCondition,
)
from xds.traffic.https_redirect import BY_OPERATOR, NO_HTTPS_REDIRECT, HttpsRedirect, RedirectWhen
from xds.traffic.policy import NO_POLICY, Policy
from xds.traffic.regex import compiled, matches

ACME_CHALLENGES: Final = "/.well-known/acme-challenge/"
"""Paths at which an authority asks for the proof of control over a host, over plain HTTP.

Source: https://www.rfc-editor.org/rfc/rfc8555#section-8.3
"""


class PathType(StrEnum):
    """How a path is compared with the path of a request."""

    EXACT = "Exact"
    PREFIX = "Prefix"
    """Whole segments between slashes are compared."""
    REGEX = "Regex"
    """The beginning of a request's path is compared, by an expression and whatever the case of letters."""
    WHOLE_REGEX = "RegularExpression"
    """The whole path of a request is compared, by an expression and with the case of letters."""


@dataclass(frozen=True, slots=True)
class Origin:
    """The object and the field that ask for a route."""

    object: ObjectRef
    field: FieldPath


@dataclass(frozen=True, slots=True)
class Route:
    """A path of a host with conditions, and the answer to requests that match.

    Attributes:
        path: As Envoy compares the path of a normalized request: no character is escaped that Envoy would unescape.
        action: The answer.
        service: The Service that the origin names, whether or not the Service exists.
        policy: The treatment of requests and answers.
        conditions: A request that matches fulfils each.
    """

    path: str
    path_type: PathType
    action: Action
    origin: Origin
    service: Key
    policy: Policy = NO_POLICY
    conditions: tuple[Condition, ...] = ()

    @property
    def backend(self) -> BackendKey | None:
        """The main backend of a route that forwards; None for other routes, and where no backend can be used."""
        return self.action.backends[0].key if isinstance(self.action, Forward) and self.action.backends else None

    @property
    def backends(self) -> tuple[BackendKey, ...]:
        """The backends of every share of the requests, fallbacks and the policy's own backends included."""
        shares = self.action.backends if isinstance(self.action, Forward) else ()
        keys = (key for each in shares for key in (each.key, each.tls_key) if key)
        return (*(each for key in keys for each in key.all), *self.policy.backends)

    def matches(self, path: str) -> bool:
        """Whether the path of a normalized request matches."""
        if self.path_type is PathType.REGEX:
            return matches(self.path, path)
        if self.path_type is PathType.WHOLE_REGEX:
            return compiled(self.path).fullmatch(path) is not None
        if self.path_type is PathType.EXACT:
            return path == self.path
        prefix = self.path.rstrip("/")
        return path == prefix or path.startswith(f"{prefix}/")

    @property
    def rewrites_host(self) -> bool:
        """Whether the backend's request may have another Host than the client's."""
        shares = self.action.backends if isinstance(self.action, Forward) else ()
        return bool(self.policy.upstream_host) or any(each.upstream_host for each in shares)

    @property
    def https_redirect(self) -> HttpsRedirect:
        """The redirect of plain requests to HTTPS, which precedes the choice of a backend and no other answer.

        Source: https://github.com/kubernetes/ingress-nginx/blob/controller-v1.15.1/rootfs/etc/nginx/template/nginx.tmpl
        """
        return self.policy.https_redirect if isinstance(self.action, Forward) else NO_HTTPS_REDIRECT

    @property
    def answers_challenges(self) -> bool:
        """Whether the path is one of ACME challenges, whose requests the operator doesn't have redirected to HTTPS.

        Below ACME_CHALLENGES such a route precedes all others that match, because their paths are shorter.
        """
        return self.path.startswith(ACME_CHALLENGES)

    @property
    def precedence(self) -> tuple[int, int, str, int, int, int, int, int]:
        """A sort key, the most specific route first: Exact before Prefix, then the longest path, then most conditions.

        Sessions precede conditions on the method, then those on headers, on the query and on cookies. Expressions for
        whole paths are between Exact and Prefix, where the Gateway API leaves their place open:
        https://gateway-api.sigs.k8s.io/reference/spec/#httprouterule

        An Exact route never loses to a longer Prefix: where both match a request, the Prefix is longer by a trailing
        slash at most, and Prefix ignores trailing slashes.
        Source: https://kubernetes.io/docs/concepts/services-networking/ingress/#multiple-matches
        """
        place = (_RANKS[self.path_type], -len(self.path), self.path)
        if not self.conditions:
            return (*place, 0, 0, 0, 0, 0)
        kinds = [type(each) for each in self.conditions]
        sessions = kinds.count(SessionCondition)
        methods = kinds.count(MethodCondition) + kinds.count(GrpcMethodCondition)
        headers, queries = kinds.count(HeaderCondition), kinds.count(QueryCondition)
        return (*place, -sessions, -methods, -headers, -queries, -kinds.count(CookieCondition))


_RANKS: Final = {PathType.EXACT: 0, PathType.REGEX: 0, PathType.WHOLE_REGEX: 1, PathType.PREFIX: 2}


def most_specific_first(routes: Iterable[Route]) -> list[Route]:
    """The routes of a host in the order of trial.

    Expressions have no notion of more specific: the longest text is first, then the last by alphabet, as nginx has
    them. Source: https://kubernetes.github.io/ingress-nginx/user-guide/ingress-path-matching/#path-priority
    """
    ordered = sorted(routes, key=lambda route: route.precedence)
    if ordered and ordered[0].path_type is PathType.REGEX:
        ordered.sort(key=lambda route: route.path, reverse=True)
        ordered.sort(key=lambda route: len(route.path), reverse=True)
    return ordered


@dataclass(frozen=True, slots=True)
class VirtualHost:
    """All routes of a host; the first route that matches a request wins.

    Attributes:
        host: A name, a wildcard (`*.example.com`, for exactly one label), or NO_HOST. An alias may also be the
            beginning of names (`example.*`), and a wildcard among aliases stands for any number of labels.
        default: Answers the paths that no route matches; None where the default of all hosts answers.
        https_redirect: Of plain requests that no route matches.
        alias_of: The host of rules that the routes come from; None for a host that rules name.
        owner: The namespace that the host belongs to. Empty: any namespace's default backend answers paths that no
            route matches.
        client_certificates: Clients are asked for; None: they are not, and may send the headers of a check as they
            like.
        fallbacks: Number of the last routes that are here because a less specific hostname of theirs covers the host.
        beyond: Answers to hosts with several labels in place of a wildcard; None: the wildcard doesn't stand for them.
    """

    host: str
    routes: tuple[Route, ...]
    default: Route | None = None
    https_redirect: HttpsRedirect = BY_OPERATOR
    alias_of: str | None = None
    owner: str = ""
    client_certificates: ClientCertificates | None = None
    fallbacks: int = 0
    beyond: "VirtualHost | None" = None

    @property
    def checked(self) -> CheckedHost | None:
        """The check of clients, which a host shares with its aliases."""
        if self.client_certificates is None:
            return None
        return CheckedHost(self.host if self.alias_of is None else self.alias_of, self.client_certificates)

    def fallback(self, of_all: Route | None) -> Route | None:
        """The answer to paths that no route matches; None: 404.

        Args:
            of_all: The default backend of all hosts: an Ingress', or the operator's.
        """
        if self.default or not self.owner or of_all is None:
            return self.default or of_all
        about = of_all.origin.object
        return None if about.kind == "Ingress" and about.namespace != self.owner else of_all

    @property
    def depends_on_tls(self) -> bool:
        """Whether an answer depends on the TLS entries, whatever the operator says."""
        asked = (self.https_redirect, *(route.policy.https_redirect for route in self.routes))
        return any(each.when is RedirectWhen.WITH_TLS for each in asked)

    def unmatched_redirect(self, default: Route | None) -> HttpsRedirect:
        """The redirect of plain requests that no route matches to HTTPS.

        Args:
            default: Answers requests that are not redirected; None: 404.
        """
        return self.https_redirect if default is None or isinstance(default.action, Forward) else NO_HTTPS_REDIRECT

    @property
    def is_alias(self) -> bool:
        return self.alias_of is not None

    @property
    def keeps_scheme(self) -> bool:
        """Whether plain requests are answered before any redirect to HTTPS: by a redirect to another host."""
        return self.is_alias and any(isinstance(route.action, HostRedirect) for route in self.routes)
