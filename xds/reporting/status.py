"""What `status.loadBalancer` an Ingress should have, and whose it is that it has.

An Ingress of ours has the published addresses, whatever it had before. One that isn't ours is left alone, unless what
it has was written by us: the API server keeps who wrote a field last (`metadata.managedFields`), and it is one of the
addresses that we published. Both, since another installation of this program has the same name, and another
controller may have the same addresses.

Another writer who changes the status of an Ingress of ours is corrected when the statuses are read again, and not
before: two writers that answer each other would never end.

Source: https://kubernetes.io/docs/reference/using-api/server-side-apply/#field-management
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Any, Final, NamedTuple, TypeAlias

from xds.problems.problem import Key

FIELD_MANAGER: Final = "xds-ingress"

# https://kubernetes.io/docs/concepts/overview/working-with-objects/names/#dns-subdomain-names
_HOSTNAME: Final = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*")


class Address(NamedTuple):
    """Where the fleet is reached: one of the two is empty, mostly."""

    ip: str = ""
    hostname: str = ""

    @classmethod
    def parse(cls, text: str) -> "Address":
        """An IP address, or a hostname.

        Raises:
            ValueError: neither; says why.
        """
        try:
            return cls(ip=str(ip_address(text)))
        except ValueError:
            if len(text) <= 253 and _HOSTNAME.fullmatch(text) and not text.replace(".", "").isdigit():
                return cls(hostname=text)
        raise ValueError(f"{text!r} is neither an IP address nor a hostname in lower case")

    @property
    def wire(self) -> dict[str, str]:
        return {name: text for name, text in self._asdict().items() if text}


Addresses: TypeAlias = tuple[Address, ...]


@dataclass(frozen=True, slots=True)
class Publish:
    """What the operator wants Ingresses to have: these addresses, or those of the Service."""

    addresses: Addresses = ()
    service: Key | None = None

    def __bool__(self) -> bool:
        """Without either, statuses are left alone."""
        return bool(self.addresses or self.service)


class Seen(NamedTuple):
    """An Ingress as the API server has it. `version` is its resourceVersion; `ours` tells who wrote the addresses."""

    uid: str
    version: str
    addresses: Addresses
    ours: bool
    writers: tuple[str, ...] = ()


def addresses_of(document: Mapping[str, Any]) -> Addresses:
    """The `status.loadBalancer.ingress` of an Ingress or of a Service."""
    load_balancer = (document.get("status") or {}).get("loadBalancer") or {}
    entries = load_balancer.get("ingress") or ()
    return tuple(Address(each.get("ip") or "", each.get("hostname") or "") for each in entries)


def seen(document: Mapping[str, Any]) -> Seen:
    metadata = document["metadata"]
    writers = tuple(_writers(metadata.get("managedFields") or ()))
    return Seen(metadata["uid"], metadata["resourceVersion"], addresses_of(document), FIELD_MANAGER in writers, writers)


def _writers(managed: Iterable[Mapping[str, Any]]) -> Iterable[str]:
    """Who wrote `status.loadBalancer.ingress` last; several, if they wrote the same."""
    for each in managed:
        status = (each.get("fieldsV1") or {}).get("f:status") or {}
        if "f:ingress" in (status.get("f:loadBalancer") or {}):
            yield each.get("manager") or ""


def patch(version: str, addresses: Addresses) -> dict[str, Any]:
    """A merge patch, good for that version of the Ingress only."""
    entries = [each.wire for each in addresses]
    return {"metadata": {"resourceVersion": version}, "status": {"loadBalancer": {"ingress": entries or None}}}


@dataclass(frozen=True, slots=True)
class Look:
    """Ask the API server what it has of this Ingress."""

    key: Key


@dataclass(frozen=True, slots=True)
class Put:
    """Write the addresses to the Ingress, if it still is as `seen`."""

    key: Key
    seen: Seen
    addresses: Addresses


class StatusQueue:
    """Which Ingresses need a new status. Knows of each what the API server was last seen to have.

    Only what is noted is looked at; however often, it is looked at once.
    """

    def __init__(self) -> None:
        self._published: Addresses | None = None
        self._ever_published: set[Addresses] = set()
        self._seen: dict[Key, Seen] = {}
        self._due: dict[Key, None] = {}

    def __len__(self) -> int:
        """How many are to be looked at."""
        return len(self._due)

    @property
    def published(self) -> Addresses | None:
        return self._published

    def publish(self, addresses: Addresses) -> None:
        """These are the addresses now: all that was seen is due."""
        if addresses != self._published:
            self._published = addresses
            self._ever_published.add(addresses)
            self._due.update(dict.fromkeys(self._seen))

    def note(self, key: Key) -> None:
        """Something about the Ingress is new."""
        self._due[key] = None

    def gone(self, key: Key) -> None:
        """The Ingress doesn't exist."""
        self._seen.pop(key, None)
        self._due.pop(key, None)

    def saw(self, key: Key, seen: Seen) -> None:
        """The API server has this."""
        self._seen[key] = seen

    def forget(self) -> None:
        """Nothing is known any more but what was published."""
        self._seen.clear()
        self._due.clear()

    def take(self) -> Key | None:
        """The next one that is due; it is due no more."""
        key = next(iter(self._due), None)
        if key is not None:
            del self._due[key]
        return key

    def todo(self, key: Key, uid: str | None) -> Look | Put | None:
        """What the Ingress needs.

        Args:
            key: It is not necessarily ours.
            uid: Of the Ingress that is ours now; None if none of the name is.
        """
        seen = self._seen.get(key)
        if self._published is None:
            return None
        if uid is not None and (seen is None or seen.uid != uid):
            return Look(key)
        if seen is None:
            return None
        wanted = self._published if uid is not None else ()
        if wanted == seen.addresses or (not wanted and not self._is_of_us(seen)):
            return None
        return Put(key, seen, wanted)

    def _is_of_us(self, seen: Seen) -> bool:
        return seen.ours and seen.addresses in self._ever_published
