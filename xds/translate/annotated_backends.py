"""From the Services and hosts that annotations name to backends."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Final

from xds.kube.objects import IngressServiceBackend, ServiceBackendPort
from xds.kube.state import KubeState
from xds.problems.problem import Key
from xds.problems.reasons import Reason
from xds.problems.text import shown
from xds.traffic.backends import Backend, BackendKey
from xds.traffic.error_pages import ErrorPages
from xds.traffic.mirror import Mirror
from xds.traffic.policy import Policy
from xds.traffic.upstream import DEFAULT_UPSTREAM, BackendProtocol, UpstreamPolicy
from xds.translate.backends import BackendFault, Resolved, resolve
from xds.translate.findings import UnitFindings
from xds.translate.names import is_label
from xds.translate.nginx import error_pages, mirroring
from xds.translate.nginx.annotation import AnyAnnotation
from xds.translate.nginx.asked_backends import AskedBackends
from xds.translate.nginx.mirroring import MirrorTarget

LONGEST_COPY: Final = timedelta(seconds=60)
"""Copies that the target never answers would pile up in the proxy: no client waits for their end, and gives up."""

_NO_COPIES: Final = "no request is mirrored"
_NO_PAGES: Final = "no error is replaced"


class AnnotatedBackends:
    """Looks up the backends that the annotations of an Ingress name.

    Args:
        state: The objects that exist.
        namespace: Of the Ingress.
        asked: As written.
        allow_external_name: Whether outside hosts, and Services of type ExternalName, can be used.
        allow_cross_namespace: Whether Services of other namespaces can be used.
    """

    def __init__(
        self,
        state: KubeState,
        namespace: str,
        asked: AskedBackends,
        *,
        allow_external_name: bool,
        allow_cross_namespace: bool,
    ) -> None:
        self._state = state
        self._namespace = namespace
        self._asked = asked
        self._allow_external_name = allow_external_name
        self._allow_cross_namespace = allow_cross_namespace

    def faults(self) -> Iterator[tuple[AnyAnnotation, BackendFault]]:
        """The annotations with a backend that can't be used, or not as written."""
        if self._asked.mirror and (fault := self._mirror(self._asked.mirror).fault):
            yield mirroring.TARGET, fault
        if self._asked.default and (fault := self._default(self._asked.default.service).fault):
            yield error_pages.DEFAULT_BACKEND, fault

    def applied(self, policy: Policy, ingress: Key, written: IngressServiceBackend, findings: UnitFindings) -> Policy:
        """The policy of a path with the backends that can be used.

        Args:
            policy: The rest of the policy.
            ingress: The Ingress.
            written: The backend of the path.
            findings: Takes the backends.
        """
        target, default = self._asked.mirror, self._asked.default
        if target and (found := self._mirror(target).backend):
            findings.backends[found.key] = found
            policy = replace(policy, mirrors=(Mirror(found.key, target.sent_host),))
        if default and (found := self._default(default.service).backend):
            findings.backends[found.key] = found
            pages = ErrorPages(
                found.key,
                ingress,
                word(written.name),
                word(str(written.port)),
                found.host,
                default.statuses,
                default.kept_statuses,
                default.own_only,
            )
            policy = replace(policy, error_pages=pages)
        return policy

    def _default(self, name: str) -> Resolved:
        """The first port of a Service."""
        service = self._state.service(Key(self._namespace, name))
        ports = service.spec.ports or () if service else ()
        number = next((port.port for port in ports if port.protocol == "TCP"), 0)
        return self._service(self._namespace, name, number, DEFAULT_UPSTREAM, _NO_PAGES)

    def _mirror(self, target: MirrorTarget) -> Resolved:
        protocol = BackendProtocol.HTTPS if target.tls else BackendProtocol.HTTP1
        use = UpstreamPolicy(protocol=protocol, longest_request=LONGEST_COPY)
        if target.service is None:
            return _outside(self._namespace, target, use, allowed=self._allow_external_name)
        if target.service.namespace != self._namespace and not self._allow_cross_namespace:
            return _unusable(
                f"mirror-target names Service {target.service} of another namespace, so {_NO_COPIES}",
                "Name a Service of the Ingress's own namespace, or start the server with "
                "--allow-cross-namespace-resources.",
            )
        # ingress-nginx sends no server name.
        use = replace(use, sends_sni=not target.tls)
        return self._service(*target.service, target.port, use, _NO_COPIES)

    def _service(self, namespace: str, name: str, port: int, use: UpstreamPolicy, effect: str) -> Resolved:
        """A Service without which paths are served."""
        wanted = IngressServiceBackend(name, ServiceBackendPort(number=port))
        allowed = self._allow_external_name
        resolved = resolve(self._state, namespace, wanted, use, allow_external_name=allowed, effect=effect)
        fault = resolved.fault
        return _unusable(fault.message, fault.remedy) if fault and resolved.backend is None else resolved


def word(text: str) -> str:
    """A name or number that may go into a header. Manifests of a folder may hold any text."""
    return text if is_label(text) else "(invalid)"


def _outside(namespace: str, target: MirrorTarget, use: UpstreamPolicy, *, allowed: bool) -> Resolved:
    """A host outside of the cluster, by DNS. No name of a Service has a dot or a colon, as the host has."""
    if not allowed:
        return _unusable(
            f"mirror-target names the outside host {shown(target.host)}, which is not allowed, so {_NO_COPIES}",
            "Name a Service (http://NAME.NAMESPACE.svc.cluster.local), or start the server with --allow-external-name.",
        )
    protocol = use.protocol or BackendProtocol.HTTP1
    # Without a Service no port says a protocol, and plain HTTP/1.1 is the default.
    use = use if target.tls else replace(use, protocol=None)
    key = BackendKey(namespace, target.host, target.port, use.variant)
    return Resolved(Backend(key, "", protocol, external_name=target.host, upstream=use))


def _unusable(message: str, remedy: str) -> Resolved:
    return Resolved(None, BackendFault(Reason.ANNOTATION_BACKEND_UNUSABLE, message, remedy))
