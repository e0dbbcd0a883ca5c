"""`xds explain` on a folder and on a server: the tree, JSON, and errors as one line.

Excludes: the content of explanations (tests/explain), and Envoy's real answers (tests/e2e/test_explain.py).
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.support.debug_server import ThreadedDebugServer, services, shop
from tests.support.envoy import free_port
from tests.support.objects import certificate, ingress, manifest, path, rule, secret, service, slice_of, tls
from xds.cli.main import run
from xds.kube.change import Applied, Batch
from xds.kube.objects import KubeObject
from xds.protocol.messages import Node
from xds.protocol.status import DeliveryState, OutOfSync
from xds.server.debug.messages import ProxyDelivery
from xds.snapshot.resource import ResourceType

WEB = (shop("web"), service("web"), slice_of("web", "10.0.0.1"))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write(tmp_path, *WEB)
    return tmp_path


@pytest.fixture
def server() -> Iterator[ThreadedDebugServer]:
    with ThreadedDebugServer() as server:
        yield server


def write(folder: Path, *objects: KubeObject) -> None:
    documents = (json.dumps(manifest(each), default=str) for each in objects)
    (folder / "objects.yaml").write_text("\n---\n".join(documents))


def test_explain_on_a_folder(folder: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert run(["explain", "http://example.com/web", "--from", str(folder)]) == 0
    out, err = capfd.readouterr()
    assert err == ""
    assert out.splitlines() == [
        "GET http://example.com/web",
        "default/web/80 answers",
        "├── listener: http on 0.0.0.0:8080",
        "├── virtual host: 'example.com' is named by rules",
        "│   └── Ingress default/shop",
        "├── path: '/web'",
        "│   └── Prefix /web matches exactly (Ingress default/shop, Service default/web)",
        "├── redirect: stays plain: --redirect-https is off",
        "├── cluster: default/web/80, by HTTP/1.1",
        "│   └── Service default/web",
        "└── endpoints: 1 healthy, 0 draining",
        "    └── EndpointSlice default/web-1",
    ]


def test_explain_on_a_folder_takes_the_traffic_flags_of_serve(folder: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert run(["explain", "http://example.com/web", "--from", str(folder), "--http-port", "81"]) == 0
    assert "http on 0.0.0.0:81\n" in capfd.readouterr().out
    assert run(["explain", "http://example.com/web", "--from", str(folder), "--ingress-class", "other"]) == 0
    assert "its class is 'envoy', there is no IngressClass of that name, and ours is 'other'" in capfd.readouterr().out


@pytest.mark.parametrize("form", ["json", "yaml"])
def test_explain_as_json_and_yaml(folder: Path, form: str, capfd: pytest.CaptureFixture[str]) -> None:
    assert run(["explain", "http://x.test/none", "-H", "Host: example.com", "--from", str(folder), "-o", form]) == 0
    out, err = capfd.readouterr()
    data: Any = json.loads(out) if form == "json" else yaml.safe_load(out)
    assert err == ""
    assert (data["status"], data["cluster"]) == (404, "")
    (path_step,) = (each for each in data["steps"] if each["stage"] == "path")
    assert path_step["routes"] == [
        {
            "path_type": "Prefix",
            "path": "/web",
            "ingress": {"kind": "Ingress", "namespace": "default", "name": "shop"},
            "service": {"kind": "Service", "namespace": "default", "name": "web"},
            "taken": False,
            "why": "is another path",
        }
    ]


def test_routes_with_another_path_are_counted_beyond_a_limit(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    paths = [path(f"/{number}", "web") for number in range(1000)]
    write(tmp_path, ingress("many", rule("example.com", *paths)), service("web"), slice_of("web", "10.0.0.1"))
    assert run(["explain", "http://example.com/500/x", "--from", str(tmp_path)]) == 0
    out = capfd.readouterr().out
    assert "Prefix /500 matches (" in out
    assert "Prefix /50 ends within an element of the path (" in out
    assert "and 977 more with another path; -o json has them" in out


def test_explain_on_a_server_lists_proxies_out_of_sync(
    server: ThreadedDebugServer, capfd: pytest.CaptureFixture[str]
) -> None:
    server.do(*services("web"), shop("web"))
    missing = OutOfSync(ResourceType.ROUTES, "http@3", DeliveryState.REJECTED, "no \x1b[2J")
    server.server.deliveries += [ProxyDelivery("ipv4:1", Node("b"), (missing,)), ProxyDelivery("ipv4:2", Node("a"), ())]
    assert run(["explain", "http://example.com/web", "--server", server.target]) == 0
    out, _ = capfd.readouterr()
    assert "503: Service default/web has no ready endpoint" in out
    assert "proxies: 1 of 2 in sync" in out
    assert "b @ipv4:1: rds http@3 rejected: no \\x1b[2J" in out
    assert run(["explain", "http://example.com/web", "--server", server.target, "-o", "json"]) == 0
    data = json.loads(capfd.readouterr().out)
    assert [each["type"].rpartition(".")[2] for each in data["resources"]] == [
        "Cluster",
        "ClusterLoadAssignment",
        "Listener",
        "RouteConfiguration",
        "VirtualHost",
    ]
    assert [(each["node_id"], each["current"]) for each in data["proxies"]] == [("a", True), ("b", False)]
    assert data["proxies"][1]["lacks"][0]["standing"] == "rejected"


def test_explain_before_the_first_snapshot(server: ThreadedDebugServer, capfd: pytest.CaptureFixture[str]) -> None:
    assert run(["explain", "http://example.com/", "--server", server.target]) == 3
    assert "no snapshot yet" in capfd.readouterr().err


@pytest.mark.parametrize("where", ["server", "folder"])
def test_an_invalid_url_is_wrong_usage(
    server: ThreadedDebugServer, folder: Path, where: str, capfd: pytest.CaptureFixture[str]
) -> None:
    server.do(*services("web"), shop("web"))
    source = ["--server", server.target] if where == "server" else ["--from", str(folder)]
    assert run(["explain", "gopher://example.com/", *source]) == 2
    schemes = "http://, https://, tls://, tcp:// or udp://"
    line = f"xds: 'gopher://example.com/' is no URL of {schemes}; see 'xds explain --help'\n"
    assert capfd.readouterr() == ("", line)


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["--from", "/nowhere/at/all"], 3, "/nowhere/at/all"),
        (["--from", ".", "--server", "127.0.0.1:1"], 2, "give only one"),
        (["--redirect-https"], 2, "--redirect-https: only for --from"),
        (["-H", "Host"], 2, "'Host' is not 'name: value'"),
        (["--server", f"127.0.0.1:{free_port()}"], 3, "no server answers"),
    ],
)
def test_explain_errors_are_one_line(
    arguments: list[str], code: int, words: str, capfd: pytest.CaptureFixture[str]
) -> None:
    assert run(["explain", "http://example.com/", *arguments]) == code
    out, err = capfd.readouterr()
    assert out == ""
    assert words in err
    assert err.count("\n") == 1


def test_a_folder_in_the_environment_is_meant_for_serve(
    server: ThreadedDebugServer, folder: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDS_FROM", str(folder))
    server.do(*services("web"), shop("web"))
    monkeypatch.setenv("XDS_SERVER", server.target)
    assert run(["explain", "http://example.com/web"]) == 0
    assert "proxies: 0 of 0" in capfd.readouterr().out


def test_pending_changes_are_mentioned(server: ThreadedDebugServer, capfd: pytest.CaptureFixture[str]) -> None:
    server.do(*services("web"), shop("web"))
    server.server.pipeline.put(Batch((Applied(service("other")),), 0.0))
    for command in (["explain", "http://example.com/web"], ["why", "ingress", "default/shop"]):
        assert run([*command, "--server", server.target]) == 0
        assert "the snapshot doesn't have yet: ask again in a moment" in capfd.readouterr().out


@pytest.mark.parametrize(
    ("url", "flags", "status", "code"),
    [
        ("http://example.com/web", (), 200, 0),
        ("http://secure.test/", ("--redirect-https",), 308, 0),
        ("http://example.com/none", (), 404, 1),
        ("http://example.com/gone", (), 503, 1),
        ("http://example.com/idle", (), 503, 1),
        ("https://nobody.test/", (), 0, 1),
    ],
    ids=["backend", "redirect", "no route", "no Service", "no endpoints", "closed connection"],
)
def test_the_exit_code_says_whether_the_request_is_answered(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], url: str, flags: tuple[str, ...], status: int, code: int
) -> None:
    entry = tls("secure.test", secret="cert")
    secure = ingress("secure", rule("secure.test", path("/", "web")), tls=[entry])
    write(
        tmp_path,
        *(shop("web", "gone", "idle"), service("web"), slice_of("web", "10.0.0.1"), service("idle")),
        *(secure, secret("cert", certificate("secure.test"))),
    )
    asked = ["explain", url, "--from", str(tmp_path), *flags, "-o", "json"]
    assert run([*asked, "--exit-code"]) == code
    assert json.loads(capfd.readouterr().out)["status"] == status
    assert run(asked) == 0
