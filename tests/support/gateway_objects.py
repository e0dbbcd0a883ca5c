"""Objects of the Gateway API for tests."""

from typing import Any

from tests.support.objects import NS
from xds.kube.decode import decode
from xds.kube.gateway_objects import GROUP, HTTPRoute, ReferenceGrant
from xds.kube.objects import KubeObject


def gateway_object(kind: type[KubeObject], name: str, ns: str = NS, **spec: Any) -> KubeObject:
    """An object as a folder has it: nothing is filled in."""
    metadata = {"name": name, "namespace": ns, "creationTimestamp": "2026-01-01T00:00:00Z", "generation": 1}
    document = {"apiVersion": kind.api_version, "kind": kind.kind, "metadata": metadata, "spec": spec}
    found = decode(document)
    assert isinstance(found, kind), found
    return found


def http_route(*rules: dict[str, Any], name: str = "route", ns: str = NS, **spec: Any) -> HTTPRoute:
    found = gateway_object(HTTPRoute, name, ns, rules=list(rules), **spec)
    assert isinstance(found, HTTPRoute)
    return found


def to(*refs: str, **rule: Any) -> dict[str, Any]:
    """A rule with backendRefs, each as `NAMESPACE/SERVICE:PORT*WEIGHT` or a part of that."""
    return {"backendRefs": [_ref(each) for each in refs], **rule}


def _ref(text: str) -> dict[str, Any]:
    place, _, weight = text.partition("*")
    place, _, port = place.partition(":")
    namespace, slash, name = place.rpartition("/")
    ref: dict[str, Any] = {"name": name, "port": int(port or 80), "weight": int(weight or 1)}
    return ref | ({"namespace": namespace} if slash else {})


def reference_grant(ns: str, from_: str = NS, *, kind: str = "HTTPRoute", to_kind: str = "Service") -> KubeObject:
    """A grant for all objects of a kind in the namespace."""
    return gateway_object(
        ReferenceGrant,
        "grant",
        ns,
        **{"from": [{"group": GROUP, "kind": kind, "namespace": from_}], "to": [{"group": "", "kind": to_kind}]},
    )
