"""Manifests of kind Endpoints, mirrored as EndpointSlices. In a cluster, the control plane does so.

Source: https://kubernetes.io/docs/concepts/services-networking/service/#endpointslice-mirroring
"""

from collections.abc import Iterator
from ipaddress import ip_address
from typing import Any, Final

_SKIP_LABEL: Final = "endpointslice.kubernetes.io/skip-mirror"
_LEADER_ANNOTATION: Final = "control-plane.alpha.kubernetes.io/leader"

_NAME: Final = "{}.endpoints-{}-{}"
"""Of the Service's name: a name that no controller gives to an EndpointSlice."""


def mirrored(document: object) -> Iterator[object]:
    """Yield an EndpointSlice for each subset and address type of an Endpoints; yield any other document itself.

    Fields that have the wrong form are left to the decoder of EndpointSlices.
    """
    if not isinstance(document, dict) or (document.get("kind"), document.get("apiVersion")) != ("Endpoints", "v1"):
        yield document
        return
    metadata = _mapping(document.get("metadata"))
    if _is_skipped(metadata):
        return
    for number, subset in enumerate(_mappings(document.get("subsets"))):
        by_type: dict[str, list[dict[str, Any]]] = {"IPv4": [], "IPv6": []}
        for field, ready in (("addresses", True), ("notReadyAddresses", False)):
            for address in _mappings(subset.get(field)):
                endpoint = {"addresses": [address.get("ip")], "conditions": {"ready": ready}}
                by_type[_address_type(address.get("ip"))].append(endpoint)
        for type_, endpoints in by_type.items():
            if endpoints:
                yield _slice(metadata, number, type_, endpoints, subset.get("ports"))


def _is_skipped(metadata: dict[Any, Any]) -> bool:
    """Whether a cluster doesn't mirror the object either."""
    skips = _mapping(metadata.get("labels")).get(_SKIP_LABEL) == "true"
    return skips or _LEADER_ANNOTATION in _mapping(metadata.get("annotations"))


def _slice(
    metadata: dict[Any, Any], number: int, address_type: str, endpoints: list[dict[str, Any]], ports: object
) -> dict[str, Any]:
    service = metadata.get("name")
    return {
        "kind": "EndpointSlice",
        "apiVersion": "discovery.k8s.io/v1",
        "metadata": {
            "name": _NAME.format(service, number, address_type.lower()) if isinstance(service, str) else service,
            "namespace": metadata.get("namespace"),
            "labels": {"kubernetes.io/service-name": service},
        },
        "addressType": address_type,
        "endpoints": endpoints,
        "ports": ports,
    }


def _address_type(address: object) -> str:
    try:
        return f"IPv{ip_address(str(address)).version}"
    except ValueError:
        return "IPv4"


def _mapping(value: object) -> dict[Any, Any]:
    return value if isinstance(value, dict) else {}


def _mappings(value: object) -> list[dict[Any, Any]]:
    return [each for each in value if isinstance(each, dict)] if isinstance(value, list) else []
