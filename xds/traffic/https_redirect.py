"""The redirect of plain requests to HTTPS."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final


class RedirectWhen(StrEnum):
    """The plain requests that are redirected to HTTPS."""

    OPERATOR = "operator"
    """Those for a host that a TLS entry covers, if the operator says so for all routes."""
    NEVER = "never"
    WITH_TLS = "with TLS"
    """Those for a host that a TLS entry covers."""
    ALWAYS = "always"


@dataclass(frozen=True, slots=True)
class HttpsRedirect:
    """The redirect to HTTPS that a route asks for. The other fields count for WITH_TLS and ALWAYS.

    Attributes:
        when: The requests.
        status: 301, 302, 307 or 308.
        keeps_slash: Whether the Location has the slash at the end of the request's path.
        names_port: Whether the Location names the port of HTTPS even where clients expect the port.
    """

    when: RedirectWhen = RedirectWhen.OPERATOR
    status: int = 308
    keeps_slash: bool = False
    names_port: bool = False

    def __str__(self) -> str:
        if self.when is RedirectWhen.NEVER:
            return "never"
        flags = {"keeps slash": self.keeps_slash, "names port": self.names_port}
        return ", ".join((f"{self.status} {self.when}", *(text for text, is_set in flags.items() if is_set)))

    def holds(self, *, has_tls: bool, by_operator: bool) -> bool:
        """Whether plain requests for a host are redirected.

        Args:
            has_tls: Whether a TLS entry covers the host, with or without a usable certificate.
            by_operator: Whether the operator has hosts redirected that a TLS entry covers.
        """
        match self.when:
            case RedirectWhen.OPERATOR:
                return has_tls and by_operator
            case RedirectWhen.WITH_TLS:
                return has_tls
        return self.when is RedirectWhen.ALWAYS


BY_OPERATOR: Final = HttpsRedirect()
NO_HTTPS_REDIRECT: Final = HttpsRedirect(RedirectWhen.NEVER)
