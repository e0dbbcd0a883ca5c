"""The objects that annotations of an Ingress name: Secrets, ConfigMaps and Services."""

import functools
from collections.abc import Iterator
from functools import lru_cache
from typing import Final

from xds.kube.objects import ConfigMap, Ingress, Service
from xds.kube.references import ASKED_HOST, PASSTHROUGH, AnnotatedObjects, no_annotated_objects
from xds.problems.problem import ObjectRef
from xds.traffic.authorizer import AuthorizerUrl
from xds.traffic.hosts import wildcard_of
from xds.translate.nginx import error_pages, external_auth, mirroring
from xds.translate.nginx.annotation import Annotation, AnyAnnotation, InvalidValueError, Value
from xds.translate.nginx.authorizer_url import HOST_VARIABLES, service_of
from xds.translate.nginx.grammars import NearName
from xds.translate.nginx.passthrough_wish import NAMES as ASKING
from xds.translate.nginx.registry import ANNOTATIONS
from xds.translate.own.registry import ANNOTATIONS as OWN_ANNOTATIONS
from xds.translate.own.tls_verify import Verifier

_NAMING: Final[tuple[AnyAnnotation, ...]] = tuple(
    each for each in (*ANNOTATIONS.values(), *OWN_ANNOTATIONS.values()) if each.names
)


def annotated_objects(*, allow_cross_namespace: bool, passes_tls: bool = False) -> AnnotatedObjects:
    """Return the function that tells the objects of an Ingress.

    An object of another namespace than the Ingress' own is told only if that is allowed, so that no Ingress makes the
    server read an object that is none of its business. An object is told whether or not the annotation has an effect.

    Args:
        allow_cross_namespace: Whether objects of other namespaces are told.
        passes_tls: Whether Ingresses may ask for TLS passthrough. Those that ask are told by PASSTHROUGH.
    """
    found = _anywhere if allow_cross_namespace else _in_own_namespace
    return functools.partial(_and_passthrough, found) if passes_tls else found


def _and_passthrough(found: AnnotatedObjects, ingress: Ingress) -> frozenset[ObjectRef]:
    objects, annotations = found(ingress), ingress.metadata.annotations
    return objects | {PASSTHROUGH} if annotations and any(map(annotations.get, ASKING)) else objects


def _anywhere(ingress: Ingress) -> frozenset[ObjectRef]:
    annotations = ingress.metadata.annotations
    if not annotations:
        return no_annotated_objects(ingress)
    return frozenset(
        found
        for each in _NAMING
        if (value := annotations.get(each.full_name)) and (found := _named(each, value, ingress)) is not None
    ).union(_services(ingress))


def _services(ingress: Ingress) -> Iterator[ObjectRef]:
    target = _parsed(mirroring.TARGET, ingress)
    if target and target.service:
        yield ObjectRef("Service", *target.service)
    yield from _asked(_parsed(external_auth.AUTH_URL, ingress))
    if default := _parsed(error_pages.DEFAULT_BACKEND, ingress):
        yield ObjectRef("Service", ingress.key.namespace, default)


def _parsed(annotation: Annotation[Value], ingress: Ingress) -> Value | None:
    value = ingress.annotations.get(annotation.full_name)
    try:
        return annotation.grammar.parse(value) if value else None
    except InvalidValueError:
        return None


def _in_own_namespace(ingress: Ingress) -> frozenset[ObjectRef]:
    found = _anywhere(ingress)
    if not found:
        return found
    # All Services are read, and an authorizer may be in any namespace.
    asked = frozenset(_asked(_parsed(external_auth.AUTH_URL, ingress)))
    return frozenset(each for each in found if each.namespace == ingress.key.namespace or each in asked)


def _asked(url: AuthorizerUrl | None) -> Iterator[ObjectRef]:
    """The Service, or the host, at which an authorizer is asked. A host of rules may be that of a wildcard."""
    if url is None or url.host in HOST_VARIABLES:
        return
    if service := service_of(url.host):
        yield ObjectRef(Service.kind, *service)
        return
    name, _, namespace = url.host.partition(".")
    if "." not in namespace:
        yield ObjectRef(Service.kind, namespace, name)
    for host in filter(None, (url.host, wildcard_of(url.host))):
        yield ObjectRef(ASKED_HOST, "", host)


def asked_by_config(config: ConfigMap) -> frozenset[ObjectRef]:
    """The Service, or the host, of the authorizer that ingress-nginx's ConfigMap names."""
    return _asked_at((config.data or {}).get("global-auth-url", ""))


@lru_cache(maxsize=16)
def _asked_at(text: str) -> frozenset[ObjectRef]:
    try:
        return frozenset(_asked(external_auth.AUTH_URL.grammar.parse(text)))
    except InvalidValueError:
        return frozenset()


def _named(annotation: AnyAnnotation, value: str, ingress: Ingress) -> ObjectRef | None:
    """Return the object that a value names; None for a bad value, and for one that names none."""
    if annotation.names is None:
        return None
    try:
        named = annotation.grammar.parse(value)
    except InvalidValueError:
        return None
    key = named.key_in(ingress.key.namespace) if isinstance(named, Verifier | NearName) else named
    return ObjectRef(annotation.names.kind, *key) if key else None
