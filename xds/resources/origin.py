"""The object and the Service behind an answer, as metadata of routes and virtual hosts: for the access log, traffic
metrics and spans.

Metadata of a route come before metadata of its virtual host, which count for answers without a route (404), and for
routes that several paths share.
"""

import json
from typing import Final

from xds.envoyapi.messages import Metadata, Struct, Value
from xds.problems.problem import Key, ObjectRef
from xds.resources import names
from xds.resources.domains import ANY_HOST, Domain
from xds.traffic.hosts import NO_HOST
from xds.traffic.routes import Route, VirtualHost

_NAMESPACE: Final = "namespace"
_INGRESS: Final = "ingress"
_SERVICE: Final = "service"
_ROUTE: Final = "route"
"""A route of the Gateway API in place of the Ingress: `HTTPRoute shop/cart`."""

_ROUTE_KINDS: Final = frozenset({"HTTPRoute", "GRPCRoute"})


def _of_route_or_host(key: str) -> str:
    places = [f"{place}:{names.METADATA_NAMESPACE}:{key}" for place in ("ROUTE", "VIRTUAL_HOST")]
    operators = [{"command": "METADATA", "param": place} for place in places]
    return f"%COALESCE({json.dumps({'operators': operators}, separators=(',', ':'))})%"


NAMESPACE_OPERATOR: Final = _of_route_or_host(_NAMESPACE)
INGRESS_OPERATOR: Final = _of_route_or_host(_INGRESS)
ROUTE_OPERATOR: Final = _of_route_or_host(_ROUTE)
SERVICE_OPERATOR: Final = f"%METADATA(ROUTE:{names.METADATA_NAMESPACE}:{_SERVICE})%"
"""Envoy's operators for the namespace, the Ingress, the route of the Gateway API and the Service of a request. Source:
https://www.envoyproxy.io/docs/envoy/latest/configuration/observability/access_log/usage
"""

ORIGIN_OPERATORS: Final = {
    "ingress_namespace": NAMESPACE_OPERATOR,
    "ingress": INGRESS_OPERATOR,
    "service": SERVICE_OPERATOR,
}
"""Labels of traffic metrics, which are attributes of spans too, and the operators for the values."""


def origin_operators(routes: str) -> dict[str, str]:
    """Labels and operators at a listener. Listeners of Ingress have no label `route`: a new one would drain them.

    Args:
        routes: The name of the listener's route configuration.
    """
    return ORIGIN_OPERATORS | ({"route": ROUTE_OPERATOR} if names.is_bound(routes) else {})


def route_origin(route: Route) -> Metadata:
    return object_origin(route.origin.object, route.service)


def object_origin(origin: ObjectRef, service: Key | None = None) -> Metadata:
    """The metadata of a route. Without an object for the operator's default backend, which no object names.

    Args:
        origin: The object that asks for the route.
        service: The Service that the object names; None for a route that several Services share.
    """
    return _metadata(_fields(origin) | ({_SERVICE: str(service)} if service else {}))


def _fields(origin: ObjectRef) -> dict[str, str]:
    if origin.kind == "Ingress":
        return {_INGRESS: str(origin.key), _NAMESPACE: origin.namespace}
    if origin.kind in _ROUTE_KINDS:
        return {_ROUTE: str(origin), _NAMESPACE: origin.namespace}
    return {}


def host_origin(domain: Domain) -> Metadata | None:
    """The metadata of a virtual host: its Ingress or route, and the namespace, if it has one alone.

    None for hosts that no rule names: the 404 of an unknown host is not the fault of an Ingress without hosts.
    """
    inside = domain.inside
    if domain.name == ANY_HOST or not isinstance(inside, VirtualHost) or inside.host == NO_HOST:
        return None
    routes = (*inside.routes, *((inside.default,) if inside.default else ()))
    objects = {route.origin.object for route in routes if _fields(route.origin.object)}
    if len(objects) == 1:
        return object_origin(objects.pop())
    namespaces = {each.namespace for each in objects}
    return _metadata({_NAMESPACE: namespaces.pop()}) if len(namespaces) == 1 else None


def no_origin() -> Metadata:
    """The metadata of a route for hosts that no rule names, in a virtual host with metadata."""
    return _metadata({_INGRESS: "", _NAMESPACE: ""})


def origin_of(metadata: Metadata | None) -> ObjectRef | None:
    """The object that a built route comes from."""
    found = (metadata.filter_metadata if metadata else {}).get(names.METADATA_NAMESPACE)
    fields = found.fields if found else {}
    ingress, route = (str(fields[key].string_value) if key in fields else "" for key in (_INGRESS, _ROUTE))
    kind, _, key = route.partition(" ") if route else ("Ingress", "", ingress)
    namespace, _, name = key.partition("/")
    return ObjectRef(kind, namespace, name) if name else None


def _metadata(fields: dict[str, str]) -> Metadata:
    values = {name: Value(string_value=value) for name, value in fields.items()}
    return Metadata(filter_metadata={names.METADATA_NAMESPACE: Struct(fields=values)})
