"""The held Ingresses of a pipeline, and objects of which a fresh pipeline makes the same snapshot."""

from collections.abc import Collection, Iterable

from msgspec.structs import replace

from tests.support.objects import ingress_class
from xds.controlplane.pipeline import Pipeline
from xds.kube.ingress_class import HELD_WHY
from xds.kube.objects import Ingress, KubeObject
from xds.problems.problem import Key, Problem
from xds.problems.reasons import Reason

_OURS = "held"


def held(of: Pipeline) -> set[Key]:
    return {each.key for each in of.state.ingresses() if of.state.claim(each).why.endswith(HELD_WHY)}


def as_served(objects: Iterable[KubeObject], held_: Collection[Key]) -> list[KubeObject]:
    """Give held Ingresses a class of ours. Without held Ingresses no class is added: an IngressClass changes claims."""
    served = [_ours(each) if isinstance(each, Ingress) and each.key in held_ else each for each in objects]
    return [*served, ingress_class(_OURS)] if held_ else served


def _ours(each: Ingress) -> Ingress:
    return replace(each, spec=replace(each.spec, ingress_class_name=_OURS))


def others(of: Pipeline) -> list[Problem]:
    """The problems of reasons other than a hold."""
    return [each for each in of.problems if each.reason != Reason.WITHDRAWAL_HELD]
