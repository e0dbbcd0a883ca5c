"""Cases: objects, requests, and the answers that are right."""

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Final

CASES: Final = Path(__file__).parent / "cases"
DIFFERENCES: Final = json.loads((Path(__file__).parent / "differences.json").read_text())
"""By case and number of a request: our own expectation, where ours is not ingress-nginx's. `why` says why."""

NAMESPACES_KEPT: Final = ("kube-system", "ingress-nginx")


@dataclass(eq=False)
class Case:
    """A case of a file. README.md describes the fields.

    Attributes:
        data: As in the file.
        namespaces: Those of the run, by those of the file: cases that are loaded together must not meet.
        clients: Files of client certificates, with the keys, by name.
        answers: To each request.
        faults: For each request, the differences from the expectation.
    """

    data: dict[str, Any]
    namespaces: dict[str, str] = field(default_factory=dict)
    clients: dict[str, tuple[Path, Path]] = field(default_factory=dict)
    answers: list[dict[str, Any]] = field(default_factory=list)
    faults: list[list[str]] = field(default_factory=list)

    @property
    def name(self) -> str:
        return str(self.data["name"])

    @property
    def verdict(self) -> str:
        return str(self.data["verdict"])

    @property
    def namespace(self) -> str:
        """The one that stands for `default`."""
        return "c-" + re.sub("[^a-z0-9-]", "-", self.name.lower())[:50].strip("-")

    @property
    def config_map(self) -> dict[str, str]:
        """The keys of ingress-nginx's ConfigMap, with the namespaces of the run."""
        return {name: self.renamed(str(value)) for name, value in (self.data.get("configmap") or {}).items()}

    @cached_property
    def ingresses(self) -> list[dict[str, Any]]:
        return [each for each in self.data["objects"] if each.get("kind") == "Ingress"]

    @property
    def is_alone(self) -> bool:
        """Whether the case has rules for all hosts, or says that others would disturb it."""
        specs = [each.get("spec") or {} for each in self.ingresses]
        without_host = any(rule.get("host") in (None, "") for spec in specs for rule in spec.get("rules") or ())
        return bool(self.data.get("exclusive")) or without_host or any(spec.get("defaultBackend") for spec in specs)

    @cached_property
    def hosts(self) -> set[str]:
        found: set[str] = set()
        for ingress in self.ingresses:
            spec = ingress.get("spec") or {}
            found |= {rule["host"] for rule in spec.get("rules") or () if rule.get("host")}
            found |= {host for entry in spec.get("tls") or () for host in entry.get("hosts") or ()}
            for name, value in ((ingress.get("metadata") or {}).get("annotations") or {}).items():
                if name.endswith("/server-alias"):
                    found |= {alias.strip() for alias in str(value).split(",")}
        return found

    def meets(self, other: "Case") -> bool:
        return any(_meet(own, others) for own in self.hosts for others in other.hosts)

    def recorded(self, number: int) -> dict[str, Any]:
        """The part of ingress-nginx's answer that the case is about."""
        expected: dict[str, Any] = self.data["requests"][number].get("expect") or {}
        return expected

    def expected(self, number: int) -> dict[str, Any]:
        """The right answer."""
        ours = DIFFERENCES.get(self.name, {}).get("requests", {}).get(str(number))
        return self.recorded(number) if ours is None else ours

    def renamed(self, text: str) -> str:
        """A text with the namespaces of the run."""
        for before, after in self.namespaces.items():
            text = re.sub(rf"^{re.escape(before)}/(?=[a-z0-9.-]+$)", f"{after}/", text)
            text = re.sub(rf"\.{re.escape(before)}\.svc\b", f".{after}.svc", text)
        return text

    def named_as_in_the_file(self, value: Any) -> Any:
        """An answer with the namespaces of the file."""
        if isinstance(value, str):
            for before, after in sorted(self.namespaces.items(), key=lambda pair: -len(pair[1])):
                value = value.replace(after, before)
            return value
        if isinstance(value, dict):
            return {name: self.named_as_in_the_file(each) for name, each in value.items()}
        return [self.named_as_in_the_file(each) for each in value] if isinstance(value, list) else value


def _meet(one: str, other: str) -> bool:
    covers = (one.startswith("*.") and other.endswith(one[1:])) or (other.startswith("*.") and one.endswith(other[1:]))
    return one == other or covers or one.startswith("~") or other.startswith("~")


def load(file: str) -> list[Case]:
    cases = [Case(data) for data in json.loads((CASES / f"{file}.json").read_text())]
    for case in cases:
        used = {"default"}
        for each in case.data["objects"]:
            metadata = each.get("metadata") or {}
            named = metadata.get("name") if each.get("kind") == "Namespace" else metadata.get("namespace")
            used |= {named or "default", each.get("namespace") or "default"}
        own = case.namespace
        case.namespaces = {
            each: own if each == "default" else f"{own[:40]}-{each}" for each in used if each not in NAMESPACES_KEPT
        }
    return cases


def batches(cases: Iterable[Case], size: int) -> list[list[Case]]:
    """Cases that one control plane serves: with one ConfigMap, and without common hosts."""
    found: list[list[Case]] = []
    for case in cases:
        fitting = (
            batch
            for batch in found
            if len(batch) < size
            and not case.is_alone
            and not batch[0].is_alone
            and batch[0].config_map == case.config_map
            and not any(case.meets(each) for each in batch)
        )
        if batch := next(fitting, None):
            batch.append(case)
        else:
            found.append([case])
    return found
