"""Findings as a log of the Static Analysis Results Interchange Format.

Sources: https://docs.oasis-open.org/sarif/sarif/v2.1.0/sarif-v2.1.0.html, and the part that GitHub reads,
https://docs.github.com/en/code-security/code-scanning/integrating-with-code-scanning/sarif-support-for-code-scanning
"""

from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

from xds.cli.linting.finding import Finding, Summary
from xds.cli.linting.fingerprint import line_hashes, problem_fingerprints
from xds.cli.linting.places import from_root, repository_root
from xds.problems.reasons import Reason
from xds.sources.folder.positions import Text
from xds.sources.folder.reading import STANDARD_INPUT

_ROOT: Final = "%SRCROOT%"
"""GitHub's name for the root of the repository."""


def sarif(found: Sequence[Finding], summary: Summary, texts: Mapping[str, Text], source: str) -> dict[str, Any]:
    """The log.

    Args:
        found: The results.
        summary: Properties of the run.
        texts: The contents of files, for fingerprints.
        source: The place of a finding without a file: GitHub rejects a log with a result that has none.
    """
    reasons = sorted({each.problem.reason for each in found})
    driver = {
        "name": "xds-ingress",
        "version": version("xds-ingress"),
        "rules": [_rule(each) for each in reasons],
    }
    indexes = {reason: index for index, reason in enumerate(reasons)}
    root = repository_root()
    hashes = {each.file: line_hashes(texts[each.file].raw) for each in found if each.file in texts}
    results: list[dict[str, Any]] = []
    for each, known in zip(found, problem_fingerprints(found), strict=True):
        fingerprints = {"xdsIngressProblem/v1": known}
        if each.file in hashes and (line := hashes[each.file](each.position.line)):
            fingerprints["primaryLocationLineHash"] = line
        place = _place(each, root, source)
        results.append({**_result(each, indexes[each.problem.reason], place), "partialFingerprints": fingerprints})
    run = {
        "tool": {"driver": driver},
        "originalUriBaseIds": {_ROOT: {"uri": f"{root.as_uri().rstrip('/')}/"}},
        "columnKind": "unicodeCodePoints",
        "results": results,
        "properties": summary.data,
    }
    return {
        "$schema": "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json",
        "version": "2.1.0",
        "runs": [run],
    }


def _rule(reason: Reason) -> dict[str, Any]:
    return {
        "id": reason,
        "shortDescription": {"text": reason.meaning},
        "help": {"text": f"{reason.meaning} {reason.remedy}"},
        "defaultConfiguration": {"level": reason.level},
    }


def _result(each: Finding, rule: int, place: dict[str, Any]) -> dict[str, Any]:
    logical = {"fullyQualifiedName": each.subject, "kind": "resource"}
    return {
        "ruleId": each.problem.reason,
        "ruleIndex": rule,
        "level": each.problem.reason.level,
        "message": {"text": each.message},
        "locations": [{"physicalLocation": place, "logicalLocations": [logical]}],
    }


def _place(each: Finding, root: Path, source: str) -> dict[str, Any]:
    region = {"startLine": each.position.line}
    if each.position.column:
        region["startColumn"] = each.position.column
    if each.position.end_line:
        region |= {"endLine": each.position.end_line, "endColumn": each.position.end_column}
    return {"artifactLocation": _artifact(each.file or source, root), "region": region}


def _artifact(file: str, root: Path) -> dict[str, str]:
    if file in (STANDARD_INPUT, "-"):
        return {"uri": quote(STANDARD_INPUT)}
    path = from_root(file, root)
    return {"uri": Path(path).as_uri()} if path.startswith("/") else {"uri": quote(path), "uriBaseId": _ROOT}
