"""From the annotations of an Ingress to the policy of its paths, or to their closing."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Final, TypeAlias

from xds.kube.objects import Ingress
from xds.problems.reasons import Reason
from xds.problems.text import shown
from xds.traffic.actions import DirectAnswer, Redirect
from xds.traffic.affinity import Affinity
from xds.traffic.backend_tls import BackendTls
from xds.traffic.hashing import HashKey
from xds.traffic.policy import NO_POLICY, Policy
from xds.traffic.retries import NO_RETRIES, Retries
from xds.traffic.timeouts import Timeouts
from xds.traffic.upstream import DEFAULT_UPSTREAM, BackendProtocol, Balancing, UpstreamPolicy
from xds.translate.nginx import (
    affinity,
    asked_backends,
    backend_names,
    backend_protocol,
    bodies,
    canary,
    client_tls,
    connections,
    custom_headers,
    host_names,
    https_redirects,
    limits,
    load_balancing,
    logs_and_traces,
    no_effect,
    redirects,
    retries,
    rewriting,
    timeouts,
    upstream_vhost,
)
from xds.translate.nginx.annotation import OWN_PREFIX, PREFIX, AnyAnnotation, Scope, Verdict
from xds.translate.nginx.asked_backends import NO_BACKENDS, AskedBackends
from xds.translate.nginx.backend_protocol import SpokenProtocol
from xds.translate.nginx.canary import Canary
from xds.translate.nginx.client_tls import NO_WISH, AskedCiphers
from xds.translate.nginx.defaults import NO_DEFAULTS
from xds.translate.nginx.host_names import NO_NAMES, HostNames
from xds.translate.nginx.named_objects import NamedObjects, Unavailable
from xds.translate.nginx.reader import AnnotationReader, Report
from xds.translate.nginx.registry import ANNOTATIONS, nearest
from xds.translate.nginx.rewriting import NO_REWRITING, Rewriting
from xds.translate.own import answers, balancing, bounds, tls_verify
from xds.translate.own import headers as own_headers
from xds.translate.own import limits as own_limits
from xds.translate.own import redirects as own_redirects
from xds.translate.own import registry as own_registry


@dataclass(frozen=True, slots=True)
class OpenPaths:
    """The paths of an Ingress whose protection, if any is asked for, is part of the policy.

    Attributes:
        policy: The policy of the paths.
        answer: The answer of the paths in place of their backends; None where they redirect or forward.
        redirect: The answer of the paths in place of their backends; None where they forward.
        plain_paths: Beginnings of paths, as written, without the policy's redirect to HTTPS.
        rewriting: How paths are compared and rewritten.
        upstream: The use of the backends by requests that came by plain HTTP.
        tls_upstream: By requests that came by TLS; None: the same.
        ciphers: For the hosts of the Ingress.
        asked_backends: The backends of the policy as written, which each route looks up.
        names: Names beside the hosts of the rules.
    """

    policy: Policy = NO_POLICY
    answer: DirectAnswer | None = None
    redirect: Redirect | None = None
    plain_paths: tuple[str, ...] = https_redirects.CHALLENGES
    rewriting: Rewriting = NO_REWRITING
    upstream: UpstreamPolicy = DEFAULT_UPSTREAM
    tls_upstream: UpstreamPolicy | None = None
    ciphers: AskedCiphers = NO_WISH
    asked_backends: AskedBackends = NO_BACKENDS
    names: HostNames = NO_NAMES


@dataclass(frozen=True, slots=True)
class ClosedPaths:
    """The paths of an Ingress that asks for a protection, or for a protocol, that can't be had: each answers 503.

    Attributes:
        annotations: Those that ask, by full name.
        hosts: Whether the hosts of the Ingress are closed, with the paths of other Ingresses.
        rewriting: How paths are compared. An expression closes every path of a request that the expression matches.
        names: Names beside the hosts of the rules, closed like the hosts.
    """

    annotations: tuple[str, ...]
    hosts: bool
    rewriting: Rewriting = NO_REWRITING
    names: HostNames = NO_NAMES


@dataclass(frozen=True, slots=True)
class LentPaths:
    """The paths of an Ingress without routes of its own: its backends serve paths of another Ingress, as that one says.

    Attributes:
        canary: The requests for the backends.
        balancing: The choice of an endpoint.
        uses_cluster_ip: As in UpstreamPolicy.
        hash_keys: As in Policy.
        is_sticky: Whether sessions, if the other Ingress has any, stay with one of both backends.
        protections: The annotations that ask for a protection, by full name. The policy of the other Ingress holds, so
            that backends with a protection of their own get no request.
    """

    canary: Canary
    balancing: Balancing = Balancing.ROUND_ROBIN
    uses_cluster_ip: bool = False
    hash_keys: tuple[HashKey, ...] = ()
    is_sticky: bool = True
    protections: tuple[str, ...] = ()

    def shared(self, other: OpenPaths) -> OpenPaths:
        """The use of the backends for paths of another Ingress."""

        def used(policy: UpstreamPolicy) -> UpstreamPolicy:
            return replace(policy, balancing=self.balancing, uses_cluster_ip=self.uses_cluster_ip)

        tls_upstream = used(other.tls_upstream) if other.tls_upstream else None
        return OpenPaths(upstream=used(other.upstream), tls_upstream=tls_upstream)


PathsPolicy: TypeAlias = OpenPaths | ClosedPaths
"""Routes are built from either; nothing but the type tells which, so no route of a closed path can forward."""

IngressPolicy: TypeAlias = PathsPolicy | LentPaths

OPEN_PATHS: Final = OpenPaths()


@dataclass(frozen=True, slots=True)
class AnnotationOptions:
    """The operator's choices for all annotations.

    Attributes:
        ignored: Names that count as absent: ingress-nginx's without the prefix, our own in full.
        defaults: Values of absent annotations, by name without the prefix.
        closing: Keys of ingress-nginx's ConfigMap that ask for a protection which can't be had: all paths are closed.
        open_paths: The policy of open paths without annotations.
        unannotated: The policy of Ingresses without annotations. Made once, so that such an Ingress costs nothing.
        has_tracer: Whether the operator has a collector of traces.
    """

    ignored: frozenset[str] = frozenset()
    defaults: Mapping[str, str] = field(default_factory=lambda: NO_DEFAULTS)
    closing: tuple[str, ...] = ()
    open_paths: OpenPaths = OPEN_PATHS
    unannotated: PathsPolicy = OPEN_PATHS
    has_tracer: bool = False

    @classmethod
    def of(
        cls,
        ignored: frozenset[str],
        defaults: Mapping[str, str],
        closing: tuple[str, ...] = (),
        *,
        has_tracer: bool = False,
    ) -> "AnnotationOptions":
        if not defaults and not closing:
            return cls(ignored, has_tracer=has_tracer)
        reader = AnnotationReader({}, _unreported, defaults)
        asked = rewriting.read(reader)
        open_paths = _open(SpokenProtocol(), None, asked, reader, has_tracer=has_tracer)
        unannotated = ClosedPaths(closing, hosts=False, rewriting=asked) if closing else open_paths
        return cls(ignored, defaults, closing, open_paths, unannotated, has_tracer)

    def closing_without(self, annotations: Mapping[str, str]) -> tuple[str, ...]:
        """The closing keys that no annotation replaces. A value that asks for the protection closes by itself."""
        return tuple(
            key for key in self.closing if not any(annotations.get(PREFIX + name) for name in _REPLACING.get(key, ()))
        )


_ALLOW_LISTS: Final = ("whitelist-source-range", "allowlist-source-range")
_REPLACING: Final = {
    "whitelist-source-range": _ALLOW_LISTS,
    "denylist-source-range": ("denylist-source-range",),
    "global-auth-url": ("auth-url", "enable-global-auth"),
    "enable-modsecurity": ("enable-modsecurity",),
}
"""Annotations that replace a key of the ConfigMap. Snippets of the ConfigMap hold beside those of an Ingress."""

_PREFIXES: Final = (PREFIX, OWN_PREFIX)

_MAX_SUGGESTIONS: Final = 20
"""Unknown names of an Ingress for which the nearest known one is searched."""


def ingress_policy(
    ingress: Ingress, options: AnnotationOptions, objects: NamedObjects, report: Report
) -> IngressPolicy:
    """The policy of an Ingress.

    Args:
        ingress: The Ingress.
        options: The operator's choices.
        objects: Those within reach of the Ingress.
        report: Takes the problems.
    """
    ours = {name: text for name, text in ingress.annotations.items() if name.startswith(_PREFIXES)}
    if not ours:
        return options.unannotated
    for name in sorted(ours):
        if name.removeprefix(PREFIX) in options.ignored or name in options.ignored:
            del ours[name]
            report(name, Reason.ANNOTATION_IGNORED, f"{shown(name)} is ignored: --ignore-annotation names it", "")
    reader = AnnotationReader(ours, report, options.defaults, ingress.key)
    if requests := canary.read(reader):
        return _lent(requests, reader)
    closing = tuple(annotation for annotation in _without_effect(reader) if _asks_protection(annotation, reader))
    asked, names = rewriting.read(reader), host_names.read(reader)
    closed_by = (*(annotation.full_name for annotation in closing), *options.closing_without(ours))
    if closed_by:
        hosts = any(annotation.scope is Scope.HOST for annotation in closing)
        return ClosedPaths(closed_by, hosts, asked, names)
    protocol = backend_protocol.read(reader)
    if protocol is None:
        return ClosedPaths((backend_protocol.PROTOCOL.full_name,), hosts=False, rewriting=asked, names=names)
    named = custom_headers.read(reader, objects)
    headers = own_headers.response_headers(reader)
    answer = answers.read(reader)
    tls = tls_verify.read(reader, objects)
    if (
        isinstance(named, Unavailable)
        or isinstance(headers, Unavailable)
        or isinstance(answer, Unavailable)
        or isinstance(tls, Unavailable)
    ):
        missing = next(each for each in (named, headers, answer, tls) if isinstance(each, Unavailable))
        return ClosedPaths((missing.annotation.full_name,), hosts=False, rewriting=asked, names=names)
    opened = _open(protocol, tls, asked, reader, has_tracer=options.has_tracer)
    policy = replace(opened.policy, response_headers=named | headers)
    if not answer and not opened.redirect:
        answer = timeouts.failing(reader)
    return replace(opened, answer=answer, policy=policy, names=names)


def _unreported(*problem: object) -> None:
    """Drop a problem of a default: the ConfigMap's own problem names the key."""


def _lent(requests: Canary, reader: AnnotationReader) -> LentPaths:
    canary.report_others(reader, (*load_balancing.ANNOTATIONS, *balancing.ANNOTATIONS, affinity.CANARY_BEHAVIOR))
    chosen, hash_keys = _balancing(reader)
    known = [ANNOTATIONS[name] for name in reader.names() if name in ANNOTATIONS]
    known += [own_registry.ANNOTATIONS[name] for name in reader.names(OWN_PREFIX) if name in own_registry.ANNOTATIONS]
    protections = tuple(each.full_name for each in known if _asks_protection(each, reader))
    return LentPaths(
        requests,
        chosen,
        load_balancing.uses_cluster_ip(reader),
        hash_keys,
        affinity.is_sticky(reader),
        protections,
    )


def _open(
    protocol: SpokenProtocol, tls: BackendTls | None, asked: Rewriting, reader: AnnotationReader, *, has_tracer: bool
) -> OpenPaths:
    no_effect.check(reader)
    sessions = affinity.read(reader)
    chosen, hash_keys = _balancing(reader)
    use = UpstreamPolicy(
        balancing=chosen,
        connect_timeout=connections.connect_timeout(reader),
        uses_cluster_ip=load_balancing.uses_cluster_ip(reader),
    )
    return OpenPaths(
        policy=Policy(
            upstream_host=upstream_vhost.read(reader),
            hash_keys=hash_keys,
            connection=connections.connection(reader),
            timeouts=_timeouts(reader),
            retries=_retries(sessions, reader),
            bodies=bounds.bodies_of(reader) or bodies.read(reader),
            request_headers=own_headers.request_headers(reader),
            affinity=sessions,
            is_logged=logs_and_traces.is_logged(reader),
            tracing=logs_and_traces.tracing(reader, has_tracer=has_tracer),
            backend_names=backend_names.read(reader),
            https_redirect=https_redirects.read(reader),
            rate_limits=limits.read(reader, own_limits.read(reader)),
        ),
        redirect=own_redirects.read(reader) or redirects.read(reader),
        plain_paths=https_redirects.plain_paths(reader),
        rewriting=asked,
        # With AUTO_HTTP, requests that came by plain HTTP are sent on as they came.
        upstream=_speaking(use if protocol.tls else replace(use, tls=tls), protocol.plain),
        tls_upstream=_speaking(replace(use, tls=tls), protocol.tls) if protocol.tls else None,
        ciphers=client_tls.read(reader),
        asked_backends=asked_backends.read(reader),
    )


def _timeouts(reader: AnnotationReader) -> Timeouts:
    silence = bounds.idle_timeout(reader)
    found = timeouts.read(reader) if silence is None else Timeouts(silence=silence)
    whole = bounds.request_timeout(reader)
    return replace(found, whole=whole) if whole else found


def _balancing(reader: AnnotationReader) -> tuple[Balancing, tuple[HashKey, ...]]:
    ours = balancing.read(reader)
    return (ours.balancing, ours.hash_keys) if ours else load_balancing.read(reader)


def _retries(sessions: Affinity | None, reader: AnnotationReader) -> Retries | None:
    """The retries, but for sessions that stay at their endpoint: a retry is sent to another one."""
    if ours := bounds.retries_of(reader):
        return ours
    asked = retries.read(reader)
    return NO_RETRIES if sessions and not sessions.moves_on_failure else asked


def _speaking(use: UpstreamPolicy, protocol: BackendProtocol | None) -> UpstreamPolicy:
    """The use with a protocol, over TLS without a server name: nginx sends none."""
    return replace(use, protocol=protocol, sends_sni=not protocol.uses_tls) if protocol else use


def _without_effect(reader: AnnotationReader) -> Iterator[AnyAnnotation]:
    """The annotations that are refused or not built yet. Reports these, and names that ingress-nginx doesn't have."""
    unknown = 0
    for name in reader.names():
        annotation = ANNOTATIONS.get(name)
        if annotation is None:
            near = nearest(name) if unknown < _MAX_SUGGESTIONS else ""
            _report_unknown(reader, PREFIX + name, f"Did you mean {PREFIX}{near}? Correct the name." if near else "")
            unknown += 1
        elif annotation.verdict in (Verdict.REFUSED, Verdict.NOT_YET) and not _asks_nothing(annotation, reader):
            _report_without_effect(reader, annotation)
            yield annotation
    for name in reader.names(OWN_PREFIX):
        if name not in own_registry.ANNOTATIONS:
            known = unknown < _MAX_SUGGESTIONS
            _report_unknown(reader, OWN_PREFIX + name, own_registry.unknown_remedy(name, OWN_PREFIX) if known else "")
            unknown += 1


def _asks_nothing(annotation: AnyAnnotation, reader: AnnotationReader) -> bool:
    """Whether a value says the default, or switches a protection off that would only come with the annotation."""
    if _asks_protection(annotation, reader):
        return False
    is_off = annotation.verdict is Verdict.NOT_YET and annotation.protects is not None
    return is_off or reader.text(annotation) == annotation.default


def _asks_protection(annotation: AnyAnnotation, reader: AnnotationReader) -> bool:
    return annotation.protects is not None and annotation.protects(reader.text(annotation) or "")


def _report_without_effect(reader: AnnotationReader, annotation: AnyAnnotation) -> None:
    why = annotation.note or "it is not supported yet"
    if _asks_protection(annotation, reader):
        closed = "hosts" if annotation.scope is Scope.HOST else "paths"
        reader.report(
            annotation.full_name,
            Reason.PROTECTION_UNAVAILABLE,
            f"annotation {shown(annotation.full_name)} protects, and has no counterpart here ({why}), so the {closed} "
            "of the Ingress answer 503",
            annotation.remedy or Reason.PROTECTION_UNAVAILABLE.remedy,
        )
        return
    reader.report(
        annotation.full_name,
        Reason.ANNOTATION_UNSUPPORTED,
        f"annotation {shown(annotation.full_name)} has no effect here: {why}",
        annotation.remedy or Reason.ANNOTATION_UNSUPPORTED.remedy,
    )


def _report_unknown(reader: AnnotationReader, full_name: str, remedy: str) -> None:
    message = f"annotation {shown(full_name)} has no effect: no annotation has this name"
    reader.report(full_name, Reason.ANNOTATION_UNKNOWN, message, remedy)
