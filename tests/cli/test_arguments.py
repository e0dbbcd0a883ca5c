"""No argument and no environment variable of any command ends in a traceback: an error is one line with code 2 or 3.

Covers: generated values of each flag and argument, by command line and by environment, in this process.
Excludes: files of `--kubeconfig` (test_kubeconfig.py), running servers, and single errors (modules of the commands).
"""

import contextlib
import io
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest import mock

import click
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.debug_server import ThreadedDebugServer, services, shop
from xds.api.v1 import debug_pb2 as pb
from xds.cli import authz, main, snapshot
from xds.cli.client import Client
from xds.cli.main import BUG, run
from xds.controlplane import app

MANIFEST = """
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: shop, namespace: default}
spec: {ingressClassName: envoy, defaultBackend: {service: {name: gone, port: {number: 80}}}}
"""

FILES = ("", ".", "manifests", "broken", "file", "missing", "-", "~", "a\nb", "\udcff", "x" * 5000, "\x1b[2J")
"""Values of flags for files and folders: relative, so that no command writes elsewhere or reads a whole disk."""

SERVERS = ("", "127.0.0.1:1", "[::1]:1", "[::1", "127.0.0.1:0", "unix:none", "unix:@none", "unix:" + "x" * 200, "a b:1")
"""Values of addresses, of which none waits for a name server."""

TEXTS = st.one_of(
    st.sampled_from(
        [
            *("", " ", "-1", "0", "1", "80", "65536", "99999999999999999999999", "1e9", "٣", "true", "maybe"),
            *("\n", "a\nb", "\udcff", "日本", "\x1b[2J", "%s{}", "*", "[", "a/b", "/", "a/b/c", "A B", "x" * 5000),
            *("json", "yaml", "sarif", "cds", "Cluster", "vhds", "default/shop", "name: value", ":", "host: a\r\nb: c"),
            *("http://example.com/a", "https://[::1/", "http://x:99999/", "//", "http://\udcff/", "example.com/edge"),
            *("tcp://10.0.0.1:80", "10.0.0.1", "::1", "fe80::1%eth0", "127.0.0.1:80", "SecretNotFound", "GET"),
        ]
    ),
    st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=12),
)


def commands(group: click.Group, *path: str) -> Iterator[tuple[str, ...]]:
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        if isinstance(command, click.Group):
            yield from commands(command, *path, name)
        else:
            yield (*path, name)


def command_of(path: tuple[str, ...]) -> click.Command:
    command: click.Command = main.cli
    for name in path:
        assert isinstance(command, click.Group)
        found = command.get_command(click.Context(command), name)
        assert found is not None
        command = found
    return command


def values(parameter: click.Parameter) -> st.SearchStrategy[str]:
    if isinstance(parameter.type, click.Path):
        return st.sampled_from(FILES)
    return st.sampled_from(SERVERS) if parameter.name == "server" else TEXTS


@st.composite
def invocations(draw: st.DrawFn, path: tuple[str, ...]) -> tuple[list[str], dict[str, str]]:
    """Arguments and environment variables of a command."""
    arguments: list[str] = []
    environment: dict[str, str] = {}
    parameters = command_of(path).params
    for parameter in draw(st.lists(st.sampled_from(parameters), max_size=4)):
        value = draw(values(parameter))
        if isinstance(parameter, click.Argument):
            arguments.append(value)
        elif parameter.envvar is not None and draw(st.booleans()):
            environment[str(parameter.envvar)] = value
        elif isinstance(parameter, click.Option):
            flag = draw(st.sampled_from(parameter.opts))
            arguments += [flag] if parameter.is_flag else [flag, value]
    return arguments, environment


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ThreadedDebugServer]:
    """A server in the environment, and a working directory with manifests."""
    monkeypatch.chdir(tmp_path)
    for folder, content in (("manifests", MANIFEST), ("broken", "kind: [")):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "a.yaml").write_text(content)
    (tmp_path / "file").write_bytes(b"\xff\xfe")
    monkeypatch.setattr(authz, "run", lambda _: None)
    monkeypatch.setattr(app, "run", lambda _: None)
    monkeypatch.setattr(Client, "watch", lambda *_: iter([pb.WatchSnapshotResponse()]))
    with ThreadedDebugServer() as server:
        server.do(*services("a"), shop("a"))
        monkeypatch.setenv("XDS_SERVER", server.target)
        yield server


def outcome(arguments: list[str], environment: dict[str, str]) -> tuple[int, list[str]]:
    """The exit code, and the lines of standard error."""
    errors = io.TextIOWrapper(io.BytesIO(), "utf-8", errors="backslashreplace", newline="")
    output = io.TextIOWrapper(io.BytesIO(), "utf-8", errors="backslashreplace")
    with mock.patch.dict(os.environ, environment), contextlib.redirect_stdout(output):  # noqa: SIM117
        with contextlib.redirect_stderr(errors):
            code = run(arguments)
    errors.flush()
    written: Any = errors.buffer
    return code, written.getvalue().decode().split("\n")[:-1]


@pytest.mark.parametrize("path", list(commands(main.cli)), ids=" ".join)
def test_no_value_of_any_argument_ends_in_a_traceback(server: ThreadedDebugServer, path: tuple[str, ...]) -> None:
    @settings(max_examples=60)
    @given(invocations(path))
    def holds(invocation: tuple[list[str], dict[str, str]]) -> None:
        arguments, environment = invocation
        code, lines = outcome([*path, *arguments], environment)
        assert code in (0, 1, 2, 3)
        assert not any(BUG in line or "Traceback" in line for line in lines), lines
        assert all(line.isprintable() for line in lines)
        if code >= 2:
            *warnings, error = lines
            assert error.startswith("xds: ")
            assert all("is ignored" in line or "depends on" in line for line in warnings)

    holds()


def test_a_revision_of_any_size_is_compared_with_the_history(server: ThreadedDebugServer) -> None:
    expected = "xds: the history reaches from revision 0 to 1; choose revisions within it"
    assert outcome(["snapshot", "diff", "0", "99999999999999999999999"], {}) == (3, [expected])


def test_an_unforeseen_error_is_one_line_with_its_place(
    server: ThreadedDebugServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise ValueError("two\nlines")

    monkeypatch.setattr(snapshot, "Client", fail)
    code, [line] = outcome(["snapshot", "show"], {})
    assert code == 3
    assert line.startswith(f"xds: {BUG}: ValueError: two lines (test_arguments.py:")
