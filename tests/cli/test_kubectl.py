"""`kubectl xds` with a stand-in for kubectl, and a real debug API behind the forwarded port.

Covers: the Pod, flags for kubectl, exit codes, TLS by the Secret for operators, errors as one line, and the end of the
forward in every case.
Excludes: a real kubectl and API server (tests/cluster/test_kubectl_xds.py).
"""

import base64
import datetime
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.support.authority import SERVER_NAME, Authority, Issued, SecretMount
from tests.support.debug_server import ThreadedDebugServer, services, shop
from tests.support.objects import slice_of
from tests.support.stand_in_kubectl import Mode, StandIn
from tests.support.waiting import WAIT_LIMIT_SECONDS
from xds.cli import forward
from xds.cli.forward import INSTANCE_LABEL, OPERATOR_SECRET, SECRET_ANNOTATION, SELECTOR, SERVER_NAME_VARIABLE
from xds.cli.kubectl import complete, kubectl_xds
from xds.cli.main import run
from xds.protocol.messages import Node
from xds.server.debug.operators import OperatorsOnly
from xds.server.tls import ServerTls

PROGRAM = [sys.executable, "-c", "from xds.cli.kubectl import main; main()"]


def pod(
    name: str, *, ready: bool = True, port: int | None = 18000, deleted: bool = False, **more: dict[str, str]
) -> dict[str, Any]:
    """A Pod of the control plane.

    Args:
        more: `labels`, `annotations` or `env`.
    """
    ports = [{"name": "admin", "containerPort": 18001}]
    ports += [{"name": "ads", "containerPort": port}] if port else []
    env = [{"name": variable, "value": value} for variable, value in more.get("env", {}).items()]
    return {
        "metadata": {
            "name": name,
            **({"deletionTimestamp": "2026-01-01T00:00:00Z"} if deleted else {}),
            **{each: more[each] for each in ("labels", "annotations") if each in more},
        },
        "spec": {"containers": [{"name": "xds", "ports": ports, "env": env}]},
        "status": {"conditions": [{"type": "Ready", "status": str(ready)}]},
    }


PODS = {"items": [pod("xds-b"), pod("xds-a", ready=False), pod("xds-0", deleted=True)]}


@pytest.fixture
def server() -> Iterator[ThreadedDebugServer]:
    with ThreadedDebugServer() as server:
        server.do(*services("web"), slice_of("web", "10.0.0.1"), shop("web"))
        yield server


@pytest.fixture
def stand_in(tmp_path: Path) -> Iterator[StandIn]:
    made = StandIn(tmp_path / "kubectl")
    yield made
    assert not made.forwards()


class KubectlXds:
    def __init__(self, stand_in: StandIn, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
        self._stand_in, self._capfd, self._monkeypatch = stand_in, capfd, monkeypatch

    def __call__(self, target: str, *arguments: str, mode: str = Mode.GOOD, **answers: Any) -> tuple[int, str, str]:
        """Exit code and output of a command in this process."""
        environment = self._stand_in.install(target, mode=mode, **{"pods": PODS, **answers})
        for name, value in environment.items():
            self._monkeypatch.setenv(name, value)
        code = run(list(arguments), kubectl_xds, "kubectl xds")
        return code, *self._capfd.readouterr()


@pytest.fixture
def kubectl(stand_in: StandIn, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> KubectlXds:
    return KubectlXds(stand_in, capfd, monkeypatch)


def test_a_command_is_answered_by_a_ready_pod(
    server: ThreadedDebugServer, stand_in: StandIn, kubectl: KubectlXds
) -> None:
    server.connect(Node("envoy-1"))
    flags = ("-n", "edge", "--context", "prod", "--kubeconfig", "/etc/k", "--selector", "app=xds")
    code, out, err = kubectl(server.target, *flags, "proxies")
    assert (code, err) == (0, "")
    assert "envoy-1" in out
    first = ["--context=prod", "--kubeconfig=/etc/k", "--namespace", "edge"]
    get_pods, get_secret, forwarding = stand_in.calls()
    assert get_pods[: len(first)] == get_secret[: len(first)] == forwarding[: len(first)] == first
    assert get_pods[4:8] == ["get", "pods", "--selector", "app=xds"]
    assert get_secret[4:7] == ["get", "secret", "xds-ingress-operator-tls"]
    assert forwarding[4:] == ["port-forward", "--address", "127.0.0.1", "pod/xds-b", ":18000"]


def test_the_port_is_that_of_the_container(server: ThreadedDebugServer, stand_in: StandIn, kubectl: KubectlXds) -> None:
    assert kubectl(server.target, "problems", pods={"items": [pod("a", port=19000)]})[0] == 0
    assert kubectl(server.target, "problems", pods={"items": [pod("a", port=None)]})[0] == 0
    assert [call[-1] for call in stand_in.calls() if "port-forward" in call] == [":19000", ":18000"]


def test_the_exit_code_is_that_of_the_command(server: ThreadedDebugServer, kubectl: KubectlXds) -> None:
    assert kubectl(server.target, "explain", "http://example.com/web", "--exit-code")[0] == 0
    assert kubectl(server.target, "explain", "http://example.com/none", "--exit-code")[0] == 1
    code, out, err = kubectl(server.target, "why", "ingress", "default/none")
    assert (code, out) == (3, "")
    assert err == "xds: there is no Ingress default/none at Pod xds-ingress/xds-b; check namespace and name\n"


@pytest.mark.parametrize(
    "arguments",
    [["proxies", "--frob"], ["proxies", "--help"], ["why", "ingress", "x"], ["serve"], ["--version"], []],
    ids=" ".join,
)
def test_wrong_usage_and_help_ask_no_cluster(stand_in: StandIn, kubectl: KubectlXds, arguments: list[str]) -> None:
    code, out, err = kubectl("127.0.0.1:1", *arguments)
    assert code == (0 if arguments and arguments[-1] in ("--help", "--version") else 2)
    assert "kubectl xds" in out + err or "xds 0." in out
    assert stand_in.calls() == []


def test_a_server_by_address_is_a_question_for_xds(stand_in: StandIn, kubectl: KubectlXds) -> None:
    code, out, err = kubectl("127.0.0.1:1", "proxies", "--server", "127.0.0.1:1")
    text = "kubectl xds finds the server by itself; leave out --server; see 'kubectl xds proxies --help'"
    assert (code, out, err) == (2, "", f"xds: {text}\n")
    assert stand_in.calls() == []


def test_a_port_that_comes_late_is_used(server: ThreadedDebugServer, kubectl: KubectlXds) -> None:
    assert kubectl(server.target, "problems", mode=Mode.LATE) == (0, "", "no problems\n")


@pytest.mark.parametrize(
    ("answers", "words"),
    [
        ({"pods": {"items": []}}, "namespace 'xds-ingress' has no Pod of the control plane (app.kubernetes.io/name"),
        ({"pods": {"items": [pod("x", ready=False)]}}, "Pod 'x' is not ready; see 'kubectl -n xds-ingress describe"),
        ({"pods": {"items": [pod("x", ready=False)] * 2}}, "none of 2 Pods is ready; see 'kubectl -n xds-ingress"),
        ({"pods": 'error: context "x" does not exist'}, 'kubectl get pods failed: context "x" does not exist'),
        (
            {"secret": "Error from server (Forbidden): no"},
            "can't be read (kubectl get secret failed: Error from server",
        ),
        (
            {"secret": {"data": {"ca.crt": ""}}},
            "Secret xds-ingress/xds-ingress-operator-tls lacks ca.crt, tls.crt or tls.key",
        ),
        ({"mode": Mode.EXITS}, "kubectl port-forward to Pod xds-b failed: unable to forward port because pod is not"),
        ({"mode": Mode.HANGS}, "kubectl port-forward to Pod xds-b is not ready after 1 s"),
        ({"mode": Mode.BREAKS}, "the forward to Pod xds-ingress/xds-b failed: lost connection to pod; try again"),
        ({"mode": Mode.REFUSED}, "the forward to Pod xds-ingress/xds-b failed: E1129 portforward.go:424] an error"),
    ],
    ids=lambda value: "" if isinstance(value, str) else str(value)[:40],
)
def test_a_failure_of_kubectl_is_one_line(
    server: ThreadedDebugServer,
    kubectl: KubectlXds,
    monkeypatch: pytest.MonkeyPatch,
    answers: dict[str, Any],
    words: str,
) -> None:
    monkeypatch.setattr(forward, "FORWARD_TIMEOUT_SECONDS", 1.0 if answers.get("mode") == Mode.HANGS else 30.0)
    monkeypatch.setattr(forward, "END_TIMEOUT_SECONDS", 0.5)
    code, out, err = kubectl(server.target, "problems", **answers)
    assert (code, out, err.count("\n")) == (3, "", 1)
    assert words in err


def test_a_machine_without_kubectl(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("PATH", "/nonexistent")
    assert run(["problems"], kubectl_xds, "kubectl xds") == 3
    assert "kubectl can't be started (No such file or directory); install it" in capfd.readouterr().err


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_forward_ends_with_the_command(
    server: ThreadedDebugServer, stand_in: StandIn, number: signal.Signals
) -> None:
    environment = {**os.environ, **stand_in.install(server.target, pods=PODS)}
    words = [*PROGRAM, "snapshot", "watch"]
    with subprocess.Popen(words, env=environment, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr
        assert "watching Pod xds-ingress/xds-b" in process.stderr.readline()
        assert stand_in.forwards()
        process.send_signal(number)
        code = process.wait(WAIT_LIMIT_SECONDS)
    assert code == (0 if number is signal.SIGINT else 128 + number)
    assert not stand_in.forwards()


def secret(issued: Issued) -> dict[str, Any]:
    parts = {"tls.crt": issued.certificate, "tls.key": issued.private_key, "ca.crt": issued.authority}
    return {"data": {name: base64.b64encode(content).decode() for name, content in parts.items()}}


@pytest.fixture
def authority() -> Authority:
    return Authority()


@pytest.fixture
def secure_server(tmp_path: Path, authority: Authority) -> Iterator[ThreadedDebugServer]:
    """A server as of the manifests: mutual TLS, and a name of its own for operators."""
    issued = authority.issue("xds-ingress.xds-ingress.svc", SERVER_NAME)
    tls = ServerTls.load(SecretMount(tmp_path / "tls", issued).server)
    with ThreadedDebugServer(tls, (OperatorsOnly(frozenset({"xds-operator"})),)) as server:
        server.do()
        yield server


def test_the_secret_for_operators_opens_mutual_tls(
    secure_server: ThreadedDebugServer, authority: Authority, kubectl: KubectlXds
) -> None:
    operator = secret(authority.issue("xds-operator"))
    assert kubectl(secure_server.target, "problems", secret=operator) == (0, "", "no problems\n")
    flags = ("problems", "--tls-server-name", SERVER_NAME)
    assert kubectl(secure_server.target, *flags, secret=operator) == (0, "", "no problems\n")
    code, _, err = kubectl(secure_server.target, "problems", secret=secret(authority.issue("xds-ingress")))
    assert code == 3
    assert "the certificate names 'xds-ingress', and no name that may use the debug API at Pod xds-ingress/xds-b" in err


def test_the_pod_names_its_certificate_and_the_secret(
    tmp_path: Path, authority: Authority, kubectl: KubectlXds, stand_in: StandIn
) -> None:
    tls = ServerTls.load(SecretMount(tmp_path / "tls", authority.issue("prod-xds-ingress-server-eu")).server)
    found = pod(
        "a",
        annotations={SECRET_ANNOTATION: "prod-xds-ingress-operator-tls-eu"},
        env={SERVER_NAME_VARIABLE: "prod-xds-ingress-server-eu"},
    )
    pods, mine = {"items": [found]}, secret(authority.issue("xds-operator"))
    with ThreadedDebugServer(tls, (OperatorsOnly(frozenset({"xds-operator"})),)) as server:
        server.do()
        assert kubectl(server.target, "-n", "edge", "problems", pods=pods, secret=mine)[0] == 0
        assert kubectl(server.target, "-n", "edge", "--secret", "mine", "problems", pods=pods, secret=mine)[0] == 0
    asked = [call[call.index("secret") + 1] for call in stand_in.calls() if "secret" in call]
    assert asked == ["prod-xds-ingress-operator-tls-eu", "mine"]


def test_two_installations_in_one_namespace_are_told_apart_by_instance(
    server: ThreadedDebugServer, kubectl: KubectlXds, stand_in: StandIn
) -> None:
    two = [pod(f"{name}-0", labels={INSTANCE_LABEL: name}) for name in ("edge", "inner")]
    code, out, err = kubectl(server.target, "problems", pods={"items": two})
    assert (code, out) == (3, "")
    assert "has Pods of 2 installations ('edge', 'inner'); choose one with --instance before the command" in err
    assert kubectl(server.target, "--instance", "inner", "problems", pods={"items": two[1:]})[0] == 0
    selectors = [call[call.index("--selector") + 1] for call in stand_in.calls() if "--selector" in call]
    assert selectors == [SELECTOR, f"{SELECTOR},{INSTANCE_LABEL}=inner"]


def test_flags_with_files_replace_the_secret(
    secure_server: ThreadedDebugServer, authority: Authority, kubectl: KubectlXds, stand_in: StandIn, tmp_path: Path
) -> None:
    files = SecretMount(tmp_path / "client", authority.issue("xds-operator")).client()
    flags = ("--tls-ca", str(files.ca), "--tls-cert", str(files.certificate), "--tls-key", str(files.private_key))
    assert kubectl(secure_server.target, "problems", *flags) == (0, "", "no problems\n")
    assert not any("secret" in call for call in stand_in.calls())


def test_a_server_with_tls_and_a_cluster_without_the_secret(
    secure_server: ThreadedDebugServer, kubectl: KubectlXds
) -> None:
    code, out, err = kubectl(secure_server.target, "problems")
    assert (code, out) == (3, "")
    assert (
        "if it uses TLS, give --tls-ca, --tls-cert and --tls-key, or make Secret xds-ingress/xds-ingress-operator-tls"
        in err
    )


def test_a_certificate_of_the_secret_that_has_expired_is_named(
    secure_server: ThreadedDebugServer, authority: Authority, kubectl: KubectlXds
) -> None:
    late = secret(authority.issue("xds-operator", ends=-datetime.timedelta(hours=1)))
    code, _, err = kubectl(secure_server.target, "problems", secret=late)
    assert code == 3
    assert "the certificate in Secret xds-ingress/xds-ingress-operator-tls expired at" in err


def test_no_file_holds_the_key_of_the_secret(
    secure_server: ThreadedDebugServer, authority: Authority, kubectl: KubectlXds, monkeypatch: pytest.MonkeyPatch
) -> None:
    written: list[str] = []
    monkeypatch.setattr(Path, "write_bytes", lambda self, _: written.append(str(self)))
    assert kubectl(secure_server.target, "problems", secret=secret(authority.issue("xds-operator")))[0] == 0
    assert written == []


def test_kubectl_completes_words_of_xds(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> None:
    for words, expected in (
        (["pro"], ["proxies\tList connected Envoys, with versions and rejections.", "problems\t"]),
        (["snapshot", "show", "-t", "ed"], ["eds"]),
        ([""], ["explain\t"]),
    ):
        monkeypatch.setattr(sys, "argv", ["kubectl_complete-xds", *words])
        complete()
        out = capfd.readouterr().out
        assert all(line in out for line in expected)
        assert out.endswith(":4\n")


def test_labels_and_the_secret_are_those_of_the_manifests() -> None:
    manifest = Path(__file__).parents[2] / "k8s" / "base" / "deployment.yaml"
    template = yaml.safe_load(manifest.read_text())["spec"]["template"]
    labels = template["metadata"]["labels"]
    assert {tuple(each.split("=")) for each in SELECTOR.split(",")} <= set(labels.items())
    assert INSTANCE_LABEL in labels
    assert template["metadata"]["annotations"][SECRET_ANNOTATION] == OPERATOR_SECRET
    [container] = template["spec"]["containers"]
    assert SERVER_NAME_VARIABLE in {each["name"] for each in container["env"]}
