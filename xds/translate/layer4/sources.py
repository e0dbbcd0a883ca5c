"""The sources of claims: ConfigMaps with their last good content, and annotations of Services."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Final, TypeAlias

from xds.kube.objects import ConfigMap, Service
from xds.kube.state import KubeState, seniority
from xds.problems.field_path import FieldPath, MapKey
from xds.problems.problem import Key, ObjectRef, Problem
from xds.problems.reasons import Reason
from xds.traffic.layer4 import PortKey, Transport
from xds.translate.layer4.claims import Claim, Entry, Fault, Rank
from xds.translate.layer4.entries import annotation_item, config_map_entry
from xds.translate.layer4.options import Layer4Options, config_map_flag
from xds.translate.own.service import EXPOSE

Position: TypeAlias = str | int
"""Of a claim within its source: the key of the ConfigMap, or the index of the item."""

Claims: TypeAlias = Mapping[Position, Claim]

ClaimChanges: TypeAlias = tuple[Iterable[Position], Iterable[tuple[Position, Claim]]]
"""The positions of removed claims, and the new or replaced claims, each made only when the iteration reaches it."""

MAX_ITEMS: Final = 1000
"""Items of an annotation, at most."""

_BEFORE_ALL_SERVICES: Final = datetime.min.replace(tzinfo=UTC)


class PortConfigMap:
    """The ConfigMap of a protocol, and its last readable content.

    Attributes:
        ref: The ConfigMap.
        problem: Of the whole ConfigMap; None: it was read.
    """

    def __init__(self, transport: Transport, name: Key, options: Layer4Options) -> None:
        self.ref = ObjectRef(ConfigMap.kind, *name)
        self.problem: Problem | None = None
        self._transport = transport
        self._options = options
        self._data: Mapping[str, str] = {}

    def read(self, state: KubeState) -> ClaimChanges:
        """Read the ConfigMap anew, and return the changes of its claims. Unreadable content changes no claim.

        Only changed entries are parsed.
        """
        found, before = state.config_map(self.ref.key), self._data
        if found is None:
            self._data = {}
        elif found.data is not None:
            self._data = found.data
        self.problem = self._missing(found) if found is None or found.fault else None
        changed = self._data.items() - before.items()
        return before.keys() - self._data.keys(), ((key, self._claim(key, text)) for key, text in changed)

    def _claim(self, key: str, text: str) -> Claim:
        entry = config_map_entry(self._transport, key, text)
        if entry.port in self._options.reserved:
            entry = _forbidden(entry, _reserved(entry.port, "Remove the entry, or choose another port."))
        rank = Rank(is_of_service=False, created=_BEFORE_ALL_SERVICES, source=self.ref.key, position=len(key), text=key)
        held = entry.port if _may_hold(entry) else None
        return Claim(self.ref, FieldPath.of("data", MapKey(key)), text, rank, entry, held)

    def _missing(self, found: ConfigMap | None) -> Problem:
        reason, flag = Reason.PORT_CONFIG_MAP_NOT_FOUND, config_map_flag(self._transport)
        if found is None:
            why = f"the ConfigMap of {flag} doesn't exist, so none of its ports is open"
        else:
            kept = "its last entries stay" if self._data else "none of its ports is open"
            why = f"the ConfigMap of {flag} can't be read ({found.fault}), so {kept}"
        return Problem(self.ref, reason, why, reason.remedy)


def service_claims(service: Service | None, options: Layer4Options, before: Claims) -> ClaimChanges:
    """The changes of the claims of a Service's annotation. A claim whose item and rank are the same stays."""
    text = service.annotations.get(EXPOSE.full_name, "") if service else ""
    items = [item.strip() for item in text.split(",", MAX_ITEMS) if item.strip()]
    changed = _changed_items(service, items, options, before) if service else ()
    return before.keys() - range(len(items)), changed


def _changed_items(
    service: Service, items: Sequence[str], options: Layer4Options, before: Claims
) -> Iterator[tuple[Position, Claim]]:
    for index, item in enumerate(items[:MAX_ITEMS]):
        known, rank = before.get(index), _rank(service, index)
        if known is None or known.text != item or known.rank != rank:
            yield index, _service_claim(service, item, rank, options)
    if len(items) > MAX_ITEMS:
        message = f"{EXPOSE.full_name} has more than {MAX_ITEMS} items; the others are left out"
        remedy = "Claim fewer ports, or ask the operator for entries in the ConfigMap."
        entry = Entry(faults=(Fault(Reason.PORT_INVALID, message, remedy),))
        yield MAX_ITEMS, _item(service, "", _rank(service, MAX_ITEMS), entry)


def _rank(service: Service, position: int) -> Rank:
    created, key = seniority(service)
    return Rank(is_of_service=True, created=created, source=key, position=position, text="")


def _service_claim(service: Service, item: str, rank: Rank, options: Layer4Options) -> Claim:
    entry = annotation_item(service.key, item)
    ranges = options.exposed_to(service.key.namespace)
    if entry.port is not None and not any(entry.port in each for each in ranges):
        entry = _forbidden(entry, _not_exposed(entry.port, service.key.namespace, ", ".join(map(str, ranges))))
    elif entry.port in options.reserved:
        entry = _forbidden(entry, _reserved(entry.port, "Choose another port."))
    return _item(service, item, rank, entry)


def _item(service: Service, item: str, rank: Rank, entry: Entry) -> Claim:
    field = FieldPath.of("metadata", "annotations", MapKey(EXPOSE.full_name))
    return Claim(service.ref, field, item, rank, entry, entry.port if _may_hold(entry) else None)


def _may_hold(entry: Entry) -> bool:
    return all(fault.reason not in (Reason.PORT_RESERVED, Reason.PORT_NOT_EXPOSED) for fault in entry.faults)


def _forbidden(entry: Entry, fault: Fault) -> Entry:
    """The entry with the fault that forbids its port, and with its port and Service for explanations."""
    return replace(entry, faults=(fault,))


def _reserved(port: PortKey | None, remedy: str) -> Fault:
    flags = "--http-port, --https-port, --authz, --gateway-services, --reserved-ports"
    message = f"port {port} is another listener's or Envoy's own ({flags})"
    return Fault(Reason.PORT_RESERVED, f"{message}, so the entry is left out", remedy)


def _not_exposed(port: PortKey, namespace: str, given: str) -> Fault:
    message = f"Services of namespace {namespace} may not claim port {port}, so the port is closed"
    asking = f"ask the operator for --expose-ports {port.number}/{port.transport}={namespace}"
    remedy = f"Claim one of {given}, or {asking}." if given else f"{asking.capitalize()}."
    return Fault(Reason.PORT_NOT_EXPOSED, message, remedy)
