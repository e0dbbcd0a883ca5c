"""Our own annotations of Ingresses, once."""

from collections.abc import Mapping
from typing import Final

from xds.translate.nearest import nearest
from xds.translate.nginx.annotation import AnyAnnotation
from xds.translate.own import answers, balancing, bounds, headers, limits, passthrough, redirects, service, tls_verify

_FAMILIES: Final = (answers, balancing, bounds, headers, limits, passthrough, redirects, tls_verify)

ANNOTATIONS: Final[Mapping[str, AnyAnnotation]] = {
    annotation.name: annotation for family in _FAMILIES for annotation in family.ANNOTATIONS
}
"""By name, without the prefix."""

ON_SERVICES: Final = frozenset(each.name for each in service.ANNOTATIONS)


def unknown_remedy(name: str, prefix: str) -> str:
    """The remedy for an unknown name on an Ingress; empty for the usual one."""
    if name in ON_SERVICES:
        return f"Write {prefix}{name} on the Service."
    near = nearest(name, (*ANNOTATIONS, *sorted(ON_SERVICES)))
    if near in ON_SERVICES:
        return f"Did you mean {prefix}{near}, on the Service? Correct the name, and move the annotation."
    return f"Did you mean {prefix}{near}? Correct the name." if near else ""
