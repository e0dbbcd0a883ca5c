"""The admin port over HTTP: probes and metrics.

Excludes the metrics and the readiness of `xds serve` (tests/controlplane/test_app.py).
"""

import asyncio
import contextlib
import threading
from collections.abc import AsyncIterator, Iterable

import aiohttp
import pytest
from prometheus_client import CollectorRegistry, Counter, Metric
from prometheus_client.exposition import generate_latest
from prometheus_client.registry import Collector

from xds.address import HostPort
from xds.process.admin import MAX_CONNECTIONS, AdminServer


class Admin:
    """An AdminServer on a free port, with the readiness in `ready`."""

    def __init__(self) -> None:
        self.ready = False
        self.registry = CollectorRegistry()
        self.waiting_for = ""
        self.server = AdminServer(self.registry, lambda: self.ready, lambda: self.waiting_for)
        self.port = 0
        self._clients = contextlib.AsyncExitStack()

    async def close(self) -> None:
        await self._clients.aclose()
        await self.server.stop()

    async def get(self, path: str, method: str = "GET", host: str = "127.0.0.1") -> tuple[int, str]:
        async with (
            aiohttp.ClientSession() as session,
            session.request(method, f"http://{host}:{self.port}{path}") as answer,
        ):
            assert "Server" not in answer.headers
            return answer.status, await answer.text()

    async def open(self, data: bytes) -> asyncio.StreamReader:
        """A connection that sends the data, and nothing else."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        self._clients.push_async_callback(close, writer)
        writer.write(data)
        await writer.drain()
        return reader


async def close(writer: asyncio.StreamWriter) -> None:
    writer.close()
    with contextlib.suppress(ConnectionError):
        await writer.wait_closed()


async def until_closed(reader: asyncio.StreamReader) -> bytes:
    """Everything that the server sends until the connection ends."""
    received = b""
    async with asyncio.timeout(30):
        with contextlib.suppress(ConnectionError):
            while data := await reader.read(65_536):
                received += data
    return received


@pytest.fixture
async def admin() -> AsyncIterator[Admin]:
    admin = Admin()
    admin.port = await admin.server.start(HostPort("127.0.0.1", 0))
    yield admin
    await admin.close()


async def test_healthz_answers_before_readyz(admin: Admin) -> None:
    assert await admin.get("/healthz") == (200, "ok\n")
    status, text = await admin.get("/readyz")
    assert status == 503
    assert text.startswith("not ready")
    admin.waiting_for = "services: 403"
    assert await admin.get("/readyz") == (503, "not ready: services: 403\n")
    admin.ready = True
    assert await admin.get("/readyz") == (200, "ok\n")


async def test_metrics_are_in_prometheus_format(admin: Admin) -> None:
    Counter("things", "Things.", registry=admin.registry).inc()
    status, text = await admin.get("/metrics")
    assert status == 200
    assert "# TYPE things_total counter" in text
    assert "things_total 1.0" in text


async def scraped(admin: Admin, path: str = "/metrics", **headers: str) -> tuple[str, str, str]:
    """Type, encoding and text."""
    sent = {name.replace("_", "-"): text for name, text in headers.items()}
    url = f"http://127.0.0.1:{admin.port}{path}"
    async with aiohttp.ClientSession() as session, session.get(url, headers=sent) as answer:
        assert answer.status == 200
        encoding = answer.headers.get("Content-Encoding", "")
        return answer.headers["Content-Type"], encoding, await answer.text()


@pytest.mark.parametrize("encoding", ["gzip", ""])
async def test_metrics_come_as_openmetrics_and_compressed_if_the_client_asks(admin: Admin, encoding: str) -> None:
    for number in range(200):  # more than aiohttp compresses on the event loop
        Counter(f"things_{number}", "Things.", registry=admin.registry).inc()
    asked = "application/openmetrics-text;version=1.0.0;q=0.5,text/plain;version=0.0.4;q=0.3"
    type_, used, text = await scraped(admin, Accept=asked, Accept_Encoding=encoding)
    assert type_.startswith("application/openmetrics-text; version=1.0.0")
    assert used == encoding
    assert text.endswith("# EOF\n")
    assert "things_7_total 1.0" in text
    assert "_created" not in text, "series that no query uses"


async def test_a_scrape_of_named_metrics_has_no_others(admin: Admin) -> None:
    for name in ("first", "second", "third"):
        Counter(name, "Things.", registry=admin.registry).inc()
    _, _, text = await scraped(admin, "/metrics?name[]=first_total&name[]=third_total&name[]=odd")
    series = sorted(line for line in text.splitlines() if not line.startswith("#"))
    assert series == ["first_total 1.0", "third_total 1.0"]


async def test_hostile_labels_are_escaped(admin: Admin) -> None:
    hostile = 'a"b\\c\n<script>alert(1)</script>'
    Counter("things", "Things.", labelnames=["name"], registry=admin.registry).labels(hostile).inc()
    _, _, text = await scraped(admin)
    assert 'things_total{name="a\\"b\\\\c\\n<script>alert(1)</script>"} 1.0' in text


async def test_the_event_loop_runs_while_the_text_is_written(admin: Admin, monkeypatch: pytest.MonkeyPatch) -> None:
    threads: list[threading.Thread] = []

    def written(registry: Collector) -> bytes:
        threads.append(threading.current_thread())
        return generate_latest(registry)

    monkeypatch.setattr("prometheus_client.exposition.choose_encoder", lambda _: (written, "text/plain"))
    Counter("things", "Things.", registry=admin.registry)
    assert "things_total" in (await scraped(admin))[2]
    assert [each is threading.main_thread() for each in threads] == [False]


@pytest.mark.parametrize(("method", "path", "status"), [("GET", "/", 404), ("POST", "/metrics", 405)])
async def test_other_paths_and_methods_are_errors(admin: Admin, method: str, path: str, status: int) -> None:
    assert (await admin.get(path, method))[0] == status


async def test_a_port_in_use_raises_and_leaves_the_other_server_running(admin: Admin) -> None:
    other = AdminServer(CollectorRegistry(), lambda: True)
    with pytest.raises(OSError, match="address already in use"):
        await other.start(HostPort("127.0.0.1", admin.port))
    await other.stop()
    assert (await admin.get("/healthz"))[0] == 200


async def test_a_server_that_never_started_can_be_stopped() -> None:
    await AdminServer(CollectorRegistry(), lambda: True).stop()


# Clients that hold connections.


HALF_SENT = [
    b"",
    b"GET /readyz HTT",
    b"GET /readyz HTTP/1.1\r\nHost: a\r\n",
    b"POST /readyz HTTP/1.1\r\nContent-Length: 9\r\n\r\n",
]


@pytest.mark.parametrize("data", HALF_SENT)
async def test_a_half_sent_request_is_ended(admin: Admin, data: bytes) -> None:
    admin.server.http.connection_seconds = 0.1
    await until_closed(await admin.open(data))


async def test_an_answered_connection_is_ended(admin: Admin) -> None:
    received = await until_closed(await admin.open(b"GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n"))
    assert received.startswith(b"HTTP/1.1 200 OK\r\n")
    assert received.endswith(b"ok\n")


async def test_probes_get_an_answer_beside_hundreds_of_half_sent_requests(admin: Admin) -> None:
    admin.ready = True
    held = [await admin.open(b"GET /readyz HTTP/1.1\r\n") for _ in range(400)]
    assert await admin.get("/readyz") == (200, "ok\n")
    assert len(admin.server.http.connections) <= MAX_CONNECTIONS
    await asyncio.gather(*map(until_closed, held[:300]))


async def test_no_answer_names_the_software(admin: Admin) -> None:
    for request in (b"nonsense\r\n\r\n", b"GET / HTTP/9.9\r\n\r\n", b"GET /" + b"a" * 10_000 + b" HTTP/1.1\r\n\r\n"):
        received = await until_closed(await admin.open(request))
        assert received.startswith(b"HTTP/1."), request
        for word in (b"Server:", b"aiohttp", b"Python"):
            assert word not in received


async def test_all_addresses_are_those_of_both_families() -> None:
    admin = Admin()
    admin.port = await admin.server.start(HostPort("::", 0))
    try:
        for host in ("127.0.0.1", "[::1]"):
            assert await admin.get("/healthz", host=host) == (200, "ok\n")
    finally:
        await admin.close()


@pytest.mark.parametrize(
    "request_",
    [
        b"GET / HTTP/1.1\r\nHost: a\r\nCookie : session=hidden\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\nAuthorization: Basic hidden\x01\r\n\r\n",
        b"GET /?token=hidden" + b"a" * 9000 + b" HTTP/1.1\r\nHost: a\r\n\r\n",
    ],
    ids=["name of a header", "value of a header", "long target"],
)
async def test_a_request_that_is_not_http_leaves_no_line_in_the_log(
    admin: Admin, request_: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    received = await until_closed(await admin.open(request_))
    assert b" 400 " in received.partition(b"\r\n")[0]
    assert caplog.records == []


async def test_a_failure_of_the_server_itself_is_logged(admin: Admin, caplog: pytest.LogCaptureFixture) -> None:
    class Broken(Collector):
        def collect(self) -> Iterable[Metric]:
            raise RuntimeError("broken collector")

    admin.registry.register(Broken())
    assert (await admin.get("/metrics"))[0] == 500
    assert "Error handling request" in caplog.text
