"""A backend that ends TLS itself, with a certificate of its own, and answers each request with its name."""

import contextlib
import json
import socket
import socketserver
import ssl
import tempfile
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from tests.support.authority import Authority
from tests.support.waiting import WAIT_LIMIT_SECONDS

V2_SIGNATURE = b"\r\n\r\n\0\r\nQUIT\n"


@dataclass(slots=True)
class TlsBackend:
    """A running backend.

    Attributes:
        name: Answered as JSON, with the server name that the client sent and the protocol of ALPN.
        port: At 127.0.0.1.
        connections: The number of connections, handshakes that failed among them.
        headers: The PROXY protocol headers that came.
    """

    name: str
    port: int = 0
    connections: int = 0
    headers: list[bytes] = field(default_factory=list)


@contextlib.contextmanager
def tls_backend(name: str, authority: Authority, *names: str, reads_header: bool = False) -> Iterator[TlsBackend]:
    """A backend with a certificate for some names.

    Args:
        name: Of the backend.
        authority: Issues the certificate.
        names: In the certificate.
        reads_header: Whether each connection begins with a PROXY protocol header.
    """
    backend, context = TlsBackend(name), _context(authority, names)

    def serve(connection: socket.socket) -> None:
        backend.connections += 1
        if reads_header:
            backend.headers.append(_header(connection))
        sni: list[str] = []
        context.sni_callback = lambda _, server_name, __: sni.append(server_name or "")
        with context.wrap_socket(connection, server_side=True) as tls, tls.makefile("rb") as reader:
            while (line := reader.readline()) and tls.selected_alpn_protocol() != "h2":
                while line not in (b"\r\n", b""):
                    line = reader.readline()
                told = {"backend": name, "sni": sni[-1] if sni else "", "alpn": tls.selected_alpn_protocol()}
                body = json.dumps(told).encode()
                tls.sendall(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n%s" % (len(body), body))

    class Handler(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            self.request.settimeout(WAIT_LIMIT_SECONDS)
            with contextlib.suppress(OSError):
                serve(self.request)

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        backend.port = server.server_address[1]
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        try:
            yield backend
        finally:
            server.shutdown()


def _context(authority: Authority, names: tuple[str, ...]) -> ssl.SSLContext:
    issued = authority.issue(*names)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.set_alpn_protocols(["h2", "http/1.1"])
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "backend.pem"
        file.write_bytes(issued.certificate + issued.private_key)
        context.load_cert_chain(file)
    return context


def _header(connection: socket.socket) -> bytes:
    """The header at the begin of a connection, without a byte more."""
    header = connection.recv(len(V2_SIGNATURE), socket.MSG_WAITALL)
    if header == V2_SIGNATURE:
        header += connection.recv(4, socket.MSG_WAITALL)
        return header + connection.recv(int.from_bytes(header[-2:]), socket.MSG_WAITALL)
    while not header.endswith(b"\r\n"):
        header += connection.recv(1)
    return header
