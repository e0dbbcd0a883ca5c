"""`xds lint`: its output as text, JSON and SARIF, and the exit code.

Covers: files and lines, levels, and the schema of SARIF.
Excludes: the problems themselves (tests/translate, tests/kube).
"""

import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from tests.support.debug_server import shop
from tests.support.objects import certificate, ingress, manifest, path, rule, secret, service, slice_of, tls
from xds.cli.main import run
from xds.kube.objects import KubeObject

ROOT = Path(__file__).parents[2]
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
    assert run(["lint", *flags]) == code
    out, err = capfd.readouterr()
    assert err == ""
    return str(out)


def test_text_output_has_file_and_line(folder: Path, capfd: pytest.CaptureFixture[str]) -> None:
    lines = linted(capfd, "k8s", code=1).splitlines()
    assert [re.split(r"(?<=[a-z]): ", line, maxsplit=2)[0] for line in lines] == [
        "k8s/bro ken.yaml:3: MalformedFile",
        "k8s/shop.yaml:5: BackendNotFound",
        "k8s/shop.yaml:9: warning",
    ]
    assert lines[1] == (
        "k8s/shop.yaml:5: BackendNotFound: Ingress default/shop spec.rules[0].http.paths[0].backend: "
        "Service 'default/gone' doesn't exist, so its paths answer 503. "
        "Create the Service, or correct the name in the Ingress."
    )
    assert "warning: CertificateExpired: Ingress default/good spec.tls[0].secretName: " in lines[2]


def test_json_output(folder: Path, capfd: pytest.CaptureFixture[str]) -> None:
    problems = json.loads(linted(capfd, "k8s", "-o", "json", code=1))["problems"]
    assert [(each["level"], each["reason"], each["file"], each["line"]) for each in problems] == [
        ("error", "MalformedFile", "k8s/bro ken.yaml", 3),
        ("error", "BackendNotFound", "k8s/shop.yaml", 5),
        ("warning", "CertificateExpired", "k8s/shop.yaml", 9),
    ]
    assert problems[1]["object"] == {"kind": "Ingress", "namespace": "default", "name": "shop"}


def test_sarif_output_fits_the_schema(folder: Path, capfd: pytest.CaptureFixture[str]) -> None:
    log = json.loads(linted(capfd, "k8s", "-o", "sarif", code=1))
    assert list(unmet(log, "sarifLog")) == []
    (only,) = log["runs"]
    rules, results = only["tool"]["driver"]["rules"], only["results"]
    for result in results:
        assert rules[result["ruleIndex"]]["id"] == result["ruleId"]
    places = [result["locations"][0]["physicalLocation"] for result in results]
    assert [(each["artifactLocation"]["uri"], each["region"]["startLine"]) for each in places] == [
        ("k8s/bro%20ken.yaml", 3),
        ("k8s/shop.yaml", 5),
        ("k8s/shop.yaml", 9),
    ]
    assert [result["level"] for result in results] == ["error", "error", "warning"]


# The required and the allowed properties of each object, as far as used here. Source:
# https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json
SCHEMA: dict[str, tuple[set[str], dict[str, Any]]] = {
    "sarifLog": ({"version", "runs"}, {"$schema": str, "version": str, "runs": ["run"]}),
    "run": ({"tool"}, {"tool": "tool", "columnKind": str, "results": ["result"]}),
    "tool": ({"driver"}, {"driver": "toolComponent"}),
    "toolComponent": ({"name"}, {"name": str, "version": str, "rules": ["reportingDescriptor"]}),
    "reportingDescriptor": (
        {"id"},
        {"id": str, "shortDescription": "text", "help": "text", "defaultConfiguration": "reportingConfiguration"},
    ),
    "reportingConfiguration": (set(), {"level": str}),
    "text": ({"text"}, {"text": str}),
    "result": (
        {"message"},
        {"ruleId": str, "ruleIndex": int, "level": str, "message": "text", "locations": ["location"]},
    ),
    "location": (set(), {"physicalLocation": "physicalLocation", "logicalLocations": ["logicalLocation"]}),
    "physicalLocation": ({"artifactLocation"}, {"artifactLocation": "artifactLocation", "region": "region"}),
    "artifactLocation": (set(), {"uri": str}),
    "region": (set(), {"startLine": int}),
    "logicalLocation": (set(), {"fullyQualifiedName": str, "kind": str}),
}


def unmet(value: Any, kind: Any) -> Iterator[str]:
    """The violations of the schema."""
    if isinstance(kind, list):
        for each in value:
            yield from unmet(each, kind[0])
        return
    if not isinstance(kind, str):
        if not isinstance(value, kind):
            yield f"{value!r} is no {kind}"
        return
    required, properties = SCHEMA[kind]
    yield from (f"{kind} lacks {name}" for name in required - value.keys())
    yield from (f"{kind} has {name}" for name in value.keys() - properties.keys())
    for name in value.keys() & properties.keys():
        yield from unmet(value[name], properties[name])
    if kind == "region" and value["startLine"] < 1:
        yield "lines count from 1"
    if "level" in value and value["level"] not in {"none", "note", "warning", "error"}:
        yield f"{value['level']} is no level"


@pytest.mark.parametrize(("form", "out"), [("text", ""), ("json", {"problems": []}), ("sarif", None)])
def test_good_manifests_have_no_findings(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], form: str, out: Any
) -> None:
    write(tmp_path, "good.yaml", service("a"), slice_of("a", "10.0.0.1"), shop("a"))
    text = linted(capfd, str(tmp_path), "-o", form, code=0)
    if form == "sarif":
        log = json.loads(text)
        assert list(unmet(log, "sarifLog")) == []
        assert log["runs"][0]["results"] == []
    else:
        assert (json.loads(text) if form == "json" else text) == out


def test_a_problem_of_an_object_without_a_file(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    flags = (str(tmp_path), "--default-tls-secret", "default/gone")
    assert linted(capfd, *flags, code=1).startswith("SecretNotFound: Secret default/gone: ")
    (problem,) = json.loads(linted(capfd, *flags, "-o", "json", code=1))["problems"]
    assert (problem["file"], problem["line"]) == ("", None)
    log = json.loads(linted(capfd, *flags, "-o", "sarif", code=1))
    assert list(unmet(log, "sarifLog")) == []


def test_ignored_reasons_are_left_out(folder: Path, capfd: pytest.CaptureFixture[str]) -> None:
    flags = ("k8s", "--ignore", "BackendNotFound", "--ignore", "MalformedFile")
    assert len(linted(capfd, *flags, code=1).splitlines()) == 1
    assert linted(capfd, *flags, "--ignore", "CertificateExpired", code=0) == ""


@pytest.mark.parametrize(
    ("flags", "code", "words"),
    [
        (["nowhere"], 3, "there is no such folder"),
        ([], 2, "Missing argument"),
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


def test_lint_warns_of_ingresses_of_other_classes(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    foreign = ingress("shop", rule("a.test", path("/")), class_name="nginx")
    (tmp_path / "shop.json").write_text(json.dumps(manifest(foreign)))
    assert run(["lint", str(tmp_path), "-o", "json"]) == 0
    out, err = capfd.readouterr()
    assert json.loads(out) == {"problems": []}
    assert "1 Ingress is not ours and not looked at, such as Ingress default/shop: its class is 'nginx'" in err
    flags = ["--ingress-class", "nginx", "--controller-name", "k8s.io/ingress-nginx"]
    assert run(["lint", str(tmp_path), *flags]) == 1
    out, err = capfd.readouterr()
    assert ("BackendNotFound" in out, "not ours" in err) == (True, False)


def test_translate_warns_of_ingresses_of_other_classes(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    foreign = ingress("shop", rule("a.test", path("/")), class_name="nginx")
    (tmp_path / "shop.json").write_text(json.dumps(manifest(foreign)))
    assert run(["translate", str(tmp_path)]) == 0
    assert "1 Ingress is not ours" in capfd.readouterr().err


def test_a_folder_without_an_ingress_is_mentioned(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert run(["lint", str(tmp_path)]) == 0
    assert capfd.readouterr() == ("", "xds: the folder holds no Ingress, so there is nothing to check\n")


def test_a_template_is_not_taken_for_a_manifest(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "ingress.yaml").write_text("metadata:\n  name: {{ .Values.name }}\n")
    assert "ingress.yaml:2: MalformedFile" in linted(capfd, str(tmp_path), code=1)
    assert "must be rendered first" in linted(capfd, str(tmp_path), code=1)
