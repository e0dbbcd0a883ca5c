"""Error pages: answers of another backend in place of errors."""

from dataclasses import dataclass

from xds.problems.problem import Key
from xds.traffic.backends import BackendKey


@dataclass(frozen=True, slots=True)
class ErrorPages:
    """The default backend of a path, which answers while the path's own backend has no endpoint, and for errors.

    Attributes:
        backend: Gives the answers.
        host: The Host of requests to the default backend. Empty: the client's.
        ingress: Named in a request to the default backend.
        service: Named likewise, as written in the path.
        port: Of the Service, as written.
        statuses: The errors that are replaced, sorted.
        kept_statuses: Those among them that clients get whatever the status of the default backend's answer is.
        own_only: Whether only the proxy's own errors are replaced, and not those of a backend.
        instead: Whether the path's own backend can't be used, so that all requests go to the default backend.
    """

    backend: BackendKey
    ingress: Key
    service: str
    port: str
    host: str = ""
    statuses: tuple[int, ...] = ()
    kept_statuses: tuple[int, ...] = ()
    own_only: bool = False
    instead: bool = False

    def __str__(self) -> str:
        """All fields but those that the route tells too."""
        listed = ",".join(map(str, self.statuses))
        words = (listed, "own only" if self.own_only else "", "instead" if self.instead else "")
        return " ".join((str(self.backend), *filter(None, words)))
