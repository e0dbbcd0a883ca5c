"""Backends of the rows: HTTP servers that answer with the request that they got, in JSON.

A case's options shape the answer, and so does the query of a request:
`?_status=404&_delay=1.5&_size=100000&_close=1&_hdr=A:b`.
"""

import contextlib
import ctypes
import http.server
import json
import os
import re
import socket
import ssl
import threading
import time
import urllib.parse
from collections.abc import Callable, Mapping
from typing import Any, Final

import h2.config
import h2.connection
import h2.events
from cryptography import x509
from cryptography.x509.oid import NameOID

_SOCKET_SECONDS: Final = 60
_NEW_NETWORK: Final = 0x40000000
_BODILESS: Final = (204, 304)

Headers = list[tuple[str, str]]


def in_namespace_of_backends(make: Callable[[], socket.socket]) -> socket.socket:
    """Make a socket in the network namespace of the process `BACKENDS_PID`, where no listener of Envoy is."""
    made: list[socket.socket | BaseException] = []

    def run() -> None:
        try:
            namespace = os.open(f"/proc/{os.environ['BACKENDS_PID']}/ns/net", os.O_RDONLY)
            try:
                if ctypes.CDLL(None, use_errno=True).setns(namespace, _NEW_NETWORK):
                    raise OSError(ctypes.get_errno(), "setns")
            finally:
                os.close(namespace)
            made.append(make())
        except OSError as error:
            made.append(error)

    thread = threading.Thread(target=run)  # a thread's namespace is its own
    thread.start()
    thread.join()
    if isinstance(made[0], BaseException):
        raise made[0]
    return made[0]


def joined(headers: Headers) -> dict[str, str]:
    """Values by name in lower case."""
    found: dict[str, str] = {}
    for name, value in headers:
        key = name.lower()
        found[key] = f"{found[key]}, {value}" if key in found else value
    return found


class Backend:
    """A server on several addresses, a thread for each connection.

    Attributes:
        name: In each answer, as JSON and in the header x-backend-name.
        options: As the case has them.
        address: The first one.
        hits: The number of requests.
    """

    def __init__(self, name: str, options: Mapping[str, Any], address: str, tls: ssl.SSLContext | None = None) -> None:
        self.name = name
        self.options = options
        self.address = address
        self.hits = 0
        self._tls = tls
        self._sockets: list[socket.socket] = []

    def listen(self, address: str, port: int, *, plain: bool = False) -> None:
        def make() -> socket.socket:
            listening = socket.socket()
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listening.bind((address, port))
            listening.listen(256)
            return listening

        listening = in_namespace_of_backends(make)
        self._sockets.append(listening)
        tls = None if plain else self._tls
        threading.Thread(target=self._accept, args=(listening, tls, f"{address}:{port}"), daemon=True).start()

    def close(self) -> None:
        for listening in self._sockets:
            with contextlib.suppress(OSError):
                listening.shutdown(socket.SHUT_RDWR)
            listening.close()

    def _accept(self, listening: socket.socket, tls: ssl.SSLContext | None, at: str) -> None:
        while True:
            try:
                connection, peer = listening.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(connection, peer, tls, at), daemon=True).start()

    def _serve(self, connection: socket.socket, peer: tuple[str, int], tls: ssl.SSLContext | None, at: str) -> None:
        names: list[str | None] = []
        extra: dict[str, Any] = {"at": at, "peer": peer[0]}
        try:
            connection.settimeout(_SOCKET_SECONDS)
            if tls:
                tls.sni_callback = lambda _socket, name, _context: names.append(name)
                secured = tls.wrap_socket(connection, server_side=True)
                connection = secured
                extra |= {"sni": names[-1] if names else None, "client_cert": common_name(secured.getpeercert(True))}
            if self.options.get("h2"):
                _serve_http2(connection, self, extra)
            else:
                _Handler(connection, peer, self, extra)
        except (OSError, ValueError):
            pass
        finally:
            with contextlib.suppress(OSError):
                connection.close()


def common_name(certificate: bytes | None) -> str | None:
    """Of a certificate in DER."""
    if not certificate:
        return None
    names = x509.load_der_x509_certificate(certificate).subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    return str(names[0].value) if names else None


class _Handler(http.server.BaseHTTPRequestHandler):
    """The requests of one HTTP/1.1 connection."""

    protocol_version = "HTTP/1.1"

    def __init__(
        self, connection: socket.socket, peer: tuple[str, int], backend: Backend, extra: dict[str, Any]
    ) -> None:
        self._backend = backend
        self._extra = extra
        self._number = 0
        super().__init__(connection, peer, None)  # type: ignore[arg-type]  # the server is not used

    def log_message(self, *_: object) -> None:
        pass

    def __getattr__(self, name: str) -> Callable[[], None]:
        if name.startswith("do_"):
            return self._answer
        raise AttributeError(name)

    def _answer(self) -> None:
        words = self.requestline.split(" ")
        self.path = words[1] if len(words) == 3 else self.path  # as it came: http.server folds slashes
        self._backend.hits += 1
        self._number += 1
        received = joined(self.headers.items())
        body = b"" if self._backend.options.get("ignore_body") else self._body()
        options = self._options(received)
        time.sleep(options.get("delay_s", 0))
        if options.get("close"):
            self.close_connection = True
            with contextlib.suppress(OSError):
                self.connection.shutdown(socket.SHUT_RDWR)
        elif received.get("upgrade", "").lower() == "websocket" and not options.get("no_upgrade"):
            self._upgrade(received)
        else:
            self._send(options, self._content(options, received, body))

    def _body(self) -> bytes:
        if "chunked" not in (self.headers.get("transfer-encoding") or "").lower():
            return self.rfile.read(int(self.headers.get("content-length") or 0))
        body = b""
        while size := int(self.rfile.readline().split(b";")[0] or b"0", 16):
            body += self.rfile.read(size)
            self.rfile.readline()
        while self.rfile.readline() not in (b"\r\n", b"\n", b""):
            pass
        return body

    def _options(self, received: Mapping[str, str]) -> dict[str, Any]:
        """The options of the case, those of its first rule that matches, and those of the query."""
        options = dict(self._backend.options)
        matching = (rule for rule in options.get("rules", ()) if self._matches(rule, received))
        options.update({name: value for name, value in next(matching, {}).items() if not name.startswith("if_")})
        asked = urllib.parse.parse_qs(urllib.parse.urlsplit(self.path).query)
        if "_status" in asked:
            options["status"] = int(asked["_status"][0])
        if "_delay" in asked:
            options["delay_s"] = float(asked["_delay"][0])
        if "_size" in asked:
            options["body"] = {"size": int(asked["_size"][0])}
        options["close"] = options.get("close") or "_close" in asked
        more = [tuple(header.split(":", 1)) for header in asked.get("_hdr", ())]
        options["extra"] = [
            *((name, each) for name, value in (options.get("headers") or {}).items() for each in _list(value)),
            *more,
        ]
        return options

    def _matches(self, rule: Mapping[str, Any], received: Mapping[str, str]) -> bool:
        headers = rule.get("if_headers", {}).items()
        return (
            re.search(rule.get("if_path", ""), self.path) is not None
            and rule.get("if_method", self.command) == self.command
            and all(
                name.lower() not in received if value is None else re.search(value, received.get(name.lower(), ""))
                for name, value in headers
            )
            and self._backend.hits < rule.get("if_hit_below", self._backend.hits + 1)
        )

    def _upgrade(self, received: Mapping[str, str]) -> None:
        said = {"name": self._backend.name, "path": self.path, "host": self.headers.get("host"), "headers": received}
        head = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        head += f"x-backend-name: {self._backend.name}\r\n\r\n"
        self.connection.sendall(head.encode() + json.dumps(said).encode())
        self.close_connection = True

    def _content(self, options: Mapping[str, Any], received: Mapping[str, str], body: bytes) -> tuple[str, bytes]:
        if "body" in options:
            wanted = options["body"]
            return "text/plain", b"x" * wanted["size"] if isinstance(wanted, dict) else str(wanted).encode()
        said: dict[str, Any] = {
            "name": self._backend.name,
            "method": self.command,
            "path": self.path,
            "host": self.headers.get("host"),
            "headers": received,
            "body": len(body),
            "version": self.request_version,
            "hits": self._backend.hits,
            "nth_on_connection": self._number,
            **self._extra,
        }
        if options.get("echo"):
            said["body_text"] = body.decode("utf-8", "replace")[:2000]
        return "application/json", json.dumps(said).encode()

    def _send(self, options: Mapping[str, Any], content: tuple[str, bytes]) -> None:
        status, (kind, data) = options.get("status", 200), content
        names = {name.lower() for name, _ in options["extra"]}
        has_body = status not in _BODILESS
        headers = [("x-backend-name", self._backend.name), *options["extra"]]
        headers += [("date", self.date_time_string())] if "date" not in names else []
        headers += [("content-type", kind)] if "content-type" not in names else []
        if has_body:
            headers.append(
                ("transfer-encoding", "chunked") if options.get("chunked") else ("content-length", str(len(data)))
            )
        if options.get("close_after"):
            headers.append(("connection", "close"))
            self.close_connection = True
        self.send_response_only(status)
        for name, value in headers:
            self.send_header(name, value)
        self.end_headers()
        if has_body and self.command != "HEAD":
            self.wfile.write(b"%x\r\n%s\r\n0\r\n\r\n" % (len(data), data) if options.get("chunked") else data)
        self.wfile.flush()


def _list(value: Any) -> list[str]:
    return value if isinstance(value, list) else [value]


def _serve_http2(connection: socket.socket, backend: Backend, extra: Mapping[str, Any]) -> None:
    """One HTTP/2 connection. Answers to gRPC have the trailer grpc-status."""
    http2 = h2.connection.H2Connection(h2.config.H2Configuration(client_side=False, header_encoding="utf-8"))
    http2.initiate_connection()
    connection.sendall(http2.data_to_send())
    requests: dict[int, dict[str, str]] = {}
    sizes: dict[int, int] = {}
    while data := connection.recv(65536):
        for event in http2.receive_data(data):
            if isinstance(event, h2.events.RequestReceived):
                requests[event.stream_id] = joined([(str(name), str(value)) for name, value in event.headers or ()])
                sizes[event.stream_id] = 0
            elif isinstance(event, h2.events.DataReceived):
                sizes[event.stream_id] += len(event.data or b"")
                http2.acknowledge_received_data(event.flow_controlled_length or 0, event.stream_id)
            elif isinstance(event, h2.events.StreamEnded):
                stream = event.stream_id
                _answer_http2(http2, stream, backend, requests.pop(stream), sizes.pop(stream), extra)
        connection.sendall(http2.data_to_send())


def _answer_http2(
    http2: h2.connection.H2Connection,
    stream: int,
    backend: Backend,
    received: Mapping[str, str],
    size: int,
    extra: Mapping[str, Any],
) -> None:
    backend.hits += 1
    asked = urllib.parse.parse_qs(urllib.parse.urlsplit(received.get(":path", "")).query)
    is_grpc = received.get("content-type", "").startswith("application/grpc")
    said = {
        "name": backend.name,
        "method": received.get(":method"),
        "path": received.get(":path"),
        "host": received.get(":authority") or received.get("host"),
        "headers": {name: value for name, value in received.items() if not name.startswith(":")},
        "body": size,
        "version": "HTTP/2",
        "hits": backend.hits,
        **extra,
    }
    time.sleep(float(asked["_delay"][0]) if "_delay" in asked else 0)
    status = asked["_status"][0] if "_status" in asked else str(backend.options.get("status", 200))
    more = [(name.lower(), value) for name, value in (backend.options.get("headers") or {}).items()]
    kind = "application/grpc" if is_grpc else "application/json"
    http2.send_headers(stream, [(":status", status), ("content-type", kind), ("x-backend-name", backend.name), *more])
    http2.send_data(stream, json.dumps(said).encode(), end_stream=not is_grpc)
    if is_grpc:
        http2.send_headers(stream, [("grpc-status", str(backend.options.get("grpc_status", 0)))], end_stream=True)
