"""NetworkPolicies as a function: which connections they let through.

Source: https://kubernetes.io/docs/reference/kubernetes-api/policy-resources/network-policy-v1/. Two points that network
plugins differ in are not modelled: the address of a Service instead of its Pods', and Pods in the network of a node.
"""

import ipaddress
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

Object = Mapping[str, Any]


@dataclass(frozen=True)
class Pod:
    """One end of a connection.

    Attributes:
        ports: Names of the ports of its containers.
    """

    namespace: str
    labels: Mapping[str, str]
    ports: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Outside:
    """An address that is no Pod's."""

    address: str


End = Pod | Outside


@dataclass(frozen=True)
class Network:
    """Policies, and the labels of namespaces by name."""

    policies: Sequence[Object]
    namespaces: Mapping[str, Mapping[str, str]]

    def lets(self, source: End, target: End, port: int, protocol: str = "TCP") -> bool:
        """Whether a connection is let through, at both ends."""
        wanted = (port, protocol)
        return self._at("Egress", source, target, target, wanted) and self._at(
            "Ingress", target, source, target, wanted
        )

    def _at(self, direction: str, own: End, peer: End, target: End, port: tuple[int, str]) -> bool:
        """Whether the policies of one end let it through. An end that no policy selects lets everything through."""
        if isinstance(own, Outside):
            return True
        selecting = [each for each in self.policies if self._selects(each, own) and direction in _types(each)]
        rules = [(each, rule) for each in selecting for rule in each["spec"].get(direction.lower()) or []]
        return not selecting or any(self._admits(each, rule, peer, target, port) for each, rule in rules)

    def _selects(self, policy: Object, pod: Pod) -> bool:
        same = policy["metadata"]["namespace"] == pod.namespace
        return same and selects(policy["spec"].get("podSelector") or {}, pod.labels)

    def _admits(self, policy: Object, rule: Object, peer: End, target: End, port: tuple[int, str]) -> bool:
        peers = rule.get("from") or rule.get("to") or []
        ports = rule.get("ports") or []
        is_peer = not peers or any(self._is_peer(policy, each, peer) for each in peers)
        return is_peer and (not ports or any(_is_port(each, target, *port) for each in ports))

    def _is_peer(self, policy: Object, peer: Object, end: End) -> bool:
        if block := peer.get("ipBlock"):
            return isinstance(end, Outside) and _in_block(block, end.address)
        if isinstance(end, Outside):
            return False
        if "namespaceSelector" in peer:
            fits = selects(peer["namespaceSelector"] or {}, self.namespaces[end.namespace])
        else:
            fits = end.namespace == policy["metadata"]["namespace"]
        return fits and selects(peer.get("podSelector") or {}, end.labels)


def selects(selector: Object, labels: Mapping[str, str]) -> bool:
    """Whether a label selector matches; an empty one matches everything."""
    equal = (selector.get("matchLabels") or {}).items() <= labels.items()
    return equal and all(_holds(each, labels) for each in selector.get("matchExpressions") or [])


def _holds(expression: Object, labels: Mapping[str, str]) -> bool:
    value, values = labels.get(expression["key"]), expression.get("values", [])
    match expression["operator"]:
        case "In":
            return value in values
        case "NotIn":
            return value not in values
        case "Exists":
            return value is not None
        case "DoesNotExist":
            return value is None
        case operator:
            raise ValueError(operator)


def _types(policy: Object) -> Iterable[str]:
    return policy["spec"].get("policyTypes") or ["Ingress", *(["Egress"] if policy["spec"].get("egress") else [])]


def _is_port(wanted: Object, target: End, port: int, protocol: str) -> bool:
    if wanted.get("protocol", "TCP") != protocol:
        return False
    number = wanted.get("port")
    if isinstance(number, str):
        return isinstance(target, Pod) and target.ports.get(number) == port
    return number is None or number <= port <= wanted.get("endPort", number)


def _in_block(block: Object, address: str) -> bool:
    ip = ipaddress.ip_address(address)
    return ip in ipaddress.ip_network(block["cidr"]) and not any(
        ip in ipaddress.ip_network(each) for each in block.get("except") or []
    )
