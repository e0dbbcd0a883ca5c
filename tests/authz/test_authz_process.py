"""The real command: its socket, start, stop, restart, and what its output holds."""

import asyncio
import base64
import os
import signal
import socket
import stat
from pathlib import Path
from typing import Final

import grpc
import pytest

from tests.support.envoy import free_port
from tests.support.guarded_envoy import XDS, running_authz
from xds.api.v1.authz_pb2 import AttributeContext, CheckRequest, CheckResponse

CHECK: Final = "/envoy.service.auth.v3.Authorization/Check"

USERS: Final = (
    b"alice:$2y$05$abcdefghijklmnopqrstuuOQiyCxlgf/oeuTqixKmWdcYUh4Hjl0a\nbob:$apr1$abcdefgh$h9FWgUz3n9YxylKLlR5SQ/"
)

ENDLESS: Final = b"endless:$2y$31$abcdefghijklmnopqrstuuOQiyCxlgf/oeuTqixKmWdcYUh4Hjl0a"


class Client:
    """A client of the service."""

    def __init__(self, target: str) -> None:
        self._channel = grpc.aio.insecure_channel(target)
        self._check = self._channel.unary_unary(
            CHECK, request_serializer=CheckRequest.SerializeToString, response_deserializer=CheckResponse.FromString
        )

    async def ask(self, name: str, password: str, users: bytes = USERS) -> int:
        """The status for the client; 200 if the request may pass."""
        token = base64.b64encode(f"{name}:{password}".encode())
        http = AttributeContext.HttpRequest(headers={"authorization": b"Basic " + token})
        attributes = AttributeContext(
            request=AttributeContext.Request(http=http),
            context_extensions={"users": users, "ingress": b"shop/web", "realm": b"Site"},
        )
        response = await self._check(CheckRequest(attributes=attributes), timeout=10, wait_for_ready=True)
        return response.denied_response.status.code or 200

    async def close(self) -> None:
        await self._channel.close(None)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "authz.sock"


async def refused(listen: str, *flags: str) -> str:
    """The error of a start that fails."""
    process = await asyncio.create_subprocess_exec(
        *(str(XDS), "authz", "--listen", listen, "--admin", "127.0.0.1:0", *flags),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    _, errors = await asyncio.wait_for(process.communicate(), 60)
    assert process.returncode in (2, 3)
    return errors.decode().splitlines()[-1]


async def test_users_pass_by_a_socket_of_this_user_alone(tmp_path: Path, path: Path) -> None:
    async with running_authz(f"unix:{path}", tmp_path / "log") as authz:
        assert stat.S_IMODE(path.stat().st_mode) == 0o600  # noqa: ASYNC240
        client = Client(f"unix:{path}")
        assert await client.ask("alice", "secret") == 200
        assert await client.ask("bob", "secret") == 200
        assert await client.ask("alice", "wrong-word") == 401
        assert await client.ask("carol", "secret") == 401
        many = b"".join(b"user-%d:x\n" % number for number in range(50_000)) + USERS
        assert await client.ask("alice", "secret", many) == 200
        metrics = await authz.metrics()
        assert metrics['xds_ingress_authz_checks_total{result="allowed"}'] == 3
        assert metrics['xds_ingress_authz_checks_total{result="denied"}'] == 2
        authz.process.send_signal(signal.SIGHUP)
        assert await client.ask("alice", "secret") == 200
        await client.close()
        authz.process.terminate()
        assert await asyncio.wait_for(authz.process.wait(), 20) == 0
    assert not path.exists()  # noqa: ASYNC240


async def test_a_stop_waits_for_open_checks(tmp_path: Path, path: Path) -> None:
    async with running_authz(f"unix:{path}", tmp_path / "log") as authz:
        client = Client(f"unix:{path}")
        assert await client.ask("alice", "secret") == 200
        open_check = asyncio.create_task(client.ask("endless", "guess", ENDLESS))
        await asyncio.sleep(0.3)
        authz.process.terminate()
        assert await open_check == 503
        assert await asyncio.wait_for(authz.process.wait(), 20) == 0
        await client.close()


async def test_a_hash_that_never_ends_is_503_in_time_and_nothing_secret_is_logged(tmp_path: Path, path: Path) -> None:
    log = tmp_path / "log"
    async with running_authz(f"unix:{path}", log, "--log-level", "debug") as authz:
        client = Client(f"unix:{path}")
        async with asyncio.timeout(5):
            assert await client.ask("endless", "guess", ENDLESS) == 503
        assert await client.ask("alice", "secret") == 200
        assert await client.ask("alice", "guess") == 401
        exposed = str(await authz.metrics()) + log.read_text()
        await client.close()
    assert "checks_unanswered" in exposed
    assert "shop/web" in exposed
    for secret in ("alice", "endless", "secret", "$2y$", "abcdefghijkl"):
        assert secret not in exposed


async def test_the_socket_of_a_dead_server_is_replaced_and_that_of_a_live_one_not(tmp_path: Path, path: Path) -> None:
    async with running_authz(f"unix:{path}", tmp_path / "log") as first:
        assert "a server answers there" in await refused(f"unix:{path}")
        first.process.kill()
        await first.process.wait()
    assert path.exists()  # noqa: ASYNC240
    async with running_authz(f"unix:{path}", tmp_path / "log"):
        client = Client(f"unix:{path}")
        assert await client.ask("alice", "secret") == 200
        await client.close()


async def test_workers_end_with_a_killed_server(tmp_path: Path, path: Path) -> None:
    async with running_authz(f"unix:{path}", tmp_path / "log") as authz:
        children = Path(f"/proc/{authz.process.pid}/task/{authz.process.pid}/children")
        [worker] = [int(each) for each in children.read_text().split()]  # noqa: ASYNC240
        authz.process.kill()
        await authz.process.wait()
        async with asyncio.timeout(10):
            while _is_alive(worker):
                await asyncio.sleep(0.02)


async def test_tcp_on_loopback_works_and_a_port_in_use_is_an_error(tmp_path: Path) -> None:
    address = f"127.0.0.1:{free_port()}"
    async with running_authz(address, tmp_path / "log"):
        client = Client(address)
        assert await client.ask("alice", "secret") == 200
        await client.close()
        assert "in use" in await refused(address)


@pytest.mark.parametrize(
    ("listen", "flags", "words"),
    [
        ("0.0.0.0:18003", (), "passwords would cross the network"),
        ("authz.example.com:18003", (), "passwords would cross the network"),
        ("unix:/nowhere/authz.sock", (), "there is no folder /nowhere"),
        ("127.0.0.1:18003", ("--max-hashes", "0"), "--max-hashes"),
        ("127.0.0.1:18003", ("--admin", "unix:/tmp/x"), "HOST:PORT"),
    ],
)
async def test_a_wrong_flag_is_an_error_of_one_line(listen: str, flags: tuple[str, ...], words: str) -> None:
    assert words in await refused(listen, *flags)


async def test_a_file_that_is_no_socket_stays(path: Path) -> None:
    path.write_text("mine")  # noqa: ASYNC240
    assert "in use" in await refused(f"unix:{path}")
    assert path.read_text() == "mine"  # noqa: ASYNC240


def test_an_abstract_socket_of_a_live_server_is_in_use() -> None:
    name = f"@xds-authz-{os.getpid()}"
    with socket.socket(socket.AF_UNIX) as taken:
        taken.bind(f"\0{name[1:]}")
        taken.listen()
        assert "a server answers there" in asyncio.run(refused(f"unix:{name}"))


def _is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False
