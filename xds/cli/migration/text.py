"""The report for a terminal, and in Markdown for a pull request."""

import shlex
from collections import Counter
from collections.abc import Iterator
from typing import Final

from rich.console import Group, RenderableType
from rich.text import Text

from xds.cli.migration.data import parts
from xds.cli.output import table
from xds.cli.text import printable
from xds.migrate.report import IngressReport, Report
from xds.migrate.verdict import Verdict

_COLOURS: Final = {Verdict.EXACT: "green", Verdict.APPROXIMATE: "yellow", Verdict.REFUSED: "red"}

_MANY: Final = 20
"""Ingresses of other classes that are named."""


def report_text(report: Report) -> RenderableType:
    """A table of all Ingresses, then each Ingress with something to say, then the rest."""
    found: list[RenderableType] = []
    if report.ingresses:
        rows = [_row(each) for each in report.ingresses]
        found.append(table(("INGRESS", "VERDICT", "REFUSED", "APPROXIMATE", "SURPRISES", "TODAY", "HOSTS"), rows))
    told = ((each, list(_ingress_lines(each))) for each in report.ingresses)
    found += [Text("\n").join((Text(""), _heading(each), *lines)) for each, lines in told if lines]
    found += [Text("\n").join(lines) for lines in _rest(report)]
    return Group(*found, Text(""), _summary(report))


def _row(each: IngressReport) -> tuple[str | Text, ...]:
    counted = Counter(verdict for verdict, *_ in parts(each))
    today = "not served" if each.why_not_served else "served"
    hosts = ", ".join(host or "*" for host in each.hosts)
    shown = (
        str(count or "") for count in (counted[Verdict.REFUSED], counted[Verdict.APPROXIMATE], len(each.surprises))
    )
    return (str(each.key), Text(each.verdict, _COLOURS[each.verdict]), *shown, today, hosts)


def _heading(each: IngressReport) -> Text:
    return Text.assemble((f"Ingress {each.key}", "bold"), ": ", (each.verdict, f"bold {_COLOURS[each.verdict]}"))


def _ingress_lines(each: IngressReport) -> Iterator[Text]:
    yield from (_part(*part) for part in parts(each))
    for annotation in each.annotations:
        yield from (Text(f"    {printable(each.text)}  →  {each.instead}") for each in annotation.lines)
        if annotation.others:
            others = ", ".join(map(str, annotation.others[:_MANY]))
            yield Text(f"    {annotation.name} holds for the hosts, and so for the paths of {others}")
    for surprise in each.surprises:
        yield Text.assemble("  ", ("surprise", "cyan"), f" {surprise.rule.id}: {printable(surprise.text)}")
    if each.not_judged:
        yield Text(f"  not judged, as it is not in the input: {', '.join(each.not_judged)}", "dim")


def _rest(report: Report) -> Iterator[list[Text]]:
    keys = [each for each in report.keys if each.verdict is not Verdict.EXACT]
    if keys:
        title = Text(f"ConfigMap {report.config_map}: {len(report.keys)} keys", "bold")
        yield [Text(""), title, *(_part(each.verdict, each.name, each.text, each.remedy) for each in keys)]
    if report.flags:
        title = Text(f"Flags of the controller ({report.controller.place})", "bold")
        yield [Text(""), title, *(_part(each.verdict, f"--{each.name}", each.text) for each in report.flags)]
    if report.general:
        rules = (Text.assemble("  ", (each.id, "cyan"), f": {each.meaning}") for each in report.general)
        yield [Text(""), Text("All Ingresses", "bold"), *rules]
    if report.left_out:
        named = list(report.left_out.items())[:_MANY]
        title = Text(f"Not of ingress-nginx, and not judged: {len(report.left_out)} Ingresses", "bold")
        yield [Text(""), title, *(Text(f"  {key}: {printable(why)}") for key, why in named)]
    if report.unreadable:
        faults = (
            _part(Verdict.REFUSED, each.location or str(each.object), each.message, each.remedy)
            for each in report.unreadable
        )
        yield [Text(""), Text("Not readable, and not judged", "bold"), *faults]
    yield [Text(""), Text("The control plane for the same, with --kubeconfig FILE or --in-cluster:", "bold")]
    yield [Text(f"  {command(report)}"), *(Text(f"  {note}") for note in report.notes)]


def _part(verdict: Verdict, name: str, text: str, remedy: str = "") -> Text:
    line = Text.assemble("  ", (verdict, _COLOURS[verdict]), f" {printable(name)}: {printable(text)}")
    return line.append(f". {printable(remedy)}" if remedy else "", "green")


def _summary(report: Report) -> Text:
    counts = ", ".join(f"{count} {verdict}" for verdict, count in report.counts.items())
    absent = sum(bool(each.why_not_served) for each in report.ingresses)
    today = f"; {absent} not served by ingress-nginx today" if absent else ""
    return Text(f"{len(report.ingresses)} Ingresses: {counts}{today}", "bold")


def command(report: Report) -> str:
    """The command line for a shell."""
    return shlex.join(("xds", "serve", *report.command))


def markdown(report: Report) -> str:
    """The report as a comment of a pull request."""
    return "\n".join(_markdown_lines(report)) + "\n"


def _markdown_lines(report: Report) -> Iterator[str]:
    yield "## From ingress-nginx to xds-ingress"
    yield ""
    yield f"{_summary(report).plain}."
    if report.ingresses:
        yield from (
            "",
            "| Ingress | verdict | refused | approximate | surprises | today |",
            "|---|---|---|---|---|---|",
        )
        for each in report.ingresses:
            key, verdict, *counts, today, _ = _row(each)
            yield f"| `{key}` | {verdict} | {' | '.join(map(str, counts))} | {today} |"
    for each in report.ingresses:
        lines = list(_markdown_ingress(each))
        if lines:
            yield from ("", f"### Ingress `{each.key}`: {each.verdict}", "", *lines)
    keys = [each for each in report.keys if each.verdict is not Verdict.EXACT]
    if keys:
        yield from ("", f"### ConfigMap `{report.config_map}`", "")
        yield from (
            f"- **{each.verdict}** `{each.name}`: {_escaped(each.text)}. {each.remedy}".rstrip() for each in keys
        )
    if report.flags:
        yield from ("", "### Flags of the controller", "")
        yield from (f"- **{each.verdict}** `--{each.name}`: {_escaped(each.text)}" for each in report.flags)
    if report.general:
        yield from ("", "### All Ingresses", "")
        yield from (f"- `{each.id}`: {each.meaning}" for each in report.general)
    if report.left_out:
        yield from ("", f"{len(report.left_out)} Ingresses are not of ingress-nginx, and not judged.")
    if report.unreadable:
        yield from ("", "### Not readable, and not judged", "")
        yield from (f"- `{each.location or each.object}`: {_escaped(each.message)}" for each in report.unreadable)
    yield from ("", "### The control plane for the same", "", "```sh", command(report), "```", *report.notes)


def _markdown_ingress(each: IngressReport) -> Iterator[str]:
    if each.why_not_served:
        yield f"- not served by ingress-nginx today: {_escaped(each.why_not_served)}"
    for verdict, name, text, remedy in parts(each):
        yield f"- **{verdict}** `{name}`: {_escaped(text)}. {_escaped(remedy)}".rstrip()
    for annotation in each.annotations:
        yield from (f"  - `{line.text.replace('`', '')}` → {line.instead}" for line in annotation.lines)
    for surprise in each.surprises:
        yield f"- surprise [{surprise.rule.id}]: {_escaped(surprise.text)}"
    if each.not_judged:
        yield f"- not judged, as it is not in the input: {', '.join(each.not_judged)}"


_SPECIAL: Final = str.maketrans({sign: f"\\{sign}" for sign in "\\`*_[]<>|#"})


def _escaped(text: str) -> str:
    """Text without a meaning in Markdown: values of annotations must not make links, or mention people."""
    return printable(" ".join(text.split())).translate(_SPECIAL).replace("@", "@\u200b")
