"""Questions to an authorizer, as a use of a backend."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Questions:
    """The use of a backend as an authorizer: its cluster forms the question, and reads the answer.

    Attributes:
        name: The server name of TLS; empty without TLS.
        is_verified: Whether the certificate must be for the name, and of an authority that the proxy's system trusts.
    """

    name: str = ""
    is_verified: bool = False
