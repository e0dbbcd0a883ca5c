"""`xds migrate` on the corpus: the report of each Ingress is the expected one. Excludes: the answers of exact Ingresses
(test_corpus_through_envoy.py), forms of the output.
"""

import contextlib
import fnmatch
import functools
import io
import json
from pathlib import Path
from typing import Any, Final

import pytest
import yaml

from tests.migrate.expectations import Expected, expectations, manifests, put
from xds.cli.main import run

EXPECTED: Final = expectations()
REPORTED: Final = {key: each for key, each in EXPECTED.items() if each.reported}
REFUSED_EXIT_CODE: Final = 1


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, Any]]:
    """The report of each Ingress of the whole corpus, by namespace/name."""
    folder = put(tmp_path_factory.mktemp("corpus") / "manifests")
    output = io.BytesIO()
    with contextlib.redirect_stdout(io.TextIOWrapper(output)):
        assert run(["migrate", str(folder), "-o", "json"]) == REFUSED_EXIT_CODE
        written = output.getvalue()
    read = json.loads(written)
    assert read["unreadable"] == []
    return {f"{each['namespace']}/{each['name']}": each for each in read["ingresses"]}


def test_the_report_holds_the_ingresses_of_the_class_and_no_others(report: dict[str, dict[str, Any]]) -> None:
    assert sorted(report) == sorted(REPORTED)


@pytest.mark.parametrize("key", REPORTED)
def test_an_ingress_has_the_expected_report(report: dict[str, dict[str, Any]], key: str) -> None:
    expected, actual = REPORTED[key], report[key]
    assert _compared(actual) == (expected.verdict, dict(expected.annotations), sorted(expected.surprises))


def _compared(actual: dict[str, Any]) -> tuple[str, dict[str, str], list[str]]:
    annotations = {name: each["verdict"] for name, each in actual["annotations"].items()}
    return actual["verdict"], annotations, sorted(actual["surprises"])


def test_the_corpus_is_wide() -> None:
    assert len(REPORTED) >= 100
    assert len({each.source.split(" ")[0] for each in EXPECTED.values()}) >= 40


@pytest.mark.parametrize("key", [key for key, each in REPORTED.items() if each.verdict == "exact"])
def test_an_exact_ingress_has_a_request_for_each_host(key: str) -> None:
    asked = [request.host.partition(":")[0].lower() for request in REPORTED[key].requests]
    for rule in _manifests()[key]["spec"]["rules"]:
        assert fnmatch.filter(asked, rule["host"])


def test_each_ingress_has_an_expected_report() -> None:
    assert sorted(_manifests()) == sorted(EXPECTED)


def test_each_topic_has_hosts_and_namespaces_of_its_own() -> None:
    used: dict[str, Path] = {}
    for file in manifests():
        for document in filter(None, yaml.load_all(file.read_text(), yaml.CSafeLoader)):
            namespace = document["metadata"].get("namespace", "")
            hosts = [rule.get("host", "") for rule in document["spec"].get("rules", ())] if "spec" in document else []
            for name in filter(None, (namespace, *hosts)):
                assert used.setdefault(name, file) == file


@functools.cache
def _manifests() -> dict[str, dict[str, Any]]:
    """The Ingresses of the corpus, by namespace/name."""
    documents = [each for file in manifests() for each in yaml.load_all(file.read_text(), yaml.CSafeLoader) if each]
    found = [each for each in documents if each["kind"] == "Ingress"]
    return {f"{each['metadata']['namespace']}/{each['metadata']['name']}": each for each in found}


def test_expected_verdicts_are_never_better_than_those_of_the_annotations() -> None:
    assert [key for key, each in REPORTED.items() if _rank(each) > 0] == []


def _rank(expected: Expected) -> int:
    order = ("exact", "approximate", "refused")
    worst = max((order.index(each) for each in expected.annotations.values()), default=0)
    return max(0, worst - order.index(expected.verdict))
