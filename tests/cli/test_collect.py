"""`xds collect`: the files of the archive, missing parts, and that no file holds a secret.

Excludes: the answers that the files are made of (tests/server/debug).
"""

import base64
import io
import json
import os
import subprocess
import sys
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.test_no_password_is_shown import APR1, FILES, MARK, SHA, asking
from tests.support.debug_server import ThreadedDebugServer, type_status
from tests.support.envoy import free_port
from tests.support.objects import certificate, config_map, ingress, path, rule, secret, service, slice_of, tls
from tests.support.route_table_annotations import annotated
from xds.cli import collect
from xds.cli.client import Client
from xds.cli.collect import PARTS
from xds.cli.main import run
from xds.cli.options import Failed
from xds.cli.scrub import scrub
from xds.problems.redaction import REDACTED, scrub_text
from xds.protocol.messages import Node, Rejection
from xds.server.debug.process_facts import ProcessFacts
from xds.snapshot.resource import ResourceType

OWN = "xds-ingress.dev/"
PAIR = certificate("a.test")


@pytest.fixture
def server() -> Iterator[ThreadedDebugServer]:
    started = ThreadedDebugServer()
    started.server.process = ProcessFacts(
        name="xds-0",
        metrics=lambda: "# TYPE xds_ingress_leader gauge\nxds_ingress_leader 1.0\n",
        log_lines=lambda: [
            '{"event": "serving"}',
            f'{{"event": "odd", "error": "https://marker:marker@a.test/ {SHA} {APR1}", "header": "Basic bWFya2Vy"}}',
        ],
        flags={"from": "manifests", "nginx_configmap": "default/config"},
    )
    with started as server:
        yield server


def archived(file: Path) -> dict[str, str]:
    with tarfile.open(file) as archive:
        return {each.name.removeprefix("xds-collect/"): read(archive, each) for each in archive}


def read(archive: tarfile.TarFile, entry: tarfile.TarInfo) -> str:
    content = archive.extractfile(entry)
    assert content is not None
    return content.read().decode()


def everything(server: ThreadedDebugServer) -> None:
    """Ingresses with each kind of secret."""
    asked = annotated(
        auth_url="https://marker:marker@auth.test/check", auth_signin="https://marker:marker@auth.test/in"
    )
    values = {f"{OWN}request-headers": "X-Api-Key: marker\nAuthorization: Bearer markermarker"}
    client_ca = annotated(auth_tls_secret="default/cert", auth_tls_verify_client="on")
    headers = annotated(auth_url="http://auth.auth.svc/x", auth_proxy_set_headers="default/headers")
    server.do(
        *(service("web"), slice_of("web", "10.0.0.1"), secret("cert", PAIR)),
        *FILES.values(),
        *(asking(each.metadata.name) for each in FILES.values()),
        config_map("headers", X_Auth_Token="marker"),
        ingress("tls", rule("a.test", path("/tls")), tls=[tls("a.test", secret="cert")]),
        ingress("url", rule("b.test", path("/")), annotations=asked),
        ingress("own", rule("c.test", path("/")), annotations=values),
        ingress("mtls", rule("d.test", path("/")), tls=[tls("d.test", secret="cert")], annotations=client_ca),
        ingress("headers", rule("e.test", path("/")), annotations=headers),
    )
    now = server.now()
    rejection = Rejection("v2", now, f"bad users marker:{SHA}", ())
    rejected = type_status(ResourceType.LISTENER, now, last_rejection=rejection, rejected_count=1)
    server.connect(Node("envoy-1", "fleet", "envoy 1.40.0"), rejected)


def test_the_archive_has_every_part(
    server: ThreadedDebugServer, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    everything(server)
    file = tmp_path / "report.tar.gz"
    assert run(["collect", "--server", server.target, "--output", str(file)]) == 0
    out, err = capfd.readouterr()
    assert out == ""
    assert err.startswith(f"{file}: {len(PARTS)} files, ")
    assert (file.stat().st_mode & 0o777, [each.name for each in tmp_path.iterdir()]) == (0o600, ["report.tar.gz"])
    files = archived(file)
    assert list(files) == ["README.txt", *PARTS]
    parsed = {name: json.loads(text) for name, text in files.items() if name.endswith(".json")}
    assert parsed["status.json"]["replicas"][0]["status"]["replica"] == "xds-0"
    assert {each["name"] for each in parsed["ingresses.json"]} >= {"tls", "url", "own", "mtls", "good", "map"}
    assert parsed["proxies.json"]["proxies"][0]["node_id"] == "envoy-1"
    assert parsed["problems.json"][0]["remedy"]
    assert "vhds" in str(parsed["revisions.json"][0]["changes"])
    assert any(each["resource"]["name"] == "default/web/80" for each in parsed["snapshot.json"]["resources"])
    assert parsed["certificates.json"][0]["secret"]["name"] == "cert"
    assert "xds_ingress_leader 1.0" in files["metrics.txt"]
    assert '"event": "serving"' in files["log.txt"]
    assert parsed["flags.json"]["from"] == "manifests"
    assert set(parsed["versions.json"]) == {"server", "command"}
    assert all(f"{name} " in files["README.txt"] for name in PARTS)


def test_no_file_of_the_archive_holds_a_secret(server: ThreadedDebugServer, tmp_path: Path) -> None:
    everything(server)
    file = tmp_path / "report.tar.gz"
    assert run(["collect", "--server", server.target, "--output", str(file)]) == 0
    hidden = [MARK, base64.b64encode(b"marker").decode(), SHA, APR1, "BEGIN EC PRIVATE", "BEGIN PRIVATE"]
    hidden += [line.decode() for line in PAIR.key.splitlines() if b"-----" not in line]
    hidden.append(base64.b64encode(PAIR.key).decode())
    for name, text in archived(file).items():
        for each in hidden:
            assert each.lower() not in text.lower(), (name, each)
        assert "[redacted]" in text or name not in ("snapshot.json", "log.txt")


def test_a_part_that_fails_is_a_line_in_the_archive(
    server: ThreadedDebugServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    server.do(service("web"))

    def fail(_: Client) -> str:
        raise Failed("the server at https://marker:marker@x did not\nanswer")

    monkeypatch.setitem(collect.PARTS, "snapshot.json", fail)
    file = tmp_path / "report.tar.gz"
    assert run(["collect", "--server", server.target, "--output", str(file)]) == 3
    *_, written, last = capfd.readouterr().err.splitlines()
    assert written.startswith(f"{file}: {len(PARTS) - 1} files")
    assert last == f"xds: 1 part of {len(PARTS)} is missing; errors.txt in the archive says why"
    files = archived(file)
    assert files["errors.txt"] == f"snapshot.json: the server at https://{REDACTED}@x did not answer\n"
    assert set(files) == {"README.txt", "errors.txt", *PARTS} - {"snapshot.json"}


def test_a_server_before_its_first_revision_gives_the_other_parts(server: ThreadedDebugServer, tmp_path: Path) -> None:
    file = tmp_path / "report.tar.gz"
    assert run(["collect", "--server", server.target, "--output", str(file)]) == 3
    assert "snapshot.json: there is no snapshot yet" in archived(file)["errors.txt"]
    assert "status.json" in archived(file)


def test_a_server_that_is_away_leaves_no_archive(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "report.tar.gz"
    assert run(["collect", "--server", f"127.0.0.1:{free_port()}", "--output", str(file)]) == 3
    assert capfd.readouterr().err.count("\n") == 1
    assert not file.exists()


def test_an_archive_that_cannot_be_written_is_one_line(
    server: ThreadedDebugServer, capfd: pytest.CaptureFixture[str]
) -> None:
    server.do(service("web"))
    assert run(["collect", "--server", server.target, "--output", "/nonexistent/x.tar.gz"]) == 3
    expected = (
        "xds: /nonexistent/x.tar.gz can't be written: No such file or directory; name another place with --output\n"
    )
    assert capfd.readouterr().err == expected


def test_a_former_archive_is_replaced(server: ThreadedDebugServer, tmp_path: Path) -> None:
    server.do(service("web"))
    file = tmp_path / "report.tar.gz"
    file.write_text("old")
    file.with_name("report.tar.gz.part").symlink_to("/etc/passwd")
    assert run(["collect", "--server", server.target, "--output", str(file)]) == 0
    assert "status.json" in archived(file)


def test_an_archive_on_standard_output(server: ThreadedDebugServer) -> None:
    server.do(service("web"))
    words = [sys.executable, "-m", "xds", "collect", "--server", server.target, "--output", "-"]
    done = subprocess.run(words, capture_output=True, check=True, timeout=60, env=os.environ)
    with tarfile.open(fileobj=io.BytesIO(done.stdout)) as archive:
        assert "xds-collect/status.json" in archive.getnames()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("see https://user:pw@host/x", "see https://[redacted]@host/x"),
        ("see https://user:p@w@host/x", "see https://[redacted]@host/x"),
        ("see https://host/x?a=b@c", "see https://host/x?a=b@c"),
        ("Authorization: Basic dXNlcjpwdw==", "Authorization: Basic [redacted]"),
        ("authorization: bearer abc.def-1", "authorization: bearer [redacted]"),
        ("user:{SHA}W6ph5Mm5Pz8GgiULbPgzG37mj9g=", "[redacted]"),
        ("user:$2y$05$abcdefghijklmnopqrstuv", "[redacted]"),
        ("user:$apr1$abc$defghij", "[redacted]"),
        ("-----BEGIN RSA PRIVATE KEY-----\nabc\n-----END RSA PRIVATE KEY----- x", "[redacted] x"),
        ("-----BEGIN PRIVATE KEY-----\nabc", "[redacted]"),
        ("a basic check of /bearer/ and $host", "a basic check of /bearer/ and $host"),
    ],
)
def test_text_that_looks_like_a_secret_is_replaced(text: str, expected: str) -> None:
    assert scrub_text(text) == expected


def test_values_of_headers_that_tell_of_a_secret_are_replaced() -> None:
    headers = [{"key": "X-Api-Key", "value": "v"}, {"key": "x-tenant", "value": "v"}, {"name": "cookie", "value": "v"}]
    assert [each["value"] for each in scrub({"headers": headers})["headers"]] == [REDACTED, "v", REDACTED]
