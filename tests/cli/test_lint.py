"""`xds lint`: output as text and JSON, the summary, the exit code, and several sources.

Excludes: the problems themselves (tests/translate, tests/kube), places in files
(tests/sources/folder/test_positions.py), and input of other forms (test_lint_input.py).
"""

import json
import re
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.support.debug_server import shop
from tests.support.objects import (
    certificate,
    config_map,
    ingress,
    ingress_class,
    manifest,
    path,
    rule,
    secret,
    service,
    slice_of,
    tls,
)
from xds.cli.main import run
from xds.kube.objects import KubeObject

EXPIRED = certificate("a.example.com", until=datetime(2021, 1, 1, tzinfo=UTC))


def write(folder: Path, name: str, *objects: KubeObject) -> None:
    """Write a file with two lines per object: a document marker, and the object."""
    documents = (f"---\n{json.dumps(manifest(each), default=str)}\n" for each in objects)
    (folder / name).write_text("".join(documents))


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder in the working directory with an error, a warning, and a malformed file."""
    monkeypatch.chdir(tmp_path)
    made = tmp_path / "k8s"
    made.mkdir()
    entry = tls("a.example.com", secret="cert")
    good = ingress("good", rule("a.example.com", path("/", "a")), tls=[entry])
    write(made, "shop.yaml", service("a"), slice_of("a", "10.0.0.1"), shop("gone"), secret("cert", EXPIRED), good)
    (made / "bro ken.yaml").write_text("\n\na: b: c\n")
    return made


def linted(capfd: pytest.CaptureFixture[str], *flags: str, code: int) -> str:
    """The standard output. Standard error has the summary alone."""
    assert run(["lint", *flags]) == code
    out, err = capfd.readouterr()
    assert err.count("\n") == ("json" not in flags)
    return str(out)


def test_text_output_has_file_line_and_column(folder: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert run(["lint", "k8s"]) == 1
    out, err = capfd.readouterr()
    lines = out.splitlines()
    written = (folder / "shop.yaml").read_text().splitlines()
    column, last = written[5].index('"backend"') + 1, written[9].index('"secretName"') + 1
    assert [re.split(r"(?<=[a-z]): ", line, maxsplit=2)[0] for line in lines] == [
        "k8s/bro ken.yaml:3:5: error",
        f"k8s/shop.yaml:6:{column}: error",
        f"k8s/shop.yaml:10:{last}: warning",
    ]
    assert lines[1] == (
        f"k8s/shop.yaml:6:{column}: error: BackendNotFound: Ingress default/shop spec.rules[0].http.paths[0].backend: "
        "Service 'default/gone' doesn't exist, so its paths answer 503. "
        "Create the Service, or correct the name in the Ingress."
    )
    assert "warning: CertificateExpired: Ingress default/good spec.tls[0].secretName: " in lines[2]
    assert err == "xds: 5 objects in 2 files: 2 Ingresses checked; 2 errors, 1 warning\n"


def test_json_output(folder: Path, capfd: pytest.CaptureFixture[str]) -> None:
    document = json.loads(linted(capfd, "k8s", "-o", "json", code=1))
    problems = document["problems"]
    assert [(each["level"], each["reason"], each["file"], each["line"]) for each in problems] == [
        ("error", "MalformedFile", "k8s/bro ken.yaml", 3),
        ("error", "BackendNotFound", "k8s/shop.yaml", 6),
        ("warning", "CertificateExpired", "k8s/shop.yaml", 10),
    ]
    assert problems[1]["object"] == {"kind": "Ingress", "namespace": "default", "name": "shop"}
    assert (problems[0]["column"], problems[0]["end_column"]) == (5, None)
    assert document["summary"] == {
        "files": 2, "objects": 5, "ingresses": 2, "gateways": 0, "routes": 0, "ports": 0, "other_ingresses": 0,
        "errors": 2, "warnings": 1, "ignored": 0,
    }  # fmt: skip


@pytest.mark.parametrize("form", ["text", "json", "github"])
def test_good_manifests_have_no_findings(tmp_path: Path, capfd: pytest.CaptureFixture[str], form: str) -> None:
    write(tmp_path, "good.yaml", service("a"), slice_of("a", "10.0.0.1"), shop("a"))
    text = linted(capfd, str(tmp_path), "-o", form, code=0)
    assert (json.loads(text)["problems"] if form == "json" else text) == ([] if form == "json" else "")


def test_a_problem_of_an_object_without_a_file(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    flags = (str(tmp_path), "--default-tls-secret", "default/gone")
    assert linted(capfd, *flags, code=1).startswith("error: SecretNotFound: Secret default/gone: ")
    (problem,) = json.loads(linted(capfd, *flags, "-o", "json", code=1))["problems"]
    assert (problem["file"], problem["line"], problem["column"]) == ("", None, None)


def test_ignored_reasons_are_left_out_and_counted(folder: Path, capfd: pytest.CaptureFixture[str]) -> None:
    flags = ("k8s", "--ignore", "BackendNotFound", "--ignore", "MalformedFile")
    assert len(linted(capfd, *flags, code=1).splitlines()) == 1
    assert run(["lint", *flags, "--ignore", "CertificateExpired"]) == 0
    assert capfd.readouterr() == (
        "",
        "xds: 5 objects in 2 files: 2 Ingresses checked; 0 errors, 0 warnings, 3 ignored\n",
    )


@pytest.mark.parametrize(
    ("flags", "code", "words"),
    [
        (["nowhere"], 3, "there is no such file or folder"),
        ([], 2, "Missing argument 'SOURCE…'"),
        ([".", "-o", "xml"], 2, "'xml'"),
        ([".", "--ignore", "Everything"], 2, "'Everything'"),
        ([".", "--http-port", "8443"], 2, "can't be the same"),
    ],
)
def test_lint_errors_are_one_line(
    flags: list[str], code: int, words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    assert run(["lint", *flags]) == code
    out, err = capfd.readouterr()
    assert out == ""
    assert words in err
    assert err.count("\n") == 1


@pytest.mark.parametrize(
    ("controller", "flags"),
    [
        (None, ["--ingress-class", "nginx"]),
        ("k8s.io/ingress-nginx", ["--ingress-class", "nginx", "--controller-name", "k8s.io/ingress-nginx"]),
    ],
    ids=["no IngressClass", "IngressClass"],
)
def test_only_ingresses_of_another_class_are_an_error_with_the_flags_that_take_them(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], controller: str | None, flags: list[str]
) -> None:
    """The flags of the message lead to the problems."""
    foreign = ingress("shop", rule("a.test", path("/")), class_name="nginx")
    classes = [ingress_class("nginx", controller=controller)] if controller else []
    write(tmp_path, "shop.yaml", foreign, *classes)
    assert run(["lint", str(tmp_path), "-o", "json"]) == 3
    out, err = capfd.readouterr()
    assert json.loads(out)["summary"]["other_ingresses"] == 1
    assert err == (
        "xds: nothing was checked: no Ingress is ours; classes found: 'nginx' (1). "
        f"To take over the class 'nginx': {' '.join(flags)}\n"
    )
    assert run(["lint", str(tmp_path), *flags]) == 1
    out, err = capfd.readouterr()
    assert ("BackendNotFound" in out, "1 Ingress checked; 1 error" in err) == (True, True)


def test_ingresses_of_other_classes_beside_ours_are_a_warning(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    foreign = ingress("theirs", rule("a.test", path("/")), class_name="nginx")
    write(tmp_path, "all.yaml", foreign, service("a"), slice_of("a", "10.0.0.1"), shop("a"))
    assert run(["lint", str(tmp_path)]) == 0
    assert "1 Ingress checked, 1 Ingress of other classes not" in capfd.readouterr().err
    assert run(["lint", str(tmp_path), "-o", "json"]) == 0
    assert "1 Ingress is not ours and not looked at, such as Ingress default/theirs" in capfd.readouterr().err


def test_an_ingress_without_class_is_taken_by_a_flag(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    other = ingress_class("other", controller="other.example/controller", default=True)
    write(tmp_path, "all.yaml", other, ingress("shop", rule("a.test", path("/")), class_name=None))
    assert run(["lint", str(tmp_path)]) == 3
    assert (
        "classes found: no class (1). To take over Ingresses without a class: --watch-ingress" in capfd.readouterr().err
    )
    assert run(["lint", str(tmp_path), "--watch-ingress-without-class"]) == 1


def test_translate_warns_of_ingresses_of_other_classes(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    foreign = ingress("shop", rule("a.test", path("/")), class_name="nginx")
    (tmp_path / "shop.json").write_text(json.dumps(manifest(foreign)))
    assert run(["translate", str(tmp_path)]) == 0
    assert "1 Ingress is not ours" in capfd.readouterr().err


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (None, "no file ends in .yaml, .yml or .json"),
        ("", "no Kubernetes object is in the input"),
        ("# only a comment\n---\n", "no Kubernetes object is in the input"),
        ("kind: Deployment\napiVersion: apps/v1\n", "1 object, and no Ingress or Gateway of ours, in the input"),
    ],
)
def test_a_folder_without_an_ingress_is_an_error_unless_allowed(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], text: str | None, words: str
) -> None:
    if text is not None:
        (tmp_path / "a.yaml").write_text(text)
    assert run(["lint", str(tmp_path), "-o", "json"]) == 3
    out, err = capfd.readouterr()
    assert json.loads(out)["problems"] == []
    assert err == f"xds: nothing was checked: {words}. If none is expected: --allow-empty\n"
    assert run(["lint", str(tmp_path), "--allow-empty"]) == 0
    assert "0 Ingresses checked" in capfd.readouterr().err


def test_objects_of_several_sources_find_each_other(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "k8s").mkdir()
    write(tmp_path, "ingress.txt", shop("a"))
    write(tmp_path / "k8s", "service.yaml", service("a"), slice_of("a", "10.0.0.1"))
    assert "BackendNotFound" in linted(capfd, str(tmp_path / "ingress.txt"), code=1)
    assert linted(capfd, str(tmp_path / "ingress.txt"), str(tmp_path / "k8s"), code=0) == ""


def test_an_object_of_two_sources_is_an_error_with_both_places(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("a.yaml", "b.yaml"):
        write(tmp_path, name, service("a"), slice_of("a", "10.0.0.1"), shop("a"))
    lines = linted(capfd, "b.yaml", "a.yaml", code=1).splitlines()
    assert len(lines) == 3
    assert "b.yaml:6:" in lines[2]
    assert "Ingress default/shop is in a.yaml:5 already; the one in b.yaml:5 is ignored" in lines[2]


def test_a_file_that_two_sources_name_is_read_once(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    write(tmp_path, "a.yaml", service("a"), slice_of("a", "10.0.0.1"), shop("a"))
    assert linted(capfd, str(tmp_path), f"{tmp_path}/./a.yaml", code=0) == ""


def test_ports_alone_are_checked_with_the_place_of_the_entry(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    ports = config_map("tcp", ns="edge", **{"9000": "default/web:80", "9001": "default/gone:1"})
    write(tmp_path, "ports.yaml", ports, service("web"))
    flag = "--tcp-services-configmap=edge/tcp"
    assert run(["lint", str(tmp_path), flag, "--ignore", "BackendNotFound"]) == 0
    figures = "2 objects in 1 file: 0 Ingresses and 2 ports checked; 0 errors, 0 warnings, 1 ignored"
    assert capfd.readouterr().err == f"xds: {figures}\n"
    out = linted(capfd, str(tmp_path), flag, code=1)
    assert "ConfigMap edge/tcp data[9001]: Service 'default/gone' doesn't exist" in out
    assert run(["lint", str(tmp_path)]) == 3
    assert "nothing was checked: 2 objects, and no Ingress or Gateway of ours, in the input" in capfd.readouterr().err
