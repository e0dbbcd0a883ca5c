"""Input of every form for `xds lint`: each mistake is one clear line with its place, and never a traceback.

Excludes: limits of the parser (tests/sources/folder/test_documents.py).
"""

import contextlib
import io
import os
import pty
import re
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Final

import pytest

from tests.support.debug_server import shop
from tests.support.objects import manifest, service, slice_of
from tests.support.waiting import WAIT_LIMIT_SECONDS
from xds.cli.main import run
from xds.sources.folder import reading
from xds.sources.folder.listing import Listing, list_folder
from xds.yaml_text import to_yaml

XDS: Final = (sys.executable, "-m", "xds")

INGRESS: Final = (
    "kind: Ingress\napiVersion: networking.k8s.io/v1\nmetadata: {name: shop}\n"
    "spec: {defaultBackend: {service: {name: a, port: {number: 80}}}}\n"
)
GOOD: Final = "---\n".join(to_yaml(manifest(each)) for each in (service("a"), slice_of("a", "10.0.0.1"), shop("a")))

BOMB: Final = "a0: &a0 [x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]\n" for n in range(1, 9)
)


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working directory."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def lines(capfd: pytest.CaptureFixture[str], *arguments: str, code: int = 1) -> list[str]:
    """The lines of standard output; standard error has the summary alone."""
    assert run(["lint", *arguments]) == code
    out, err = capfd.readouterr()
    assert re.fullmatch(r"xds: \d+ objects? in \d+ files?: .*\n", err), err
    return str(out).splitlines()


@pytest.mark.parametrize(
    ("name", "content", "place", "words"),
    [
        ("a.yaml", bytes(range(128, 256)) * 9, "1", "MalformedFile: File a.yaml: This is not YAML that can be read: "),
        ("a.yaml", b"a\0b: c", "1", "control characters are not allowed"),
        ("a.json", b'{"kind": "\xff"}', "1", "This is not JSON"),
        ("a.json", b'{"kind": "Ingress",\n', "2", "Input data was truncated"),
        ("a.yaml", BOMB.encode(), "6", "aliases (*) that repeat too much"),
        ("a.yaml", b"a: *b\n", "1:4", "an alias (*) without an anchor (&) before it"),
        ("a.yaml", b"kind: !!python/object:os.system x\n", "1:7", "a tag that Kubernetes objects have no use for"),
        ("a.yaml", f"{INGRESS}kind: Service\n".encode(), "5:1", "warning: DuplicateKey: File a.yaml: The key 'kind'"),
        ("a.yaml", f"{INGRESS}1: 2\n".encode(), "1:1", "The object: every key must be a string: put it in quotes"),
        ("a.yaml", b"? [a]\n: b\n", "1:3", "a key that is a list or a mapping"),
        ("a.yaml", b"kind: Ingress\nmetadata:\n\tname: x\n", "3:1", "indent with spaces"),
        ("a.yaml", b"- op: add\n  path: /spec\n", "1:1", "NotAnObject: File a.yaml: The document is not a mapping"),
        ("a.yaml", b"spec: {rules: []}\n", "1:1", "The document has no kind"),
        ("a.yaml", b"kind: Ingress\nmetadata: {name: x}\n", "1:1", "has kind Ingress and no apiVersion"),
        ("a.yaml", b"kind: ingress\napiVersion: networking.k8s.io/v1\n", "1:1", "which is written Ingress"),
        ("a.yaml", b"[" * 200 + b"]" * 200, "1:101", "nested more than 100 deep"),
        ("a.yaml", b"name: {{ .Values.name }}\n", "1:7", "error: UnrenderedTemplate: File a.yaml: "),
        ("a.yaml", INGRESS.replace("name: a", "name: ${A}").encode(), "4:41", "UnrenderedTemplate: File a.yaml: "),
        ("a.yaml", b"x" * (16 * 2**20 + 1), "1", "TooLarge: File a.yaml: The file is too large. Split the file"),
    ],
    ids=lambda value: value if isinstance(value, str) else len(value),
)  # fmt: skip
def test_bad_text_is_one_line_with_its_place(
    folder: Path, capfd: pytest.CaptureFixture[str], name: str, content: bytes, place: str, words: str
) -> None:
    (folder / name).write_bytes(content)
    for source in (name, "."):
        found = [line for line in lines(capfd, source) if words in line]
        assert len(found) == 1
        assert found[0].startswith(f"{name}:{place}: ")
        assert "until then" not in found[0]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le"])
def test_text_of_windows_is_read(folder: Path, capfd: pytest.CaptureFixture[str], encoding: str) -> None:
    text = ("\ufeff" if encoding == "utf-16-le" else "") + INGRESS.replace("\n", "\r\n")
    (folder / "a.yaml").write_bytes(text.encode(encoding))
    (found,) = lines(capfd, "a.yaml")
    assert found.startswith("a.yaml:4:8: error: BackendNotFound")


def test_a_merge_key_is_looked_through(folder: Path, capfd: pytest.CaptureFixture[str]) -> None:
    text = INGRESS.replace("spec: {", "base: &b {").replace("\n", "\n", 1) + "spec:\n  <<: *b\n"
    (folder / "a.yaml").write_text(text)
    (found,) = lines(capfd, "a.yaml")
    assert found.startswith("a.yaml:4:11: error: BackendNotFound: Ingress default/shop spec.defaultBackend")


def test_one_template_among_other_files_is_an_error_of_its_own(folder: Path, capfd: pytest.CaptureFixture[str]) -> None:
    chart = folder / "charts" / "shop"
    (chart / "templates").mkdir(parents=True)
    (chart / "Chart.yaml").write_text("name: shop\nversion: 1.0.0\n")
    (chart / "templates" / "ingress.yaml").write_text("{{- if .Values.on }}\nkind: Ingress\n{{- end }}\n")
    (folder / "good.yaml").write_text(GOOD)
    (folder / "other.yaml").write_text(INGRESS.replace("name: shop", "name: other").replace("name: a", "name: gone"))
    first, second, third = lines(capfd, ".")
    assert first.startswith("charts/shop/Chart.yaml:1:1: error: NotAnObject: ")
    assert second.startswith("charts/shop/templates/ingress.yaml:1:1: error: UnrenderedTemplate: ")
    assert third.startswith("other.yaml:4:8: error: BackendNotFound: ")
    for line in (first, second):
        assert line.endswith("Render it first: helm template charts/shop | xds lint -")


def test_a_patch_beside_a_kustomization_names_the_command_that_builds(
    folder: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    (folder / "kustomization.yaml").write_text("kind: Kustomization\nresources: [a.yaml]\n")
    (folder / "patch.yaml").write_text("- op: remove\n  path: /spec/tls\n")
    (found,) = lines(capfd, "patch.yaml")
    assert "Render it first: kustomize build . | xds lint -" in found


def broken_link(folder: Path) -> None:
    (folder / "a.yaml").symlink_to("nowhere")


def loop(folder: Path) -> None:
    (folder / "a.yaml").symlink_to("a.yaml")


def pipe(folder: Path) -> None:
    os.mkfifo(folder / "a.yaml")


@pytest.mark.parametrize(
    ("make", "words"),
    [(broken_link, "No such file or directory"), (loop, "Too many levels"), (pipe, "it is not a regular file")],
)
def test_an_unreadable_file_of_a_folder_is_a_problem(
    folder: Path, capfd: pytest.CaptureFixture[str], make: Callable[[Path], None], words: str
) -> None:
    make(folder)
    (folder / "good.yaml").write_text(GOOD)
    (found,) = lines(capfd, ".")
    assert found.startswith("a.yaml:1: error: UnreadableFile: File a.yaml: The file can't be read: ")
    assert words in found


def failed(capfd: pytest.CaptureFixture[str], *arguments: str, code: int = 3) -> str:
    """The only line of a command that could not be done."""
    assert run(["lint", *arguments]) == code
    out, err = capfd.readouterr()
    assert (out, err.count("\n")) == ("", 1)
    return str(err)


def test_a_source_that_cannot_be_read_is_one_line(
    folder: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "good.yaml").write_text(GOOD)
    broken_link(folder)
    assert failed(capfd, "good.yaml", "a.yaml") == "xds: a.yaml: there is no such file or folder; check the name\n"
    assert "no such file or folder" in failed(capfd, "good.yaml/x")
    assert "the value is empty" in failed(capfd, "", code=2)
    assert "standard input can be read once" in failed(capfd, "-", "/dev/stdin", code=2)

    def forbidden(_: Path) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(reading, "contents", forbidden)
    assert failed(capfd, "good.yaml").startswith("xds: good.yaml: can't be read (Permission denied); make it readable")


def test_a_folder_that_vanishes_is_a_problem(
    folder: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "k8s").mkdir()

    def vanishing(root: Path) -> Listing:
        root.rmdir()
        return list_folder(root)

    monkeypatch.setattr(reading, "list_folder", vanishing)
    (found,) = lines(capfd, "k8s")
    assert found.startswith("k8s:1: error: UnreadableFolder: File k8s: The folder can't be read: No such file")


def test_standard_input_is_a_source_beside_others(
    folder: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    service_, slice_, ingress_ = GOOD.split("---\n")
    (folder / "service.yaml").write_text(f"{service_}---\n{slice_}")
    for text in (ingress_, to_yaml(manifest(shop("a")))):
        monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(text.encode())))
        assert lines(capfd, "-", "service.yaml", code=0) == []


@pytest.mark.parametrize(
    "command",
    [["translate"], ["explain", "http://example.com/a", "--from"], ["why", "ingress", "default/shop", "--from"]],
)
def test_other_commands_take_standard_input_too(
    capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, command: list[str]
) -> None:
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(GOOD.encode())))
    assert run([*command, "-"]) == 0
    out, err = capfd.readouterr()
    assert ("default/" in out, err) == (True, "")


def xds(command: str) -> tuple[int, str, str]:
    """The result of a command line of bash, in which xds is the program."""
    script = f'xds() {{ {" ".join(XDS)} "$@"; }}; {command}'
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run(
        ["bash", "-c", script], capture_output=True, text=True, check=False, timeout=60, env=environment
    )
    assert "Traceback" not in done.stderr
    return done.returncode, done.stdout, done.stderr


@pytest.mark.parametrize(
    ("command", "code", "words"),
    [
        ("cat good.yaml | xds lint -", 0, "1 Ingress checked; 0 errors"),
        ("xds lint - <&-", 3, "no Kubernetes object is in the input. Standard input is empty: see whether the command"),
        ("xds lint - 0> written", 3, "standard input can't be read (Bad file descriptor); pipe manifests"),
    ],
)
def test_pipes_of_a_shell(folder: Path, command: str, code: int, words: str) -> None:
    (folder / "good.yaml").write_text(GOOD)
    found, _, err = xds(command)
    assert (found, err.count("\n")) == (code, 1)
    assert words in err


def test_a_pipe_with_a_name_is_a_source(folder: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """A named pipe, and the substitution of a process by a shell."""
    os.mkfifo(folder / "pipe")
    descriptor, writer = os.pipe()
    os.write(writer, GOOD.encode())
    os.close(writer)
    assert lines(capfd, f"/dev/fd/{descriptor}", code=0) == []
    os.close(descriptor)
    thread = threading.Thread(target=(folder / "pipe").write_text, args=(GOOD,))
    thread.start()
    assert lines(capfd, "pipe", code=0) == []
    thread.join(WAIT_LIMIT_SECONDS)


def test_standard_input_without_end_is_too_large(
    capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reading, "MAX_INPUT_BYTES", 9999)
    with Path("/dev/zero").open() as endless:
        monkeypatch.setattr("sys.stdin", endless)
        (found,) = lines(capfd, "-")
    assert found.startswith("<stdin>:1: error: TooLarge: File <stdin>: The file is too large.")


def test_a_terminal_is_told_what_is_awaited() -> None:
    leader, follower = pty.openpty()
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    with subprocess.Popen([*XDS, "lint", "-"], stdin=follower, stderr=subprocess.PIPE, env=environment) as process:
        timer = threading.Timer(WAIT_LIMIT_SECONDS, process.kill)
        timer.start()
        assert process.stderr
        assert process.stderr.readline().startswith(b"xds: waiting for manifests on standard input, up to Ctrl-D")
        os.write(leader, b"\x04")
        assert b"nothing was checked" in process.stderr.read()
        assert process.wait() == 3
        timer.cancel()
    for each in (leader, follower):
        with contextlib.suppress(OSError):
            os.close(each)


def test_standard_input_may_be_larger_than_a_file(
    capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    text = f"{'# a comment' * 2**21}\n{GOOD}"
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(text.encode())))
    assert lines(capfd, "-", code=0) == []
