"""Commands as processes: exit codes, signals, pipes, a terminal, imports, and the flags of `xds serve`.

Excludes: the output of commands (test_main.py and others), and a running server (tests/features, tests/e2e).
"""

import json
import os
import pty
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.debug_server import ThreadedDebugServer, services, shop
from tests.support.envoy import free_port
from tests.support.waiting import WAIT_LIMIT_SECONDS
from xds.protocol.messages import Node

XDS = [sys.executable, "-m", "xds"]

BOOTSTRAP = ["bootstrap", "--xds", "127.0.0.1:1", "--node-id", "a"]


@pytest.fixture
def server() -> Iterator[ThreadedDebugServer]:
    with ThreadedDebugServer() as server:
        yield server


def xds(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*XDS, *arguments],
        capture_output=True,
        text=True,
        check=False,
        timeout=WAIT_LIMIT_SECONDS,
        env={**os.environ, **environment},
    )


def watch(server: ThreadedDebugServer, *arguments: str) -> subprocess.Popen[str]:
    """Start `xds snapshot watch`, and return after its subscription has started."""
    command = [*XDS, "snapshot", "watch", "--server", server.target, *arguments]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stderr
    assert process.stderr.readline() == f"watching {server.target}; Ctrl-C ends it\n"
    return process


def test_snapshot_watch_prints_a_json_object_per_revision_until_interrupted(server: ThreadedDebugServer) -> None:
    server.do(*services("a", "b"), shop("a"))
    with watch(server, "-o", "json", "--type", "cds") as process:
        assert process.stdout
        server.do(shop("a", "b"))
        line = json.loads(process.stdout.readline())
        assert (line["revision"], [each["name"] for each in line["changes"]]) == (2, ["default/b/80"])
        assert line["changes"][0]["new"]["resource"]["name"] == "default/b/80"
        process.send_signal(signal.SIGINT)
        assert process.wait(WAIT_LIMIT_SECONDS) == 0
        assert process.communicate() == ("", "")


def test_snapshot_watch_prints_changed_names(server: ThreadedDebugServer) -> None:
    server.do(*services("a", "b"), shop("a"))
    with watch(server) as process:
        assert process.stdout
        server.do(shop("b"))
        lines = [process.stdout.readline().rstrip() for _ in range(6)]
        assert re.fullmatch(r"\d\d:\d\d:\d\d\.\d{3} revision 2", lines[0])
        assert sorted(lines[1:]) == [
            "  + cds default/b/80",
            "  + eds default/b/80",
            "  - cds default/a/80",
            "  - eds default/a/80",
            "  ~ vhds http@3/example.com",
        ]
        process.send_signal(signal.SIGINT)
        assert process.wait(WAIT_LIMIT_SECONDS) == 0


def test_snapshot_watch_fails_when_the_server_shuts_down() -> None:
    with ThreadedDebugServer() as server:
        process = watch(server)
    with process:
        assert process.wait(WAIT_LIMIT_SECONDS) == 3
        _, err = process.communicate()
        assert err == f"xds: the server at {server.target} has shut down; start it again, then this command\n"


def test_a_closed_pipe_is_no_failure(server: ThreadedDebugServer) -> None:
    names = [f"s{number}" for number in range(2000)]
    server.do(*services(*names), shop(*names))
    command = [*XDS, "snapshot", "show", "--server", server.target]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout
        assert process.stdout.readline().startswith("TYPE")
        process.stdout.close()
        assert process.stderr
        assert process.stderr.read() == ""
        assert process.wait(WAIT_LIMIT_SECONDS) == 0


@pytest.mark.parametrize("command", [["--help"], ["bootstrap", "--help"], BOOTSTRAP, ["translate", "."], ["lint", "."]])
def test_output_to_a_full_disk_is_an_error_of_one_line(tmp_path: Path, command: list[str]) -> None:
    (tmp_path / "broken.yaml").write_text("kind: [")
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [*XDS, *command], stdout=full, stderr=subprocess.PIPE, text=True, check=False, timeout=30, cwd=tmp_path
        )
    assert (done.returncode, done.stderr.splitlines()[-1]) == (
        3,
        "xds: the output can't be written: No space left on device; write it to another place",
    )
    assert "Traceback" not in done.stderr


def test_an_error_on_a_full_disk_keeps_its_exit_code() -> None:
    with Path("/dev/full").open("w") as full:
        done = subprocess.run([*XDS, "nonsense"], stdout=full, stderr=full, check=False, timeout=30)
    assert done.returncode == 2


def test_a_terminal_without_utf_8_gets_escapes_and_programs_get_utf_8(tmp_path: Path) -> None:
    (tmp_path / "\u017c\U0001f600.yaml").write_text("kind: [")
    environment = {**os.environ, "PYTHONIOENCODING": "latin-1"}
    for command, expected in (
        ("lint", b"\\u017c\\U0001f600.yaml"),
        ("translate -o json", "\u017c\U0001f600.yaml".encode()),
    ):
        words = [*XDS, *command.split(), str(tmp_path)]
        done = subprocess.run(words, capture_output=True, check=False, timeout=30, env=environment)
        assert (done.returncode, done.stderr.count(b"\n")) == (1, command == "lint")  # the summary
        assert expected in done.stdout


@pytest.mark.parametrize(
    "command",
    [
        ["bootstrap", "--xds", "127.0.0.1:1", "--node-id", b"a\xff"],
        ["bootstrap", "--xds", "127.0.0.1:1", "--node-id", "a", "--node-cluster", b"a\xff"],
        ["explain", "--from", ".", b"http://a\xff/"],
        ["explain", "--from", ".", "http://a/", "-H", b"x: \xff"],
        ["explain", "--from", ".", "http://a/", "--method", b"\xff"],
        ["why", "ingress", "--from", ".", b"a/\xff"],
        ["snapshot", "show", b"\xff"],
        ["snapshot", "show", "--name", b"\xff"],
    ],
)
def test_an_argument_that_is_not_utf_8_is_an_error_of_one_line(command: list[str | bytes], tmp_path: Path) -> None:
    done = subprocess.run([*XDS, *command], capture_output=True, check=False, timeout=30, cwd=tmp_path)
    assert (done.returncode, done.stdout, done.stderr.count(b"\n")) == (2, b"", 1)
    assert b"is not UTF-8" in done.stderr


def on_a_terminal(columns: int, *arguments: str) -> str:
    """The output of the command on a terminal of this width."""
    ours, theirs = pty.openpty()
    environment = {**os.environ, "COLUMNS": str(columns), "TERM": "xterm-256color"}
    environment.pop("NO_COLOR", None)
    with subprocess.Popen([*XDS, *arguments], stdout=theirs, stderr=theirs, env=environment) as process:
        os.close(theirs)
        written = b""
        try:
            while chunk := os.read(ours, 65536):
                written += chunk
        except OSError:  # Linux: the other end is closed
            pass
        os.close(ours)
        assert process.wait(WAIT_LIMIT_SECONDS) == 0
    return written.decode().replace("\r\n", "\n")


@pytest.mark.parametrize("columns", [80, 120])
def test_output_on_a_terminal_has_colours_and_fits_its_width(server: ThreadedDebugServer, columns: int) -> None:
    server.do(*services("a"), shop("a", "a-service-with-a-rather-long-name", "gone"))
    server.connect(Node("envoy-7f9c8d6b5-abcde", "xds-ingress", "envoy 1.40.0"))
    for command in (
        ["problems"],
        ["snapshot", "show"],
        ["ingresses"],
        ["ingresses", "-o", "wide"],
        ["proxies"],
        ["status"],
    ):
        text = on_a_terminal(columns, *command, "--server", server.target)
        assert "\x1b[" in text
        plain = re.sub(r"\x1b\[[0-9;]*m", "", text)
        assert max(map(len, plain.splitlines())) <= columns


def test_output_in_a_pipe_has_no_colours_and_full_names(server: ThreadedDebugServer) -> None:
    long = "a-service-with-a-name-as-long-as-a-name-may-be-which-is-63-char"
    server.do(*services(long), shop(long))
    shown = xds("snapshot", "show", "--server", server.target, COLUMNS="40", FORCE_COLOR="")
    assert f"default/{long}/80" in shown.stdout
    assert "\x1b" not in shown.stdout


HEAVY = (
    "envoy_data_plane",
    "betterproto2",
    "kubernetes",
    "cryptography",
    "aiohttp",
    "xds.controlplane.app",
    "xds.controlplane.pipeline",
)


@pytest.mark.parametrize(
    "arguments", [["--help"], ["proxies"], ["problems"], ["snapshot", "show"], ["ingresses"], ["status"], ["collect"]]
)
def test_client_commands_import_no_heavy_module(arguments: list[str]) -> None:
    command = [sys.executable, "-X", "importtime", "-m", "xds", *arguments, "--server", "unix:/nonexistent"]
    found = subprocess.run(command, capture_output=True, text=True, check=False, timeout=WAIT_LIMIT_SECONDS)
    imported = {line.rpartition("|")[2].strip() for line in found.stderr.splitlines() if line.startswith("import time")}
    assert "click" in imported
    assert not [name for name in imported if name.startswith(HEAVY)]
    assert ("grpc" in imported) == (arguments != ["--help"])


def test_serve_on_a_missing_folder() -> None:
    done = xds("serve", "--from", "/nonexistent", "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0")
    assert done.returncode == 3
    assert done.stdout == ""
    assert done.stderr.splitlines()[-1].startswith("xds: /nonexistent: there is no such folder")


def test_serve_on_an_address_in_use(server: ThreadedDebugServer, tmp_path: Path) -> None:
    done = xds("serve", "--from", str(tmp_path), "--listen", server.target, "--admin", "127.0.0.1:0")
    assert done.returncode == 3
    assert done.stderr.splitlines()[-1].startswith(f"xds: can't listen on {server.target}: ")


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        ([], "name the source of objects: --from, --kubeconfig, --in-cluster"),
        (["--from", ".", "--in-cluster"], "--from and --in-cluster exclude each other"),
        (["--from", ".", "--namespace", "shop"], "--namespace is for an API server"),
        (["--in-cluster", "--namespace", "../x"], "'../x' is not the name of a namespace"),
        (["--from", ".", "--admin", "unix:/tmp/x"], "'unix:/tmp/x' is not HOST:PORT"),
        (["--from", ".", "--http-port", "80", "--https-port", "80"], "can't be the same"),
        (["--from", ".", "--listener-address", "localhost"], "'localhost' is not an IP address"),
        (["--from", ".", "--default-tls-secret", "name"], "'name' is not NS/NAME"),
        (["--from", ".", "--log-level", "loud"], "'loud' is not one of"),
    ],
)
def test_wrong_flags_of_serve_are_one_line(arguments: list[str], complaint: str) -> None:
    done = xds("serve", *arguments)
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1)
    assert complaint in done.stderr


def test_serve_reads_the_environment_and_a_flag_wins(tmp_path: Path) -> None:
    port = free_port()
    environment = {"XDS_FROM": str(tmp_path), "XDS_LISTEN": "nonsense", "XDS_ADMIN": "127.0.0.1:0"}
    command = [*XDS, "serve", "--listen", f"127.0.0.1:{port}", "--log-format", "json"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env={**os.environ, **environment}) as process:
        assert process.stderr
        log = iter(process.stderr.readline, "")
        first = next(json.loads(line) for line in log if '"serving"' in line)
        assert (first["address"], first["source"]) == (f"127.0.0.1:{port}", str(tmp_path))
        next(line for line in log if '"revision_committed"' in line)
        assert xds("snapshot", "show", "-t", "lds", XDS_SERVER=f"127.0.0.1:{port}").returncode == 0
        process.send_signal(signal.SIGTERM)
        process.stderr.read()
        assert process.wait(WAIT_LIMIT_SECONDS) == 0


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_serve_exits_with_0_on_a_signal_during_imports(tmp_path: Path, number: signal.Signals) -> None:
    """The signal arrives when the handlers are installed, long before `xds serve` listens."""
    ports = ("--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0", "--ui", "off")
    process = subprocess.Popen([*XDS, "serve", "--from", str(tmp_path), *ports], stderr=subprocess.PIPE)
    while not _catches(process.pid, signal.SIGTERM):
        pass
    process.send_signal(number)
    _, errors = process.communicate(timeout=WAIT_LIMIT_SECONDS)
    assert (process.returncode, errors) == (0, b"")


def _catches(pid: int, number: signal.Signals) -> bool:
    """Whether the process handles the signal. Source: SigCgt in proc_pid_status(5)."""
    status = Path(f"/proc/{pid}/status").read_text()
    caught = int(next(line.split()[1] for line in status.splitlines() if line.startswith("SigCgt")), 16)
    return bool(caught >> (number - 1) & 1)
