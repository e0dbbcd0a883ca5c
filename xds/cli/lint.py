"""`xds lint`."""

from collections.abc import Iterable, Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import quote

import click

from xds.cli.help import Command
from xds.cli.lint_push import Gateway, GatewayUrl, GroupingLabel, push
from xds.cli.offline import offline_pipeline, warn_of_other_classes
from xds.cli.options import Failed, plain_option, warn
from xds.cli.output import problem_data, write_data
from xds.cli.reason_name import ReasonName
from xds.cli.traffic_options import traffic_options
from xds.kube.source import SourceError
from xds.problems.problem import ObjectRef, Problem
from xds.problems.reasons import Level, Reason
from xds.server.debug import messages
from xds.sources.folder.source import locate


class Finding(NamedTuple):
    """A problem and its place.

    Attributes:
        file: The path from the working directory; empty if no file holds the object.
    """

    problem: Problem
    file: str
    line: int

    @property
    def subject(self) -> str:
        """Object and field."""
        return f"{self.problem.object} {self.problem.field}".rstrip()

    @property
    def text(self) -> str:
        """Message and remedy."""
        return f"{self.problem.message.rstrip('.')}. {self.problem.remedy}".rstrip()


@click.command(
    cls=Command,
    examples=[
        "xds lint k8s/demo",
        "xds lint k8s --ignore SecretNotFound -o sarif > lint.sarif",
    ],
)
@click.argument("folder", metavar="DIR", type=click.Path(path_type=Path))
@traffic_options
@plain_option(
    "-o",
    "--output",
    type=click.Choice(["text", "json", "sarif"]),
    default="text",
    help="sarif is for code scanning services.",
)
@plain_option(
    "--ignore",
    "ignored",
    type=ReasonName(),
    multiple=True,
    metavar="REASON",
    help="Ignore problems of this reason, e.g. SecretNotFound if DIR holds no Secrets. Repeatable.",
)
@plain_option(
    "--push",
    "gateway",
    type=GatewayUrl(),
    help="Push the counts of problems and the time to a Pushgateway, e.g. http://pushgateway:9091. A failure is a "
    "warning, and leaves the exit code as it is.",
)
@plain_option(
    "--push-label",
    "labels",
    type=GroupingLabel(),
    multiple=True,
    help="A label of the pushed figures, e.g. repository=shop. A run replaces the figures with the same labels. "
    "Repeatable.",
)
def lint(
    *,
    folder: Path,
    output: str,
    ignored: tuple[str, ...],
    gateway: Gateway | None,
    labels: tuple[tuple[str, str], ...],
    **traffic: Any,
) -> int:
    """Print the problems of the manifests in DIR. The exit code is 1 if there is any, even a warning."""
    if labels and gateway is None:
        raise click.UsageError("--push-label is for --push, which is missing")
    pipeline = offline_pipeline(folder, traffic)
    warn_of_other_classes(pipeline)
    problems = [each for each in pipeline.problems if each.reason not in ignored]
    found = _located(folder, problems) if problems else []
    if not problems and not pipeline.state_reader.state.ingresses():
        warn("the folder holds no Ingress, so there is nothing to check")
    if output == "json":
        write_data({"problems": [_data(each) for each in found]}, output)
    elif output == "sarif":
        write_data(sarif(found), output)
    else:
        for each in found:
            click.echo(_line(each))
    if gateway is not None and (cause := push(gateway, dict(labels), (each.problem.reason for each in found))):
        warn(f"the figures did not reach the Pushgateway at {gateway}: {cause}; the exit code is that of lint")
    return 1 if found else 0


def _located(folder: Path, problems: Iterable[Problem]) -> list[Finding]:
    """The findings, by file and line."""
    try:
        places = locate(folder)
    except SourceError as error:
        raise Failed(str(error)) from None
    return sorted((_finding(folder, each, places) for each in problems), key=lambda each: (*each[1:], each.problem))


def _finding(folder: Path, problem: Problem, places: Mapping[ObjectRef, str]) -> Finding:
    location = problem.location or places.get(problem.object, "")
    file, colon, line = location.rpartition(":")
    if not colon or not line.isdecimal():
        file, line = location, "1"
    return Finding(problem, str(folder / file) if file else "", int(line))


def _line(each: Finding) -> str:
    place = f"{each.file}:{each.line}: " if each.file else ""
    level = "warning: " if each.problem.reason.level is Level.WARNING else ""
    return f"{place}{level}{each.problem.reason}: {each.subject}: {each.text}"


def _data(each: Finding) -> dict[str, Any]:
    data = dict(problem_data(messages.problem(each.problem)))
    del data["location"]
    return {"level": each.problem.reason.level, **data, "file": each.file, "line": each.line if each.file else None}


def sarif(found: Sequence[Finding]) -> dict[str, Any]:
    """The findings as a log of the Static Analysis Results Interchange Format.

    Source: https://docs.oasis-open.org/sarif/sarif/v2.1.0/sarif-v2.1.0.html
    """
    reasons = sorted({each.problem.reason for each in found})
    driver = {
        "name": "xds-ingress",
        "version": version("xds-ingress"),
        "rules": [_rule(each) for each in reasons],
    }
    indexes = {reason: index for index, reason in enumerate(reasons)}
    results = [_result(each, indexes[each.problem.reason]) for each in found]
    return {
        "$schema": "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json",
        "version": "2.1.0",
        "runs": [{"tool": {"driver": driver}, "columnKind": "unicodeCodePoints", "results": results}],
    }


def _rule(reason: Reason) -> dict[str, Any]:
    return {
        "id": reason,
        "shortDescription": {"text": reason.meaning},
        "help": {"text": f"{reason.meaning} {reason.remedy}"},
        "defaultConfiguration": {"level": reason.level},
    }


def _result(each: Finding, rule: int) -> dict[str, Any]:
    logical = {"fullyQualifiedName": each.subject, "kind": "resource"}
    location: dict[str, Any] = {"logicalLocations": [logical]}
    if each.file:
        artifact = {"uri": quote(Path(each.file).as_posix())}
        location["physicalLocation"] = {"artifactLocation": artifact, "region": {"startLine": each.line}}
    return {
        "ruleId": each.problem.reason,
        "ruleIndex": rule,
        "level": each.problem.reason.level,
        "message": {"text": f"{each.subject}: {each.text}"},
        "locations": [location],
    }
