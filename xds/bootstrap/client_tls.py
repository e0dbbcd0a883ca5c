"""A client's side of mutual TLS with the control plane: the debug CLI's, and Envoy's."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class ClientTls:
    """All files in PEM. The server's certificate must chain to one in `ca`, and name `server_name`; empty: the host
    that is connected to.
    """

    ca: Path
    certificate: Path
    private_key: Path
    server_name: str = ""
