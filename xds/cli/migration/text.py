"""The report for a terminal, and in Markdown for a pull request."""

import shlex
from collections import Counter
from collections.abc import Iterator
from typing import Final

import click
from rich.text import Text

from xds.cli.migration.data import parts
from xds.cli.output import table
from xds.cli.table import Table
from xds.cli.text import printable
from xds.migrate.ports import EntryVerdict
from xds.migrate.report import IngressReport, PortsReport, Report
from xds.migrate.verdict import Verdict
from xds.problems.text import shown

_COLOURS: Final = {Verdict.EXACT: "green", Verdict.APPROXIMATE: "yellow", Verdict.REFUSED: "red"}

_MANY: Final = 20
"""Ingresses of other classes that are named."""


def report_table(report: Report) -> Table:
    """A row for each Ingress."""
    columns = ("INGRESS", "VERDICT", "REFUSED", "APPROXIMATE", "SURPRISES", "TODAY", "HOSTS")
    return table(columns, map(_row, report.ingresses))


def report_text(report: Report, *, colours: bool) -> str:
    """The report below the table: each Ingress with something to say, then the rest. Rich would take 0.2 ms a line."""
    return "\n".join(_Lines(colours=colours).report(report)) + "\n"


def _row(each: IngressReport) -> tuple[str | Text, ...]:
    counted = Counter(verdict for verdict, *_ in parts(each))
    today = "not served" if each.why_not_served else "served"
    counts = (counted[Verdict.REFUSED], counted[Verdict.APPROXIMATE], len(each.surprises))
    shown = (str(count or "") for count in counts)
    return (str(each.key), Text(each.verdict, _COLOURS[each.verdict]), *shown, today, _hosts(each))


def _hosts(each: IngressReport) -> str:
    return ", ".join(host or "*" for host in each.hosts) or "no host"


class _Lines:
    """Writes lines for a terminal."""

    def __init__(self, *, colours: bool) -> None:
        self._colours = colours

    def report(self, report: Report) -> Iterator[str]:
        for each in report.ingresses:
            if lines := list(self._ingress(each)):
                heading = self._bold(f"Ingress {each.key} ({_hosts(each)})")
                yield f"\n{heading}: {self._styled(each.verdict, _COLOURS[each.verdict])}"
                yield from lines
        yield from self._controller(report)
        yield from self._ports(report)
        yield from self._rest(report)
        yield f"\n{self._bold('The control plane for the same, with --kubeconfig FILE or --in-cluster:')}"
        yield f"  {command(report)}"
        yield f"\n{self._bold(_summary(report))}"

    def _ingress(self, each: IngressReport) -> Iterator[str]:
        yield from (self._part(*part) for part in parts(each))
        for annotation in each.annotations:
            yield from (f"    {printable(line.text)}  →  {line.instead}" for line in annotation.lines)
            if annotation.others:
                others = ", ".join(map(str, annotation.others[:_MANY]))
                yield f"    {annotation.name} holds for the hosts, and so for the paths of {others}"
        for surprise in each.surprises:
            yield f"  {self._styled('surprise', 'cyan')} {surprise.rule.id}: {printable(surprise.text)}"
        if each.not_judged:
            yield f"  not judged, as it is not in the input: {', '.join(each.not_judged)}"

    def _controller(self, report: Report) -> Iterator[str]:
        keys = [each for each in report.keys if each.verdict is not Verdict.EXACT]
        if keys:
            yield f"\n{self._bold(f'ConfigMap {report.config_map}: {len(report.keys)} keys')}"
            yield from (self._part(each.verdict, each.name, each.text, each.remedy) for each in keys)
        if report.flags:
            yield f"\n{self._bold(f'Flags of the controller ({report.controller.place})')}"
            yield from (self._part(each.verdict, f"--{each.name}", each.text) for each in report.flags)

    def _ports(self, report: Report) -> Iterator[str]:
        for each in report.ports:
            yield f"\n{self._bold(_ports_title(each))}"
            for found in each.entries or ():
                yield self._part(found.verdict, _entry(found), found.text, found.remedy)
            for found, rule, text in each.surprises():
                yield f"  {self._styled('surprise', 'cyan')} {rule.id}, port {found.entry.key}: {printable(text)}"

    def _rest(self, report: Report) -> Iterator[str]:
        if report.general:
            yield f"\n{self._bold('All Ingresses and ports')}"
            yield from (f"  {self._styled(each.id, 'cyan')}: {each.meaning}" for each in report.general)
        if report.left_out:
            title = f"Ingresses that are not of ingress-nginx, and not judged: {len(report.left_out)}"
            yield f"\n{self._bold(title)} (--ingress-class NAME and --watch-ingress-without-class choose others)"
            yield from (f"  {key}: {printable(why)}" for key, why in list(report.left_out.items())[:_MANY])
        if report.unreadable:
            yield f"\n{self._bold('Not readable, and not judged')}"
            for each in report.unreadable:
                yield self._part(Verdict.REFUSED, each.location or str(each.object), each.message, each.remedy)

    def _part(self, verdict: Verdict, name: str, text: str, remedy: str = "") -> str:
        line = f"  {self._styled(verdict, _COLOURS[verdict])} {printable(name)}"
        line += f": {printable(text.rstrip('.'))}" if text else ""
        return f"{line}. {self._styled(printable(remedy), 'green')}" if remedy else line

    def _styled(self, text: str, colour: str) -> str:
        return click.style(text, fg=colour) if self._colours else text

    def _bold(self, text: str) -> str:
        return click.style(text, bold=True) if self._colours else text


def _ports_title(each: PortsReport) -> str:
    if each.entries is None:
        return f"{each.transport.upper()} ports: ConfigMap {each.config_map}, not judged, as it is not in the input"
    return f"{each.transport.upper()} ports: ConfigMap {each.config_map}, {len(each.entries)} entries"


def _entry(found: EntryVerdict) -> str:
    return f"{found.entry.key} {shown(found.entry.value)}"


def _summary(report: Report) -> str:
    counts = ", ".join(f"{count} {verdict}" for verdict, count in report.counts.items())
    absent = sum(bool(each.why_not_served) for each in report.ingresses)
    today = f"; {absent} not served by ingress-nginx today" if absent else ""
    return f"{len(report.ingresses)} Ingresses: {counts}{today}"


def command(report: Report) -> str:
    """The command line for a shell."""
    return shlex.join(("xds", "serve", *report.command))


def markdown(report: Report) -> str:
    """The report as a comment of a pull request."""
    return "\n".join(_markdown_lines(report)) + "\n"


def _markdown_lines(report: Report) -> Iterator[str]:
    yield "## From ingress-nginx to xds-ingress"
    yield ""
    yield f"{_summary(report)}."
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
            yield from (
                "",
                f"### Ingress `{each.key}`: {each.verdict}",
                "",
                f"Hosts: {_escaped(_hosts(each))}",
                "",
                *lines,
            )
    yield from _markdown_controller(report)
    if report.general:
        yield from ("", "### All Ingresses and ports", "")
        yield from (f"- `{each.id}`: {each.meaning}" for each in report.general)
    if report.left_out:
        yield from ("", f"Ingresses that are not of ingress-nginx, and not judged: {len(report.left_out)}.")
    if report.unreadable:
        yield from ("", "### Not readable, and not judged", "")
        yield from (f"- `{each.location or each.object}`: {_escaped(each.message)}" for each in report.unreadable)
    yield from ("", "### The control plane for the same", "", "```sh", command(report), "```")


def _markdown_controller(report: Report) -> Iterator[str]:
    """The keys and flags of ingress-nginx's controller."""
    keys = [each for each in report.keys if each.verdict is not Verdict.EXACT]
    if keys:
        yield from ("", f"### ConfigMap `{report.config_map}`", "")
        yield from (
            f"- **{each.verdict}** `{each.name}`: {_escaped(each.text)}. {each.remedy}".rstrip() for each in keys
        )
    if report.flags:
        yield from ("", "### Flags of the controller", "")
        yield from (f"- **{each.verdict}** `--{each.name}`: {_escaped(each.text)}" for each in report.flags)
    for ports in report.ports:
        yield from ("", f"### {_ports_title(ports)}", "")
        for found in ports.entries or ():
            text = f"{_escaped(found.text)}. {_escaped(found.remedy)}".rstrip() if found.text else ""
            yield f"- **{found.verdict}** {_escaped(_entry(found))}{': ' if text else ''}{text}"
        yield from (
            f"- surprise [{rule.id}], port {_escaped(found.entry.key)}: {_escaped(text)}"
            for found, rule, text in ports.surprises()
        )


def _markdown_ingress(each: IngressReport) -> Iterator[str]:
    if each.why_not_served:
        yield f"- not served by ingress-nginx today: {_escaped(each.why_not_served)}"
    for verdict, name, text, remedy in parts(each):
        yield f"- **{verdict}** {_escaped(name)}: {_escaped(text.rstrip('.'))}. {_escaped(remedy)}".rstrip()
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
