"""Hash keys: the parts of a request by which an endpoint is chosen."""

from dataclasses import dataclass
from enum import StrEnum


class HashPart(StrEnum):
    """A part of a request."""

    CLIENT_ADDRESS = "client address"
    HEADER = "header"
    COOKIE = "cookie"
    QUERY_PARAMETER = "query parameter"
    TARGET = "path and query"
    PATH = "path"
    QUERY = "query"
    HOST = "host"
    METHOD = "method"
    NOTHING = "nothing"
    """Equal for all requests, which go to the same endpoint."""


@dataclass(frozen=True, slots=True)
class HashKey:
    """A part of a request, whose value takes part in the choice.

    Attributes:
        name: Of a HEADER (in lower case), a COOKIE or a QUERY_PARAMETER; else empty.
    """

    part: HashPart
    name: str = ""

    def __str__(self) -> str:
        return f"{self.part} {self.name}".strip()
