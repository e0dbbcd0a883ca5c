"""The requests that a group of routes sees, beyond host and path."""

from dataclasses import dataclass

from xds.envoyapi.messages import HeaderMatcher
from xds.resources.options import ProxyOptions
from xds.traffic.https_redirect import NO_HTTPS_REDIRECT, HttpsRedirect
from xds.traffic.policy import NO_POLICY, Policy


@dataclass(frozen=True, slots=True)
class Place:
    """The requests that a group of routes sees.

    Attributes:
        tls: Whether they come by TLS.
        has_tls: Of requests by plain HTTP: whether a TLS entry covers their host.
        host: Their host; empty if they have several.
        options: The operator's settings.
        shared: The part of the routes' policies that their virtual host holds.
        guards: Each of them matches the requests.
        allowed: Whether the routes' CORS allows their origins.
        is_forbidden: Whether they are answered 403, but for redirects to HTTPS and ACME challenges.
    """

    tls: bool
    has_tls: bool
    host: str
    options: ProxyOptions
    shared: Policy = NO_POLICY
    guards: tuple[HeaderMatcher, ...] = ()
    allowed: bool = True
    is_forbidden: bool = False

    @property
    def location_host(self) -> str:
        """Their host in a Location; empty if they have several, or if a proxy in front may name another one."""
        trusted = self.options.policy.requests.trusted
        return "" if trusted and trusted.believed else self.host

    def redirect(self, asked: HttpsRedirect) -> HttpsRedirect:
        """The redirect to HTTPS in effect: what is asked for, or none."""
        by_operator = self.options.redirect_https
        holds = not self.tls and asked.holds(has_tls=self.has_tls, by_operator=by_operator)
        return asked if holds else NO_HTTPS_REDIRECT
