"""From the URL of an authorizer to the backend that is asked.

A host of the cluster is a Service. A host that Ingresses serve is asked at the Service of its route, as no request
should leave the cluster and come back; but only if the route lets everybody in, since the answer of a route with
conditions is not its Service's. Every other host is found by DNS.
"""

import re
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Final, TypeAlias

from xds.kube.objects import Ingress, IngressServiceBackend, ServiceBackendPort
from xds.problems.field_path import WHOLE_OBJECT, FieldPath, MapKey
from xds.problems.problem import Key, ObjectRef
from xds.problems.reasons import Reason
from xds.problems.text import shown
from xds.traffic.authorizer import Authorizer
from xds.traffic.backends import Backend, BackendKey
from xds.traffic.hosts import NO_HOST, is_wildcard
from xds.traffic.questions import Questions
from xds.traffic.regex import compiled
from xds.traffic.rewrite import Rewrite
from xds.traffic.routes import Route
from xds.traffic.upstream import BackendProtocol, UpstreamPolicy
from xds.translate.backends import resolve
from xds.translate.findings import UnitFindings
from xds.translate.nginx.annotation import InvalidValueError
from xds.translate.nginx.authorizer_reach import asked_service, why_host_out_of_reach, why_never_asked, why_not_by
from xds.translate.nginx.authorizer_url import HOST_VARIABLES, literal_host, literal_path
from xds.translate.nginx.external_auth import AUTH_URL
from xds.translate.nginx.named_objects import NamedObjects
from xds.translate.nginx.paths_policy import OpenPaths
from xds.translate.routes import TranslationContext

_GROUP: Final = re.compile(r"\\([0-9])")

_EFFECT: Final = "requests that need it answer 500"

ServedPath: TypeAlias = tuple[Ingress, IngressServiceBackend, OpenPaths]
"""The Ingress of a path, the backend as written, and the policy of the path."""

FindServed: TypeAlias = Callable[[str, str], ServedPath | None]
"""Returns the path of a host that a request's path matches; None where no Ingress serves it, or not to a Service."""


class _UnusableError(ValueError):
    """Nobody can be asked. The text says why."""


def with_authorizers(
    context: TranslationContext, host: str, routes: Iterable[Route], find: FindServed, findings: UnitFindings
) -> list[Route]:
    """The routes of a host, each with the backend of its authorizer."""
    found = list(routes)
    if all(route.policy.access is None or route.policy.access.authorizer is None for route in found):
        return found
    resolver = _Resolver(context, host, find, findings)
    return [resolver.resolved(route) for route in found]


class _Resolver:
    """Resolves the authorizers of one host, each once."""

    def __init__(self, context: TranslationContext, host: str, find: FindServed, findings: UnitFindings) -> None:
        self._context = context
        self._host = host
        self._find = find
        self._findings = findings
        self._resolved: dict[tuple[ObjectRef, Authorizer], Authorizer] = {}

    def resolved(self, route: Route) -> Route:
        access = route.policy.access
        asked = access.authorizer if access else None
        if access is None or asked is None:
            return route
        about = route.origin.object
        if (about, asked) not in self._resolved:
            self._resolved[about, asked] = self._authorizer(about, asked)
        authorizer = self._resolved[about, asked]
        return replace(route, policy=replace(route.policy, access=replace(access, authorizer=authorizer)))

    def _authorizer(self, about: ObjectRef, asked: Authorizer) -> Authorizer:
        try:
            backend, path = self._backend(about.namespace, asked)
        except _UnusableError as error:
            self._report(about, f"{shown(str(asked.url))} can't be asked: {error}; {_EFFECT}")
            return asked
        self._findings.backends[backend.key] = backend
        return replace(asked, backend=backend.key, path=path)

    def _report(self, about: ObjectRef, message: str) -> None:
        ingress = self._context.state.ingress(about.key)
        is_own = ingress is not None and AUTH_URL.full_name in ingress.annotations
        at = FieldPath.of("metadata", "annotations", MapKey(AUTH_URL.full_name)) if is_own else WHOLE_OBJECT
        name = "auth-url" if is_own else "global-auth-url"
        self._findings.report(about, Reason.AUTHORIZER_UNUSABLE, f"{name} {message}", at)

    def _backend(self, namespace: str, asked: Authorizer) -> tuple[Backend, str]:
        """The backend, and the path of the question where it is not the URL's.

        Raises:
            _UnusableError: there is none.
        """
        url = asked.url
        is_own_host = url.host in HOST_VARIABLES
        host = self._host if is_own_host else url.host
        use = _use(host if url.tls else "", tls=url.tls)
        objects = self._context.objects_in(namespace)
        if service := None if is_own_host else asked_service(host, objects):
            if why := why_never_asked(service, objects):
                raise _UnusableError(why)
            return self._of_service(service, url.port, use), ""
        if served := self._find(host, literal_path(url.path)):
            return self._of_route(served, namespace, asked, host)
        if host == NO_HOST or is_wildcard(host):
            raise _UnusableError(f"no path of {host or 'the rules without host'} leads to an open Service")
        if why := _why_not_outside(host, asked.method, objects):
            raise _UnusableError(why)
        use = use if not url.tls else _use(host, tls=True, is_verified=True)
        protocol = use.protocol or BackendProtocol.HTTP1
        use = use if url.tls else replace(use, protocol=None)
        key = BackendKey(namespace, host, url.port, use.variant)
        return Backend(key, "", protocol, external_name=host, upstream=use), ""

    def _of_service(self, service: Key, port: int, use: UpstreamPolicy) -> Backend:
        wanted = IngressServiceBackend(service.name, ServiceBackendPort(number=port))
        return self._usable(service.namespace, wanted, use, allow_external_name=False)

    def _usable(
        self, namespace: str, wanted: IngressServiceBackend, use: UpstreamPolicy, *, allow_external_name: bool
    ) -> Backend:
        found = resolve(
            self._context.state,
            namespace,
            wanted,
            use,
            allow_external_name=allow_external_name,
            effect="nobody is asked",
        )
        if found.backend is None:
            raise _UnusableError(found.fault.message if found.fault else "")
        return found.backend

    def _of_route(self, served: ServedPath, namespace: str, asked: Authorizer, host: str) -> tuple[Backend, str]:
        """The backend of a host that an Ingress serves, used as the Ingress says."""
        ingress, written, paths = served
        service = Key(ingress.key.namespace, written.name)
        objects = self._context.objects_in(namespace)
        if why := why_never_asked(service, objects) or why_not_by(asked.method, service, namespace):
            raise _UnusableError(why)
        upstream = paths.tls_upstream if asked.url.tls and paths.tls_upstream else paths.upstream
        allowed = self._context.allow_external_name
        use = replace(upstream, questions=Questions())
        backend = self._usable(service.namespace, written, use, allow_external_name=allowed)
        if backend.protocol.uses_tls:  # otherwise hosts share a cluster
            use = replace(upstream, questions=Questions(host))
            backend = self._usable(service.namespace, written, use, allow_external_name=allowed)
        return backend, _rewritten(asked.url.path, paths.policy.rewrite)


def _why_not_outside(host: str, method: str, objects: NamedObjects) -> str:
    """Why a host isn't asked by its name; empty for one that may be. The host of $host is any that a rule may have."""
    try:
        literal_host(host)
    except InvalidValueError as error:
        return str(error)
    return why_host_out_of_reach(host, method, objects)


def _use(name: str, *, tls: bool, is_verified: bool = False) -> UpstreamPolicy:
    protocol = BackendProtocol.HTTPS if tls else BackendProtocol.HTTP1
    return UpstreamPolicy(protocol=protocol, questions=Questions(name, is_verified))


def _rewritten(path: str, rewrite: Rewrite | None) -> str:
    """The path of a question as the Ingress of the host rewrites it; empty for the path itself."""
    if rewrite is None:
        return ""
    asked, mark, query = path.partition("?")
    found = compiled(rewrite.pattern).fullmatch(asked) if rewrite.pattern else None
    if rewrite.pattern and not found:
        return ""
    target = _GROUP.sub(lambda group: found[int(group[1])] or "", rewrite.path) if found else rewrite.path
    return f"{target}{mark}{query}"
