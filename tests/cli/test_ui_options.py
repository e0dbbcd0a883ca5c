"""Flags of the page: their contradictions, and an address in use."""

import contextlib
import socket
import subprocess
import sys
from pathlib import Path

import click
import pytest

from tests.support.waiting import WAIT_LIMIT_SECONDS
from xds.address import HostPort
from xds.cli.ui_options import page, ui_options
from xds.ui.options import UiOptions


def parsed(*arguments: str) -> UiOptions | None:
    """The settings from flags.

    Raises:
        click.UsageError: the flags make no sense.
    """
    found: list[UiOptions | None] = []

    @click.command()
    @ui_options
    def command(*, ui: HostPort | str, ui_allow_remote: bool, ui_host: tuple[str, ...]) -> None:
        found.append(page(ui, ui_allow_remote=ui_allow_remote, ui_host=ui_host))

    command.main(list(arguments), standalone_mode=False)
    return found[0]


@pytest.fixture(autouse=True)
def no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("XDS_UI", "XDS_UI_ALLOW_REMOTE", "XDS_UI_HOST"):
        monkeypatch.delenv(name, raising=False)


def test_the_default_address_need_not_be_free() -> None:
    assert parsed() == UiOptions(HostPort("127.0.0.1", 18002), (), required=False)
    assert parsed("--ui", "127.0.0.1:18002") == UiOptions(HostPort("127.0.0.1", 18002), (), required=True)


def test_the_variable_is_a_given_address(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDS_UI", "[::1]:0")
    assert parsed() == UiOptions(HostPort("::1", 0), (), required=True)
    monkeypatch.setenv("XDS_UI", "off")
    assert parsed() is None


def test_another_machine_needs_both_flags(monkeypatch: pytest.MonkeyPatch) -> None:
    found = parsed("--ui", "0.0.0.0:80", "--ui-allow-remote", "--ui-host", "xds.test", "--ui-host", "[fd00::1]")
    assert found == UiOptions(HostPort("0.0.0.0", 80), ("xds.test", "fd00::1"))
    monkeypatch.setenv("XDS_UI_HOST", "a.test,b.test")
    found = parsed("--ui", "0.0.0.0:80", "--ui-allow-remote")
    assert found is not None
    assert found.hosts == ("a.test", "b.test")


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["--ui", "0.0.0.0:80"], "add --ui-allow-remote and --ui-host"),
        (["--ui", "xds.test:80", "--ui-host", "xds.test"], "add --ui-allow-remote and --ui-host"),
        (["--ui", "[::]:80", "--ui-allow-remote"], "--ui-allow-remote needs --ui-host"),
        (["--ui", "unix:/tmp/x"], "is not HOST:PORT|off"),
        (["--ui", "on"], "is not HOST:PORT|off"),
        (["--ui", ""], "is not HOST:PORT|off"),
        (["--ui-host", "a.test:80"], "without a port"),
        (["--ui-host", "http://a.test"], "without a port"),
        (["--ui-host", "a\nb"], "without a port"),
    ],
)
def test_flags_that_make_no_sense_are_one_line(arguments: list[str], text: str) -> None:
    with pytest.raises(click.UsageError) as raised:
        parsed(*arguments)
    assert text in raised.value.message
    assert "\n" not in raised.value.message


def test_a_given_address_in_use_ends_the_server(tmp_path: Path) -> None:
    with contextlib.closing(socket.create_server(("127.0.0.1", 0))) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        command = [sys.executable, "-m", "xds", "serve", "--from", str(tmp_path), "--listen", "127.0.0.1:0"]
        command += ["--admin", "127.0.0.1:0", "--ui", address]
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=WAIT_LIMIT_SECONDS)
    assert done.returncode == 3
    last = done.stderr.splitlines()[-1]
    assert last == f"xds: can't listen on {address}: the address is in use; choose another with --ui"
