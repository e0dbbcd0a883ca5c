"""`xds lint`."""

from collections.abc import Mapping
from typing import Any

import click

from xds.cli.help import Command
from xds.cli.lint_push import Gateway, GatewayUrl, GroupingLabel, push
from xds.cli.linting.annotations import github, gitlab
from xds.cli.linting.finding import Finding, Summary, findings
from xds.cli.linting.sarif import sarif
from xds.cli.offline import (
    flags_for_classes,
    offline_pipeline,
    other_ingresses,
    read,
    sources_argument,
    warn_of_other_classes,
)
from xds.cli.options import Failed, plain_option, warn
from xds.cli.output import problem_data, write_data, write_utf8
from xds.cli.reason_name import ReasonName
from xds.cli.traffic_options import traffic_options
from xds.kube.objects import Ingress
from xds.server.debug import messages
from xds.sources.folder.positions import Text
from xds.sources.folder.reading import STANDARD_INPUT, Reading


@click.command(
    cls=Command,
    examples=[
        "xds lint k8s/demo",
        "helm template charts/shop | xds lint -",
        "kustomize build overlays/test | xds lint - k8s/shared",
        "xds lint k8s --ingress-class nginx       # before a move from ingress-nginx",
        "xds lint k8s --ignore SecretNotFound -o github        # in GitHub Actions",
        "xds lint k8s --ignore SecretNotFound -o sarif > lint.sarif",
        "xds lint k8s -o gitlab > gl-code-quality-report.json",
    ],
)
@sources_argument
@traffic_options
@plain_option(
    "-o",
    "--output",
    type=click.Choice(["text", "json", "sarif", "github", "gitlab"]),
    default="text",
    help="sarif is for code scanning services, github for annotations in GitHub Actions, gitlab for GitLab's code "
    "quality reports.",
)
@plain_option(
    "--ignore",
    "ignored",
    type=ReasonName(),
    multiple=True,
    metavar="REASON",
    help="Ignore problems of this reason, e.g. SecretNotFound if SOURCE has no Secrets. Repeatable.",
)
@plain_option(
    "--allow-empty",
    is_flag=True,
    help="Exit with 0, not 3, if no Ingress was checked: for charts that may have none.",
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
    sources: tuple[str, ...],
    output: str,
    ignored: tuple[str, ...],
    allow_empty: bool,
    gateway: Gateway | None,
    labels: tuple[tuple[str, str], ...],
    **traffic: Any,
) -> int:
    """Print the problems of manifests, with file, line and column.

    SOURCE is a file, a folder, or - for standard input; all sources together are one set of objects. The exit code is 1
    if there is a problem, even a warning, and 3 if neither an Ingress nor a port was checked.
    """
    if labels and gateway is None:
        raise click.UsageError("--push-label is for --push, which is missing")
    reading = read(sources)
    pipeline = offline_pipeline(reading, traffic)
    problems = [each for each in pipeline.problems if each.reason not in ignored]
    found = findings(reading, problems)
    summary = Summary.of(reading, pipeline, found, len(pipeline.problems) - len(problems))
    _write(found, summary, output, reading.texts, sources[0])
    if gateway is not None and (cause := push(gateway, dict(labels), (each.problem.reason for each in found))):
        warn(f"the figures did not reach the Pushgateway at {gateway}: {cause}; the exit code is that of lint")
    if found or summary.any_checked or allow_empty:
        if output != "json":
            warn(str(summary))
        if summary.others:
            warn_of_other_classes(reading, pipeline)
        return 1 if found else 0
    raise Failed(f"nothing was checked: {summary.unchecked}. {_remedy(reading, other_ingresses(pipeline))}")


def _remedy(reading: Reading, others: list[Ingress]) -> str:
    """What to do where nothing was checked."""
    if others:
        return flags_for_classes(reading, others)
    text = reading.texts.get(STANDARD_INPUT)
    if text is not None and not text.raw.strip():
        return (
            "Standard input is empty: see whether the command before the pipe failed. If that is right: --allow-empty"
        )
    return "If none is expected: --allow-empty"


def _write(found: list[Finding], summary: Summary, output: str, texts: Mapping[str, Text], source: str) -> None:
    match output:
        case "json":
            write_data({"problems": [_data(each) for each in found], "summary": summary.data}, output)
        case "sarif":
            write_data(sarif(found, summary, texts, source), output)
        case "gitlab":
            write_data(gitlab(found, source), output)
        case "github":
            for each in found:
                write_utf8(f"{github(each)}\n")
        case _:
            for each in found:
                click.echo(_line(each))


def _line(each: Finding) -> str:
    column = f":{each.position.column}" if each.position.column else ""
    place = f"{each.file}:{each.position.line}{column}: " if each.file else ""
    level, reason = each.problem.reason.level, each.problem.reason
    return f"{place}{level}: {reason}: {each.message}"


def _data(each: Finding) -> dict[str, Any]:
    data = dict(problem_data(messages.problem(each.problem)))
    del data["location"]
    places = {name: number or None for name, number in each.position._asdict().items()}
    if not each.file:
        places = dict.fromkeys(places)
    level = each.problem.reason.level
    return {"level": level, **data, "file": each.file, **places, "template": each.template}
