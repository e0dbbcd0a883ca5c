"""The decision whether a plain request is redirected to HTTPS."""

from dataclasses import dataclass
from typing import Final

from xds.explain.answer import Redirect, RedirectOutcome
from xds.explain.edge import EdgeOptions
from xds.explain.request import Request
from xds.traffic.actions import Forward, HostRedirect
from xds.traffic.hosts import is_wildcard, wildcard_of
from xds.traffic.https_redirect import HttpsRedirect, RedirectWhen
from xds.traffic.routes import ACME_CHALLENGES, Route, VirtualHost
from xds.traffic.tls import TlsTable


@dataclass(frozen=True, slots=True)
class RoutedRequest:
    """A request with its route.

    Attributes:
        host: Of the request.
        path: Of the request, normalized.
        virtual_host: Answers the request.
        route: The route that answers, a default backend's among them; None if none does.
        asked: The redirect to HTTPS before that answer.
        is_named: Whether rules name the host.
    """

    host: str
    path: str
    virtual_host: VirtualHost
    route: Route | None
    asked: HttpsRedirect
    is_named: bool


def decision(tls: TlsTable, found: RoutedRequest, request: Request, edge: EdgeOptions) -> Redirect:
    """Whether a plain request is redirected, and why. TLS entries count with or without a usable certificate."""
    host, asked, named = found.host, found.asked, frozenset(tls.named)
    pattern = next((pattern for pattern in (host, wildcard_of(host)) if pattern in named), "")
    outcome = _why_plain(found, request, edge, has_tls=bool(pattern))
    if outcome is None and asked.when is RedirectWhen.ALWAYS:
        outcome = RedirectOutcome.FORCED
    elif outcome is None:
        is_open = pattern not in tls.without_certificate
        outcome = RedirectOutcome.REDIRECTED if is_open else RedirectOutcome.NO_CERTIFICATE
    # The plain listener has domains for TLS hosts only where an answer depends on TLS.
    by_tls = host in named and not is_wildcard(host) and (edge.redirect_https or found.virtual_host.depends_on_tls)
    domain = host if found.is_named or by_tls else ""
    return Redirect(outcome, "" if outcome in _WHATEVER_TLS else pattern, asked, found.route, domain)


_WHATEVER_TLS: Final = (
    RedirectOutcome.ANSWERED,
    RedirectOutcome.FORCED,
    RedirectOutcome.NOT_WANTED,
    RedirectOutcome.OFF,
    RedirectOutcome.OTHER_HOST,
)


def _why_plain(found: RoutedRequest, request: Request, edge: EdgeOptions, *, has_tls: bool) -> RedirectOutcome | None:
    """Why a request isn't redirected; None for one that is."""
    route, asked, by_operator = found.route, found.asked, found.asked.when is RedirectWhen.OPERATOR
    if route and not isinstance(route.action, Forward):
        return RedirectOutcome.OTHER_HOST if isinstance(route.action, HostRedirect) else RedirectOutcome.ANSWERED
    if asked.when is RedirectWhen.NEVER:
        return RedirectOutcome.NOT_WANTED
    if not asked.holds(has_tls=has_tls, by_operator=edge.redirect_https):
        is_off = by_operator and not edge.redirect_https
        return RedirectOutcome.OFF if is_off else RedirectOutcome.NOT_COVERED
    if edge.trusted_hops and request.forwarded_proto not in (None, "http"):
        return RedirectOutcome.CAME_BY_HTTPS
    is_challenge = route and route.answers_challenges and found.path.startswith(ACME_CHALLENGES)
    return RedirectOutcome.CHALLENGE if by_operator and is_challenge else None
