"""The `status.loadBalancer` that an Ingress should have, and which controller wrote the current one.

An Ingress of our class gets the published addresses, whatever status the Ingress had. The status of any other Ingress
is left alone, unless this program wrote the status. Two facts must hold for that: the API server names this program as
the last writer of the field (`metadata.managedFields`), and the status is one that this process published. One fact is
not enough: another installation of this program may have the same field manager, and another controller may publish
the same addresses.

A status that another writer changes is corrected at the next resync and not before: two writers that answer each other
at once would never stop.

Source: https://kubernetes.io/docs/reference/using-api/server-side-apply/#field-management
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Any, Final, NamedTuple, TypeAlias

from xds.problems.problem import Key

FIELD_MANAGER: Final = "xds-ingress"
"""Of an installation for the default class."""

# https://kubernetes.io/docs/concepts/overview/working-with-objects/names/#dns-subdomain-names
_HOSTNAME: Final = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*")
_MAX_HOSTNAME_LENGTH: Final = 253


class LoadBalancerAddress(NamedTuple):
    """An address under which clients reach the fleet. Usually one of the two fields is empty."""

    ip: str = ""
    hostname: str = ""

    @classmethod
    def parse(cls, text: str) -> "LoadBalancerAddress":
        """An IP address or a hostname.

        Raises:
            ValueError: the text is neither; the message says so.
        """
        try:
            return cls(ip=str(ip_address(text)))
        except ValueError:
            fits = len(text) <= _MAX_HOSTNAME_LENGTH and _HOSTNAME.fullmatch(text)
            if fits and not text.replace(".", "").isdigit():
                return cls(hostname=text)
        raise ValueError(f"{text!r} is neither an IP address nor a hostname in lower case")

    @property
    def wire(self) -> dict[str, str]:
        return {name: text for name, text in self._asdict().items() if text}


LoadBalancerAddresses: TypeAlias = tuple[LoadBalancerAddress, ...]


@dataclass(frozen=True, slots=True)
class PublishOptions:
    """The source of the published addresses: fixed addresses, or the status of a Service.

    Without either, statuses are left alone, and the value is false.
    """

    addresses: LoadBalancerAddresses = ()
    service: Key | None = None

    def __bool__(self) -> bool:
        return bool(self.addresses or self.service)


class ObservedStatus(NamedTuple):
    """The status of an Ingress as the API server stores it.

    Attributes:
        version: The resourceVersion.
        ours: Whether this installation wrote the addresses last.
        writers: The field managers that wrote the addresses.
    """

    uid: str
    version: str
    addresses: LoadBalancerAddresses
    ours: bool
    writers: tuple[str, ...] = ()

    @classmethod
    def parse(cls, document: Mapping[str, Any], manager: str = FIELD_MANAGER) -> "ObservedStatus":
        """The status in a document. `manager` is the field manager of this installation."""
        metadata = document["metadata"]
        writers = tuple(_writers(metadata.get("managedFields") or ()))
        ours = manager in writers
        return cls(metadata["uid"], metadata["resourceVersion"], addresses_of(document), ours, writers)


def addresses_of(document: Mapping[str, Any]) -> LoadBalancerAddresses:
    """The `status.loadBalancer.ingress` of an Ingress or of a Service."""
    load_balancer = (document.get("status") or {}).get("loadBalancer") or {}
    entries = load_balancer.get("ingress") or ()
    return tuple(LoadBalancerAddress(each.get("ip") or "", each.get("hostname") or "") for each in entries)


def addresses_of_service(service: Mapping[str, Any]) -> LoadBalancerAddresses:
    """The addresses under which clients reach a Service: of its load balancer, its externalIPs, or its externalName."""
    spec = service.get("spec") or {}
    found = [*addresses_of(service), *(LoadBalancerAddress(ip=each) for each in spec.get("externalIPs") or ())]
    if spec.get("type") == "ExternalName" and spec.get("externalName"):
        found.append(LoadBalancerAddress(hostname=spec["externalName"]))
    return tuple(dict.fromkeys(found))


def has_lost_load_balancer(service: Mapping[str, Any]) -> bool:
    """Whether the Service is of type LoadBalancer and has no address of a load balancer."""
    return (service.get("spec") or {}).get("type") == "LoadBalancer" and not addresses_of(service)


def _writers(managed: Iterable[Mapping[str, Any]]) -> Iterable[str]:
    """The last writers of `status.loadBalancer.ingress`: several, if they wrote the same value."""
    for each in managed:
        status = (each.get("fieldsV1") or {}).get("f:status") or {}
        if "f:ingress" in (status.get("f:loadBalancer") or {}):
            yield each.get("manager") or ""


def status_patch(version: str, addresses: LoadBalancerAddresses) -> dict[str, Any]:
    """A merge patch of the status, which the API server accepts for one resourceVersion only."""
    entries = [each.wire for each in addresses]
    return {"metadata": {"resourceVersion": version}, "status": {"loadBalancer": {"ingress": entries or None}}}


@dataclass(frozen=True, slots=True)
class ReadStatus:
    """Read the Ingress from the API server."""

    key: Key


@dataclass(frozen=True, slots=True)
class WriteStatus:
    """Write addresses to the Ingress, if the Ingress is still as observed."""

    key: Key
    observed: ObservedStatus
    addresses: LoadBalancerAddresses


class StatusQueue:
    """Decides which Ingresses need a new status. Remembers the status of each as the API server last stored it.

    Only noted Ingresses are checked, once for any number of notes.
    """

    def __init__(self) -> None:
        self._published: LoadBalancerAddresses | None = None
        self._ever_published: set[LoadBalancerAddresses] = set()
        self._observed: dict[Key, ObservedStatus] = {}
        self._due: dict[Key, None] = {}

    def __len__(self) -> int:
        """Number of Ingresses to check."""
        return len(self._due)

    @property
    def published(self) -> LoadBalancerAddresses | None:
        """The addresses to publish; None until they are known."""
        return self._published

    def has_published(self, addresses: LoadBalancerAddresses) -> bool:
        """Whether this process published the addresses at any time."""
        return addresses in self._ever_published

    def publish(self, addresses: LoadBalancerAddresses) -> None:
        """Set the addresses. If they differ from the last ones, all observed Ingresses are checked."""
        if addresses != self._published:
            self._published = addresses
            self._ever_published.add(addresses)
            self._due.update(dict.fromkeys(self._observed))

    def note(self, key: Key) -> None:
        """Check the Ingress soon: it may have changed."""
        self._due[key] = None

    def remove(self, key: Key) -> None:
        """Forget an Ingress that was deleted."""
        self._observed.pop(key, None)
        self._due.pop(key, None)

    def observe(self, key: Key, observed: ObservedStatus) -> None:
        """Remember the status that the API server stores."""
        self._observed[key] = observed

    def clear(self) -> None:
        """Forget all Ingresses, but not the published addresses."""
        self._observed.clear()
        self._due.clear()

    def pop(self) -> Key | None:
        """The next Ingress to check; None if none is left."""
        key = next(iter(self._due), None)
        if key is not None:
            del self._due[key]
        return key

    def next_step(self, key: Key, uid: str | None) -> ReadStatus | WriteStatus | None:
        """The request that the Ingress needs; None if its status is as it should be.

        Args:
            key: Of any Ingress, of our class or not.
            uid: Of the Ingress of that name in our class; None if there is none.
        """
        observed = self._observed.get(key)
        if self._published is None:
            return None
        if uid is not None and (observed is None or observed.uid != uid):
            return ReadStatus(key)
        if observed is None:
            return None
        wanted = self._published if uid is not None else ()
        written_here = observed.ours and self.has_published(observed.addresses)
        if wanted == observed.addresses or (not wanted and not written_here):
            return None
        return WriteStatus(key, observed, wanted)
