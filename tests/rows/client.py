"""The client of the rows: sends a request as a case describes it, and tells everything that came back."""

import collections
import concurrent.futures
import contextlib
import gzip
import http.client
import json
import select
import socket
import ssl
import subprocess
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from cryptography import x509

from tests.rows.backend import common_name

PORTS: Final = {"http": 80, "https": 443}
_SECONDS: Final = 15
_REPEATS_SECONDS: Final = 60
_CHUNK: Final = 65536
_MAX_TEXT: Final = 20_000

Answer = dict[str, Any]
Request = Mapping[str, Any]


class Client:
    """A client with cookies.

    Args:
        certificates: Files of certificates and keys, by the name in `client_cert`.
    """

    def __init__(self, certificates: Mapping[str, tuple[Path, Path]]) -> None:
        self._certificates = certificates
        self._cookies: dict[str, dict[str, str]] = {}

    def ask(self, request: Request) -> Answer:
        """The first answer; with the counts of statuses and backends if the request is repeated."""
        time.sleep(request.get("wait_s", 0))
        repeats = request.get("repeat", 1)
        if request.get("parallel"):
            with concurrent.futures.ThreadPoolExecutor(repeats) as pool:
                answers = list(pool.map(lambda _: self._send(request, None)[0], range(repeats)))
        else:
            answers = self._one_by_one(request, repeats)
        if repeats == 1:
            return answers[0]
        return answers[0] | {
            "n": len(answers),
            "statuses": dict(collections.Counter(str(each.get("status")) for each in answers)),
            "backends": dict(collections.Counter(str(each.get("backend")) for each in answers)),
            "last": {part: answers[-1].get(part) for part in ("status", "backend")},
        }

    def _one_by_one(self, request: Request, repeats: int) -> list[Answer]:
        answers: list[Answer] = []
        connection: socket.socket | None = None
        ends = time.monotonic() + request.get("budget_s", _REPEATS_SECONDS)
        while len(answers) < repeats and time.monotonic() < ends:
            answer, connection = self._send(request, connection)
            answers.append(answer)
            time.sleep(request.get("gap_s", 0))
        if connection:
            connection.close()
        return answers

    def _send(self, request: Request, connection: socket.socket | None) -> tuple[Answer, socket.socket | None]:
        """The answer, and the connection if it goes on."""
        if request.get("http2"):
            return self._send_http2(request), None
        began = time.monotonic()
        answer: Answer = {}
        opened = connection
        try:
            opened = opened or self._connect(request, answer)
            opened.settimeout(request.get("timeout", _SECONDS))
            _write(opened, self._bytes(request))
            goes_on = self._read(opened, request, answer)
        except (OSError, http.client.HTTPException, ValueError) as error:
            answer.setdefault("status", None)
            answer["error"] = f"{type(error).__name__}: {error}"[:200]
            goes_on = False
        answer["elapsed"] = round(time.monotonic() - began, 3)
        if opened and not goes_on:
            opened.close()
        return answer, opened if goes_on else None

    def _connect(self, request: Request, answer: Answer) -> socket.socket:
        source = request.get("source")
        target = request.get("to") or _target(source)
        port = request.get("port", "http")
        address = (target, PORTS.get(port, port))
        timeout = request.get("timeout", _SECONDS)
        connection = socket.create_connection(address, timeout, source_address=(source, 0) if source else None)
        connection.sendall(request.get("proxy_protocol", "").encode())
        if port != "https":
            return connection
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        context.set_ciphers(request.get("ciphers", "ALL:@SECLEVEL=0"))
        if request.get("tls_max"):
            context.maximum_version = ssl.TLSVersion[request["tls_max"]]
        if request.get("client_cert"):
            context.load_cert_chain(*self._certificates[request["client_cert"]])
        host = request.get("host")
        sni = request.get("sni", host.split(":")[0] if host else None)
        secured = context.wrap_socket(connection, server_hostname=sni)
        answer["tls"] = _seen(secured)
        return secured

    def _bytes(self, request: Request) -> bytes:
        if "raw" in request:
            return str(request["raw"]).encode("utf-8", "surrogateescape")
        headers = [(name, each) for name, value in (request.get("headers") or {}).items() for each in _list(value)]
        cookies = self._cookies.get(_host(request), {})
        if cookies and request.get("cookies"):
            headers.append(("Cookie", "; ".join(f"{name}={value}" for name, value in cookies.items())))
        names = {name.lower() for name, _ in headers}
        body = _body(request)
        chunked = "transfer-encoding" in names
        if body is not None and not chunked and "content-length" not in names:
            headers.append(("Content-Length", str(len(body))))
        if request.get("host") is not None and "host" not in names:
            headers.insert(0, ("Host", request["host"]))
        line = f"{request.get('method', 'GET')} {request.get('path', '/')} {request.get('version', 'HTTP/1.1')}"
        head = "".join(f"{each}\r\n" for each in (line, *(f"{name}: {value}" for name, value in headers), ""))
        content = body or b""
        framed = b"%x\r\n%s\r\n0\r\n\r\n" % (len(content), content) if chunked and body is not None else content
        return head.encode("utf-8", "surrogateescape") + framed

    def _read(self, connection: socket.socket, request: Request, answer: Answer) -> bool:
        """Read the answer; whether the connection goes on."""
        response = http.client.HTTPResponse(connection, method=request.get("method", "GET"))
        response.begin()
        content = b""
        if response.status == http.HTTPStatus.SWITCHING_PROTOCOLS:
            connection.settimeout(2)
            with contextlib.suppress(OSError, ValueError):
                content = response.fp.read1(_CHUNK)
        else:
            content = response.read(request.get("read", 1 << 26))
        self._note(answer, request, response.status, response.getheaders(), content)
        return bool(request.get("keepalive")) and not response.will_close

    def _note(
        self, answer: Answer, request: Request, status: int, headers: list[tuple[str, str]], content: bytes
    ) -> None:
        by_name: dict[str, list[str]] = collections.defaultdict(list)
        for name, value in headers:
            by_name[name.lower()].append(value)
        for cookie in by_name.get("set-cookie", ()):
            name, _, value = cookie.split(";")[0].partition("=")
            self._cookies.setdefault(_host(request), {})[name.strip()] = value.strip()
        if by_name.get("content-encoding") == ["gzip"]:
            content = gzip.decompress(content)
        answer["status"] = status
        answer["headers"] = {name: each[0] if len(each) == 1 else each for name, each in by_name.items()}
        answer["size"] = len(content)
        if "location" in by_name:
            answer["location"] = by_name["location"][0]
        said = _said(content)
        if said is None:
            answer["backend"] = answer["headers"].get("x-backend-name")
            answer["body"] = content[:_MAX_TEXT].decode("utf-8", "replace")
            return
        answer |= {"backend": said["name"], "path": said["path"], "backend_host": said["host"]}
        answer |= {"method": said.get("method"), "backend_headers": said["headers"], "body_seen": said.get("body")}
        more = ("sni", "client_cert", "version", "at", "peer", "body_text", "nth_on_connection", "hits")
        answer |= {f"backend_{name}": said[name] for name in more if said.get(name) is not None}

    def _send_http2(self, request: Request) -> Answer:
        """By curl."""
        host = request["host"]
        scheme = request.get("port", "http")
        name = request.get("sni") or host.split(":")[0]
        began = time.monotonic()
        with tempfile.TemporaryDirectory() as written:
            folder = Path(written)
            url = f"{scheme}://{name}{request.get('path', '/')}"
            command = ["curl", *self._curl_options(request, folder), url]
            if name != host:
                command += ["-H", f"Host: {host}"]
            run = subprocess.run(command, capture_output=True, text=True, check=False)
            answer: Answer = {"elapsed": round(time.monotonic() - began, 3), "http_version": run.stdout}
            if run.returncode:
                answer |= {"status": None, "error": f"curl {run.returncode}"}
            head = folder / "head"
            blocks = head.read_text().replace("\r", "").strip().split("\n\n") if head.exists() else []
            heads = [number for number, block in enumerate(blocks) if block.startswith("HTTP/")]
            if heads:
                first, *lines = blocks[heads[-1]].split("\n")
                trailers = [line for block in blocks[heads[-1] + 1 :] for line in block.split("\n")]
                answer["trailers"] = {key.lower(): value for key, value in map(_header, trailers)}
                body = folder / "body"
                content = body.read_bytes() if body.exists() else b""
                self._note(answer, request, int(first.split()[1]), list(map(_header, lines)), content)
        return answer

    def _curl_options(self, request: Request, folder: Path) -> list[str]:
        is_tls = request.get("port", "http") == "https"
        target = f"::{_target(request.get('source'))}:{PORTS['https' if is_tls else 'http']}"
        options = ["-sk", "--max-time", str(request.get("timeout", _SECONDS)), "--path-as-is", "-w", "%{http_version}"]
        options += ["--http2" if is_tls else "--http2-prior-knowledge", "--connect-to", target]
        options += ["-D", str(folder / "head"), "-o", str(folder / "body"), "-X", request.get("method", "GET")]
        options += ["-H", "User-Agent:", "-H", "Accept:"]
        for header, value in (request.get("headers") or {}).items():
            options += [part for each in _list(value) for part in ("-H", f"{header}: {each}")]
        if request.get("source"):
            options += ["--interface", request["source"]]
        if request.get("client_cert"):
            certificate, key = self._certificates[request["client_cert"]]
            options += ["--cert", str(certificate), "--key", str(key)]
        body = _body(request)
        if body is not None:
            (folder / "sent").write_bytes(body)
            options += ["--data-binary", f"@{folder / 'sent'}", "-H", "Content-Type:"]
        return options


def _target(source: str | None) -> str:
    if source is None:
        return "127.0.0.1"
    return "2001:db8::1" if ":" in source else "192.0.2.1"


def _host(request: Request) -> str:
    return str(request.get("host")).split(":")[0].lower()


def _list(value: Any) -> list[str]:
    return value if isinstance(value, list) else [value]


def _header(line: str) -> tuple[str, str]:
    name, _, value = line.partition(":")
    return name.strip(), value.strip()


def _body(request: Request) -> bytes | None:
    body = request.get("body")
    if body is None:
        return None
    return b"x" * body["size"] if isinstance(body, dict) else str(body).encode()


def _write(connection: socket.socket, data: bytes) -> None:
    """Send until the server answers: of a body that is too large, the rest is never read."""
    rest = memoryview(data)
    with contextlib.suppress(BrokenPipeError, ConnectionResetError):
        while rest:
            if len(data) > _CHUNK:
                readable, _, _ = select.select([connection], [connection], [], connection.gettimeout())
                if readable:
                    return
            rest = rest[connection.send(rest[:_CHUNK]) :]


def _seen(connection: ssl.SSLSocket) -> Answer:
    """The server's certificate, and the parameters of the connection."""
    certificate = connection.getpeercert(True)
    cipher = connection.cipher()
    names: list[str] = []
    if certificate:
        with contextlib.suppress(x509.ExtensionNotFound):
            found = x509.load_der_x509_certificate(certificate).extensions
            names = found.get_extension_for_class(x509.SubjectAlternativeName).value.get_values_for_type(x509.DNSName)
    return {
        "cn": common_name(certificate),
        "names": names,
        "version": connection.version(),
        "cipher": cipher[0] if cipher else None,
    }


def _said(content: bytes) -> dict[str, Any] | None:
    """The JSON of a backend; None for other bodies."""
    if not content.startswith(b"{"):
        return None
    with contextlib.suppress(ValueError):
        said = json.loads(content)
        if isinstance(said, dict) and {"name", "headers"} <= said.keys():
            return said
    return None
