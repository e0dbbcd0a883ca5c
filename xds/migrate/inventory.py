"""All Ingresses of ingress-nginx in the input, found by host and by backend."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Final, TypeVar

from xds.kube.objects import ConfigMap, Secret
from xds.migrate.subject import Path, ServicePort, Subject, covers, nginx_order
from xds.migrate.values import CRITICAL, HIGH, MEDIUM, Fate, is_true
from xds.problems.problem import Key
from xds.traffic.layer4 import Transport

_Name = TypeVar("_Name")

_LEVELS: Final = ("Low", "Medium", "High", "Critical")


@dataclass(frozen=True, eq=False)
class Inventory:
    """The Ingresses, and the known facts of the controller.

    Attributes:
        subjects: All Ingresses of ingress-nginx, in no order.
        config: ingress-nginx's ConfigMap; None if unknown.
        secret: Returns a Secret of the input; None for one that isn't there.
        config_map: Returns a ConfigMap of the input; None for one that isn't there.
        has_secrets: Whether the input has all Secrets. Other Secrets are missing then.
        has_config_maps: Likewise.
        exposed: The protocols of ports beside HTTP's.
        passes_tls: Whether ingress-nginx passes TLS through where an Ingress asks.
    """

    subjects: tuple[Subject, ...]
    config: Mapping[str, str] | None = None
    secret: Callable[[Key], Secret | None] = lambda _: None
    config_map: Callable[[Key], ConfigMap | None] = lambda _: None
    has_secrets: bool = False
    has_config_maps: bool = False
    exposed: frozenset[Transport] = frozenset()
    passes_tls: bool = True
    _vanished: dict[Key, str] = field(default_factory=dict, repr=False)

    @cached_property
    def by_host(self) -> Mapping[str, list[Subject]]:
        """The Ingresses by host, canaries aside, in ingress-nginx's order."""
        return _grouped((host, each) for each in self.subjects if not each.is_canary for host in each.hosts)

    @cached_property
    def by_service(self) -> Mapping[ServicePort, list[Subject]]:
        """The Ingresses by backend, canaries aside, in ingress-nginx's order."""
        return _grouped((port, each) for each in self.subjects if not each.is_canary for port in each.services)

    @cached_property
    def canaries(self) -> list[Subject]:
        """In ingress-nginx's order."""
        return nginx_order([each for each in self.subjects if each.is_canary])

    @cached_property
    def canaries_by_service(self) -> Mapping[ServicePort, list[Subject]]:
        """The canaries by their own backends."""
        return _grouped((port, each) for each in self.canaries for port in each.services)

    @cached_property
    def owners(self) -> Mapping[tuple[str, str, str], list[Subject]]:
        """The Ingresses by host, path and type, canaries aside, in ingress-nginx's order."""
        return _grouped((path[:3], each) for each in self.subjects if not each.is_canary for path in each.paths)

    @cached_property
    def canaries_of_primary(self) -> Mapping[ServicePort, list[Subject]]:
        """The canaries by backend of the primary, in ingress-nginx's order."""
        found: dict[ServicePort, list[Subject]] = {}
        for canary in self.canaries:
            for port in dict.fromkeys(port for path in canary.paths if (port := self.primary_port(path))):
                found.setdefault(port, []).append(canary)
        return found

    @cached_property
    def paths_of_service(self) -> Mapping[ServicePort, list[Path]]:
        found: dict[ServicePort, list[Path]] = {}
        for each in self.subjects:
            if not each.is_canary:
                for path in each.paths:
                    if path.service:
                        found.setdefault(path.service, []).append(path)
        return found

    @cached_property
    def regex_hosts(self) -> Mapping[str, list[Subject]]:
        """The Ingresses with regular expressions, by host."""
        return _grouped((host, each) for each in self.subjects for host in each.regex_hosts)

    @cached_property
    def tls_hosts(self) -> frozenset[str]:
        """The hosts with TLS in ingress-nginx: all hosts of an Ingress with a TLS entry, whatever the entry names.

        Source: https://github.com/kubernetes/ingress-nginx/blob/controller-v1.15.1/internal/ingress/controller/controller.go
        """
        return frozenset(
            host for each in self.subjects if each.ingress.spec.tls and not each.is_canary for host in each.hosts
        )

    def primary(self, path: Path) -> Subject | None:
        """The Ingress whose path a canary's path shares; None without one."""
        owners = self.owners.get(path[:3])
        return owners[0] if owners else None

    def root_owner(self, host: str) -> Subject | None:
        """The Ingress of the path / of a host, whose Service gets the connections that are passed through."""
        return next(iter(self.owners.get((host, "/", "Prefix"), ())), None)

    def primary_port(self, path: Path) -> ServicePort | None:
        owner = self.primary(path)
        if owner is None:
            return None
        return next((each.service for each in owner.paths if each[:3] == path[:3]), None)

    def neighbours(self, subject: Subject) -> list[tuple[str, Subject]]:
        """The neighbours of an Ingress on its hosts, with the host."""
        return [
            (host, each) for host in subject.hosts for each in self.by_host.get(host, ()) if each.key != subject.key
        ]

    def has_tls(self, host: str) -> bool:
        return host in self.tls_hosts

    def is_redirected(self, subject: Subject, host: str) -> bool:
        """Whether ingress-nginx redirects plain requests for a host of an Ingress to HTTPS."""
        if subject.is_on("force-ssl-redirect", default=self.key_is_on("force-ssl-redirect")):
            return True
        return self.asks_for_redirect(subject) and bool(host) and (host in self.tls_hosts or self.has_parent_tls(host))

    def asks_for_redirect(self, subject: Subject) -> bool:
        return subject.is_on("ssl-redirect", default=self.key_is_on("ssl-redirect", default=True))

    def has_parent_tls(self, host: str) -> bool:
        parent = host.partition(".")[2]
        return bool(parent) and f"*.{parent}" in self.tls_hosts

    def key_is_on(self, key: str, *, default: bool = False) -> bool:
        """Whether a boolean of the ConfigMap is true."""
        value = (self.config or {}).get(key, "")
        return is_true(value) if value else default

    def why_vanished(self, subject: Subject) -> str:
        """Why ingress-nginx leaves an Ingress out today; empty for a served Ingress."""
        found = self._vanished.get(subject.key)
        if found is None:
            found = self._vanished[subject.key] = "; ".join(self._reasons(subject))
        return found

    def _reasons(self, subject: Subject) -> Iterable[str]:
        if not subject.validates or not subject.annotations:
            return
        yield from (f"{name} has a bad value" for name, fate in subject.fates.items() if fate is Fate.VANISHES)
        level = (self.config or {}).get("annotations-risk-level", "High")
        allowed = _LEVELS.index(level) if level in _LEVELS else 2
        for risk, names in ((3, CRITICAL), (2, HIGH), (1, MEDIUM)):
            if risk > allowed:
                for name in sorted(names & subject.annotations.keys()):
                    if subject.annotations[name]:
                        yield f"{name} has the risk {_LEVELS[risk]}, and annotations-risk-level is {level}"
        words = [word.strip() for word in (self.config or {}).get("annotation-value-word-blocklist", "").split(",")]
        for name, value in subject.annotations.items():
            if word := next((word for word in words if word and word in value), ""):
                yield f"{name} has a word of annotation-value-word-blocklist: {word}"


def _grouped(pairs: Iterable[tuple[_Name, Subject]]) -> dict[_Name, list[Subject]]:
    found: dict[_Name, list[Subject]] = {}
    for name, each in pairs:
        of_name = found.setdefault(name, [])
        if not of_name or of_name[-1] is not each:
            of_name.append(each)
    return {name: nginx_order(of_name) if len(of_name) > 1 else of_name for name, of_name in found.items()}


def names_host(subject: Subject, host: str) -> bool:
    """Whether a TLS entry of an Ingress names, or covers, a host."""
    return any(covers(each, host) for each in subject.tls_hosts)
