"""A stopped proxy, whose connection stays open and unread."""

import contextlib
import socket
from collections.abc import Iterator

from xds.server.ads import SERVICE


@contextlib.contextmanager
def unread(address: str, request: bytes) -> Iterator[None]:
    """A state-of-the-world stream on a socket without reads. HTTP/2's windows are open to their maximum, so that only
    the kernel's buffers limit the server: https://www.rfc-editor.org/rfc/rfc9113#name-frame-format
    """
    most = (2**31 - 1).to_bytes(4, "big")
    headers = {
        ":method": "POST",
        ":scheme": "http",
        ":path": f"/{SERVICE}/StreamAggregatedResources",
        ":authority": "xds",
        "content-type": "application/grpc",
        "te": "trailers",
    }
    literals = b"".join(
        b"\0" + b"".join(bytes([len(part)]) + part.encode() for part in each) for each in headers.items()
    )
    frames = (
        (4, 0, 0, b"\0\4" + most),
        (8, 0, 0, (2**31 - 65536).to_bytes(4, "big")),
        (1, 4, 1, literals),
        (0, 0, 1, b"\0" + len(request).to_bytes(4, "big") + request),
    )
    with socket.socket() as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        host, port = address.split(":")
        connection.connect((host, int(port)))
        connection.sendall(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")
        for kind, flags, stream, payload in frames:
            head = len(payload).to_bytes(3, "big") + bytes([kind, flags]) + stream.to_bytes(4, "big")
            connection.sendall(head + payload)
        yield
