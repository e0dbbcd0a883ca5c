"""The end of a connection of TCP, UDP or TLS in words."""

from dataclasses import dataclass
from enum import StrEnum

from xds.explain.explanation import ExplainStep
from xds.problems.problem import Problem
from xds.snapshot.resource import Resource
from xds.traffic.backends import BackendKey


class Connection(StrEnum):
    """The end of a connection, or of the datagrams of a client."""

    FORWARDED = "forwarded"
    """To an endpoint of the cluster, undecrypted."""
    TERMINATED = "terminated"
    """To the proxy, which ends TLS or speaks HTTP."""
    CLOSED = "closed"
    """The proxy accepts and then closes the connection; datagrams are dropped."""
    REFUSED = "refused"
    """No proxy listens on the port."""


@dataclass(frozen=True, slots=True)
class ListenerRejection:
    """A proxy's rejection of a listener.

    Attributes:
        proxy: The node id, or the address of a proxy without one.
        message: The proxy's own.
    """

    proxy: str
    message: str

    @property
    def is_bind_failure(self) -> bool:
        return "cannot bind" in self.message


@dataclass(frozen=True, slots=True)
class ConnectionExplanation:
    """The end of a connection, and the reasons.

    Attributes:
        outcome: The end in words.
        cluster: The target; None if the connection reaches none.
        steps: The decisions, in order.
        problems: Problems that can have to do with the end.
        resources: Resources that a proxy needs, in the order of make before break.
    """

    connection: Connection
    outcome: str
    cluster: BackendKey | None
    steps: tuple[ExplainStep, ...]
    problems: tuple[Problem, ...]
    resources: tuple[Resource, ...]
