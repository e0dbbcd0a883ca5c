"""Conditions: the demands of a route on a request, beyond host and path."""

from dataclasses import dataclass
from enum import StrEnum
from typing import TypeAlias


class Comparison(StrEnum):
    """How a condition's value is compared with the request's."""

    EQUAL = "="
    FOUND = "~"
    """The value is a regular expression, of RE2, found anywhere in the request's value."""
    WHOLE = "=~"
    """The value is a regular expression, of RE2, for the whole of the request's value."""


@dataclass(frozen=True, slots=True)
class HeaderCondition:
    """A header of the request has a value.

    Attributes:
        name: In lower case.
        value: To compare with.
        comparison: How.
    """

    name: str
    value: str
    comparison: Comparison = Comparison.EQUAL

    def __str__(self) -> str:
        return f"header {self.name}{self.comparison}{self.value}"


@dataclass(frozen=True, slots=True)
class MethodCondition:
    """The method of the request, in capitals."""

    method: str

    def __str__(self) -> str:
        return f"method {self.method}"


@dataclass(frozen=True, slots=True)
class GrpcMethodCondition:
    """The method of a gRPC call, of any service: the last segment of the path."""

    method: str

    def __str__(self) -> str:
        return f"gRPC method {self.method}"


@dataclass(frozen=True, slots=True)
class QueryCondition:
    """A parameter in the query of the request has a value: as written there, the first one of the name.

    Attributes:
        name: As written.
        value: To compare with.
        comparison: How.
    """

    name: str
    value: str
    comparison: Comparison = Comparison.EQUAL

    def __str__(self) -> str:
        return f"query {self.name}{self.comparison}{self.value}"


@dataclass(frozen=True, slots=True)
class CookieCondition:
    """A cookie of the request is equal to a value."""

    name: str
    value: str

    def __str__(self) -> str:
        return f"cookie {self.name}={self.value}"


@dataclass(frozen=True, slots=True)
class SessionCondition:
    """A request belongs to a session with a mark: a cookie that an answer of the same route set.

    Sessions decide before all other conditions.
    """

    name: str
    value: str

    def __str__(self) -> str:
        return f"session {self.name}={self.value}"


Condition: TypeAlias = (
    HeaderCondition | MethodCondition | GrpcMethodCondition | QueryCondition | CookieCondition | SessionCondition
)
