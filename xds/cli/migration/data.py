"""The report for programs, and as a log of the Static Analysis Results Interchange Format."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

from xds.cli.output import problem_data
from xds.migrate.annotations import AnnotationVerdict
from xds.migrate.ports import Today
from xds.migrate.report import IngressReport, PortsReport, Report
from xds.migrate.verdict import Verdict
from xds.problems.problem import ObjectRef, Problem
from xds.problems.text import shown
from xds.server.debug import messages


def report_data(report: Report) -> dict[str, Any]:
    """The report in JSON. Scripts depend on the keys, and on verdicts and ids."""
    return {
        "summary": {
            "ingresses": len(report.ingresses),
            **{str(verdict): count for verdict, count in report.counts.items()},
            "not_served_today": sum(bool(each.why_not_served) for each in report.ingresses),
            "left_out": len(report.left_out),
            "unreadable": len(report.unreadable),
        },
        "ingresses": [_ingress(each) for each in report.ingresses],
        "config_map": _config_map(report),
        "controller": {
            "from": report.controller.place,
            "flags": {
                each.name: {"verdict": each.verdict, "text": each.text, "instead": list(each.ours)}
                for each in report.flags
            },
        },
        "ports": [_ports(each) for each in report.ports],
        "general": [{"id": each.id, "text": each.meaning} for each in report.general],
        "command": ["xds", "serve", *report.command],
        "left_out": {str(key): why for key, why in report.left_out.items()},
        "unreadable": [_problem(each) for each in report.unreadable],
    }


def _ingress(each: IngressReport) -> dict[str, Any]:
    return {
        "namespace": each.key.namespace,
        "name": each.key.name,
        "verdict": each.verdict,
        "served_today": not each.why_not_served,
        "why_not_served": each.why_not_served,
        "hosts": list(each.hosts),
        "annotations": {found.name: _annotation(found) for found in each.annotations},
        "problems": [{"verdict": found.verdict, **_problem(found.problem)} for found in each.problems],
        "surprises": [found.rule.id for found in each.surprises],
        "surprise_texts": {found.rule.id: found.text for found in each.surprises},
        "not_judged": list(each.not_judged),
    }


def _annotation(each: AnnotationVerdict) -> dict[str, Any]:
    data: dict[str, Any] = {
        "verdict": each.verdict,
        "value": each.value,
        "text": each.text,
        "remedy": each.remedy,
    }
    if each.lines:
        data["lines"] = [{"text": line.text, "instead": line.instead} for line in each.lines]
    if each.others:
        data["also_concerns"] = [str(key) for key in each.others]
    return data


def _config_map(report: Report) -> dict[str, Any] | None:
    if report.config_map is None:
        return None
    keys = {each.name: {"verdict": each.verdict, "text": each.text, "remedy": each.remedy} for each in report.keys}
    return {"namespace": report.config_map.namespace, "name": report.config_map.name, "keys": keys}


def _ports(each: PortsReport) -> dict[str, Any]:
    surprises: dict[str, dict[str, str]] = {}
    for found, rule, text in each.surprises():
        surprises.setdefault(found.entry.key, {})[rule.id] = text
    return {
        "protocol": each.transport,
        "namespace": each.config_map.namespace,
        "name": each.config_map.name,
        "judged": each.entries is not None,
        "entries": {
            found.entry.key: {
                "verdict": found.verdict,
                "value": found.entry.value,
                "served_today": found.entry.today is Today.SERVED,
                "text": found.text,
                "remedy": found.remedy,
                "surprises": surprises.get(found.entry.key, {}),
            }
            for found in each.entries or ()
        },
    }


def _problem(each: Problem) -> Mapping[str, Any]:
    return problem_data(messages.problem(each))


_LEVELS: Final = {Verdict.REFUSED: "error", Verdict.APPROXIMATE: "warning", Verdict.EXACT: "none"}


@dataclass(frozen=True, slots=True)
class _Result:
    """A result of the log.

    Attributes:
        rule: Its id.
        meaning: Of the rule.
        level: In SARIF's words.
        text: The message.
        about: The object; None for the controller.
        field: Of the object.
    """

    rule: str
    meaning: str
    level: str
    text: str
    about: ObjectRef | None = None
    field: str = ""

    @property
    def subject(self) -> str:
        return f"{self.about} {self.field}".rstrip() if self.about else "ingress-nginx's controller"


def sarif(report: Report, places: Mapping[ObjectRef, str]) -> dict[str, Any]:
    """The report as a log. An exact part is no result.

    Source: https://docs.oasis-open.org/sarif/sarif/v2.1.0/sarif-v2.1.0.html

    Args:
        report: The report.
        places: `FILE:LINE` of each object of a folder.
    """
    found = list(_results(report))
    rules = {each.rule: each.meaning for each in found}
    indexes = {rule: index for index, rule in enumerate(rules)}
    driver = {
        "name": "xds-ingress",
        "version": version("xds-ingress"),
        "rules": [{"id": rule, "shortDescription": {"text": meaning}} for rule, meaning in rules.items()],
    }
    results = [_result(each, indexes[each.rule], places) for each in found]
    return {
        "$schema": "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json",
        "version": "2.1.0",
        "runs": [{"tool": {"driver": driver}, "columnKind": "unicodeCodePoints", "results": results}],
    }


def _result(each: _Result, index: int, places: Mapping[ObjectRef, str]) -> dict[str, Any]:
    location: dict[str, Any] = {"logicalLocations": [{"fullyQualifiedName": each.subject, "kind": "resource"}]}
    file, _, line = (places.get(each.about, "") if each.about else "").rpartition(":")
    if file:
        artifact = {"uri": quote(Path(file).as_posix())}
        location["physicalLocation"] = {"artifactLocation": artifact, "region": {"startLine": int(line)}}
    return {
        "ruleId": each.rule,
        "ruleIndex": index,
        "level": each.level,
        "message": {"text": f"{each.subject}: {each.text}"},
        "locations": [location],
    }


def _results(report: Report) -> Iterator[_Result]:
    for each in report.ingresses:
        yield from _of_ingress(each)
    about = ObjectRef("ConfigMap", *report.config_map) if report.config_map else None
    for key in report.keys:
        if key.verdict is not Verdict.EXACT:
            meaning, text = f"The key {key.name} of ingress-nginx's ConfigMap.", _sentences(key.text, key.remedy)
            yield _Result(f"key/{key.name}", meaning, _LEVELS[key.verdict], text, about, f"data.{key.name}")
    for flag in report.flags:
        if flag.verdict is not Verdict.EXACT:
            meaning = f"The flag --{flag.name} of ingress-nginx's controller."
            yield _Result(f"flag/{flag.name}", meaning, _LEVELS[flag.verdict], flag.text)
    for ports in report.ports:
        yield from _of_ports(ports)
    for found in report.unreadable:
        text = _sentences(found.message, found.remedy)
        yield _Result(found.reason, found.reason.meaning, "error", text, found.object)


def _of_ingress(each: IngressReport) -> Iterator[_Result]:
    about = ObjectRef("Ingress", *each.key)
    for found in each.annotations:
        if found.verdict is not Verdict.EXACT:
            meaning, text = f"The annotation {found.name} of ingress-nginx.", _sentences(found.text, found.remedy)
            yield _Result(f"annotation/{found.name}", meaning, _LEVELS[found.verdict], text, about, found.name)
    for judged in each.problems:
        problem = judged.problem
        if judged.verdict is not Verdict.EXACT:
            text, level = _sentences(problem.message, problem.remedy), _LEVELS[judged.verdict]
            yield _Result(problem.reason, problem.reason.meaning, level, text, about, str(problem.field))
    for surprise in each.surprises:
        yield _Result(f"surprise/{surprise.rule.id}", surprise.rule.meaning, "note", surprise.text, about)


def _of_ports(each: PortsReport) -> Iterator[_Result]:
    about, kind = ObjectRef("ConfigMap", *each.config_map), each.transport.upper()
    for found in each.entries or ():
        if found.verdict is not Verdict.EXACT:
            name, text = f"data.{found.entry.key}", _sentences(found.text, found.remedy)
            yield _Result(f"port/{each.transport}", f"A {kind} port.", _LEVELS[found.verdict], text, about, name)
    for found, rule, text in each.surprises():
        yield _Result(f"surprise/{rule.id}", rule.meaning, "note", text, about, f"data.{found.entry.key}")


def _sentences(text: str, remedy: str) -> str:
    return f"{text.rstrip('.')}. {remedy}".rstrip()


def parts(each: IngressReport) -> Iterator[tuple[Verdict, str, str, str]]:
    """The parts of an Ingress that aren't exact: verdict, name, text and remedy, the worst first."""
    found = [(part.verdict, _named(part), part.text, part.remedy) for part in each.annotations]
    found += [
        (part.verdict, str(part.problem.field) or "Ingress", part.problem.message, part.problem.remedy)
        for part in each.problems
    ]
    for verdict in (Verdict.REFUSED, Verdict.APPROXIMATE):
        yield from (part for part in found if part[0] is verdict)


def _named(each: AnnotationVerdict) -> str:
    return f"{each.name} {shown(each.value)}" if each.value else each.name
