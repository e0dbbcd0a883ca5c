"""The one line of a server that can't listen names the cause. An address in use and another host's: test_app.py."""

import asyncio
import os
from pathlib import Path

import pytest

from tests.controlplane.test_app import start_error
from xds.address import HostPort
from xds.process.bind_failure import bind_failure


@pytest.mark.parametrize("flag", ["listen", "admin"])
async def test_a_privileged_port_is_named_as_such(tmp_path: Path, flag: str, monkeypatch: pytest.MonkeyPatch) -> None:
    if os.geteuid() == 0:
        without = ("setpriv", "--bounding-set=-net_bind_service", "--inh-caps=-net_bind_service")
        create = asyncio.create_subprocess_exec
        monkeypatch.setattr(asyncio, "create_subprocess_exec", lambda *args, **rest: create(*without, *args, **rest))
    line = await start_error(tmp_path, **{flag: "127.0.0.1:80"})
    assert line == (
        "xds: can't listen on 127.0.0.1:80: ports below 1024 need root, or the capability NET_BIND_SERVICE; "
        f"choose another with --{flag}"
    )


async def test_the_missing_folder_of_a_unix_socket_is_named(tmp_path: Path) -> None:
    line = await start_error(tmp_path, listen=f"unix:{tmp_path}/missing/xds.sock")
    assert f"there is no folder {tmp_path}/missing, which has to exist; choose another with --listen" in line


async def test_a_unix_socket_in_a_file_is_an_error_of_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    assert "Not a directory; " in await start_error(tmp_path, listen=f"unix:{tmp_path}/file/xds.sock")


@pytest.mark.parametrize("flag", ["listen", "admin"])
async def test_a_host_name_without_an_address_is_named(tmp_path: Path, flag: str) -> None:
    line = await start_error(tmp_path, **{flag: "no-such-host.invalid:18000"})
    assert "no-such-host.invalid:18000: the host name can't be resolved; choose another" in line


def test_a_cause_that_is_gone_at_the_second_attempt_leaves_both_common_ones() -> None:
    reason = bind_failure(HostPort("127.0.0.1", 0), RuntimeError())
    assert reason == "the address is in use, or not an address of this machine"
