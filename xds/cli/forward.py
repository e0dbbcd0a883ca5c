"""The way to a control plane in a cluster: `kubectl port-forward` to one of its Pods, for the time of a command."""

import base64
import binascii
import json
import os
import queue
import re
import subprocess
import tempfile
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import IO, Any, Final

from xds.address import HostPort
from xds.bootstrap.client_tls import ClientTls
from xds.cli.options import Credentials, Failed, Server

SELECTOR: Final = "app.kubernetes.io/name=xds-ingress,app.kubernetes.io/component=control-plane"
"""The labels of k8s/base/deployment.yaml, whatever the name of the installation."""

INSTANCE_LABEL: Final = "app.kubernetes.io/instance"
"""The label with the name of the installation."""

OPERATOR_SECRET: Final = "xds-ingress-operator-tls"  # noqa: S105 -- a name
"""The Secret with the certificate for operators, of a Pod without `SECRET_ANNOTATION`."""

SECRET_ANNOTATION: Final = "xds-ingress.dev/operator-secret"  # noqa: S105 -- a name
"""The annotation of Pods with the name of that Secret."""

SERVER_NAME_VARIABLE: Final = "XDS_TLS_SERVER_NAME"
"""The environment variable of Pods with the name in the control plane's certificate."""

PORT_NAME: Final = "ads"

DEFAULT_PORT: Final = 18000

GET_TIMEOUT_SECONDS: Final = 30.0

FORWARD_TIMEOUT_SECONDS: Final = 20.0
"""Time for kubectl to open the local port."""

END_TIMEOUT_SECONDS: Final = 3.0
"""Time for kubectl to end after SIGTERM, before SIGKILL."""

_FORWARDING: Final = re.compile(r"Forwarding from 127\.0\.0\.1:([0-9]+) ->")

_Object = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Kubectl:
    """The kubectl on PATH.

    Attributes:
        flags: The choice of a cluster, as arguments.
        namespace: The namespace of the control plane.
    """

    flags: tuple[str, ...]
    namespace: str

    def words(self, *arguments: str) -> list[str]:
        return ["kubectl", *self.flags, "--namespace", self.namespace, *arguments]

    def get(self, *arguments: str) -> _Object:
        """The answer of `kubectl get`; empty without an object.

        Raises:
            Failed: kubectl can't answer.
        """
        words = self.words("get", *arguments, "--output", "json", "--ignore-not-found", "--request-timeout=20s")
        try:
            done = subprocess.run(words, capture_output=True, check=False, timeout=GET_TIMEOUT_SECONDS)  # noqa: S603
        except subprocess.TimeoutExpired:
            raise Failed(f"kubectl get {arguments[0]} has no answer after {GET_TIMEOUT_SECONDS:.0f} s") from None
        except OSError as error:
            raise _no_kubectl(error) from None
        if done.returncode:
            said = _last_line(done.stderr) or f"exit code {done.returncode}"
            raise Failed(f"kubectl get {arguments[0]} failed: {said}")
        try:
            found = json.loads(done.stdout or b"{}")
        except ValueError:
            raise Failed(f"kubectl get {arguments[0]} printed no JSON: {_last_line(done.stdout)}") from None
        return found if isinstance(found, dict) else {}


@dataclass(frozen=True, slots=True)
class _Target:
    """A ready Pod of the control plane.

    Attributes:
        port: The port of its --listen.
        server_name: The name in its certificate; empty: not known.
        secret: The Secret with the certificate for operators.
    """

    pod: str
    port: int
    server_name: str
    secret: str


class Forward:
    """Forwards a free local port to a ready Pod of the control plane.

    Args:
        selector: The labels of the Pods.
        secret: The Secret with the certificate for operators; empty: the one that the Pod names.
    """

    def __init__(self, kubectl: Kubectl, selector: str, secret: str) -> None:
        self._kubectl = kubectl
        self._selector = selector
        self._secret = secret

    @contextmanager
    def connected(self, tls: ClientTls | None, server_name: str) -> Iterator[Server]:
        namespace = self._kubectl.namespace
        target = self._ready_pod()
        name = server_name or target.server_name or f"xds-ingress.{namespace}.svc"
        credentials = (
            self._credentials(target.secret, name)
            if tls is None
            else ClientTls(tls.ca, tls.certificate, tls.private_key, name)
        )
        with self._forwarded(target.pod, target.port) as (local, errors):
            try:
                yield Server(HostPort("127.0.0.1", local), credentials, f"Pod {namespace}/{target.pod}")
            except Failed as error:
                if said := errors():
                    raise Failed(f"the forward to Pod {namespace}/{target.pod} failed: {said}; try again") from None
                if credentials is None and "--tls-ca" in error.message:
                    raise Failed(f"{error.message}, or make Secret {namespace}/{target.secret}") from None
                raise

    def _ready_pod(self) -> _Target:
        """The first ready Pod by name.

        Raises:
            Failed: no Pod is ready, or the Pods are of several installations.
        """
        namespace = self._kubectl.namespace
        pods = self._kubectl.get("pods", "--selector", self._selector).get("items") or []
        if not pods:
            raise Failed(
                f"namespace {namespace!r} has no Pod of the control plane ({self._selector}); name another namespace "
                "with -n before the command, or other labels with --selector"
            )
        instances = sorted({_label(each, INSTANCE_LABEL) for each in pods})
        if len(instances) > 1:
            names = ", ".join(repr(each) for each in instances)
            raise Failed(
                f"namespace {namespace!r} has Pods of {len(instances)} installations ({names}); choose one with "
                "--instance before the command"
            )
        ready = sorted((each for each in pods if _is_ready(each)), key=lambda each: str(each["metadata"]["name"]))
        if not ready:
            counted = (
                f"none of {len(pods)} Pods" if len(pods) > 1 else f"Pod {pods[0]['metadata']['name']!r} is not ready"
            )
            counted += " is ready" if len(pods) > 1 else ""
            raise Failed(f"{counted}; see 'kubectl -n {namespace} describe pods -l {self._selector}'")
        return self._target(ready[0])

    def _target(self, pod: _Object) -> _Target:
        named = (pod["metadata"].get("annotations") or {}).get(SECRET_ANNOTATION)
        secret = self._secret or str(named or OPERATOR_SECRET)
        return _Target(str(pod["metadata"]["name"]), _port(pod), _server_name(pod), secret)

    def _credentials(self, secret: str, server_name: str) -> Credentials | None:
        """The certificate for operators; None if there is no such Secret: the control plane may use plaintext.

        Raises:
            Failed: the Secret can't be read, or lacks a part.
        """
        full_name = f"Secret {self._kubectl.namespace}/{secret}"
        try:
            found = self._kubectl.get("secret", secret)
        except Failed as error:
            raise Failed(
                f"{full_name}, the certificate for operators, can't be read ({error.message}); ask for the right, or "
                "give --tls-ca, --tls-cert and --tls-key to the command"
            ) from None
        if not found:
            return None
        data = found.get("data") or {}
        try:
            ca, certificate, key = (base64.b64decode(data[name]) for name in ("ca.crt", "tls.crt", "tls.key"))
        except (KeyError, TypeError, binascii.Error) as error:
            raise Failed(f"{full_name} lacks ca.crt, tls.crt or tls.key ({error}); make it anew") from None
        return Credentials(f"the certificate in {full_name}", ca, certificate, key, server_name)

    @contextmanager
    def _forwarded(self, pod: str, port: int) -> "Iterator[tuple[int, _Errors]]":
        """The local port, and a function for the errors of kubectl. Ends kubectl in every case."""
        words = self._kubectl.words("port-forward", "--address", "127.0.0.1", f"pod/{pod}", f":{port}")
        with tempfile.TemporaryFile() as errors:
            try:
                # A process group of its own: Ctrl-C is for this process, which then ends kubectl.
                process = subprocess.Popen(  # noqa: S603
                    words, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=errors, process_group=0
                )
            except OSError as error:
                raise _no_kubectl(error) from None
            try:
                yield _local_port(process, errors, pod), _Errors(process, errors)
            finally:
                _end(process)


class _Errors:
    """The last error that kubectl printed; empty without any, while it runs."""

    def __init__(self, process: "subprocess.Popen[bytes]", errors: IO[bytes]) -> None:
        self._process = process
        self._errors = errors

    def __call__(self) -> str:
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(0.2)  # its error comes a little later than the end of a connection
        return _last_line(_content(self._errors)) or ("kubectl ended" if self._process.poll() is not None else "")


def _local_port(process: "subprocess.Popen[bytes]", errors: IO[bytes], pod: str) -> int:
    """The port that kubectl chose and opened.

    Raises:
        Failed: kubectl ended, or opened none in time.
    """
    lines: queue.SimpleQueue[str | None] = queue.SimpleQueue()
    threading.Thread(target=_read_lines, args=(process, lines), daemon=True).start()
    try:
        while (line := lines.get(timeout=FORWARD_TIMEOUT_SECONDS)) is not None:
            if found := _FORWARDING.search(line):
                return int(found[1])
    except queue.Empty:
        seconds = f"{FORWARD_TIMEOUT_SECONDS:.0f} s"
        said = _last_line(_content(errors))
        raise Failed(
            f"kubectl port-forward to Pod {pod} is not ready after {seconds}{': ' if said else ''}{said}"
        ) from None
    with suppress(subprocess.TimeoutExpired):
        process.wait(END_TIMEOUT_SECONDS)
    said = _last_line(_content(errors)) or f"exit code {process.returncode}"
    raise Failed(f"kubectl port-forward to Pod {pod} failed: {said}")


def _read_lines(process: "subprocess.Popen[bytes]", lines: "queue.SimpleQueue[str | None]") -> None:
    """Read to the end: kubectl prints a line for each connection, and would block on a full pipe."""
    assert process.stdout  # noqa: S101
    with process.stdout as output:
        for line in output:
            lines.put(line.decode(errors="replace"))
    lines.put(None)


def _end(process: "subprocess.Popen[bytes]") -> None:
    process.terminate()
    try:
        process.wait(END_TIMEOUT_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _is_ready(pod: _Object) -> bool:
    if pod["metadata"].get("deletionTimestamp"):
        return False
    conditions = pod.get("status", {}).get("conditions") or []
    return any(each.get("type") == "Ready" and each.get("status") == "True" for each in conditions)


def _label(pod: _Object, name: str) -> str:
    return str((pod["metadata"].get("labels") or {}).get(name, ""))


def _server_name(pod: _Object) -> str:
    """The value of `SERVER_NAME_VARIABLE`; empty if there is none, or if it refers to other variables."""
    variables = (each for container in pod["spec"]["containers"] for each in container.get("env") or [])
    value = next((str(each.get("value") or "") for each in variables if each.get("name") == SERVER_NAME_VARIABLE), "")
    return "" if "$(" in value else value


def _port(pod: _Object) -> int:
    """The container's port for ADS."""
    ports = (port for container in pod["spec"]["containers"] for port in container.get("ports") or [])
    return next((int(each["containerPort"]) for each in ports if each.get("name") == PORT_NAME), DEFAULT_PORT)


def _content(errors: IO[bytes]) -> bytes:
    return os.pread(errors.fileno(), 65_536, 0)  # at a place of its own: kubectl writes through the same file


def _last_line(output: bytes) -> str:
    lines = output.decode(errors="replace").strip().splitlines()
    return lines[-1].removeprefix("error: ") if lines else ""


def _no_kubectl(error: OSError) -> Failed:
    return Failed(f"kubectl can't be started ({error.strerror}); install it, or add its folder to PATH")
