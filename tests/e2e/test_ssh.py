"""OpenSSH and its own clients through a TCP port of a real Envoy: a server that speaks first, and a long transfer."""

import os
import signal
from pathlib import Path
from typing import Final

import pytest

from tests.support.debian import needs
from tests.support.envoy import free_port, needs_envoy
from tests.support.exposed import Pods, exposed, running
from tests.support.real_servers import needs_a_user, openssh, run, ssh_user, start
from tests.support.waiting import WAIT_LIMIT_SECONDS, until
from xds.traffic.layer4 import Transport

pytestmark = [needs_envoy, needs("sshd", "sftp", "ssh-keygen", "ssh-keyscan"), needs_a_user, pytest.mark.timeout(300)]

OLD: Final = "127.0.8.1"
NEW: Final = "127.0.8.2"

MEGABYTES: Final = 32

KILOBITS_A_SECOND: Final = 200_000
"""Slow enough for a look at the file while it grows."""


async def test_a_transfer_ends_whole_though_control_plane_and_endpoint_go(tmp_path: Path) -> None:
    port, public = free_port(), free_port()
    sent, got = tmp_path / "sent", tmp_path / "got"
    sent.write_bytes(os.urandom(MEGABYTES << 20))
    async with (
        openssh(tmp_path, "old", OLD, port),
        openssh(tmp_path, "new", NEW, port),
        exposed(tmp_path) as world,
    ):
        pods = Pods(world, "files", port)
        pods.write(OLD)
        world.expose(Transport.TCP, {public: f"default/files:{port}"})
        async with running(world):
            await world.is_listening(f"tcp/{public}")
            assert await _host_key(public) == (tmp_path / "host.pub").read_text().split()[1]
            transfer = await start("sftp", *_flags(tmp_path, public), f"{ssh_user()}@127.0.0.1:{sent}", str(got))
            try:
                await until(lambda: transfer.returncode is not None or (got.exists() and got.stat().st_size > 0))
                transfer.send_signal(signal.SIGSTOP)
                assert got.stat().st_size < sent.stat().st_size
                await world.kill()
                assert await _host_key(public)
                await world.start()
                await pods.join(NEW)
                await pods.drain(OLD)
                await pods.leave(OLD)
                assert await _host_key(public)
                transfer.send_signal(signal.SIGCONT)
                _, errors = await transfer.communicate()
            finally:
                if transfer.returncode is None:
                    transfer.kill()
                    await transfer.communicate()
            assert transfer.returncode == 0, errors
            assert got.read_bytes() == sent.read_bytes()


def _flags(folder: Path, port: int) -> tuple[str, ...]:
    options = ("UserKnownHostsFile=/dev/null", "StrictHostKeyChecking=no", "IdentitiesOnly=yes", "BatchMode=yes")
    given = tuple(part for option in options for part in ("-o", option))
    return ("-q", *given, "-F", "none", "-i", str(folder / "user"), "-P", str(port), "-l", str(KILOBITS_A_SECOND))


async def _host_key(port: int) -> str:
    """The server's key, which a client gets after the server's greeting."""
    result = await run("ssh-keyscan", "-T", f"{WAIT_LIMIT_SECONDS:.0f}", "-t", "ed25519", "-p", str(port), "127.0.0.1")
    assert result.code == 0, result
    return result.out.split()[-1] if result.out else ""
