"""From the target of mirror-target to the backend that gets the copies."""

from dataclasses import replace
from datetime import timedelta
from typing import Final

from xds.kube.objects import IngressServiceBackend, ServiceBackendPort
from xds.kube.state import KubeState
from xds.problems.reasons import Reason
from xds.problems.text import shown
from xds.traffic.backends import Backend, BackendKey
from xds.traffic.upstream import BackendProtocol, UpstreamPolicy
from xds.translate.backends import BackendFault, Resolved, resolve
from xds.translate.nginx.mirroring import MirrorTarget

LONGEST_COPY: Final = timedelta(seconds=60)
"""Copies that the target never answers would pile up in the proxy: no client waits for their end, and gives up."""

_EFFECT: Final = "no request is mirrored"


def resolve_mirror(state: KubeState, namespace: str, target: MirrorTarget, *, allow_external_name: bool) -> Resolved:
    """The backend for copies of requests to paths of an Ingress of the namespace."""
    protocol = BackendProtocol.HTTPS if target.tls else BackendProtocol.HTTP1
    use = UpstreamPolicy(protocol=protocol, longest_request=LONGEST_COPY)
    if target.service is None:
        return _outside(namespace, target, use, allowed=allow_external_name)
    if target.service.namespace != namespace:
        return _unusable(
            f"mirror-target names Service {target.service} of another namespace, so {_EFFECT}",
            "Name a Service of the Ingress's own namespace.",
        )
    wanted = IngressServiceBackend(target.service.name, ServiceBackendPort(number=target.port))
    # ingress-nginx sends no server name.
    use = replace(use, sends_sni=not target.tls)
    found = resolve(state, namespace, wanted, use, allow_external_name=allow_external_name, effect=_EFFECT)
    if found.backend is None and found.fault:
        return _unusable(found.fault.message, found.fault.remedy)
    return found


def _outside(namespace: str, target: MirrorTarget, use: UpstreamPolicy, *, allowed: bool) -> Resolved:
    """A host outside of the cluster, by DNS. No name of a Service has a dot or a colon, as the host has."""
    if not allowed:
        return _unusable(
            f"mirror-target names the outside host {shown(target.host)}, which is not allowed, so {_EFFECT}",
            "Name a Service (http://NAME.NAMESPACE.svc.cluster.local), or start the server with --allow-external-name.",
        )
    protocol = use.protocol or BackendProtocol.HTTP1
    # Without a Service no port says a protocol, and plain HTTP/1.1 is the default.
    use = use if target.tls else replace(use, protocol=None)
    key = BackendKey(namespace, target.host, target.port, use.variant)
    return Resolved(Backend(key, "", protocol, external_name=target.host, upstream=use))


def _unusable(message: str, remedy: str) -> Resolved:
    return Resolved(None, BackendFault(Reason.ANNOTATION_BACKEND_UNUSABLE, message, remedy))
