"""`xds explain tcp://`, `xds why configmap`, `xds why service` and `xds ports`: tree, table, JSON, and exit codes.

Excludes: the content of explanations (tests/explain/test_layer4.py), and the keys of JSON (test_json_output.py).
"""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.debug_server import ThreadedDebugServer, type_status
from tests.support.objects import config_map, manifest, service, slice_of
from xds.api.v1 import debug_pb2 as pb
from xds.cli.explain import CONNECTIONS
from xds.cli.main import run
from xds.explain.connection import Connection
from xds.kube.objects import KubeObject
from xds.problems.problem import Key
from xds.protocol.messages import Node, Rejection
from xds.protocol.status import DeliveryState, OutOfSync
from xds.server.debug.messages import ProxyDelivery
from xds.snapshot.resource import ResourceType
from xds.traffic.layer4 import Transport
from xds.translate.layer4.options import Layer4Options
from xds.translate.options import TranslateOptions

OPTIONS = TranslateOptions(layer4=Layer4Options({Transport.TCP: Key("edge", "tcp")}))
FLAGS = ["--tcp-services-configmap", "edge/tcp"]
BUSY = "Error adding/updating listener(s) tcp/9000: cannot bind '0.0.0.0:9000': Address already in use"


def objects() -> tuple[KubeObject, ...]:
    entries = {"9000": "default/pg:5432", "9001": "default/gone:1"}
    return (config_map("tcp", ns="edge", **entries), service("pg", 5432), slice_of("pg", "10.0.0.1", ports=[5432]))


@pytest.fixture
def server() -> Iterator[ThreadedDebugServer]:
    with ThreadedDebugServer(translate=OPTIONS) as server:
        server.do(*objects())
        yield server


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for number, each in enumerate(objects()):
        (tmp_path / f"{number}.json").write_text(json.dumps(manifest(each)))
    return tmp_path


def test_each_end_of_a_connection_has_a_name_for_clients() -> None:
    wire = {f"CONNECTION_{each.name}": each.value for each in Connection}
    assert {pb.Connection.Name(number): text for number, text in CONNECTIONS.items()} == wire


@pytest.mark.parametrize(
    ("url", "code", "outcome"),
    [
        ("tcp://db.test:9000", 0, "connections go to the only endpoint of Service default/pg"),
        ("tcp://db.test:9001", 1, "refused: nothing listens on tcp/9001"),
    ],
)
def test_explain_of_a_port_is_the_same_on_a_server_and_on_a_folder(
    server: ThreadedDebugServer, folder: Path, url: str, code: int, outcome: str, capfd: pytest.CaptureFixture[str]
) -> None:
    assert run(["explain", url, "--exit-code", "--server", server.target]) == code
    online = capfd.readouterr().out.splitlines()
    assert run(["explain", url, "--exit-code", "--from", str(folder), *FLAGS]) == code
    offline = capfd.readouterr().out.splitlines()
    assert online[:2] == offline[:2] == [url, outcome]
    assert len(offline) > 3
    assert any("proxies: 0 of 0 in sync" in line for line in online)


def test_explain_names_proxies_that_cannot_bind(server: ThreadedDebugServer, capfd: pytest.CaptureFixture[str]) -> None:
    missing = OutOfSync(ResourceType.LISTENER, "tcp/9000", DeliveryState.REJECTED, BUSY)
    server.server.deliveries += [ProxyDelivery("ipv4:1", Node("a"), (missing,)), ProxyDelivery("ipv4:2", Node("b"), ())]
    assert run(["explain", "tcp://h:9000", "--exit-code", "--server", server.target]) == 0
    assert "1 of 2 proxies (a) cannot bind '0.0.0.0:9000'" in capfd.readouterr().out
    server.server.deliveries.pop()
    assert run(["explain", "tcp://h:9000", "--exit-code", "-o", "json", "--server", server.target]) == 1
    assert json.loads(capfd.readouterr().out)["connection"] == "refused"


@pytest.mark.parametrize("flags", [["--method", "POST"], ["-H", "a: b"]])
def test_explain_of_a_port_takes_neither_method_nor_headers(
    server: ThreadedDebugServer, folder: Path, flags: list[str], capfd: pytest.CaptureFixture[str]
) -> None:
    for source in (["--server", server.target], ["--from", str(folder)]):
        assert run(["explain", "tcp://h:9000", *flags, *source]) == 2
        assert "a method and headers are of HTTP" in capfd.readouterr().err


def test_why_configmap_on_a_folder(folder: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert run(["why", "configmap", "edge/tcp", "--from", str(folder), *FLAGS, "--exit-code"]) == 1
    lines = capfd.readouterr().out.splitlines()
    assert lines[:2] == [
        "ConfigMap edge/tcp: partly accepted, 1 of 2 parts",
        "├── role: the ports of --tcp-services-configmap",
    ]
    assert lines[2].startswith("├── 9000: default/pg:5432 served → default/pg/5432@")
    assert lines[2].endswith(", 1 healthy, 0 draining: listener tcp/9000, idle timeout 1 h (data[9000])")
    assert lines[3].startswith("├── 9001: default/gone:1 left out: Service 'default/gone' doesn't exist")
    assert "BackendNotFound" in lines[5]


def test_why_service_on_a_server(server: ThreadedDebugServer, capfd: pytest.CaptureFixture[str]) -> None:
    assert run(["why", "service", "default/pg", "--server", server.target, "--exit-code"]) == 0
    lines = capfd.readouterr().out.splitlines()
    assert lines[0].startswith("Service default/pg: accepted, unchanged for ")
    assert lines[2] == "│   └── ConfigMap edge/tcp"
    assert lines[3] == "└── proxies: 0 of 0 in sync"


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["configmap", "edge/other"], 3, "there is no ConfigMap edge/other"),
        (["service", "default/none"], 3, "there is no Service default/none"),
        (["service", "none"], 2, "NS/NAME"),
    ],
)
def test_unknown_objects_are_errors_of_a_line(
    server: ThreadedDebugServer, folder: Path, arguments: list[str], code: int, words: str,
    capfd: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    for source in (["--server", server.target], ["--from", str(folder)]):
        assert run(["why", *arguments, *source]) == code
        out, err = capfd.readouterr()
        assert (out, err.count("\n")) == ("", 1)
        assert words in err


def test_ports_has_a_row_for_each_port(server: ThreadedDebugServer, capfd: pytest.CaptureFixture[str]) -> None:
    now = server.now()
    names = ("tcp/9000",)
    rejection = Rejection("v2", now, BUSY, (("tcp/9000", "v2"),))
    rejected = type_status(
        ResourceType.LISTENER, now, wildcard=True, last_rejection=rejection, rejected_count=1, rejected_names=names
    )
    server.connect(Node("envoy-1"), rejected)
    missing = OutOfSync(ResourceType.LISTENER, "tcp/9000", DeliveryState.REJECTED, BUSY)
    server.server.deliveries += [
        ProxyDelivery("ipv4:1", Node("envoy-1"), (missing,)),
        ProxyDelivery("ipv4:2", Node("b"), ()),
    ]
    assert run(["ports", "--server", server.target]) == 0
    header, first, second = capfd.readouterr().out.splitlines()
    assert header.split() == ["PORT", "STATE", "SERVICE", "HEALTHY", "SOURCE", "WHY"]
    assert first.split()[:4] == ["tcp/9000", "rejected", "default/pg", "1"]
    assert "1 of 2 proxies (envoy-1) cannot bind '0.0.0.0:9000'" in first
    assert second.split()[:4] == ["tcp/9001", "left", "out", "default/gone"]


def test_no_port_is_a_line_on_standard_error(capfd: pytest.CaptureFixture[str]) -> None:
    with ThreadedDebugServer() as server:
        server.do(service("pg"))
        assert run(["ports", "--server", server.target]) == 0
    assert capfd.readouterr() == ("", "no ConfigMap and no Service asks for a port\n")
