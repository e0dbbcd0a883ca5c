"""Failed TLS handshakes: counted by cause, and logged once for each peer and cause.

gRPC's line has the cause and no peer. The kernel's table of connections has peers: gRPC asks for certificates before
each handshake, and a connection that was new then, and is gone when the line arrives, is taken for the failed one. If
connections from several addresses fit, or none, the peer stays unknown.
"""

import asyncio
import re
import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

import structlog

from xds.server.grpc_log import GrpcLog

LOGGED_FAILURES: Final = 1000
"""Most pairs of peer and cause that are logged. Later ones are only counted."""

HANDSHAKE_SECONDS: Final = 10.0
"""Longest age of a connection whose handshake fails."""

TABLE_COST: Final = 20
"""Pause between two reads of the kernel's table, in durations of a read: at most 5 % of a processor."""

UNKNOWN_PEER: Final = "unknown"

_LINE: Final = re.compile(r"Handshake failed with error .*OPENSSL_internal:(?P<error>\w+)(?:: (?P<detail>.*))?")

_CAUSES: Final = (
    ("certificate has expired", "expired", "renew the peer's certificate, and check the clocks"),
    ("certificate is not yet valid", "not_yet_valid", "check the clocks of this machine and of the issuer"),
    ("certificate purpose", "wrong_purpose", "issue the peer a certificate for client authentication"),
    ("CERTIFICATE_VERIFY_FAILED", "foreign_ca", "give the peer a certificate of the CA in --tls-client-ca"),
    ("PEER_DID_NOT_RETURN_A_CERTIFICATE", "no_certificate", "give the peer --tls-cert and --tls-key"),
    ("HTTP_REQUEST", "plaintext", "give the peer --tls-ca, --tls-cert and --tls-key"),
    ("WRONG_VERSION_NUMBER", "plaintext", "give the peer --tls-ca, --tls-cert and --tls-key"),
    ("ALERT", "rejected_by_peer", "the peer rejects the certificate of --tls-cert: see the peer's log"),
)
"""A part of gRPC's line, the cause, and the remedy. The first that fits."""

_OTHER: Final = ("other", "see the peer's log")

CAUSES: Final = tuple(dict.fromkeys(cause for _, cause, *_ in (*_CAUSES, ("", *_OTHER))))

_TABLES: Final = (Path("/proc/net/tcp"), Path("/proc/net/tcp6"))
_ESTABLISHED: Final = "01"

_log = structlog.get_logger()


class Handshakes:
    """Counts failed handshakes.

    Args:
        clock: Seconds, monotonic.

    Attributes:
        failed: Number of failed handshakes by cause.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self.failed = dict.fromkeys(CAUSES, 0)
        self._logged: set[tuple[str, str]] = set()
        self._log = GrpcLog(self.note)
        self._peers = NewPeers(clock)
        self.begin = self._peers.begin

    def follow(self, port: int) -> None:
        """Follow gRPC's log on the running loop, for the connections to a port; without it nothing is counted."""
        self._peers.port = port
        if self._log.descriptor is not None:
            asyncio.get_running_loop().add_reader(self._log.descriptor, self._log.read)

    def stop(self) -> None:
        if self._log.descriptor is not None:
            asyncio.get_running_loop().remove_reader(self._log.descriptor)

    def note(self, line: str) -> None:
        """Count and log a line of gRPC's log, if a handshake failed."""
        found = _LINE.search(line)
        if found is None:
            return
        text = f"{found['error']}: {found['detail'] or ''}"
        cause, remedy = next((each[1:] for each in _CAUSES if each[0] in text), _OTHER)
        self.failed[cause] += 1
        peer = self._peers.failed()
        if (peer, cause) not in self._logged and len(self._logged) < LOGGED_FAILURES:
            self._logged.add((peer, cause))
            _log.warning("tls_handshake_failed", peer=peer, cause=cause, error=text[:200], remedy=remedy)


class NewPeers:
    """The addresses of connections whose handshake is under way.

    The table is read only in the minute after a failed handshake, as proxies try again within seconds.

    Attributes:
        port: The port that connections come to; 0: none, as with a unix socket.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self.port = 0
        self._clock = clock
        self._until = self._next_read = 0.0
        self._known: dict[str, float] = {}

    def begin(self) -> None:
        """Note the connections before a handshake, in one of gRPC's threads."""
        now = self._clock()
        if now < self._until and now >= self._next_read:
            self._known = {peer: self._known.get(peer, now) for peer in self._read()}

    def failed(self) -> str:
        """The address of the peer whose handshake has failed just now."""
        now, known = self._clock(), self._known
        self._until = now + 60
        if not known:
            return UNKNOWN_PEER
        open_peers = set(self._read())
        gone = {
            peer.rpartition(":")[0]
            for peer, since in known.items()
            if now - since < HANDSHAKE_SECONDS and peer not in open_peers
        }
        self._known = {peer: since for peer, since in known.items() if peer in open_peers}
        return gone.pop() if len(gone) == 1 else UNKNOWN_PEER

    def _read(self) -> list[str]:
        start = self._clock()
        peers = list(_peers(self.port)) if self.port else []
        end = self._clock()
        self._next_read = end + TABLE_COST * (end - start)
        return peers


def _peers(port: int) -> Iterator[str]:
    """The `ADDRESS:PORT` of each established connection to the port."""
    suffix = f":{port:04X}"
    for table in _TABLES:
        try:
            lines = table.read_text().splitlines()
        except OSError:
            continue
        for line in lines:
            if suffix in line:
                _, local, remote, state, *_ = line.split(None, 4)
                if local.endswith(suffix) and state == _ESTABLISHED:
                    yield _address(remote)


def _address(text: str) -> str:
    """An address of the kernel's table, whose 32-bit words have the machine's byte order."""
    digits, _, port = text.partition(":")
    words = bytes.fromhex(digits)
    packed = b"".join(words[at : at + 4][::-1] for at in range(0, len(words), 4))
    if packed.startswith(b"\0" * 10 + b"\xff\xff"):
        packed = packed[12:]
    host = socket.inet_ntop(socket.AF_INET if len(packed) == 4 else socket.AF_INET6, packed)
    return f"[{host}]:{int(port, 16)}" if ":" in host else f"{host}:{int(port, 16)}"
