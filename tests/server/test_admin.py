"""The admin port over HTTP: probes and metrics.

Excludes the metrics and the readiness of `xds serve` (tests/controlplane/test_app.py).
"""

from collections.abc import AsyncIterator

import aiohttp
import pytest
from prometheus_client import CollectorRegistry, Counter

from xds.address import HostPort
from xds.server.admin import AdminServer


class Admin:
    """An AdminServer on a free port, with the readiness in `ready`."""

    def __init__(self) -> None:
        self.ready = False
        self.registry = CollectorRegistry()
        self.waiting_for = ""
        self.server = AdminServer(self.registry, lambda: self.ready, lambda: self.waiting_for)
        self.port = 0

    async def get(self, path: str, method: str = "GET") -> tuple[int, str]:
        async with (
            aiohttp.ClientSession() as session,
            session.request(method, f"http://127.0.0.1:{self.port}{path}") as answer,
        ):
            return answer.status, await answer.text()


@pytest.fixture
async def admin() -> AsyncIterator[Admin]:
    admin = Admin()
    admin.port = await admin.server.start(HostPort("127.0.0.1", 0))
    yield admin
    await admin.server.stop()


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
