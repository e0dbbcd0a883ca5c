"""`xds lint --push`: figures at a real Pushgateway, and gateways that don't take them.

Excludes: the problems of lint (test_lint.py), and rules over these figures (tests/manifests).
"""

import contextlib
import json
import socket
import subprocess
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.debian import needs, program
from tests.support.debug_server import shop
from tests.support.envoy import free_port
from tests.support.objects import manifest, service, slice_of
from tests.support.waiting import WAIT_LIMIT_SECONDS
from xds.cli import lint_push
from xds.cli.main import run
from xds.problems.reasons import Reason

PROBLEMS = "xds_ingress_lint_problems"
LAST_RUN = "xds_ingress_lint_last_run_timestamp_seconds"


@pytest.fixture
def broken(tmp_path: Path) -> str:
    """A folder with one error and one warning."""
    (tmp_path / "shop.json").write_text(json.dumps(manifest(shop("gone"))))
    (tmp_path / "pattern.json").write_text(json.dumps(manifest(shop("gone", prefix="/docs/*"))).replace("shop", "docs"))
    return str(tmp_path)


@pytest.fixture
def good(tmp_path: Path) -> str:
    for each in (service("a"), slice_of("a", "10.0.0.1"), shop("a")):
        (tmp_path / f"{type(each).__name__}.json").write_text(json.dumps(manifest(each), default=str))
    return str(tmp_path)


@contextlib.contextmanager
def pushgateway(folder: Path) -> Iterator[str]:
    """A running Pushgateway. Yields its URL."""
    url = f"http://127.0.0.1:{free_port()}"
    command = [program("prometheus-pushgateway"), f"--web.listen-address={url.removeprefix('http://')}"]
    with (folder / "log").open("w") as log, subprocess.Popen(command, stdout=log, stderr=log) as process:
        try:
            until = time.monotonic() + WAIT_LIMIT_SECONDS
            while not answers(f"{url}/-/ready"):
                assert process.poll() is None, (folder / "log").read_text()
                assert time.monotonic() < until
                time.sleep(0.02)
            yield url
        finally:
            process.terminate()
            process.wait(WAIT_LIMIT_SECONDS)


def answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=WAIT_LIMIT_SECONDS):
            return True
    except urllib.error.URLError:
        return False


def scrape(url: str) -> str:
    with urllib.request.urlopen(f"{url}/metrics", timeout=WAIT_LIMIT_SECONDS) as reply:
        return str(reply.read().decode())


def series(text: str, name: str) -> dict[str, float]:
    """The values of a metric by labels, as the Pushgateway writes them."""
    lines = (line.rpartition(" ") for line in text.splitlines() if line.startswith(f"{name}{{"))
    return {labels.removeprefix(name): float(value) for labels, _, value in lines}


@pytest.mark.monitoring
@needs("prometheus-pushgateway", "promtool")
class TestPushgateway:
    def test_problems_and_time_are_pushed(
        self, broken: str, tmp_path_factory: pytest.TempPathFactory, capfd: pytest.CaptureFixture[str]
    ) -> None:
        before = time.time()
        with pushgateway(tmp_path_factory.mktemp("gateway")) as url:
            assert run(["lint", broken, "--push", url, "--push-label", "repository=a/b c"]) == 1
            text = scrape(url)
        assert capfd.readouterr().err.count("\n") == 1  # the summary
        counts = series(text, PROBLEMS)
        assert {labels: value for labels, value in counts.items() if value} == {
            '{instance="",job="xds-lint",level="error",reason="BackendNotFound",repository="a/b c"}': 2,
            '{instance="",job="xds-lint",level="warning",reason="PatternInPath",repository="a/b c"}': 1,
        }
        assert len(counts) == len(Reason)
        ((labels, when),) = series(text, LAST_RUN).items()
        assert labels == '{instance="",job="xds-lint",repository="a/b c"}'
        assert before <= when <= time.time()

    def test_names_pass_promtool(self, broken: str, tmp_path_factory: pytest.TempPathFactory) -> None:
        with pushgateway(tmp_path_factory.mktemp("gateway")) as url:
            run(["lint", broken, "--push", url])
            lines = [line for line in scrape(url).splitlines() if "xds_ingress" in line]
        assert any(line.startswith("# TYPE xds_ingress_lint_problems gauge") for line in lines)
        command = [program("promtool"), "check", "metrics"]
        text = "\n".join(lines) + "\n"
        done = subprocess.run(command, input=text, capture_output=True, text=True, check=False, timeout=30)
        assert (done.returncode, done.stdout + done.stderr) == (0, "")

    def test_a_run_replaces_the_figures_of_its_labels_alone(
        self, broken: str, tmp_path_factory: pytest.TempPathFactory
    ) -> None:
        with pushgateway(tmp_path_factory.mktemp("gateway")) as url:
            for repository in ("a", "b"):
                assert run(["lint", broken, "--push", url, "--push-label", f"repository={repository}"]) == 1
            flags = ["--ignore", "BackendNotFound", "--ignore", "PatternInPath"]
            assert run(["lint", broken, "--push", url, "--push-label", "repository=a", *flags]) == 0
            counts = series(scrape(url), PROBLEMS)
        totals = {name: sum(n for labels, n in counts.items() if f'repository="{name}"' in labels) for name in "ab"}
        assert totals == {"a": 0, "b": 3}

    def test_input_that_cannot_be_read_leaves_the_time_of_the_last_run(
        self, good: str, tmp_path_factory: pytest.TempPathFactory
    ) -> None:
        with pushgateway(tmp_path_factory.mktemp("gateway")) as url:
            assert run(["lint", good, "--push", url]) == 0
            before = series(scrape(url), LAST_RUN)
            assert run(["lint", f"{good}/nowhere", "--push", url]) == 3
            assert series(scrape(url), LAST_RUN) == before

    def test_the_answer_to_a_bad_push_names_the_cause(
        self, good: str, tmp_path_factory: pytest.TempPathFactory, capfd: pytest.CaptureFixture[str]
    ) -> None:
        with pushgateway(tmp_path_factory.mktemp("gateway")) as url:
            body = b"# TYPE xds_ingress_lint_problems counter\nxds_ingress_lint_problems 1\n"
            other = urllib.request.Request(f"{url}/metrics/job/other", data=body, method="PUT")
            with urllib.request.urlopen(other, timeout=WAIT_LIMIT_SECONDS):
                pass
            assert run(["lint", good, "--push", url]) == 0
            assert f"did not reach the Pushgateway at {url}: it answered 400 Bad Request: " in capfd.readouterr().err


class Answer:
    """A server on loopback that answers each connection with the same bytes, then closes; None: never answers."""

    def __init__(self, answer: bytes | None) -> None:
        self._answer = answer
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._kept: list[socket.socket] = []
        self.requests: list[bytes] = []
        self.address = f"127.0.0.1:{self._listener.getsockname()[1]}"

    def __enter__(self) -> "Answer":
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for each in self._kept:
            each.close()
        self._thread.join(WAIT_LIMIT_SECONDS)

    def _serve(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self._listener.accept()
                self._kept.append(connection)
                connection.settimeout(WAIT_LIMIT_SECONDS)
                if self._answer is not None:
                    self.requests.append(self._request(connection))
                    connection.sendall(self._answer)
                    connection.close()

    @staticmethod
    def _request(connection: socket.socket) -> bytes:
        received = b""
        while b"\r\n\r\n" not in received:
            received += connection.recv(65536)
        head, _, body = received.partition(b"\r\n\r\n")
        length = int(head.lower().partition(b"content-length: ")[2].split(b"\r\n")[0])
        while len(body) < length:
            body += connection.recv(65536)
        return head


def answer(status: str, body: str = "") -> bytes:
    return f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n{body}".encode()


@pytest.mark.parametrize(
    ("reply", "cause"),
    [
        (answer("500 Sorry", "out of\x1b[31m disk\nmore\n"), "it answered 500 Sorry: out of\\x1b[31m disk"),
        (answer("503 Service Unavailable"), "it answered 503 Service Unavailable"),
        (answer("401 Unauthorized", "x" * 9999), "it answered 401 Unauthorized: " + "x" * 200),
        (b"SSH-2.0-OpenSSH_9.7\r\n", "SSH-2.0-OpenSSH_9.7"),
        (b"", "Remote end closed connection without response"),
        (None, "no answer within 0 s"),
    ],
    ids=["500", "503", "401", "no HTTP", "closed", "hangs"],
)  # fmt: skip
@pytest.mark.parametrize("code", [0, 1])
def test_a_failed_push_is_one_line_and_keeps_the_verdict(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str],
    reply: bytes | None, cause: str, code: int,
) -> None:  # fmt: skip
    monkeypatch.setattr(lint_push, "TIMEOUT_SECONDS", 0.3 if reply is None else WAIT_LIMIT_SECONDS)
    folder = request.getfixturevalue("broken" if code else "good")
    with Answer(reply) as server:
        assert run(["lint", folder, "-o", "json", "--push", server.address]) == code
    out, err = capfd.readouterr()
    assert bool(json.loads(out)["problems"]) is bool(code)
    assert err == (
        f"xds: the figures did not reach the Pushgateway at http://{server.address}: {cause}; "
        "the exit code is that of lint\n"
    )


@pytest.mark.parametrize(
    ("address", "cause"), [("127.0.0.1:1", "Connection refused"), ("gateway.invalid:9091", "known")]
)
def test_a_gateway_that_is_away_is_one_line(
    good: str, capfd: pytest.CaptureFixture[str], address: str, cause: str
) -> None:
    assert run(["lint", good, "-o", "json", "--push", f"http://{address}"]) == 0
    err = capfd.readouterr().err
    assert err.count("\n") == 1
    assert f"the Pushgateway at http://{address}: " in err
    assert cause in err or "name resolution" in err


def test_a_password_in_the_url_is_sent_and_not_shown(good: str, capfd: pytest.CaptureFixture[str]) -> None:
    with Answer(answer("403 Forbidden")) as server:
        assert run(["lint", good, "--push", f"http://ci:s%40cret@{server.address}/gateway/"]) == 0
    (head,) = server.requests
    assert head.startswith(b"PUT /gateway/metrics/job/xds-lint HTTP/1.1\r\n")
    assert b"Authorization: Basic Y2k6c0BjcmV0" in head
    err = capfd.readouterr().err
    assert f"at http://{server.address}/gateway: it answered 403 Forbidden" in err
    assert "cret" not in err


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (["--push", "ftp://gateway"], "is not a URL"),
        (["--push", "http://"], "is not a URL"),
        (["--push", ""], "is not a URL"),
        (["--push", "http://gateway:99999"], "is not a URL"),
        (["--push", "http://ci:secret@[::1"], "is not a URL"),
        (["--push", "http://gateway:9091\nX: y"], "is not a URL"),
        (["--push", "http://gateway/metrics/job/x"], "ends before /metrics"),
        (["--push", "http://gateway?job=x"], "ends before /metrics"),
        (["--push-label", "repository=shop"], "is for --push"),
        (["--push", "gateway", "--push-label", "repository"], "is not NAME=VALUE"),
        (["--push", "gateway", "--push-label", "re-po=shop"], "is not NAME=VALUE"),
        (["--push", "gateway", "--push-label", "repository="], "is not NAME=VALUE"),
        (["--push", "gateway", "--push-label", "__name__=shop"], "is not NAME=VALUE"),
        (["--push", "gateway", "--push-label", "reason=shop"], "is set by xds"),
    ],
)
def test_wrong_flags_are_one_line(good: str, capfd: pytest.CaptureFixture[str], flags: list[str], words: str) -> None:
    assert run(["lint", good, *flags]) == 2
    out, err = capfd.readouterr()
    assert (out, err.count("\n")) == ("", 1)
    assert words in err
    assert "secret" not in err
