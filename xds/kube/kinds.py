"""Each kind of object that sources read."""

from typing import Final

from xds.kube.gateway_objects import GATEWAY_KINDS
from xds.kube.objects import ConfigMap, EndpointSlice, Ingress, IngressClass, KubeObject, Secret, Service

KINDS: Final[tuple[type[KubeObject], ...]] = (
    IngressClass,
    Ingress,
    Service,
    EndpointSlice,
    Secret,
    ConfigMap,
    *GATEWAY_KINDS,
)

KINDS_BY_NAME: Final = {kind.kind: kind for kind in KINDS}
