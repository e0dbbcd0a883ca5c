"""A problem with its exact place, and the figures of a run."""

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, NamedTuple

from xds.cli.offline import other_ingresses
from xds.cli.text import printable
from xds.controlplane.pipeline import Pipeline
from xds.kube.ingress_class import class_name
from xds.problems.problem import Problem
from xds.problems.reasons import Level
from xds.problems.text import shown
from xds.sources.folder.marks import Position
from xds.sources.folder.positions import Positions
from xds.sources.folder.reading import STANDARD_INPUT, Reading

_TEMPLATE: Final = re.compile(rb"^# Source: (\S.*?)\s*$", re.MULTILINE)
"""The comment of `helm template` before each document."""


class Finding(NamedTuple):
    """A problem and its place.

    Attributes:
        file: The path from the working directory, or STANDARD_INPUT; empty if no file holds the object.
        template: The template of a Helm chart that gave the object; empty if unknown.
    """

    problem: Problem
    file: str
    position: Position
    template: str = ""

    @property
    def subject(self) -> str:
        """Object and field."""
        return f"{str(self.problem.object).strip()} {self.problem.field}".rstrip()

    @property
    def message(self) -> str:
        """Object and field, the problem's message and remedy, and the template."""
        text = f"{self.problem.message.rstrip('.')}. {self.problem.remedy}".rstrip()
        origin = f" (from {self.template})" if self.template else ""
        return f"{self.subject}: {text}{origin}"


def findings(reading: Reading, problems: Iterable[Problem]) -> list[Finding]:
    """The findings, by file and place."""
    places = reading.manifests.locations()
    positions = Positions(reading.texts)
    found = (_finding(each, each.location or places.get(each.object, ""), positions) for each in problems)
    return sorted(found, key=lambda each: (*each[1:3], each.problem))


def _finding(problem: Problem, location: str, positions: Positions) -> Finding:
    file, colon, number = location.rpartition(":")
    if not colon or not number.isdecimal():
        return Finding(problem, location, Position(1))
    line = int(number)
    template = ""
    if file == STANDARD_INPUT and (comment := _TEMPLATE.search(positions.text_of(file, line))):
        template = printable(comment[1].decode(errors="replace"))
    return Finding(problem, file, positions.find(file, line, problem), template)


@dataclass(frozen=True, slots=True)
class Summary:
    """The figures of a run.

    Attributes:
        files: Files with manifests, and standard input.
        objects: Of any kind.
        ingresses: Of ours, whose problems are found.
        gateways: Gateways of ours.
        routes: Routes of every kind that name a Gateway or ListenerSet of ours.
        ports: Entries of ConfigMaps, and items of Services, that ask for ports of TCP and UDP.
        others: Ingresses of other classes, which are not looked at, by class.
        errors: Findings of the level.
        warnings: Likewise.
        ignored: Problems that --ignore leaves out.
    """

    files: int
    objects: int
    ingresses: int
    gateways: int
    routes: int
    ports: int
    others: Counter[str | None]
    errors: int
    warnings: int
    ignored: int

    @classmethod
    def of(cls, reading: Reading, pipeline: Pipeline, found: Iterable[Finding], ignored: int) -> "Summary":
        levels = Counter(each.problem.reason.level for each in found)
        others = Counter(map(class_name, other_ingresses(pipeline)))
        ours = len(pipeline.state_reader.state.all_ingresses) - others.total()
        traffic = pipeline.state_reader.traffic
        layer4, gateways, routes = traffic.layer4, len(traffic.gateway.gateways), len(traffic.gateway.routes)
        ports = sum(len(layer4.claims_of(each)) for each in layer4.sources)
        errors, warnings = levels[Level.ERROR], levels[Level.WARNING]
        return cls(
            len(reading.texts), reading.objects, ours, gateways, routes, ports, others, errors, warnings, ignored
        )

    @property
    def any_checked(self) -> bool:
        return bool(self.ingresses or self.gateways or self.routes or self.ports)

    @property
    def data(self) -> dict[str, int]:
        """For programs."""
        return {
            "files": self.files,
            "objects": self.objects,
            "ingresses": self.ingresses,
            "gateways": self.gateways,
            "routes": self.routes,
            "ports": self.ports,
            "other_ingresses": self.others.total(),
            "errors": self.errors,
            "warnings": self.warnings,
            "ignored": self.ignored,
        }

    def __str__(self) -> str:
        others = f", {_counted(self.others.total(), 'Ingress')} of other classes not" if self.others else ""
        counts = {"Ingress": self.ingresses, "Gateway": self.gateways, "route": self.routes, "port": self.ports}
        if self.gateways or self.routes or self.ingresses:
            counts = {noun: count for noun, count in counts.items() if count}
        else:
            counts = {"Ingress": 0} | ({"port": self.ports} if self.ports else {})
        *former, last = (_counted(count, noun) for noun, count in counts.items())
        checked = f"{', '.join(former)} and {last}" if former else last
        parts = [_counted(self.errors, "error"), _counted(self.warnings, "warning")]
        parts += [f"{self.ignored} ignored"] if self.ignored else []
        return (
            f"{_counted(self.objects, 'object')} in {_counted(self.files, 'file')}: "
            f"{checked} checked{others}; {', '.join(parts)}"
        )

    @property
    def unchecked(self) -> str:
        """Why there was nothing to check; empty if Ingresses or ports were checked."""
        if self.any_checked:
            return ""
        if not self.files:
            return "no file ends in .yaml, .yml or .json"
        if not self.objects:
            return "no Kubernetes object is in the input"
        if not self.others:
            return f"{_counted(self.objects, 'object')}, and no Ingress or Gateway of ours, in the input"
        classes = (f"{'no class' if name is None else shown(name)} ({count})" for name, count in self.others.items())
        return f"no Ingress is ours; classes found: {', '.join(classes)}"


def _counted(count: int, noun: str) -> str:
    return f"{count} {noun}{'' if count == 1 else 'es' if noun.endswith('s') else 's'}"
