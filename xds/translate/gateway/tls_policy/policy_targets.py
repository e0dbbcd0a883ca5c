"""The BackendTLSPolicies of each Service and port, and which of several decides."""

from collections.abc import Iterable, Iterator
from typing import Final, NamedTuple

from xds.kube.gateway_objects import BackendTLSPolicy
from xds.kube.objects import Service, ServicePort
from xds.kube.state import KubeState, seniority
from xds.problems.problem import Key, ObjectRef

_WHOLE: Final = ""


class Target(NamedTuple):
    """A Service, or one of its ports.

    Attributes:
        section: The name of the port; empty: all ports that no policy names.
    """

    service: Key
    section: str = _WHOLE

    def __str__(self) -> str:
        return f"port {self.section} of Service {self.service}" if self.section else f"Service {self.service}"


def targets_of(policy: BackendTLSPolicy) -> Iterator[Target]:
    """The Services and ports that a policy targets. Targets of other kinds are not ours."""
    for each in policy.spec.target_refs:
        if (each.group, each.kind) == ("", Service.kind):
            yield Target(Key(policy.key.namespace, each.name), each.section_name)


class PolicyTargets:
    """The policies by target. Read from the state at the first question, and then kept in step by `follow`."""

    def __init__(self) -> None:
        self._by_target: dict[Target, dict[Key, BackendTLSPolicy]] = {}
        self._targets: dict[Key, tuple[Target, ...]] = {}
        self._is_read = False

    def follow(self, state: KubeState, changed: Iterable[ObjectRef]) -> frozenset[Key]:
        """Note changed policies, and return all policies with a common target."""
        concerned: set[Key] = set()
        for each in changed:
            if each.kind == BackendTLSPolicy.kind:
                before = self._targets.get(each.key, ()) if self._is_read else ()
                self._read(state)
                self._replace(each.key, state.all_of(BackendTLSPolicy).get(each.key))
                both = (*before, *self._targets.get(each.key, ()))
                concerned.update(key for target in both for key in self._by_target.get(target, ()))
        return frozenset(concerned)

    def of_port(self, state: KubeState, service: Service, port: ServicePort) -> BackendTLSPolicy | None:
        """The policy of a port: the senior policy with the port, or else the senior policy of the whole Service."""
        self._read(state)
        sections = (port.name, _WHOLE) if port.name else (_WHOLE,)
        return next(filter(None, (self._senior(Target(service.key, each)) for each in sections)), None)

    def winner(self, state: KubeState, target: Target) -> BackendTLSPolicy | None:
        """The senior policy of a target; None: none has it."""
        self._read(state)
        return self._senior(target)

    def _senior(self, target: Target) -> BackendTLSPolicy | None:
        found = self._by_target.get(target)
        return min(found.values(), key=seniority) if found else None

    def _read(self, state: KubeState) -> None:
        if not self._is_read:
            self._is_read = True
            for key, policy in state.all_of(BackendTLSPolicy).items():
                self._replace(key, policy)

    def _replace(self, key: Key, policy: BackendTLSPolicy | None) -> None:
        for target in self._targets.pop(key, ()):
            del self._by_target[target][key]
            if not self._by_target[target]:
                del self._by_target[target]
        if policy is not None:
            self._targets[key] = tuple(dict.fromkeys(targets_of(policy)))
            for target in self._targets[key]:
                self._by_target.setdefault(target, {})[key] = policy
