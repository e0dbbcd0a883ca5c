"""Mutual TLS on --listen: reading and checking the files, reloading them, and the nodes that a certificate allows.

gRPC asks for a new configuration before each handshake, so new files apply to new connections, and open streams live
on. gRPC asks from its own threads, and gets a configuration that was read and checked before.
https://grpc.github.io/grpc/python/grpc.html#grpc.dynamic_ssl_server_credentials
"""

import asyncio
from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, NoReturn, cast

import grpc
import structlog
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, SECP384R1, SECP521R1, EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.asymmetric.types import PublicKeyTypes
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from cryptography.x509 import Certificate, load_pem_x509_certificates

from xds.logs import BUG_REMEDY
from xds.protocol.messages import Node
from xds.server.handshakes import Handshakes
from xds.server.own_certificates import OwnCertificate, OwnCertificates

TLS_RELOAD_SECONDS: Final = 1.0
"""Interval between two reads of the files. Small files are read whole, so that no link, mount or time stamp hides a
change.
"""

SHOWN_NAME_CHARACTERS: Final = 200
"""Characters of a name shown in an error message."""

_log = structlog.get_logger()


class TlsError(Exception):
    """The files can't be used. The message is one line with the file and the error."""


@dataclass(frozen=True, slots=True)
class TlsFiles:
    """The files of the three --tls flags, in PEM.

    Attributes:
        certificate: The server's certificate or chain.
        private_key: Unencrypted.
        client_ca: Authorities of client certificates.
    """

    certificate: Path
    private_key: Path
    client_ca: Path


@dataclass(frozen=True, slots=True)
class TlsMaterial:
    """The content of `TlsFiles`."""

    certificate: bytes
    private_key: bytes = field(repr=False)
    client_ca: bytes

    def configuration(self) -> grpc.ServerCertificateConfiguration:
        """A configuration for one use, as gRPC consumes the object."""
        pairs = [(self.private_key, self.certificate)]
        return grpc.ssl_server_certificate_configuration(cast("Any", pairs), self.client_ca)


class ServerTls:
    """The server's side of mutual TLS, with files that may change."""

    def __init__(self, files: TlsFiles, material: TlsMaterial) -> None:
        self._files = files
        self._current = material
        self._last_read: TlsMaterial | str = material
        self._error = ""
        self.handshakes = Handshakes()
        self._own = OwnCertificates(files.certificate, files.client_ca)
        self._own.replace(material.certificate, material.client_ca)
        self._next: deque[TlsMaterial] = deque(maxlen=1)  # atomic methods, as gRPC's threads take from the deque

    @classmethod
    def load(cls, files: TlsFiles) -> "ServerTls":
        """Read and check the files.

        Raises:
            TlsError: the files can't be used.
        """
        material = read(files)
        _log_loaded(check(material, files))
        return cls(files, material)

    def credentials(self) -> grpc.ServerCredentials:
        """Credentials of one port, whose clients need a certificate."""
        return grpc.dynamic_ssl_server_credentials(
            self._current.configuration(),
            cast("Any", self._take_next),  # the stubs don't allow None, gRPC does
            require_client_authentication=True,
        )

    async def keep_reloading(self) -> NoReturn:
        """Reload the files every TLS_RELOAD_SECONDS, until cancelled."""
        while True:
            self.check_dates(datetime.now(UTC))
            await asyncio.sleep(TLS_RELOAD_SECONDS)
            try:
                await self.reload()
            except Exception:  # noqa: BLE001 - the next reload may succeed
                _log.exception("tls_reload_failed", file=str(self._files.certificate), remedy=BUG_REMEDY)

    def check_dates(self, now: datetime) -> None:
        """Log certificates that are about to expire, or outside of their dates; each state once."""
        self._own.check(now)

    @property
    def own_certificates(self) -> tuple[OwnCertificate, ...]:
        """The server's certificate, and the authorities of clients."""
        return self._own.current

    @property
    def material(self) -> TlsMaterial:
        """The content of the files in use."""
        return self._current

    def not_after(self) -> dict[str, float]:
        """The first end of a certificate in each file, in seconds since 1970, by use: `server` or `client_ca`."""
        return self._own.not_after

    async def reload(self) -> None:
        """Read the files, and use new ones that are valid.

        An error is logged once, and only if the next read finds the same: files may be half written.
        """
        found = await asyncio.to_thread(_read_or_error, self._files)
        if found == self._last_read:
            if self._error:
                remedy = "correct the file; until then the server uses the previous files"
                _log.error("tls_files_unusable", file=str(self._files.certificate), error=self._error, remedy=remedy)
                self._error = ""
            return
        self._last_read = found
        try:
            self._use(found)
        except TlsError as error:
            self._error = str(error)

    def _use(self, found: TlsMaterial | str) -> None:
        if isinstance(found, str):
            raise TlsError(found)
        certificate = check(found, self._files)
        self._error = ""
        if found != self._current:
            self._current = found
            self._next.append(found)
            self._own.replace(found.certificate, found.client_ca)
            _log_loaded(certificate)

    def _take_next(self) -> grpc.ServerCertificateConfiguration | None:
        """Answer gRPC before a handshake, in one of gRPC's threads. None: the configuration is unchanged."""
        self.handshakes.begin()
        try:
            return self._next.pop().configuration()
        except IndexError:
            return None


def read(files: TlsFiles) -> TlsMaterial:
    """Read the files, without a check.

    Raises:
        TlsError: a file can't be read.
    """
    return TlsMaterial(
        _content("--tls-cert", files.certificate),
        _content("--tls-key", files.private_key),
        _content("--tls-client-ca", files.client_ca),
    )


def check(material: TlsMaterial, files: TlsFiles) -> Certificate:
    """Check that gRPC and clients accept the files, and return the server's certificate.

    Raises:
        TlsError: a file is invalid, or the key belongs to another certificate.
    """
    leaf = _certificates("--tls-cert", files.certificate, material.certificate)[0]
    # gRPC accepts a file without certificates, and trusts its built-in authorities then.
    _certificates("--tls-client-ca", files.client_ca, material.client_ca)
    _check_kind(files.certificate, leaf.public_key())
    try:
        private = load_pem_private_key(material.private_key, password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise TlsError(f"--tls-key {files.private_key} holds no unencrypted private key in PEM") from None
    if private.public_key() != leaf.public_key():
        raise TlsError(f"--tls-key {files.private_key} doesn't belong to --tls-cert {files.certificate}")
    return leaf


def names_of(auth_context: Mapping[str, Any]) -> frozenset[str]:
    """The DNS and URI names in the certificate of a gRPC peer; none without TLS.

    A common name doesn't count: RFC 9525, section 6.3.
    """
    values: Iterable[bytes] = (*auth_context.get("peer_dns", ()), *auth_context.get("peer_uri", ()))
    return frozenset(value.decode(errors="backslashreplace") for value in values)


def must_name_the_node(names: frozenset[str], node: Node, operators: frozenset[str] = frozenset()) -> str | None:
    """The reason why a proxy with these certificate names may not be this node; None: allowed.

    A name must equal the node's id or cluster. Wildcards match nothing.

    Args:
        names: The DNS and URI names of the proxy's certificate.
        node: The node that the proxy says to be.
        operators: Names that count for no proxy: an operator reads the debug API, and no private keys.
    """
    if names & ({node.id, node.cluster} - {""} - operators):
        return None
    node_id, cluster = (name[:SHOWN_NAME_CHARACTERS] for name in (node.id, node.cluster))
    return (
        f"the certificate names {shown_names(names)}, and neither the node {node_id!r} nor its cluster {cluster!r}; "
        "one of these must be among its DNS or URI names, and not among those of --tls-operators"
    )


def shown_names(names: frozenset[str]) -> str:
    """The names for a message: ten at most, of bounded length."""
    return ", ".join(sorted(repr(name[:SHOWN_NAME_CHARACTERS]) for name in names)[:10]) or "nobody"


def _read_or_error(files: TlsFiles) -> TlsMaterial | str:
    try:
        return read(files)
    except TlsError as error:
        return str(error)


def _content(flag: str, file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        raise TlsError(f"{flag} {file} can't be read: {error.strerror}") from None


def _certificates(flag: str, file: Path, content: bytes) -> list[Certificate]:
    try:
        return load_pem_x509_certificates(content)
    except (ValueError, UnsupportedAlgorithm):
        raise TlsError(f"{flag} {file} holds no certificates in PEM") from None


def _check_kind(file: Path, key: PublicKeyTypes) -> None:
    """Check that clients accept the key: a BoringSSL server, as in gRPC, takes kinds that BoringSSL clients don't."""
    if isinstance(key, RSAPublicKey):
        return
    if isinstance(key, EllipticCurvePublicKey) and isinstance(key.curve, SECP256R1 | SECP384R1 | SECP521R1):
        return
    raise TlsError(f"--tls-cert {file} has a key that is neither RSA nor ECDSA on P-256, P-384 or P-521")


def _log_loaded(leaf: Certificate) -> None:
    _log.info(
        "tls_files_loaded",
        subject=leaf.subject.rfc4514_string(),
        serial=f"{leaf.serial_number:x}",
        expires=leaf.not_valid_after_utc.isoformat(),
    )
