"""The Gateway of all routes, and a ListenerSet with the certificates of each namespace, beside its Secrets."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

from xds.kube.gateway_objects import GROUP
from xds.problems.problem import Key
from xds.traffic.hosts import is_wildcard, wildcard_of
from xds.traffic.tls import TlsTable
from xds.translate.gateway.options import CONTROLLER

API_VERSION: Final = f"{GROUP}/v1"
HTTP: Final = "http"
"""The listener of plain requests, of all hosts."""

DEFAULT_HTTPS: Final = "https"
"""The listener with the default certificate."""

MAX_LISTENERS: Final = 64
"""Of a ListenerSet."""


class Parent(NamedTuple):
    """A parent of a route. Without a section, all listeners with the route's hostnames are meant."""

    kind: str
    key: Key
    section: str = ""


@dataclass(frozen=True, slots=True)
class Listeners:
    """The listeners of a TLS table.

    Attributes:
        gateway: The Gateway.
        of_hosts: The ListenerSet with the listener of a host.
        certificates: The Secrets of a host.
        default: The Secrets of the default certificate; empty: there is none.
        used: The hosts whose listeners routes attach to.
    """

    gateway: Key
    of_hosts: Mapping[str, Key]
    certificates: Mapping[str, tuple[Key, ...]]
    default: tuple[Key, ...] = ()
    used: set[str] = field(default_factory=set)

    @classmethod
    def of(cls, gateway: Key, tls: TlsTable, certificates: Mapping[str, tuple[Key, ...]]) -> "Listeners":
        default = next((each.secrets for each in tls.terminations if each.is_default), ())
        certificates = {host: each for host, each in certificates.items() if host not in tls.without_entry}
        placed: dict[str, Key] = {}
        counts: dict[str, int] = {}
        for host in sorted(certificates):
            namespace = certificates[host][0].namespace
            number, counts[namespace] = counts.get(namespace, 0) // MAX_LISTENERS, counts.get(namespace, 0) + 1
            placed[host] = Key(namespace, f"certificates-{number + 1}" if number else "certificates")
        return cls(gateway, placed, certificates, default)

    def parents(self, host: str, *, plain: bool, tls: bool) -> tuple[Parent, ...]:
        """The parents of a route for a host.

        Args:
            host: A name, a wildcard, or empty for any host.
            plain: Whether plain requests are answered.
            tls: Whether requests that come by TLS are.
        """
        found = [Parent("Gateway", self.gateway, HTTP)] if plain else []
        listener = next((each for each in (host, wildcard_of(host)) if each in self.of_hosts), "")
        if tls and listener:
            self.used.add(listener)
            found.append(Parent("ListenerSet", self.of_hosts[listener]))
        elif tls and self.default:
            found.append(Parent("Gateway", self.gateway, DEFAULT_HTTPS))
        return tuple(found)

    def objects(self, class_name: str) -> Iterator[dict[str, Any]]:
        """The GatewayClass, the Gateway and the ListenerSets of hosts in use."""
        yield _object("GatewayClass", Key("", class_name), {"controllerName": CONTROLLER})
        listeners = [_listener(HTTP, 80, "HTTP")]
        if self.default:
            tls = _tls(self.default, self.gateway.namespace)
            listeners.append(_listener(DEFAULT_HTTPS, 443, "HTTPS", tls=tls))
        allowed = {"allowedListeners": {"namespaces": {"from": "All"}}} if self.used else {}
        spec = {"gatewayClassName": class_name, "listeners": listeners, **allowed}
        yield _object("Gateway", self.gateway, spec)
        namespaces = {each.namespace for each in self.default} - {self.gateway.namespace}
        for namespace in sorted(namespaces):
            from_ = {"group": GROUP, "kind": "Gateway", "namespace": self.gateway.namespace}
            spec = {"from": [from_], "to": [{"group": "", "kind": "Secret"}]}
            yield _object("ReferenceGrant", Key(namespace, "default-certificate"), spec)
        for listener_set in sorted({self.of_hosts[host] for host in self.used}):
            hosts = [host for host in sorted(self.used) if self.of_hosts[host] == listener_set]
            secrets = ((host, _tls(self.certificates[host], listener_set.namespace)) for host in hosts)
            spec = {
                "parentRef": {"name": self.gateway.name, "namespace": self.gateway.namespace},
                "listeners": [_listener(_section(host), 443, "HTTPS", host, tls) for host, tls in secrets],
            }
            yield _object("ListenerSet", listener_set, spec)


def _tls(secrets: tuple[Key, ...], namespace: str) -> dict[str, Any]:
    refs = [
        {"name": each.name} | ({} if each.namespace == namespace else {"namespace": each.namespace}) for each in secrets
    ]
    return {"mode": "Terminate", "certificateRefs": refs}


def _listener(name: str, port: int, protocol: str, host: str = "", tls: dict[str, Any] | None = None) -> dict[str, Any]:
    return {
        "name": name,
        "port": port,
        "protocol": protocol,
        **({"hostname": host} if host else {}),
        **({"tls": tls} if tls else {}),
        "allowedRoutes": {"namespaces": {"from": "All"}},
    }


def _section(host: str) -> str:
    """The name of a host's listener. No label of a name has two hyphens at its beginning."""
    return f"wildcard--{host.removeprefix('*.')}" if is_wildcard(host) else host


def _object(kind: str, key: Key, spec: dict[str, Any]) -> dict[str, Any]:
    metadata = {"name": key.name} | ({"namespace": key.namespace} if key.namespace else {})
    return {"apiVersion": API_VERSION, "kind": kind, "metadata": metadata, "spec": spec}
