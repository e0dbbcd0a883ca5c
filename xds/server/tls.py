"""Mutual TLS on --listen: the files behind it, what they are good for, who may call itself what, and new files.

gRPC asks for a new configuration before each handshake, so new files concern new connections, and the streams that
are open live on. It asks from threads of its own: what it gets there was read and checked before.
https://grpc.github.io/grpc/python/grpc.html#grpc.dynamic_ssl_server_credentials
"""

import asyncio
from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
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

from xds.protocol.messages import Node

LOOK: Final = 1.0
"""Seconds between two looks at the files. They are read as a whole: they are small, and no link, mount or time stamp
can then hide that they changed.
"""

SHOWN: Final = 200
"""Characters of a name that a message shows."""

_log = structlog.get_logger()


class TlsError(Exception):
    """The files can't be used. The message is one line that names the file and what is wrong with it."""


@dataclass(frozen=True, slots=True)
class TlsFiles:
    """All in PEM. `certificate` may hold a chain; client certificates must chain to one in `client_ca`."""

    certificate: Path
    private_key: Path
    client_ca: Path


@dataclass(frozen=True, slots=True)
class Material:
    """What the files hold."""

    certificate: bytes
    private_key: bytes = field(repr=False)
    client_ca: bytes

    def configuration(self) -> grpc.ServerCertificateConfiguration:
        """For one use: gRPC takes it apart."""
        pairs = [(self.private_key, self.certificate)]
        return grpc.ssl_server_certificate_configuration(cast("Any", pairs), self.client_ca)


class ServerTls:
    """The server's side of mutual TLS, from `load` on."""

    def __init__(self, files: TlsFiles, material: Material) -> None:
        self._files = files
        self._current = material
        self._seen: Material | str = material
        self._complaint = ""
        self._next: deque[Material] = deque(maxlen=1)  # its methods are atomic: gRPC's threads take from it

    @classmethod
    def load(cls, files: TlsFiles) -> "ServerTls":
        """From the files as they are now.

        Raises:
            TlsError: they can't be used.
        """
        material = read(files)
        _log_loaded(check(material, files))
        return cls(files, material)

    def credentials(self) -> grpc.ServerCredentials:
        """For one port, whose clients need a certificate."""
        return grpc.dynamic_ssl_server_credentials(
            self._current.configuration(),
            cast("Any", self._take),  # the stubs don't know that it may return None
            require_client_authentication=True,
        )

    async def follow(self) -> NoReturn:
        """Look at the files every LOOK seconds, until cancelled; connections go on either way."""
        while True:
            await asyncio.sleep(LOOK)
            try:
                await self.look()
            except Exception:  # noqa: BLE001 - the next look may go better
                _log.exception("tls_look_failed")

    async def look(self) -> None:
        """Take over what is new and good. What is bad, and still is so at the next look, is logged once; it may have
        been half written.
        """
        found = await asyncio.to_thread(_read_or_complaint, self._files)
        if found == self._seen:
            self._complain()
            return
        self._seen = found
        try:
            self._adopt(found)
        except TlsError as error:
            self._complaint = str(error)

    def _adopt(self, found: Material | str) -> None:
        if isinstance(found, str):
            raise TlsError(found)
        leaf = check(found, self._files)
        self._complaint = ""
        if found != self._current:
            self._current = found
            self._next.append(found)
            _log_loaded(leaf)

    def _complain(self) -> None:
        if self._complaint:
            _log.error(
                "tls_files_unusable", error=self._complaint, remedy="correct it; until then the files before serve"
            )
            self._complaint = ""

    def _take(self) -> grpc.ServerCertificateConfiguration | None:
        """What gRPC asks before each handshake, from a thread of its own. None: nothing is new."""
        try:
            return self._next.pop().configuration()
        except IndexError:
            return None


def read(files: TlsFiles) -> Material:
    """What the files hold, whatever it is.

    Raises:
        TlsError: one of them can't be read.
    """
    return Material(
        _content("--tls-cert", files.certificate),
        _content("--tls-key", files.private_key),
        _content("--tls-client-ca", files.client_ca),
    )


def check(material: Material, files: TlsFiles) -> Certificate:
    """The server's own certificate, of files that gRPC takes and clients can verify.

    Raises:
        TlsError: they are something else.
    """
    leaf = _certificates("--tls-cert", files.certificate, material.certificate)[0]
    # gRPC takes no certificates at all for an answer, and its own list of authorities instead.
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

    Not its common name: certificates without subject alternative names stand for nobody (RFC 9525, section 6.3).
    """
    values: Iterable[bytes] = (*auth_context.get("peer_dns", ()), *auth_context.get("peer_uri", ()))
    return frozenset(value.decode(errors="backslashreplace") for value in values)


def must_name_the_node(names: frozenset[str], node: Node) -> str | None:
    """Why a proxy with a certificate of these names may not be this node; None: it may.

    One of the names must be the node's id or its cluster, letter for letter. No wildcard stands for anything here.
    """
    if names & ({node.id, node.cluster} - {""}):
        return None
    called = ", ".join(sorted(repr(name[:SHOWN]) for name in names)[:10]) or "nobody"
    return (
        f"the certificate names {called}, and neither the node {node.id[:SHOWN]!r} nor its cluster "
        f"{node.cluster[:SHOWN]!r}; one of these must be among its DNS or URI names"
    )


def _read_or_complaint(files: TlsFiles) -> Material | str:
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
    """BoringSSL, which is in gRPC and in Envoy, has more kinds of keys than its clients take."""
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
