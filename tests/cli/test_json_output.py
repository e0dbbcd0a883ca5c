"""Keys and values of `-o json`, which scripts depend on: one document per command, compared with tests/cli/json.

Covers: every key of every command; every delivery state, unit status, acceptance, variant and stuck reason.
Excludes: the wording of texts (replaced by `<text>`), versions, times, and Envoy resources (tests/golden).

GOLDENS=rewrite rewrites the files. A changed or missing key breaks scripts of users; a new key does not.
"""

import json
import os
import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from tests.support.debug_server import ThreadedDebugServer, services, type_status
from tests.support.objects import (
    certificate,
    config_map,
    ingress,
    ingress_class,
    manifest,
    path,
    rule,
    secret,
    slice_of,
    tls,
)
from xds.cli.main import run
from xds.kube.objects import KubeObject
from xds.problems.problem import Key
from xds.protocol.messages import Node, Rejection, Variant
from xds.protocol.status import DeliveryState, OutOfSync
from xds.protocol.stuck import Stuck, StuckReason
from xds.server.debug.messages import ProxyDelivery
from xds.snapshot.resource import ResourceType
from xds.traffic.layer4 import Transport
from xds.translate.layer4.options import Layer4Options
from xds.translate.options import TranslateOptions

DOCUMENTS = Path(__file__).parent / "json"
TEXTS = frozenset({"outcome", "text", "why", "message", "remedy", "claim", "attention", "role", "rejection"})
"""Keys of values that are for people."""


@pytest.fixture
def server() -> Iterator[ThreadedDebugServer]:
    with ThreadedDebugServer() as server:
        yield server


def objects() -> list[KubeObject]:
    """Two Ingresses of one host. The younger one holds a part for each unit status."""
    senior = ingress("senior", rule("a.test", path("/same"), path("/shadowed")), created=1)
    parts = ("/served", "web"), ("/empty", "empty"), ("/broken", "gone"), ("/same", "web"), ("/shadowed", "empty")
    rules = rule("a.test", *(path(*each) for each in parts), path("no-slash"))
    shop = ingress("shop", rules, tls=[tls("a.test", secret="cert")], created=2)
    pair = certificate("a.test", until=datetime(2099, 1, 1, tzinfo=UTC))
    return [senior, shop, *services("web", "empty"), slice_of("web", "10.0.0.1"), secret("cert", pair)]


def normalized(value: Any, key: str = "") -> Any:
    if isinstance(value, dict):
        if key in ("resource", "versions"):
            return f"<{key}>"
        return {name: normalized(item, name) for name, item in value.items()}
    if isinstance(value, list):
        return [normalized(item, key) for item in value]
    if not isinstance(value, str) or not value:
        return value
    if key in TEXTS:
        return "<text>"
    if key == "version" and re.match(r"\d+\.\d+", value):
        return "<release>"
    if re.fullmatch(r"\d{4}-\d\d-\d\dT.*Z", value):
        return "<time>"
    return "<version>" if re.fullmatch("[0-9a-f]{16}", value) else value


def check(name: str, capfd: pytest.CaptureFixture[str], *arguments: str, code: int = 0) -> None:
    """Compare one document that the command prints with the one that is checked in."""
    assert run([*arguments, "-o", "json"]) == code
    out, err = capfd.readouterr()
    assert err == ""
    found = json.dumps(normalized(json.loads(out)), indent=1, ensure_ascii=False) + "\n"
    file = DOCUMENTS / f"{name}.json"
    if os.environ.get("GOLDENS") == "rewrite":
        file.write_text(found, encoding="utf-8")
    assert file.read_text(encoding="utf-8") == found


def test_snapshot_show(server: ThreadedDebugServer, capfd: pytest.CaptureFixture[str]) -> None:
    server.do(*objects())
    check("snapshot-show", capfd, "snapshot", "show", "--server", server.target)


def test_snapshot_diff(server: ThreadedDebugServer, capfd: pytest.CaptureFixture[str]) -> None:
    server.do(*services("a", "b", "c"), ingress("shop", rule("a.test", path("/a", "a"), path("/b", "b"))))
    server.do(ingress("shop", rule("a.test", path("/a", "a"), path("/c", "c"))))
    check("snapshot-diff", capfd, "snapshot", "diff", "--server", server.target)


def test_proxies(server: ThreadedDebugServer, capfd: pytest.CaptureFixture[str]) -> None:
    now = server.now()
    rejection = Rejection("v2", now, "cannot bind", (("http", "v2"),))
    rejected = type_status(
        ResourceType.LISTENER, now, wildcard=True, last_rejection=rejection, rejected_count=1, rejected_names=("http",)
    )
    server.connect(
        Node("envoy-1", "fleet", "envoy 1.40.0"),
        type_status(ResourceType.CLUSTER, now),
        rejected,
        type_status(ResourceType.ROUTES, now, in_flight=True, pending=2, sent=None, acknowledged=None),
    )
    [delta] = server.server.proxies
    sotw = replace(delta.stream, variant=Variant.SOTW, node=None)
    stuck = (*(Stuck(each, ResourceType.CLUSTER, now) for each in StuckReason), Stuck(StuckReason.FLAPPING, None, now))
    server.server.proxies.append(replace(delta, stream=sotw, stuck=stuck))
    check("proxies", capfd, "proxies", "--server", server.target)


def test_ingresses(server: ThreadedDebugServer, capfd: pytest.CaptureFixture[str]) -> None:
    server.do(*objects())
    check("ingresses", capfd, "ingresses", "--server", server.target)


def test_status(server: ThreadedDebugServer, capfd: pytest.CaptureFixture[str]) -> None:
    server.do(*objects())
    check("status", capfd, "status", "--server", server.target)


def test_problems(server: ThreadedDebugServer, capfd: pytest.CaptureFixture[str]) -> None:
    server.do(*objects())
    check("problems", capfd, "problems", "--server", server.target)


def connect_a_proxy_for_each_delivery_state(server: ThreadedDebugServer) -> None:
    missing = tuple(
        OutOfSync(ResourceType.CLUSTER, f"c{index}", each, "no") for index, each in enumerate(DeliveryState)
    )
    server.server.deliveries += [
        ProxyDelivery("ipv4:127.0.0.1:1", Node("envoy-1"), ()),
        ProxyDelivery("ipv4:127.0.0.1:2", Node("envoy-2"), missing),
    ]


def test_explain(server: ThreadedDebugServer, capfd: pytest.CaptureFixture[str]) -> None:
    server.do(*objects())
    connect_a_proxy_for_each_delivery_state(server)
    for name, url in (("explain", "https://a.test/served"), ("explain-not-found", "http://a.test/nowhere")):
        check(name, capfd, "explain", url, "--server", server.target)


def test_why_ingress(server: ThreadedDebugServer, capfd: pytest.CaptureFixture[str]) -> None:
    server.do(*objects())
    connect_a_proxy_for_each_delivery_state(server)
    check("why-ingress", capfd, "why", "ingress", "default/shop", "--server", server.target)
    check("why-ingress-accepted", capfd, "why", "ingress", "default/senior", "--server", server.target)


def test_why_ingress_of_a_path_that_is_left_out(server: ThreadedDebugServer, capfd: pytest.CaptureFixture[str]) -> None:
    server.do(ingress("shop", rule("a.test", path("no-slash"))))
    check("why-ingress-refused", capfd, "why", "ingress", "default/shop", "--server", server.target)


def test_why_ingress_of_another_class(server: ThreadedDebugServer, capfd: pytest.CaptureFixture[str]) -> None:
    server.do(ingress_class("envoy", "example.com/other"), ingress("shop", rule("a.test", path("/"))))
    check("why-ingress-not-ours", capfd, "why", "ingress", "default/shop", "--server", server.target)


def test_why_ingress_of_an_ingress_that_is_held(server: ThreadedDebugServer, capfd: pytest.CaptureFixture[str]) -> None:
    server.do(*services("web"), ingress_class(), ingress("shop", rule("a.test", path("/"))))
    server.do(ingress_class("envoy", "example.com/other"))
    check("why-ingress-held", capfd, "why", "ingress", "default/shop", "--server", server.target)


def test_ports_and_their_objects(capfd: pytest.CaptureFixture[str]) -> None:
    translate = TranslateOptions(layer4=Layer4Options({Transport.TCP: Key("edge", "tcp")}))
    entries = {"9000": "default/web:80", "9001": "default/gone:1", "09000": "default/web:80"}
    with ThreadedDebugServer(translate=translate) as server:
        server.do(config_map("tcp", ns="edge", **entries), *services("web"), slice_of("web", "10.0.0.1", ports=[80]))
        connect_a_proxy_for_each_delivery_state(server)
        check("ports", capfd, "ports", "--server", server.target)
        check("explain-tcp", capfd, "explain", "tcp://a.test:9000", "--server", server.target)
        check("why-configmap", capfd, "why", "configmap", "edge/tcp", "--server", server.target)
        check("why-service", capfd, "why", "service", "default/web", "--server", server.target)


def test_commands_on_a_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    documents = (json.dumps(manifest(each), default=str) for each in objects())
    (tmp_path / "objects.yaml").write_text("\n---\n".join(documents))
    check("translate", capfd, "translate", ".", code=1)
    check("lint", capfd, "lint", ".", code=1)
    check("explain-offline", capfd, "explain", "https://a.test/served", "--from", ".")
    check("why-ingress-offline", capfd, "why", "ingress", "default/shop", "--from", ".")
