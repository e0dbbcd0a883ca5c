"""`xds snapshot`, `xds proxies` and `xds problems` against the debug API on a loopback port.

Covers: tables, JSON, YAML, filters, diffs, and errors as one line on standard error.
Excludes: other commands (modules of their own), signals, pipes, terminals and imports (test_process.py), keys of the
JSON (test_json_output.py), and the debug API itself (tests/server/debug).
"""

import asyncio
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import grpc
import pytest
import yaml
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_health.v1.health import aio as health_aio  # type: ignore[attr-defined]  # the stubs are older
from rich.console import Console

from tests.support.debug_server import ThreadedDebugServer, services, shop, type_status
from tests.support.envoy import free_port
from tests.support.objects import certificate, secret, service, tls
from xds.cli.main import COMMANDS, Commands, cli, run
from xds.cli.output import table
from xds.protocol.messages import Node, Rejection
from xds.server.debug.service import DEBUG_SERVICE
from xds.snapshot.resource import ResourceType


@dataclass
class Result:
    code: int
    out: str
    err: str

    @property
    def lines(self) -> list[list[str]]:
        """The words of each row of a table."""
        return [line.split() for line in self.out.splitlines()[1:]]

    @property
    def json(self) -> Any:
        assert (self.code, self.err) == (0, "")
        return json.loads(self.out)


Xds = Callable[..., Result]


@pytest.fixture
def server() -> Iterator[ThreadedDebugServer]:
    with ThreadedDebugServer() as server:
        yield server


@pytest.fixture
def xds(server: ThreadedDebugServer, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Xds:
    """Runs a command with the server in the environment."""
    monkeypatch.setenv("XDS_SERVER", server.target)

    def call(*arguments: str) -> Result:
        code = run(list(arguments))
        return Result(code, *capfd.readouterr())

    return call


def test_every_command_is_importable() -> None:
    group = cli
    assert isinstance(group, Commands)
    with group.make_context("xds", ["proxies"]) as ctx:
        commands = [group.get_command(ctx, name) for name in group.list_commands(ctx)]
    assert [command.name for command in commands if command] == list(COMMANDS)


def test_snapshot_show_lists_resources_in_update_order(server: ThreadedDebugServer, xds: Xds) -> None:
    server.do(*services("a", "b"), shop("a", "b"))
    shown = xds("snapshot", "show")
    assert (shown.code, shown.err) == (0, "")
    assert [line[:2] for line in shown.lines] == [
        ["cds", "default/a/80"],
        ["cds", "default/b/80"],
        ["eds", "default/a/80"],
        ["eds", "default/b/80"],
        ["ecds", "rate-limits@1"],
        ["lds", "http"],
        ["rds", "http@3"],
        ["vhds", "http@3/*"],
        ["vhds", "http@3/example.com"],
    ]
    assert all(len(line[2]) == 16 and line[4] in ("B", "kB") for line in shown.lines)
    assert not any(line.endswith(" ") for line in shown.out.splitlines())


@pytest.mark.parametrize(
    "arguments",
    [("cds", "--name", "a/"), ("-t", "Cluster", "-n", "default/a/*"), ("cds", "cds", "-n", "a/80", "-n", "none")],
)
def test_snapshot_show_filters_by_type_and_name(
    server: ThreadedDebugServer, xds: Xds, arguments: tuple[str, ...]
) -> None:
    server.do(*services("a", "b"), shop("a", "b"))
    assert [line[:2] for line in xds("snapshot", "show", *arguments).lines] == [["cds", "default/a/80"]]


def test_flags_that_choose_output_are_not_read_from_the_environment(
    server: ThreadedDebugServer, xds: Xds, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.do(*services("a", "b"), shop("a", "b"))
    monkeypatch.setenv("XDS_TYPE", "lds")
    monkeypatch.setenv("XDS_NAME", "nothing")
    monkeypatch.setenv("XDS_OUTPUT", "json")
    shown = xds("snapshot", "show")
    assert (shown.code, shown.err, len(shown.lines)) == (0, "", 9)


def test_markup_in_a_node_id_is_printed_verbatim(server: ThreadedDebugServer, xds: Xds) -> None:
    server.connect(Node("[red]a[/red]"))
    assert "[red]a[/red]" in xds("proxies").out


def test_snapshot_show_without_a_match(server: ThreadedDebugServer, xds: Xds) -> None:
    server.do()
    shown = xds("snapshot", "show", "--name", "nobody")
    assert shown == Result(0, "", "no resources match\n")


def test_snapshot_show_prints_content_as_json_and_yaml(server: ThreadedDebugServer, xds: Xds) -> None:
    server.do(service("a"), shop("a"))
    data = xds("snapshot", "show", "cds", "-o", "json").json
    assert (data["revision"], list(data["versions"])) == (1, [type_.value for type_ in ResourceType])
    [resource] = data["resources"]
    assert (resource["type"], resource["name"]) == (ResourceType.CLUSTER, "default/a/80")
    assert resource["resource"]["name"] == "default/a/80"
    assert yaml.safe_load(xds("snapshot", "show", "cds", "-o", "yaml").out) == data


def test_snapshot_show_redacts_private_keys(server: ThreadedDebugServer, xds: Xds) -> None:
    pair = certificate("example.com")
    server.do(service("a"), secret("cert", pair), shop("a", tls=tls("example.com", secret="cert")))
    for form in ("json", "yaml"):
        shown = xds("snapshot", "show", "-o", form).out
        assert "[redacted]" in shown
        assert "LS0tLS1CRUdJTiBQ" not in shown  # base64 of "-----BEGIN P"


def test_snapshot_diff_prints_a_unified_diff(server: ThreadedDebugServer, xds: Xds) -> None:
    server.do(*services("a", "b"), shop("a"))
    server.do(shop("b"))
    shown = xds("snapshot", "diff", "--type", "cds", "--type", "vhds").out.splitlines()
    assert shown[:2] == ["--- cds default/a/80 (revision 1)", "+++ /dev/null"]
    added = shown.index("+++ cds default/b/80 (revision 2)")
    assert shown[added - 1] == "--- /dev/null"
    routes = shown[shown.index("--- vhds http@3/example.com (revision 1)") :]
    assert routes[1] == "+++ vhds http@3/example.com (revision 2)"
    assert {line[0] + line[1:].strip() for line in routes} >= {"-cluster: default/a/80", "+cluster: default/b/80"}


def test_snapshot_diff_as_json(server: ThreadedDebugServer, xds: Xds) -> None:
    server.do(*services("a", "b"), shop("a"))
    server.do(shop("a", "b"))
    data = xds("snapshot", "diff", "0", "2", "-t", "cds", "-o", "json").json
    assert (data["from"]["revision"], data["from"]["committed_at"], data["to"]["revision"]) == (0, None, 2)
    assert [(each["name"], each["old"]) for each in data["changes"]] == [("default/a/80", None), ("default/b/80", None)]
    assert data["changes"][1]["new"]["resource"]["name"] == "default/b/80"


def test_snapshot_diff_of_equal_revisions(server: ThreadedDebugServer, xds: Xds) -> None:
    server.do(service("a"), shop("a"))
    assert xds("snapshot", "diff", "1", "1") == Result(0, "", "no difference between revisions 1 and 1\n")


def test_snapshot_diff_rejects_unknown_and_reversed_revisions(server: ThreadedDebugServer, xds: Xds) -> None:
    server.do()
    beyond = xds("snapshot", "diff", "0", "9")
    expected = "xds: the history reaches from revision 0 to 1; choose revisions within it\n"
    assert beyond == Result(3, "", expected)
    backwards = xds("snapshot", "diff", "1", "0")
    assert backwards == Result(2, "", "xds: revision 1 is later than revision 0; see 'xds snapshot diff --help'\n")


def test_snapshot_show_before_the_first_snapshot(xds: Xds) -> None:
    shown = xds("snapshot", "show")
    assert shown == Result(
        3, "", "xds: there is no snapshot yet: the source is still being read; try again in a moment\n"
    )


def test_an_unknown_type_is_wrong_usage(server: ThreadedDebugServer, xds: Xds) -> None:
    server.do()
    shown = xds("snapshot", "show", "xyz")
    assert (shown.code, shown.out, shown.err.count("\n")) == (2, "", 1)
    assert "'xyz' is no resource type; there are cds (Cluster)" in shown.err


def test_problems_are_listed_with_remedies(server: ThreadedDebugServer, xds: Xds) -> None:
    server.do(shop("gone"))
    shown = xds("problems")
    assert shown.out.splitlines()[0].split()[:2] == ["OBJECT", "REASON"]
    assert "Ingress default/shop" in shown.out
    assert "BackendNotFound" in shown.out
    [problem] = xds("problems", "-o", "json").json
    assert problem["object"] == {"kind": "Ingress", "namespace": "default", "name": "shop"}
    assert problem["message"] in shown.out
    assert problem["remedy"] in shown.out
    assert problem["field"] in shown.out
    assert yaml.safe_load(xds("problems", "-o", "yaml").out) == [problem]


def test_an_empty_list_of_problems(server: ThreadedDebugServer, xds: Xds) -> None:
    server.do()
    assert xds("problems") == Result(0, "", "no problems\n")
    assert xds("problems", "-o", "json").json == []


def test_proxies_are_listed_with_versions_states_and_rejections(server: ThreadedDebugServer, xds: Xds) -> None:
    now = server.now()
    rejected = Rejection("v2", now - 7300, "cannot bind '0.0.0.0:8080'", ())
    server.connect(
        Node("envoy-1", "fleet", "envoy 1.40.0"),
        type_status(ResourceType.CLUSTER, now, wildcard=True),
        type_status(ResourceType.LISTENER, now, last_rejection=rejected, rejected_count=1),
        type_status(ResourceType.ROUTES, now, in_flight=True),
    )
    proxies, types, rejections, summary = xds("proxies").out.split("\n\n")
    assert summary == "1 proxy, 0 in sync, 1 rejects lds\n"
    assert proxies.splitlines()[1].split() == ["envoy-1", "fleet", "envoy", "1.40.0", "delta", "127.0.0.1:5", "2m"]
    assert [line.split()[:-1] for line in types.splitlines()[1:]] == [
        ["envoy-1", "cds", "*", "v2", "v1", "in", "sync"],
        ["envoy-1", "lds", "3", "v2", "v1", "rejected"],
        ["envoy-1", "rds", "3", "v2", "v1", "sending"],
    ]
    assert rejections.splitlines()[1].split()[:4] == ["envoy-1", "lds", "v2", "2h1m"]
    assert rejections.rstrip().endswith("cannot bind '0.0.0.0:8080'")


def test_proxies_as_json(server: ThreadedDebugServer, xds: Xds) -> None:
    now = server.now()
    rejected = Rejection("v2", now, "no", (("http", "abc"),))
    fields = {"last_rejection": rejected, "rejected_count": 1, "sent": None, "acknowledged": None}
    server.connect(Node("envoy-1"), type_status(ResourceType.LISTENER, now, **fields))
    [proxy] = xds("proxies", "-o", "json").json
    assert (proxy["node_id"], proxy["variant"], proxy["peer"]) == ("envoy-1", "delta", "ipv4:127.0.0.1:5")
    [type_] = proxy["types"]
    assert (type_["in_sync"], type_["sent_at"], type_["sent_version"]) == (False, None, "")
    assert type_["rejection"]["resources"] == [{"name": "http", "version": "abc"}]


def test_proxies_with_equal_node_ids_are_labelled_with_their_peer(server: ThreadedDebugServer, xds: Xds) -> None:
    server.connect(Node("twin"))
    server.connect(Node("twin"))
    assert xds("proxies").out.count("twin @127.0.0.1:5") == 2


def test_an_empty_list_of_proxies(xds: Xds) -> None:
    assert xds("proxies") == Result(0, "", "no proxies are connected\n")
    assert xds("proxies", "-o", "json").json == []


@pytest.mark.parametrize("command", [("problems",), ("proxies",), ("snapshot", "show"), ("snapshot", "watch")])
def test_an_unreachable_server_is_one_line_with_exit_code_3(xds: Xds, command: tuple[str, ...]) -> None:
    address = f"127.0.0.1:{free_port()}"
    shown = xds(*command, "--server", address)
    hint = "start one with 'xds serve --from DIR' or name another with --server"
    assert shown == Result(3, "", f"xds: no server answers at {address}; {hint}\n")


def test_an_unreachable_unix_socket(xds: Xds) -> None:
    shown = xds("problems", "--server", "unix:/nonexistent/socket")
    assert (shown.code, shown.out, shown.err.count("\n")) == (3, "", 1)
    assert "no server answers at unix:/nonexistent/socket" in shown.err


async def test_a_server_without_the_debug_api(xds: Xds) -> None:
    other = grpc.aio.server()
    port = other.add_insecure_port("127.0.0.1:0")
    await other.start()
    try:
        shown = await asyncio.to_thread(xds, "problems", "--server", f"127.0.0.1:{port}")
    finally:
        await other.stop(None)
    message = f"xds: the server at 127.0.0.1:{port} has no debug API; name another server with --server\n"
    assert shown == Result(3, "", message)


async def test_a_server_without_one_method_is_older_and_not_without_a_debug_api(xds: Xds) -> None:
    older = grpc.aio.server()
    health = health_aio.HealthServicer()
    health_pb2_grpc.add_HealthServicer_to_server(health, older)
    await health.set(DEBUG_SERVICE, health_pb2.HealthCheckResponse.SERVING)
    port = older.add_insecure_port("127.0.0.1:0")
    await older.start()
    try:
        shown = await asyncio.to_thread(xds, "problems", "--server", f"127.0.0.1:{port}")
    finally:
        await older.stop(None)
    text = "is older than this command and can't answer it; update the server"
    assert shown == Result(3, "", f"xds: the server at 127.0.0.1:{port} {text}\n")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("frobnicate",), "No such command 'frobnicate'; see 'xds --help'"),
        (("problems", "--frob"), "No such option '--frob'; see 'xds problems --help'"),
        (("problems", "--server", "nowhere"), "'nowhere' is not HOST:PORT|unix:PATH; see 'xds problems --help'"),
        (("problems", "--server", "host:0"), "'host:0' has no port to connect to; see 'xds problems --help'"),
        (
            ("snapshot", "diff", "-o", "xml"),
            "'xml' is not one of 'table', 'json', 'yaml'; see 'xds snapshot diff --help'",
        ),
    ],
)
def test_wrong_usage_is_one_line(xds: Xds, arguments: tuple[str, ...], message: str) -> None:
    shown = xds(*arguments)
    assert (shown.code, shown.out, shown.err.count("\n")) == (2, "", 1)
    assert shown.err.startswith("xds: ")
    assert shown.err.endswith(f"{message}\n")


@pytest.mark.parametrize("arguments", [(), ("snapshot",)])
def test_a_group_alone_shows_its_commands(xds: Xds, arguments: tuple[str, ...]) -> None:
    shown = xds(*arguments)
    assert (shown.code, shown.out) == (2, "")
    assert "\n  show " in shown.err if arguments else "\n  snapshot " in shown.err


def test_version_flag(xds: Xds) -> None:
    shown = xds("--version")
    assert (shown.code, shown.err) == (0, "")
    assert shown.out.startswith("xds 0.")


def test_control_characters_of_a_proxy_are_escaped() -> None:
    made = table(["MESSAGE"], [["\x1b]0;owned\x07\x1b[2J line\none"]])
    console = Console(width=80)
    with console.capture() as captured:
        console.print(made)
    assert "\x1b" not in captured.get()
    assert "\\x1b]0;owned\\x07" in captured.get()
