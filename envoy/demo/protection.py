"""Mutual TLS between the control plane and its clients: a CA, and a certificate for each party."""

from dataclasses import dataclass
from pathlib import Path

from certificates import Authority
from ports import LOOPBACK

PERSON = "me"
"""The name in the certificate of the user of `xds` commands."""


@dataclass(frozen=True, slots=True)
class Protection:
    """TLS flags for the commands. Without a folder there are no flags, and connections are plaintext."""

    folder: Path | None = None

    @property
    def serve(self) -> list[str | Path]:
        if self.folder is None:
            return []
        return [*self._own(LOOPBACK), "--tls-client-ca", self.folder / "ca.pem"]

    def bootstrap(self, node: str) -> list[str | Path]:
        return [] if self.folder is None else [*self._client(node), "--sds-dir", self.folder / node]

    @property
    def ask(self) -> list[str | Path]:
        return [] if self.folder is None else self._client(PERSON)

    def _client(self, name: str) -> list[str | Path]:
        return [] if self.folder is None else ["--tls-ca", self.folder / "ca.pem", *self._own(name)]

    def _own(self, name: str) -> list[str | Path]:
        if self.folder is None:
            return []
        return ["--tls-cert", self.folder / f"{name}.pem", "--tls-key", self.folder / f"{name}.key"]


def protect(folder: Path, *nodes: str) -> Protection:
    """Make the certificates of the control plane, of each node, and of the user."""
    authority = Authority("xds-ingress demo CA of the control plane")
    folder.mkdir(mode=0o700)
    for name in (LOOPBACK, PERSON, *nodes):
        issued = authority.issue(name)
        (folder / f"{name}.pem").write_bytes(issued.chain)
        (folder / f"{name}.key").write_bytes(issued.private_key)
        (folder / "ca.pem").write_bytes(issued.authority)
    return Protection(folder)
