"""IngressClasses: which Ingresses are ours, and which are held although their class turned away from us.

An IngressClass decides over every Ingress of the class. So one edit, or a new IngressClass under a name in use, could
withdraw all routes of a fleet although nobody deleted anything. An Ingress turned away by such a change is *held*: the
Ingress stays served while held Ingresses are the only users of existing Services, or of existing Secrets. Meanwhile
the IngressClass has a problem `WithdrawalHeld`.
"""

from collections.abc import Iterator, Mapping, Set
from dataclasses import dataclass, replace
from typing import Final

from xds.kube.objects import Ingress, IngressClass, KubeObject
from xds.problems.field_path import FieldPath, MapKey
from xds.problems.problem import Key, ObjectRef, Problem
from xds.problems.reasons import Reason
from xds.problems.text import shown

CONTROLLER: Final = "xds-ingress.dev/controller"
"""`spec.controller` of our IngressClasses, unless `--controller-name` has others."""

CLASS_ANNOTATION: Final = "kubernetes.io/ingress.class"
DEFAULT_CLASS_ANNOTATION: Final = "ingressclass.kubernetes.io/is-default-class"

_ANNOTATION_WINS: Final = f"by the annotation {CLASS_ANNOTATION}, which counts before spec.ingressClassName"

HELD_WHY: Final = f"; it stays served, see the problem {Reason.WITHDRAWAL_HELD} of that IngressClass"


@dataclass(frozen=True, slots=True)
class ClassOptions:
    """The operator's choice of IngressClasses.

    Attributes:
        name: The class name that is ours while no IngressClass of that name exists.
        is_exclusive: Whether IngressClasses of other names are never ours: another installation serves them.
        controllers: `spec.controller` of our IngressClasses.
        takes_classless: Whether Ingresses without class are ours, whatever the default IngressClass is.
        skips_catch_all: Whether Ingresses with a default backend and without rules are never ours.
    """

    name: str = "envoy"
    is_exclusive: bool = False
    controllers: tuple[str, ...] = (CONTROLLER,)
    takes_classless: bool = False
    skips_catch_all: bool = False

    def is_ours(self, ingress_class: IngressClass) -> bool:
        fits = not self.is_exclusive or ingress_class.metadata.name == self.name
        return fits and ingress_class.spec.controller in self.controllers


@dataclass(frozen=True, slots=True)
class ClassClaim:
    """Whether an Ingress is ours.

    Attributes:
        ours: True also for a held Ingress.
        why: The reason, for people.
    """

    ours: bool
    why: str


class IngressClasses:
    """Decides which Ingresses are served: Ingresses of our classes, and held Ingresses.

    Args:
        classes: The IngressClasses that exist, kept current by the caller.
        options: Which of the IngressClasses are ours.
        claim_classless: Whether an Ingress without class is ours while no IngressClass exists.
    """

    def __init__(self, classes: Mapping[Key, KubeObject], options: ClassOptions, *, claim_classless: bool) -> None:
        self.problems: tuple[Problem, ...] = ()
        self._classes = classes
        self._options = options
        self._claim_classless = claim_classless
        self._held: dict[Key, Key] = {}  # Ingress to the IngressClass that turned away
        self._unsettled: set[Key] = set()
        self._contradictory: dict[Key, Ingress] = {}

    def served(self, ingress: Ingress) -> bool:
        return ingress.key in self._held or self._claim(ingress).ours

    def claim(self, ingress: Ingress) -> ClassClaim:
        """Tell whether the Ingress is for this controller, and why.

        Source: https://kubernetes.io/docs/concepts/services-networking/ingress/#ingress-class
        """
        claim = self._claim(ingress)
        return ClassClaim(ours=True, why=claim.why + HELD_WHY) if ingress.key in self._held else claim

    def ingress_replaced(self, key: Key, before: Ingress | None, after: Ingress | None) -> None:
        """End the hold of an Ingress that is created, deleted, or given another class."""
        if before is None or after is None or class_name(before) != class_name(after):
            self._held.pop(key, None)
            self._unsettled.add(key)
        if after is not None and _contradicts_itself(after):
            self._contradictory[key] = after
        else:
            self._contradictory.pop(key, None)

    def class_replaced(self, ingress: Ingress, ingress_class: Key, *, deleted: bool, was_served: bool) -> bool:
        """Hold the Ingress, or end its hold, as the changed IngressClass demands. Returns whether it is served now.

        Only an Ingress that was served with the same class at the last `settle` is held. The deletion of an
        IngressClass withdraws its Ingresses.
        """
        key = ingress.key
        if self._claim(ingress).ours:
            self._held.pop(key, None)
            if not was_served:
                self._unsettled.add(key)
        elif deleted:
            if self._held.get(key) == ingress_class:
                del self._held[key]
        elif was_served and key not in self._unsettled:
            self._held.setdefault(key, ingress_class)
        return self.served(ingress)

    @property
    def held(self) -> int:
        """Number of held Ingresses."""
        return len(self._held)

    def are_held(self, ingresses: Set[Key]) -> bool:
        return ingresses <= self._held.keys()

    def settle(self, *, hold: bool) -> list[Key]:
        """End a batch of changes: keep what is held, or release everything. Returns the released Ingresses."""
        self._unsettled.clear()
        released = [] if hold else list(self._held)
        if released:
            self._held.clear()
        held = (_problem(each) for each in sorted(set(self._held.values())))
        self.problems = (*held, *self._contradictions())
        return released

    def _contradictions(self) -> Iterator[Problem]:
        """A problem for each Ingress with two different classes, if the annotation or the field names one of ours."""
        for key in sorted(self._contradictory):
            ingress = self._contradictory[key]
            names = (ingress.annotations[CLASS_ANNOTATION], ingress.spec.ingress_class_name or "")
            if any(self._claim_of_name(name).ours for name in names):
                yield _contradiction(ingress.ref, *names)

    def _claim(self, ingress: Ingress) -> ClassClaim:
        if self._options.skips_catch_all and ingress.spec.default_backend and not ingress.spec.rules:
            return ClassClaim(ours=False, why="it has a default backend and no rules, and --disable-catch-all is given")
        name = class_name(ingress)
        if not name:
            return self._claim_of_classless()
        claim = self._claim_of_name(name)
        return replace(claim, why=f"{claim.why}, {_ANNOTATION_WINS}") if _contradicts_itself(ingress) else claim

    def _claim_of_name(self, name: str) -> ClassClaim:
        named = self._classes.get(Key("", name))
        if isinstance(named, IngressClass):
            return self._claim_by(named)
        why = f"its class is {shown(name)}, there is no IngressClass of that name"
        if name == self._options.name:
            return ClassClaim(ours=True, why=why)
        return ClassClaim(ours=False, why=f"{why}, and ours is {shown(self._options.name)}")

    def _claim_by(self, ingress_class: IngressClass) -> ClassClaim:
        controller, ours = ingress_class.spec.controller, self._options.is_ours(ingress_class)
        why = f"its class {shown(ingress_class.metadata.name)} has the controller {shown(controller)}"
        if not ours and controller in self._options.controllers:
            why += f", and this installation serves only the class {shown(self._options.name)}"
        return ClassClaim(ours, why)

    def _claim_of_classless(self) -> ClassClaim:
        if self._options.takes_classless:
            return ClassClaim(ours=True, why="it has no class, and --watch-ingress-without-class is given")
        if not self._classes:
            return ClassClaim(self._claim_classless, "it has no class, and there is no IngressClass")
        defaults = (each for each in self._classes.values() if each.annotations.get(DEFAULT_CLASS_ANNOTATION) == "true")
        ours = any(isinstance(each, IngressClass) and self._options.is_ours(each) for each in defaults)
        return ClassClaim(ours, f"it has no class, and the default IngressClass is {'' if ours else 'not '}ours")


def class_name(ingress: Ingress) -> str | None:
    """The name in the annotation, else in the field: controllers that read only the annotation must agree with us.

    Source: "for backwards compatibility, when that annotation is set, it must be given precedence over this field",
    https://github.com/kubernetes/api/blob/v0.18.0/networking/v1beta1/types.go
    """
    return ingress.annotations.get(CLASS_ANNOTATION) or ingress.spec.ingress_class_name


def _contradicts_itself(ingress: Ingress) -> bool:
    annotation, field = ingress.annotations.get(CLASS_ANNOTATION), ingress.spec.ingress_class_name
    return bool(annotation and field and annotation != field)


def _contradiction(ingress: ObjectRef, annotation: str, field: str) -> Problem:
    return Problem(
        ingress,
        Reason.CLASS_CONTRADICTED,
        f"annotation {CLASS_ANNOTATION} says {shown(annotation)}, spec.ingressClassName says {shown(field)}: the "
        "annotation counts",
        Reason.CLASS_CONTRADICTED.remedy,
        FieldPath.of("metadata", "annotations", MapKey(CLASS_ANNOTATION)),
    )


def _problem(ingress_class: Key) -> Problem:
    return Problem(
        ObjectRef(IngressClass.kind, *ingress_class),
        Reason.WITHDRAWAL_HELD,
        "A change of this IngressClass turned away Ingresses that are the last to use a backend or a certificate. They "
        "stay served, and follow their Services and Secrets, until other Ingresses of ours have backends and "
        "certificates.",
        Reason.WITHDRAWAL_HELD.remedy,
    )
