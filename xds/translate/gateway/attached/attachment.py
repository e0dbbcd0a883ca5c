"""The attachment of routes to listeners: the wish of a route's parentRefs, and the consent of listeners."""

from collections.abc import Callable, Iterable, Mapping, Set
from dataclasses import dataclass, replace

from xds.kube.gateway_objects import (
    GROUP,
    AllowedNamespaces,
    Gateway,
    GRPCRoute,
    HTTPRoute,
    LabelSelector,
    LabelSelectorRequirement,
    ListenerSet,
    Namespace,
    ParentReference,
    Route,
    TLSRoute,
    namespace_of,
)
from xds.kube.state import KubeState
from xds.problems.field_path import FieldPath
from xds.problems.problem import Key, ObjectRef
from xds.translate.gateway.attached.hostnames import ANY, covering, intersections, is_hostname
from xds.translate.gateway.context import NO_USE, ParentUse
from xds.translate.gateway.listening.slots import Slot, SlotKey
from xds.translate.gateway.translated import Refusal


@dataclass(frozen=True, slots=True)
class AttachedListener:
    """A listener that accepts a route.

    Attributes:
        domains: The names that both have: `*` for all names.
    """

    slot: Slot
    domains: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ParentRef:
    """A parentRef of a route that names a parent of ours.

    Attributes:
        index: In the list of parentRefs.
        gateway: The Gateway that the parent is, or belongs to.
        use: The facts of the Gateway that the translation depends on.
    """

    reference: ParentReference
    index: int
    gateway: Key
    use: ParentUse = NO_USE

    @property
    def field(self) -> FieldPath:
        return FieldPath.of("spec", "parentRefs", self.index)


@dataclass(frozen=True, slots=True)
class Attachment:
    """The outcome of a parentRef.

    Attributes:
        listeners: The listeners that accept the route.
        refused: Why no listener accepts the route; None: one does.
        lost: Why listeners are lost to an older route of another kind with the same names; None: no listener is.
    """

    parent: ParentRef
    listeners: tuple[AttachedListener, ...] = ()
    refused: Refusal | None = None
    lost: Refusal | None = None

    def without(self, lost: Set[SlotKey]) -> "Attachment":
        """The attachment without listeners whose names belong to an older route of another kind."""
        left = tuple(each for each in self.listeners if each.slot.key not in lost)
        if len(left) == len(self.listeners):
            return self
        names = ", ".join(each.slot.listener.name for each in self.listeners if each.slot.key in lost)
        message = (
            f"an older route of another kind has a hostname of the route at listener {names} of "
            f"{self.parent.reference.kind} {self.parent.reference.name}, so the route serves nothing there. Give "
            "HTTPRoutes and GRPCRoutes different hostnames."
        )
        refusal = Refusal("HostnameConflict", message, FieldPath.of("spec", "hostnames"))
        return replace(self, listeners=left, lost=refusal) if left else replace(self, listeners=(), refused=refusal)


def parent_of(reference: ParentReference, route: Key) -> ObjectRef | None:
    """The Gateway or ListenerSet of a parentRef; None for other kinds."""
    if reference.group != GROUP or reference.kind not in (Gateway.kind, ListenerSet.kind):
        return None
    return ObjectRef(reference.kind, namespace_of(reference.namespace, route), reference.name)


def attach(state: KubeState, route: Route, parent: ParentRef, slots: Iterable[Slot]) -> Attachment:
    """Attach a route to the listeners that a parentRef names, out of all listeners of the parent."""
    reference = parent.reference
    named = [
        each
        for each in slots
        if (not reference.section_name or each.listener.name == reference.section_name)
        and (reference.port is None or each.listener.port == reference.port)
    ]
    if not named:
        return Attachment(parent, refused=_no_parent(reference))
    allowed = [each for each in named if _allows(state, each, route)]
    if not allowed:
        return Attachment(parent, refused=_not_allowed(reference, route))
    listeners = tuple(AttachedListener(each, domains) for each in allowed if (domains := domains_of(each, route)))
    return Attachment(parent, listeners, None if listeners else _no_hostname(reference))


def domains_of(slot: Slot, route: Route) -> tuple[str, ...]:
    """The domains of a route at a listener: none if no name belongs to both."""
    if isinstance(route, HTTPRoute | GRPCRoute | TLSRoute):
        written = route.spec.hostnames
        names = [each.lower() for each in written if is_hostname(each.lower())] if written else [ANY]
        return intersections(slot.domain, names)
    return (ANY,)


def hostname_at(domain: str, route: Route) -> str:
    """The most specific hostname of a route that covers a domain: the domain, for a route without hostnames."""
    written = route.spec.hostnames if isinstance(route, HTTPRoute | GRPCRoute | TLSRoute) else None
    named = {each.lower() for each in written or ()}
    return next((each for each in covering(domain) if each in named), domain)


def namespaces_read(slots: Iterable[Slot], route: Route) -> frozenset[ObjectRef]:
    """The Namespace whose labels decide, if any listener selects namespaces."""
    selects = any(each.listener.allowed_routes.namespaces.from_ == "Selector" for each in slots)
    return frozenset((ObjectRef(Namespace.kind, "", route.key.namespace),)) if selects else frozenset()


def allows_namespace(state: KubeState, allowed: AllowedNamespaces, own: str, other: str) -> bool:
    """Whether objects of another namespace may attach to an object, which is in a namespace of its own."""
    match allowed.from_:
        case "All":
            return True
        case "Same":
            return own == other
        case "Selector":
            namespace = state.all_of(Namespace).get(Key("", other))
            return namespace is not None and _selects(allowed.selector, namespace.metadata.labels or {})
    return False


def _allows(state: KubeState, slot: Slot, route: Route) -> bool:
    if all((each.group or GROUP, each.kind) != (GROUP, route.kind) for each in slot.kinds):
        return False
    namespaces = slot.listener.allowed_routes.namespaces
    if not namespaces.from_:
        namespaces = AllowedNamespaces("Same")
    return allows_namespace(state, namespaces, slot.key.owner.namespace, route.key.namespace)


def _selects(selector: LabelSelector | None, labels: Mapping[str, str]) -> bool:
    """Whether a selector matches labels: an absent one matches nothing, an empty one everything."""
    if selector is None:
        return False
    equal = all(labels.get(name) == value for name, value in (selector.match_labels or {}).items())
    return equal and all(_fulfils(each, labels) for each in selector.match_expressions or ())


def _fulfils(requirement: LabelSelectorRequirement, labels: Mapping[str, str]) -> bool:
    """Whether labels fulfil a requirement.

    Source: https://kubernetes.io/docs/concepts/overview/working-with-objects/labels/#set-based-requirement
    """
    value = labels.get(requirement.key)
    tests: dict[str, Callable[[tuple[str, ...]], bool]] = {
        "In": lambda values: value in values,
        "NotIn": lambda values: value not in values,
        "Exists": lambda _: value is not None,
        "DoesNotExist": lambda _: value is None,
    }
    test = tests.get(requirement.operator)
    return test is not None and test(requirement.values or ())


def _described(reference: ParentReference) -> str:
    port = f"port {reference.port}" if reference.port is not None else ""
    section = f"listener {reference.section_name}" if reference.section_name else ""
    return " and ".join(filter(None, (section, port)))


def _no_parent(reference: ParentReference) -> Refusal:
    message = (
        f"{reference.kind} {reference.name} has no {_described(reference) or 'listener'}, so the route serves nothing "
        "there. Correct sectionName and port of the parentRef."
    )
    return Refusal("NoMatchingParent", message)


def _not_allowed(reference: ParentReference, route: Route) -> Refusal:
    message = (
        f"no listener of {reference.kind} {reference.name} that the parentRef names allows a {route.kind} of namespace "
        f"{route.key.namespace}, so the route serves nothing there. Change allowedRoutes of the listener."
    )
    return Refusal("NotAllowedByListeners", message)


def _no_hostname(reference: ParentReference) -> Refusal:
    message = (
        f"no hostname of the route is one of the listeners of {reference.kind} {reference.name} that the parentRef "
        "names, so the route serves nothing there. Correct spec.hostnames, or the hostname of the listener."
    )
    return Refusal("NoMatchingListenerHostname", message)
