"""Findings as annotations in GitHub Actions, and as a code quality report of GitLab.

Sources: https://docs.github.com/en/actions/reference/workflows-and-actions/workflow-commands and
https://docs.gitlab.com/ci/testing/code_quality/#code-quality-report-format
"""

from collections.abc import Sequence
from typing import Any, Final

from xds.cli.linting.finding import Finding
from xds.cli.linting.fingerprint import problem_fingerprints
from xds.cli.linting.places import from_root, repository_root
from xds.problems.reasons import Level
from xds.sources.folder.reading import STANDARD_INPUT

_DATA: Final = {"%": "%25", "\r": "%0D", "\n": "%0A"}
_PROPERTY: Final = str.maketrans({**_DATA, ":": "%3A", ",": "%2C"})
_MESSAGE: Final = str.maketrans(_DATA)

_SEVERITIES: Final = {Level.ERROR: "major", Level.WARNING: "minor"}


def github(each: Finding) -> str:
    """The command of a workflow that makes an annotation. Standard input has no file to annotate."""
    properties: dict[str, str | int] = {}
    message = each.message
    line, column, end_line, end_column = each.position
    if each.file == STANDARD_INPUT:
        message = f"{each.file}:{line}:{column}: {message}" if column else f"{each.file}:{line}: {message}"
    elif each.file:
        properties = {"file": from_root(each.file, repository_root()), "line": line}
        properties |= {"endLine": end_line} if end_line else {}
        properties |= {"col": column} if column else {}
        properties |= {"endColumn": end_column} if end_line == line else {}
    properties["title"] = each.problem.reason
    given = ",".join(f"{name}={str(value).translate(_PROPERTY)}" for name, value in properties.items())
    return f"::{each.problem.reason.level} {given}::{message.translate(_MESSAGE)}"


def gitlab(found: Sequence[Finding], source: str) -> list[dict[str, Any]]:
    """The report. GitLab shows one of several entries with the same fingerprint.

    Args:
        found: The findings.
        source: The place of a finding without a file.
    """
    root = repository_root()
    report: list[dict[str, Any]] = []
    for each, known in zip(found, problem_fingerprints(found), strict=True):
        file = each.file or source
        path = STANDARD_INPUT if file in (STANDARD_INPUT, "-") else from_root(file, root)
        report.append(
            {
                "description": each.message,
                "check_name": each.problem.reason,
                "fingerprint": known,
                "severity": _SEVERITIES[each.problem.reason.level],
                "location": {"path": path, "lines": {"begin": each.position.line}},
            }
        )
    return report
