"""Names of a backend in its answers, replaced by those that clients know."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Replacement:
    """A text, and the text in its place."""

    found: str
    by: str

    def __str__(self) -> str:
        return f"{self.found} by {self.by}"


@dataclass(frozen=True, slots=True)
class BackendNames:
    """The replacements in answers of a backend. None: the names stay.

    Attributes:
        location: Of the beginning of Location, and of the URL in Refresh.
        cookie_path: Of the beginning of Path, in each Set-Cookie.
        cookie_domain: Of the whole Domain in lower case, in each Set-Cookie; a dot in front stays.
        completes_paths: Whether a Location that becomes a path is put behind the request's scheme and host.
    """

    location: Replacement | None = None
    cookie_path: Replacement | None = None
    cookie_domain: Replacement | None = None
    completes_paths: bool = False

    def __str__(self) -> str:
        named = (("location", self.location), ("cookie path", self.cookie_path), ("cookie domain", self.cookie_domain))
        return "; ".join(f"{name} {each}" for name, each in named if each)
