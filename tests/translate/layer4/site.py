"""A world with ConfigMaps of TCP and UDP ports, and namespaces that may claim some."""

from typing import Any, Final

from tests.support.objects import World, service
from xds.kube.change import Applied, Deleted
from xds.kube.objects import ConfigMap, KubeObject, Metadata, Service
from xds.problems.problem import Key, ObjectRef, Problem
from xds.traffic.layer4 import PortKey, PortListener, Transport
from xds.translate.layer4.claims import PortClaim
from xds.translate.layer4.options import Layer4Options, PortRange
from xds.translate.own.service import EXPOSE

TCP: Final = ObjectRef("ConfigMap", "ops", "tcp")
UDP: Final = ObjectRef("ConfigMap", "ops", "udp")

OPTIONS: Final = Layer4Options(
    {Transport.TCP: TCP.key, Transport.UDP: UDP.key},
    (PortRange(9000, 9100, "team"), PortRange(53, 53, "dns", (Transport.UDP,)), PortRange(9000, 9000, "other")),
    frozenset({PortKey(Transport.TCP, 9001), PortKey(Transport.UDP, 443)}),
)


def tcp(**entries: str) -> ConfigMap:
    """The ConfigMap of TCP: `p9000="ns/web:80"` is the entry of port 9000."""
    return config_map(TCP, {key.removeprefix("p"): value for key, value in entries.items()})


def udp(**entries: str) -> ConfigMap:
    return config_map(UDP, {key.removeprefix("p"): value for key, value in entries.items()})


def config_map(ref: ObjectRef, data: dict[str, str] | None, fault: str = "") -> ConfigMap:
    return ConfigMap(Metadata(ref.name, ref.namespace), data, fault)


def exposing(
    name: str, text: str, *ports: int | str | dict[str, Any], ns: str = "team", day: int = 1, **annotations: str
) -> Service:
    """A Service that claims ports, created on a day."""
    others = {f"xds-ingress.dev/{each.replace('_', '-')}": value for each, value in annotations.items()}
    return service(name, *ports, ns=ns, day=day, annotations={EXPOSE.full_name: text, **others})


class Site:
    """The world, with both ConfigMaps empty."""

    def __init__(
        self, *objects: KubeObject, options: Layer4Options = OPTIONS, allow_external_name: bool = False
    ) -> None:
        self.world = World(layer4=options, allow_external_name=allow_external_name)
        self.add(tcp(), udp(), *objects)

    def add(self, *objects: KubeObject) -> None:
        self.world.add(*objects)

    def delete(self, *objects: KubeObject) -> None:
        self.world.apply(*(Deleted(type(each), each.key) for each in objects))

    def change(self, *objects: KubeObject) -> set[str]:
        """Apply objects, and return the ports that the change touches."""
        before = dict(self.world.traffic.ports)
        self.world.apply(*(Applied(each) for each in objects))
        after = self.world.traffic.ports
        return {str(key) for key in before.keys() | after.keys() if before.get(key) != after.get(key)}

    @property
    def ports(self) -> dict[str, str]:
        """The Service and port of each listener."""
        return {str(key): f"{_backend(each)}" for key, each in sorted(self.world.traffic.ports.items())}

    def listener(self, name: str) -> PortListener:
        key = PortKey.named(name)
        assert key is not None
        return self.world.traffic.ports[key]

    @property
    def problems(self) -> list[Problem]:
        return self.world.problems

    def told(self) -> list[tuple[str, str, str]]:
        """Object, field and reason of each problem."""
        return [(each.object.name, str(each.field), each.reason) for each in self.problems]

    def message(self) -> str:
        """The message of the only problem."""
        (problem,) = self.problems
        return problem.message

    def claims_of(self, source: ObjectRef) -> list[str]:
        """Port, state and winner of each claim of a source."""
        return [_shown(each) for each in self.world.traffic.layer4.claims_of(source)]

    def claims_for(self, name: str) -> list[str]:
        """Source, state and winner of each claim of a port."""
        key = PortKey.named(name)
        assert key is not None
        return [f"{each.source.name} {_shown(each)}" for each in self.world.traffic.layer4.claims_for(key)]

    def of_service(self, name: str, ns: str = "team") -> set[str]:
        return {str(port) for port in self.world.traffic.layer4.ports_of_service(Key(ns, name))}


def _backend(port: PortListener) -> str:
    (backend,) = port.route.backends
    return str(backend).partition("@")[0]


def _shown(claim: PortClaim) -> str:
    winner = f" to {claim.winner.name}" if claim.winner else ""
    return f"{claim.port or '(none)'} {claim.state}{winner}"
