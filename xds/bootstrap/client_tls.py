"""The client side of mutual TLS with the control plane, for the debug CLI and for Envoy."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class ClientTls:
    """Files, in PEM, and the expected server name.

    Attributes:
        ca: Certificates that the server's certificate must chain to.
        certificate: The client's certificate chain.
        private_key: The client's private key.
        server_name: A name that the server's certificate must have; empty for the host of the connection.
    """

    ca: Path
    certificate: Path
    private_key: Path
    server_name: str = ""
