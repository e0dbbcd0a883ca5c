"""`xds why ingress` on a folder and on a server: the tree, JSON, and errors as one line.

Excludes: the content of explanations (tests/explain).
"""

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.debug_server import ThreadedDebugServer, services, shop
from tests.support.objects import ingress, ingress_class, manifest, path, rule, service, slice_of
from xds.api.v1 import debug_pb2 as pb
from xds.cli.main import run
from xds.cli.units import STATUSES
from xds.cli.why import _ANNOTATION_STATUSES
from xds.explain.annotations import AnnotationStatus
from xds.explain.ingress import UnitStatus
from xds.kube.objects import KubeObject
from xds.protocol.messages import Node
from xds.protocol.status import DeliveryState, OutOfSync
from xds.server.debug.messages import ProxyDelivery
from xds.snapshot.resource import ResourceType
from xds.translate.nginx.annotation import PREFIX


@pytest.fixture
def server() -> Iterator[ThreadedDebugServer]:
    with ThreadedDebugServer() as server:
        yield server


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    partly = ingress("partly", rule("a.test", path("/", "web"), path("/gone", "gone")))
    objects: tuple[KubeObject, ...] = (partly, service("web"), slice_of("web", "10.0.0.1"))
    for number, each in enumerate(objects):
        (tmp_path / f"{number}.json").write_text(json.dumps(manifest(each)))
    return tmp_path


def test_why_ingress_on_a_folder(folder: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert run(["why", "ingress", "default/partly", "--from", str(folder)]) == 0
    out, err = capfd.readouterr()
    assert err == ""
    missing = "Service 'default/gone' doesn't exist, so its paths answer 503"
    assert out.splitlines() == [
        "Ingress default/partly: partly accepted, 1 of 2 parts",
        "├── ours: its class is 'envoy', there is no IngressClass of that name",
        "├── a.test, Prefix / served → default/web/80, 1 healthy, 0 draining (spec.rules[0].http.paths[0])",
        f"├── a.test, Prefix /gone broken: {missing} (spec.rules[0].http.paths[1])",
        "└── problems",
        f"    └── Ingress default/partly spec.rules[0].http.paths[1].backend: BackendNotFound: {missing}",
        "        Create the Service, or correct the name in the Ingress.",
    ]


def test_a_closed_path_is_called_closed(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    closed = ingress("shop", rule("a.test", path("/")), annotations={f"{PREFIX}auth-url": "auth.test"})
    for number, each in enumerate((closed, service("web"))):
        (tmp_path / f"{number}.json").write_text(json.dumps(manifest(each)))
    assert run(["why", "ingress", "default/shop", "--from", str(tmp_path)]) == 0
    assert "a.test, Prefix / closed: answers 503" in capfd.readouterr().out


def test_each_status_of_a_part_has_a_name_for_clients() -> None:
    wire = {f"UNIT_STATUS_{each.name}": each.value for each in UnitStatus}
    assert {pb.UnitStatus.Name(number): text for number, text in STATUSES.items()} == wire


def test_why_ingress_on_a_server_lists_proxies_out_of_sync(
    server: ThreadedDebugServer, capfd: pytest.CaptureFixture[str]
) -> None:
    server.do(*services("web"), shop("web", "gone"))
    missing = OutOfSync(ResourceType.ROUTES, "http@3", DeliveryState.PENDING)
    server.server.deliveries += [ProxyDelivery("ipv4:1", Node("b"), (missing,)), ProxyDelivery("ipv4:2", Node("a"), ())]
    assert run(["why", "ingress", "default/shop", "--server", server.target]) == 0
    out = capfd.readouterr().out
    assert "proxies: 1 of 2 in sync" in out
    assert "b @ipv4:1: rds http@3 not sent yet" in out
    assert "(for 0s)" in out or "(for 1s)" in out
    assert run(["why", "ingress", "default/shop", "--server", server.target, "-o", "json"]) == 0
    data = json.loads(capfd.readouterr().out)
    assert data["acceptance"] == "partly accepted"
    assert [unit["fate"] for unit in data["units"]] == ["no endpoints", "broken"]
    assert data["problems"][0]["reason"] == "BackendNotFound"
    assert data["problems"][0]["since"].endswith("Z")
    assert data["since"].endswith("Z")
    assert data["proxies"][1]["lacks"][0]["standing"] == "waiting"


def test_an_ingress_of_another_controller_is_not_ours(
    server: ThreadedDebugServer, capfd: pytest.CaptureFixture[str]
) -> None:
    server.do(ingress_class("envoy", "example.com/other"), shop("web"))
    assert run(["why", "ingress", "default/shop", "--server", server.target]) == 0
    assert capfd.readouterr().out.splitlines() == [
        "Ingress default/shop: not ours",
        "└── not ours: its class 'envoy' has the controller 'example.com/other'",
    ]


def test_a_held_ingress_is_served_and_says_why(server: ThreadedDebugServer, capfd: pytest.CaptureFixture[str]) -> None:
    server.do(*services("web"), ingress_class(), shop("web"))
    server.do(ingress_class("envoy", "example.com/other"))
    assert run(["why", "ingress", "default/shop", "--server", server.target]) == 0
    out = capfd.readouterr().out.splitlines()
    assert out[0].startswith("Ingress default/shop: accepted, but 1 of 1 parts without endpoints, unchanged for ")
    assert out[1].startswith("├── ours: its class 'envoy' has the controller 'example.com/other'; it stays served")
    assert "WithdrawalHeld" in " ".join(out[1:3])
    assert any("proxies:" in line for line in out)
    assert run(["why", "ingress", "default/shop", "--server", server.target, "-o", "json"]) == 0
    data = json.loads(capfd.readouterr().out)
    assert (data["acceptance"], data["held"]) == ("accepted", True)


@pytest.mark.parametrize(
    ("name", "code", "words"), [("default/none", 3, "no Ingress default/none"), ("x", 2, "NS/NAME")]
)
def test_unknown_and_invalid_ingress_names(
    server: ThreadedDebugServer, folder: Path, name: str, code: int, words: str, capfd: pytest.CaptureFixture[str]
) -> None:
    server.do(*services("web"))
    for source in (["--server", server.target], ["--from", str(folder)]):
        assert run(["why", "ingress", name, *source]) == code
        out, err = capfd.readouterr()
        assert out == ""
        assert words in err
        assert err.count("\n") == 1


def test_annotations_are_listed_with_their_effect(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    limited = {f"{PREFIX}proxy-body-size": "8m", f"{PREFIX}proxy-boddy-size": "9m"}
    shop = ingress("shop", rule("a.test", path("/")), annotations=limited)
    for number, each in enumerate((shop, service("web"))):
        (tmp_path / f"{number}.json").write_text(json.dumps(manifest(each)))
    assert run(["why", "ingress", "default/shop", "--from", str(tmp_path)]) == 0
    out = capfd.readouterr().out
    assert "proxy-boddy-size '9m' not used: annotation" in out
    assert "proxy-body-size '8m' in effect: bodies: 413 for bodies of more than 8 MiB" in out


def test_each_status_of_an_annotation_has_a_name_for_clients() -> None:
    wire = {f"ANNOTATION_STATUS_{each.name}": each.value for each in AnnotationStatus}
    assert {pb.AnnotationStatus.Name(number): text for number, text in _ANNOTATION_STATUSES.items()} == wire


@pytest.mark.parametrize(
    ("objects", "code"),
    [
        ((shop("web"), service("web"), slice_of("web", "10.0.0.1")), 0),
        ((shop("web"), service("web")), 1),
        ((shop("web", "gone"), service("web"), slice_of("web", "10.0.0.1")), 1),
        ((shop("gone"),), 1),
        ((ingress_class("envoy", "example.com/other"), shop("web"), service("web"), slice_of("web", "10.0.0.1")), 1),
        ((ingress("shop"), service("web")), 1),
    ],
    ids=["all parts", "no endpoints", "partly accepted", "not served", "not ours", "no parts"],
)
def test_the_exit_code_says_whether_every_part_answers(
    server: ThreadedDebugServer, capfd: pytest.CaptureFixture[str], objects: tuple[KubeObject, ...], code: int
) -> None:
    server.do(*objects)
    asked = ["why", "ingress", "default/shop", "--server", server.target]
    assert run([*asked, "--exit-code"]) == code
    assert run(asked) == 0
    first, second = re.sub(r"for \d+s", "for now", capfd.readouterr().out).split("Ingress default/shop: ")[1:]
    assert first.splitlines()[1:] == second.splitlines()[1:]


def test_the_exit_code_of_an_ingress_that_does_not_exist_stays_that_of_a_failure(server: ThreadedDebugServer) -> None:
    server.do(*services("web"))
    assert run(["why", "ingress", "default/none", "--server", server.target, "--exit-code"]) == 3
