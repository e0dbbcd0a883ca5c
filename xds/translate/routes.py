"""From a path of an Ingress, or its default backend, to a route."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Final

from xds.kube.objects import (
    HTTPIngressPath,
    Ingress,
    IngressBackend,
    IngressServiceBackend,
    Service,
    ServiceBackendPort,
)
from xds.kube.state import KubeState
from xds.problems.field_path import WHOLE_OBJECT, FieldPath, MapKey
from xds.problems.problem import Key, ObjectRef
from xds.problems.reasons import Reason
from xds.problems.text import shown
from xds.traffic.actions import Forward
from xds.traffic.backend_tls import Credential, CredentialKey
from xds.traffic.backends import Backend, BackendKey
from xds.traffic.policy import Policy
from xds.traffic.regex import DEFAULT_MAX_REGEX_SIZE, is_literal
from xds.traffic.routes import Origin, PathType, Route
from xds.traffic.tls import TlsTable
from xds.traffic.upstream import DEFAULT_UPSTREAM, UpstreamPolicy
from xds.translate import cert_manager
from xds.translate.annotated_backends import AnnotatedBackends, word
from xds.translate.backends import Resolved, resolve
from xds.translate.credentials import CredentialStore
from xds.translate.findings import UnitFindings
from xds.translate.hosts_without_tls import report_hosts_without_tls
from xds.translate.names import InvalidError, is_label, regex_path, valid_path
from xds.translate.nginx import https_redirects, passwords, upstream_vhost
from xds.translate.nginx.affinity import PATH as COOKIE_PATH
from xds.translate.nginx.asked_backends import NO_BACKENDS, AskedBackends
from xds.translate.nginx.canary import CANARY, Canary
from xds.translate.nginx.htpasswd import PasswordFiles
from xds.translate.nginx.ingress_policy import ingress_policy
from xds.translate.nginx.named_objects import NamedObjects
from xds.translate.nginx.options import AnnotationOptions
from xds.translate.nginx.paths_policy import ClosedPaths, IngressPolicy, LentPaths, OpenPaths, PathsPolicy
from xds.translate.ownership import HostOwnership
from xds.translate.patterns import literal_instead, looks_like_pattern

_REGEX_REMEDY: Final = (
    "Write the paths that are meant one by one, the longest first. For large expressions raise --max-regex-size."
)

_COOKIE_PATH: Final = re.compile(r"[!-:<-~]*")
"""Neither blanks nor semicolons: https://www.rfc-editor.org/rfc/rfc6265#section-4.1.1"""
_ANNOTATIONS: Final = FieldPath.of("metadata", "annotations")

_DEFAULT_BACKEND: Final = FieldPath.of("spec", "defaultBackend")


@dataclass(frozen=True, slots=True)
class TranslationContext:
    """Input of every translation: the objects that exist, and the operator's options."""

    state: KubeState
    allow_external_name: bool
    annotations: AnnotationOptions
    max_regex_size: int = DEFAULT_MAX_REGEX_SIZE
    allow_cross_namespace: bool = False
    redirects_to_slash: bool = False
    host_ownership: HostOwnership = HostOwnership.SHARED
    credential_store: CredentialStore = field(default_factory=CredentialStore)
    password_files: PasswordFiles = field(default_factory=PasswordFiles)
    published: Key | None = None

    def policy(self, ingress: Ingress) -> IngressPolicy:
        """The policy of an Ingress. `translate_ingress` reports the problems, once for each Ingress."""
        return ingress_policy(ingress, self.annotations, self.objects(ingress), _unreported)

    def objects(self, ingress: Ingress) -> NamedObjects:
        """The objects that annotations of an Ingress may name."""
        return self.objects_in(ingress.key.namespace)

    def objects_in(self, namespace: str) -> NamedObjects:
        """The objects that annotations of Ingresses of a namespace may name."""
        return NamedObjects(
            self.state,
            namespace,
            self.allow_cross_namespace,
            self.credential_store,
            self.password_files,
            self.published,
        )

    def credentials(self, backends: Iterable[Backend]) -> Mapping[CredentialKey, Credential]:
        """The credentials for TLS to some backends."""
        found: dict[CredentialKey, Credential] = {}
        for key in (key for each in backends if each.upstream.tls for key in each.upstream.tls.credentials):
            if credential := self.credential_store.find_in(self.state, key):
                found[key] = credential
        return found

    def client_authorities(self, tls: TlsTable) -> Mapping[CredentialKey, Credential]:
        """The authorities by which proxies verify clients."""
        checks = {each.checked.certificates.credential for each in tls.terminations if each.checked}
        found = {key: self.credential_store.find_in(self.state, key) for key in checks if key}
        return {key: each for key, each in found.items() if each}

    def is_canary(self, ingress: Ingress) -> bool:
        """Whether an Ingress only lends its backends: routes, default backend and TLS entries count for nothing."""
        return self.canary(ingress) is not None

    def canary(self, ingress: Ingress) -> Canary | None:
        """The requests for a canary; None for an ordinary Ingress."""
        policy = self.policy(ingress) if CANARY.full_name in ingress.annotations else None
        return policy.canary if isinstance(policy, LentPaths) else None

    def route(
        self,
        origin: Origin,
        backend: IngressBackend,
        backend_at: FieldPath,
        path: tuple[str, PathType],
        *,
        policy: PathsPolicy,
        findings: UnitFindings,
        is_temporary: bool = False,
    ) -> Route | None:
        """The route of a path; None, with a problem, for a backend that isn't a Service, unless the path is closed.

        A Service or port that can't be used gives a route without backend, which answers 503, and a problem, unless
        the path `is_temporary`: another controller is about to remove the path, or to create the Service.
        """
        if backend.service is None:
            findings.report(origin.object, *_unsupported(backend), backend_at)
            if isinstance(policy, ClosedPaths):  # or the path would be another Ingress's
                return Route(*path, policy.answer, origin, Key(origin.object.namespace, "(none)"))
            return None
        namespace = origin.object.namespace
        upstream = DEFAULT_UPSTREAM if isinstance(policy, ClosedPaths) else policy.upstream
        resolved = self._resolve(namespace, backend.service, upstream, findings, effect=_effect(policy))
        if (fault := resolved.fault) and not is_temporary:
            findings.report(origin.object, fault.reason, fault.message, backend_at, fault.remedy)
        for each in resolved.of_service:
            about = ObjectRef("Service", namespace, backend.service.name)
            findings.report(about, each.reason, each.message, _ANNOTATIONS, each.remedy)
        service = Key(namespace, backend.service.name if is_label(backend.service.name) else "(invalid)")
        if isinstance(policy, ClosedPaths):
            return Route(*path, policy.answer, origin, service)
        if policy.answer:
            return Route(*path, policy.answer, origin, service, policy.policy.without_backend)
        if policy.redirect:
            return Route(*path, policy.redirect, origin, service, policy.policy.of_redirect)
        tls_key = None
        if policy.tls_upstream is not None:
            by_tls = self._resolve(namespace, backend.service, policy.tls_upstream, findings).backend
            tls_key = by_tls.key if by_tls else None
        key, treatment = _treated(policy.policy, resolved.backend, origin, backend.service)
        return Route(*path, Forward.to(key, tls_key), origin, service, treatment)

    def annotated_backends(self, namespace: str, asked: AskedBackends) -> AnnotatedBackends:
        """The look-up of the backends that annotations of an Ingress of the namespace name."""
        return AnnotatedBackends(
            self.state,
            namespace,
            asked,
            allow_external_name=self.allow_external_name,
            allow_cross_namespace=self.allow_cross_namespace,
        )

    def _resolve(
        self,
        namespace: str,
        wanted: IngressServiceBackend,
        upstream: UpstreamPolicy,
        findings: UnitFindings,
        effect: str = "",
    ) -> Resolved:
        allowed = self.allow_external_name
        resolved = resolve(self.state, namespace, wanted, upstream, allow_external_name=allowed, effect=effect)
        if resolved.backend:
            findings.backends[resolved.backend.key] = resolved.backend
        return resolved


def _treated(
    policy: Policy, backend: Backend | None, origin: Origin, written: IngressServiceBackend
) -> tuple[BackendKey | None, Policy]:
    """The backend of a route that forwards and the policy for this backend. None: no backend can be used.

    The Host that an annotation names precedes the one of an ExternalName.
    """
    if policy.upstream_host:
        policy = replace(policy, upstream_host=_upstream_host(policy.upstream_host, origin, written))
    elif backend and backend.host:
        policy = replace(policy, upstream_host=backend.host)
    if backend is None:
        if pages := policy.error_pages:
            host = policy.upstream_host or pages.host
            return pages.backend, replace(policy, upstream_host=host, error_pages=replace(pages, instead=True))
        return None, policy
    return backend.key, policy if backend.protocol.is_http1 else _for_http2(policy)


def _for_http2(policy: Policy) -> Policy:
    """The policy for a backend to which HTTP/2 is or may be spoken: its streams would wait for the end of a body."""
    if policy.connection:
        policy = replace(policy, connection="")
    return replace(policy, bodies=replace(policy.bodies, buffered=False)) if policy.bodies.buffered else policy


def _upstream_host(template: str, origin: Origin, written: IngressServiceBackend) -> str:
    values = {
        "namespace": origin.object.namespace,
        "ingress_name": origin.object.name,
        "service_name": word(written.name),
        "service_port": word(str(written.port)),
    }
    return upstream_vhost.on_route(template, values)


def _effect(policy: PathsPolicy) -> str:
    """The consequence of a backend that can't be used, in words."""
    has_pages = isinstance(policy, OpenPaths) and policy.policy.error_pages
    return "default-backend answers for its paths" if has_pages else "its paths answer 503"


def _unreported(*problem: object) -> None:
    """Drop a problem that another unit reports."""


def _unsupported(backend: IngressBackend) -> tuple[Reason, str]:
    if backend.resource is None:
        return (Reason.INVALID_BACKEND, "the backend names neither a service nor a resource; it is left out")
    kind = shown(f"{backend.resource.kind}/{backend.resource.name}")
    return (Reason.RESOURCE_BACKEND_UNSUPPORTED, f"resource backend {kind} is not supported; it is left out")


def path_route(
    context: TranslationContext,
    origin: Origin,
    path: HTTPIngressPath,
    *,
    policy: PathsPolicy,
    regex: bool,
    findings: UnitFindings,
) -> Route | None:
    """The route of a path; None, with a problem, for a path that can't be served.

    Args:
        context: The objects and options.
        origin: The Ingress, and the field of the path.
        path: As written.
        policy: Of the Ingress.
        regex: Whether the paths of the host are expressions.
        findings: Takes backends and problems.
    """
    written = path.path or ""
    remedy = literal_instead(written) if not regex and looks_like_pattern(written) else ""
    try:
        matched = regex_path(path, context.max_regex_size) if regex else valid_path(path)
    except InvalidError as error:
        remedy = remedy or (_REGEX_REMEDY if regex else "")
        effect = "it is left out"
        if isinstance(policy, ClosedPaths):
            effect = "its Ingress is closed, so all paths of the host answer 503"
        findings.report(origin.object, error.reason, f"{error}; {effect}", origin.field, remedy)
        return None
    if remedy:
        message = f"path {shown(written)} reads like a pattern, and is compared literally"
        findings.report(origin.object, Reason.PATTERN_IN_PATH, message, origin.field.child("path"), remedy)
    if isinstance(policy, OpenPaths):
        policy = on_path(policy, written or "/", path.path_type, regex=regex)
        if policy.asked_backends is not NO_BACKENDS and path.backend.service:
            backends = context.annotated_backends(origin.object.namespace, policy.asked_backends)
            treatment = backends.applied(policy.policy, origin.object.key, path.backend.service, findings)
            policy = replace(policy, policy=treatment)
        if policy.policy.affinity:
            policy = replace(policy, policy=_with_cookie_path(policy.policy, *matched, origin, findings))
    backend, at, is_temporary = path.backend, origin.field.child("backend"), cert_manager.is_solver(path)
    return context.route(origin, backend, at, matched, policy=policy, findings=findings, is_temporary=is_temporary)


def on_path(open_paths: OpenPaths, path: str, path_type: str, *, regex: bool) -> OpenPaths:
    """The policy of one path, as written: the rewrite, and the exceptions from the redirect to HTTPS."""
    policy = open_paths.policy
    redirect = https_redirects.on_path(policy.https_redirect, path, open_paths.plain_paths)
    if redirect is not policy.https_redirect:
        policy = replace(policy, https_redirect=redirect)
    access = passwords.on_path(policy.access, path, open_paths.unauthenticated_paths)
    if access is not policy.access:
        policy = replace(policy, access=access)
    if regex:
        policy = open_paths.rewriting.applied(policy, path, path_type)
    return open_paths if policy is open_paths.policy else replace(open_paths, policy=policy)


def _with_cookie_path(policy: Policy, path: str, path_type: PathType, origin: Origin, findings: UnitFindings) -> Policy:
    """A policy whose session cookie has a path: that of the route, unless an annotation says another."""
    affinity = policy.affinity
    if affinity is None or affinity.path:
        return policy
    # Most dots of expressions are meant as dots.
    is_expression = path_type is PathType.REGEX and not is_literal(path.replace(".", ""))
    if _COOKIE_PATH.fullmatch(path) and not is_expression:
        return replace(policy, affinity=affinity.at(path))
    message = f"path {shown(path)} can't be the path of a cookie, so the session cookie {affinity.cookie} is for /"
    remedy = f"Set {COOKIE_PATH.full_name} to the part of the path that all requests have in common."
    findings.report(origin.object, Reason.COOKIE_PATH_REPLACED, message, origin.field.child("path"), remedy)
    return replace(policy, affinity=affinity.at("/"))


def default_route(context: TranslationContext, ingresses: list[Ingress], findings: UnitFindings) -> Route | None:
    """The route to the default backend of the senior Ingress that has a usable one.

    Problems of default backends are left to `translate_ingress`, which reports them once for each Ingress.
    """
    unreported = UnitFindings(backends=findings.backends)
    routes = (ingress_default(context, ingress, unreported) for ingress in ingresses)
    return next((route for route in routes if route is not None), None)


def service_route(context: TranslationContext, key: Key, findings: UnitFindings) -> Route | None:
    """The route to the first port of a Service that no Ingress names; None, with a problem, for a Service without."""
    service = context.state.service(key)
    about = ObjectRef(Service.kind, *key)
    if service is None or not service.spec.ports:
        message = (
            f"Service {key} of --default-backend {'has no port' if service else 'does not exist'}: 404 is answered"
        )
        findings.report(about, Reason.BACKEND_NOT_FOUND, message, WHOLE_OBJECT)
        return None
    port = IngressServiceBackend(key.name, ServiceBackendPort(number=service.spec.ports[0].port))
    policy, place = context.annotations.unannotated, ("/", PathType.PREFIX)
    backend = IngressBackend(service=port)
    return context.route(Origin(about, WHOLE_OBJECT), backend, WHOLE_OBJECT, place, policy=policy, findings=findings)


def ingress_default(context: TranslationContext, ingress: Ingress, findings: UnitFindings) -> Route | None:
    backend = ingress.spec.default_backend
    if backend is None:
        return None
    origin = Origin(ingress.ref, _DEFAULT_BACKEND)
    policy = context.policy(ingress)
    if isinstance(policy, LentPaths):
        return None
    # A protection is for the whole Ingress, and so are limits and the use of backends. Other annotations are for paths.
    plain = context.annotations.open_paths
    if isinstance(policy, OpenPaths) and policy is not plain:
        affinity = policy.policy.affinity
        policy = OpenPaths(
            replace(
                plain.policy,
                upstream_host=policy.policy.upstream_host,
                rate_limits=policy.policy.rate_limits,
                access=policy.policy.access,
                hash_keys=policy.policy.hash_keys,
                affinity=affinity.at("/") if affinity else None,
                response_headers=policy.policy.response_headers,
                cors=policy.policy.cors,
            ),
            answer=policy.answer,
            upstream=policy.upstream,
            tls_upstream=policy.tls_upstream,
        )
    return context.route(origin, backend, _DEFAULT_BACKEND, ("/", PathType.PREFIX), policy=policy, findings=findings)


def translate_ingress(context: TranslationContext, ingress: Ingress, findings: UnitFindings) -> None:
    """Report the problems of an Ingress outside of rules and TLS: of the default backend, and of annotations."""
    ingress_default(context, ingress, findings)

    def report(name: str, reason: Reason, message: str, remedy: str) -> None:
        at = FieldPath.of("metadata", "annotations", MapKey(name))
        findings.report(ingress.ref, reason, message, at, remedy)

    policy = ingress_policy(ingress, context.annotations, context.objects(ingress), report)
    if isinstance(policy, OpenPaths):
        report_hosts_without_tls(ingress, policy.policy.https_redirect, findings)
        for annotation, fault in context.annotated_backends(ingress.key.namespace, policy.asked_backends).faults():
            report(annotation.full_name, fault.reason, fault.message, fault.remedy)
