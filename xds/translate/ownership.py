"""The namespaces that may write rules for a host: all, or the one that owns the host."""

from collections.abc import Callable, Mapping
from enum import StrEnum
from typing import Final

from xds.kube.objects import Ingress, KubeObject
from xds.kube.state import KubeState, seniority, why_first
from xds.problems.field_path import FieldPath
from xds.problems.reasons import Reason
from xds.problems.text import shown
from xds.translate.findings import UnitFindings

NO_OWNERS: Final[Mapping[str, Ingress]] = {}


class HostOwnership(StrEnum):
    """The namespaces whose Ingresses count for a host."""

    SHARED = "shared"
    """All."""
    NAMESPACE = "namespace"
    """That of the oldest Ingress with a rule for the host, canaries aside."""


class HostOwners:
    """The owner of each host.

    Attributes:
        current: The Ingress whose namespace a host belongs to; empty where hosts are shared.
    """

    def __init__(self) -> None:
        self.current: dict[str, Ingress] = {}

    def note(self, host: str, owner: Ingress | None) -> bool:
        """Note the owner of a host, and return whether that is another Ingress than before, or of another age."""
        before = self.current.pop(host, None)
        if owner:
            self.current[host] = owner
        return (before and seniority(before)) != (owner and seniority(owner))


def only_of_owner(
    state: KubeState, host: str, is_canary: Callable[[Ingress], bool], findings: UnitFindings
) -> list[Ingress]:
    """The Ingresses of the namespace that a host belongs to, the oldest first. Reports the rules of all others.

    Args:
        state: The objects that exist.
        host: With a rule, or NO_HOST.
        is_canary: Tells whether an Ingress only lends its backends.
        findings: Takes the owner, and the problems.
    """
    ingresses = state.ingresses_of_host(host)
    findings.owner = owner = next((each for each in ingresses if not is_canary(each)), ingresses[0])
    for other in (each for each in ingresses if each.key.namespace != owner.key.namespace):
        for index, _ in state.rules(other, host):
            message = f"{belonging(host, owner, other)}; the rule and its paths are left out"
            at = FieldPath.of("spec", "rules", index, "host")
            findings.report(other.ref, Reason.HOST_OF_OTHER_NAMESPACE, message, at)
    return [each for each in ingresses if each.key.namespace == owner.key.namespace]


def belonging(host: str, owner: Ingress, other: KubeObject) -> str:
    """Whose a host is, and why, to begin a message to the owner of another object."""
    place = f"host {shown(host)} belongs" if host else "the rules without host belong"
    # An older Ingress may have the host in a TLS entry only.
    why = why_first(owner, other) if seniority(owner) < seniority(other) else "which has the rules for the host"
    return f"{place} to namespace {owner.key.namespace} by {owner.ref}, {why}"
