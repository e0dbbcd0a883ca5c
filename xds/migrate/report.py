"""The report: Ingress by Ingress, the ConfigMap, the controller's flags, and the command line to start with."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import chain

from xds.kube.objects import ConfigMap, Ingress
from xds.migrate.annotations import AnnotationVerdict, annotation_verdicts
from xds.migrate.config_keys import KeyVerdict, key_verdicts
from xds.migrate.controller import Controller
from xds.migrate.flags import FlagVerdict, flag_verdicts
from xds.migrate.general import GeneralRule, general_differences
from xds.migrate.inventory import Inventory
from xds.migrate.ports import EntryVerdict
from xds.migrate.problems import ProblemVerdict, problem_verdicts
from xds.migrate.subject import Subject
from xds.migrate.surprises.ports import PortRule, port_surprises
from xds.migrate.surprises.registry import surprises
from xds.migrate.surprises.rule import Rule
from xds.migrate.verdict import Verdict, worst
from xds.problems.problem import Key, ObjectRef, Problem
from xds.traffic.layer4 import Transport
from xds.translate.nginx.paths_policy import OPEN_PATHS, IngressPolicy


@dataclass(frozen=True, slots=True)
class Surprise:
    """A surprise of an Ingress, with its particulars."""

    rule: Rule
    text: str


@dataclass(frozen=True, slots=True)
class IngressReport:
    """The report on an Ingress.

    Attributes:
        key: The Ingress.
        hosts: Of its rules; empty for a rule without host.
        annotations: The verdict on each annotation of ingress-nginx, by name.
        problems: Of other fields.
        surprises: In the order of the registry.
        not_judged: References to objects that the input has not, in words.
        why_not_served: Why ingress-nginx doesn't serve the Ingress today; empty for one that is served.
    """

    key: Key
    hosts: tuple[str, ...]
    annotations: tuple[AnnotationVerdict, ...] = ()
    problems: tuple[ProblemVerdict, ...] = ()
    surprises: tuple[Surprise, ...] = ()
    not_judged: tuple[str, ...] = ()
    why_not_served: str = ""

    @property
    def verdict(self) -> Verdict:
        """The worst verdict of the parts."""
        return worst((*(each.verdict for each in self.annotations), *(each.verdict for each in self.problems)))


@dataclass(frozen=True, slots=True)
class PortsReport:
    """The report on a ConfigMap of ports.

    Attributes:
        transport: The protocol of its ports.
        config_map: The ConfigMap.
        entries: The verdict on each entry, by port; None: the ConfigMap isn't in the input.
    """

    transport: Transport
    config_map: Key
    entries: tuple[EntryVerdict, ...] | None

    def surprises(self) -> Iterator[tuple[EntryVerdict, PortRule, str]]:
        """The surprises, with entry and particulars."""
        for each in self.entries or ():
            for rule, text in port_surprises(each.entry):
                yield each, rule, text


@dataclass(frozen=True, slots=True)
class Report:
    """The report on all Ingresses.

    Attributes:
        ingresses: By namespace and name.
        config_map: ingress-nginx's ConfigMap; None if unknown.
        keys: The verdict on each of its keys.
        controller: The place and the flags.
        flags: The verdict on each flag.
        ports: The ConfigMaps of TCP and UDP ports.
        general: Differences that concern every Ingress.
        left_out: Ingresses of other classes, each with the reason.
        unreadable: Parts of the input that can't be read.
        command: Arguments to start the control plane with.
    """

    ingresses: tuple[IngressReport, ...]
    config_map: Key | None
    keys: tuple[KeyVerdict, ...]
    controller: Controller
    flags: tuple[FlagVerdict, ...]
    ports: tuple[PortsReport, ...]
    general: tuple[GeneralRule, ...]
    left_out: Mapping[Key, str]
    unreadable: tuple[Problem, ...]
    command: tuple[str, ...]

    @property
    def counts(self) -> Mapping[Verdict, int]:
        """The number of Ingresses by verdict."""
        counted = Counter(each.verdict for each in self.ingresses)
        return {verdict: counted[verdict] for verdict in Verdict}

    @property
    def has_refusals(self) -> bool:
        """Whether anything is refused: an Ingress, a key, a flag or a port."""
        verdicts = chain(
            (each.verdict for each in self.ingresses),
            (each.verdict for each in self.keys),
            (each.verdict for each in self.flags),
            (entry.verdict for each in self.ports for entry in each.entries or ()),
        )
        return Verdict.REFUSED in verdicts


@dataclass(frozen=True)
class Judge:
    """Judges Ingresses by the translation's own results.

    Attributes:
        inventory: All Ingresses of ingress-nginx.
        policy: Returns the policy of an Ingress, by the translation.
        problems: Of the translation, by object.
        not_judged: The references of each Ingress to objects that the input has not, in words.
    """

    inventory: Inventory
    policy: Callable[[Ingress], IngressPolicy]
    problems: Mapping[ObjectRef, list[Problem]]
    not_judged: Mapping[Key, tuple[str, ...]] = field(default_factory=dict)

    def ingress(self, subject: Subject) -> IngressReport:
        """The report on an Ingress."""
        problems = self.problems.get(subject.ingress.ref, [])
        # Paths are closed, and canaries without requests, only with a problem.
        policy = self.policy(subject.ingress) if problems else OPEN_PATHS
        return IngressReport(
            subject.key,
            subject.hosts,
            tuple(annotation_verdicts(subject, self.inventory, policy, problems)),
            tuple(problem_verdicts(subject, self.inventory, policy, problems)),
            tuple(Surprise(rule, text) for rule, text in surprises(subject, self.inventory)),
            self.not_judged.get(subject.key, ()),
            self.inventory.why_vanished(subject),
        )

    def keys(self, config_map: Key | None) -> tuple[KeyVerdict, ...]:
        """The verdicts on the keys of ingress-nginx's ConfigMap."""
        if config_map is None:
            return ()
        problems = self.problems.get(ObjectRef(ConfigMap.kind, *config_map), [])
        return tuple(key_verdicts(self.inventory.config or {}, problems))


def by_object(problems: Iterable[Problem]) -> dict[ObjectRef, list[Problem]]:
    """Problems by object, in the order given."""
    found: dict[ObjectRef, list[Problem]] = {}
    for each in problems:
        found.setdefault(each.object, []).append(each)
    return found


def flags_and_differences(
    inventory: Inventory, controller: Controller
) -> tuple[tuple[FlagVerdict, ...], tuple[GeneralRule, ...]]:
    """The verdicts on the flags of the controller, and the differences of all Ingresses."""
    return tuple(flag_verdicts(controller.flags)), tuple(general_differences(inventory))
