"""Objects that name Secrets and ConfigMaps, of which an API server's source follows only the named ones."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Final, TypeAlias

from xds.kube.change import Applied, Change, Deleted
from xds.kube.gateway_objects import (
    BackendTLSPolicy,
    Gateway,
    GatewayClass,
    GRPCRouteRule,
    HTTPBackendRef,
    HTTPRouteRule,
    Layer4RouteRule,
    Listener,
    ListenerSet,
    LocalObjectReference,
    ObjectReference,
    ParametersReference,
    Route,
    namespace_of,
)
from xds.kube.objects import ConfigMap, Ingress, KubeObject, Secret, Service
from xds.problems.field_path import FieldPath
from xds.problems.problem import ObjectRef

GATEWAY_REFERRERS: Final = frozenset[type[KubeObject]]((GatewayClass, Gateway, ListenerSet, BackendTLSPolicy))

REFERRERS: Final = GATEWAY_REFERRERS | {Ingress}

NamedByGateways: TypeAlias = Callable[[KubeObject], Mapping[ObjectRef, FieldPath]]
"""Returns the Secrets and ConfigMaps that an object of the Gateway API names, each with the first field."""

_Named: TypeAlias = Iterator[tuple[FieldPath, ObjectReference | LocalObjectReference | ParametersReference]]


def after_changes(changes: Iterable[Change]) -> dict[ObjectRef, KubeObject | None]:
    """Return each changed referrer in its last state; None for a deleted referrer."""
    after: dict[ObjectRef, KubeObject | None] = {}
    for change in changes:
        if isinstance(change, Applied) and type(change.object) in REFERRERS:
            after[change.object.ref] = change.object
        elif isinstance(change, Deleted) and change.kind in REFERRERS:
            after[ObjectRef(change.kind.kind, *change.key)] = None
    return after


def named_objects(of: KubeObject) -> Mapping[ObjectRef, FieldPath]:
    """Return the Secrets and ConfigMaps that an object of the Gateway API names, each with the first field."""
    found: dict[ObjectRef, FieldPath] = {}
    for field, each in _references(of):
        namespace = "" if isinstance(each, LocalObjectReference) else each.namespace
        if not each.group and each.kind in (Secret.kind, ConfigMap.kind):
            found.setdefault(ObjectRef(each.kind, namespace_of(namespace, of.key), each.name), field)
    return found


def named_services(route: Route) -> Mapping[ObjectRef, FieldPath]:
    """Return the Services that a route names, each with the first field."""
    found: dict[ObjectRef, FieldPath] = {}
    rules: tuple[HTTPRouteRule | GRPCRouteRule | Layer4RouteRule, ...] = route.spec.rules or ()
    for rule_index, rule in enumerate(rules):
        field = FieldPath.of("spec", "rules", rule_index)
        refs = [(field.child("backendRefs", index), each) for index, each in enumerate(rule.backend_refs or ())]
        filters = [] if isinstance(rule, Layer4RouteRule) else [*(rule.filters or ())]
        for _, each in refs:
            filters += (each.filters or ()) if isinstance(each, HTTPBackendRef) else ()
        mirrors = (each.request_mirror.backend_ref for each in filters if each.request_mirror)
        for at, ref in (*refs, *((field.child("filters"), mirror) for mirror in mirrors)):
            if not ref.group and ref.kind == Service.kind:
                found.setdefault(ObjectRef(ref.kind, namespace_of(ref.namespace, route.key), ref.name), at)
    return found


def _references(of: KubeObject) -> _Named:
    spec = FieldPath.of("spec")
    match of:
        case Gateway(spec=gateway):
            yield from _of_listeners(gateway.listeners, spec)
            yield from _of_gateway_tls(of)
            if gateway.infrastructure and gateway.infrastructure.parameters_ref:
                yield spec.child("infrastructure", "parametersRef"), gateway.infrastructure.parameters_ref
        case ListenerSet(spec=listeners):
            yield from _of_listeners(listeners.listeners, spec)
        case BackendTLSPolicy(spec=policy):
            for index, each in enumerate(policy.validation.ca_certificate_refs or ()):
                yield spec.child("validation", "caCertificateRefs", index), each
        case GatewayClass(spec=gateway_class) if gateway_class.parameters_ref:
            yield spec.child("parametersRef"), gateway_class.parameters_ref


def _of_listeners(listeners: Iterable[Listener] | None, spec: FieldPath) -> _Named:
    for listener_index, listener in enumerate(listeners or ()):
        for index, each in enumerate((listener.tls and listener.tls.certificate_refs) or ()):
            yield spec.child("listeners", listener_index, "tls", "certificateRefs", index), each


def _of_gateway_tls(gateway: Gateway) -> _Named:
    tls, field = gateway.spec.tls, FieldPath.of("spec", "tls")
    if tls is None:
        return
    if tls.backend and tls.backend.client_certificate_ref:
        yield field.child("backend", "clientCertificateRef"), tls.backend.client_certificate_ref
    if tls.frontend:
        frontends = [(field.child("frontend", "default"), tls.frontend.default)]
        for port_index, of_port in enumerate(tls.frontend.per_port or ()):
            frontends.append((field.child("frontend", "perPort", port_index, "tls"), of_port.tls))
        for at, frontend in frontends:
            for index, each in enumerate(frontend.validation.ca_certificate_refs if frontend.validation else ()):
                yield at.child("validation", "caCertificateRefs", index), each
