"""From the annotations of an Ingress to the policy of its paths, or to their closing."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Final

from xds.kube.objects import Ingress
from xds.problems.reasons import Reason
from xds.problems.text import shown
from xds.traffic.client_certificates import NO_AUTHORITIES
from xds.traffic.tls import Sources
from xds.translate.nginx import (
    access,
    affinity,
    backend_protocol,
    canary,
    client_certificates,
    cors,
    custom_headers,
    host_names,
    load_balancing,
    passthrough_wish,
    rewriting,
    timeouts,
)
from xds.translate.nginx.annotation import OWN_PREFIX, PREFIX, Scope
from xds.translate.nginx.canary import Canary
from xds.translate.nginx.named_objects import NamedObjects, Unavailable
from xds.translate.nginx.open_paths import balancing_of, open_paths
from xds.translate.nginx.options import AnnotationOptions, no_report
from xds.translate.nginx.passthrough_wish import PassthroughWish
from xds.translate.nginx.paths_policy import ClosedPaths, IngressPolicy, LentPaths, PathsPolicy
from xds.translate.nginx.reader import AnnotationReader, Report
from xds.translate.nginx.registry import ANNOTATIONS
from xds.translate.nginx.without_effect import asks_protection, without_effect
from xds.translate.own import answers, balancing, tls_verify
from xds.translate.own import headers as own_headers
from xds.translate.own import registry as own_registry

_PREFIXES: Final = (PREFIX, OWN_PREFIX)


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
        if options.ignores(name):
            del ours[name]
            report(name, Reason.ANNOTATION_IGNORED, f"{shown(name)} is ignored: --ignore-annotation names it", "")
    reader = AnnotationReader(ours, report, options.defaults, ingress.key)
    if requests := canary.read(reader):
        return _lent(requests, reader)
    passthrough_wish.read(reader, is_enabled=options.passes_tls)
    clients = client_certificates.read(reader, objects)
    if isinstance(clients, Unavailable):
        asked, names, closed_by = rewriting.read(reader), host_names.read(reader), (clients.annotation.full_name,)
        return ClosedPaths(closed_by, hosts=False, rewriting=asked, names=names, client_certificates=NO_AUTHORITIES)
    found = _paths_policy(ingress, ours, options, objects, reader)
    return replace(found, client_certificates=clients) if clients else found


def asked_passthrough(ingress: Ingress, options: AnnotationOptions) -> PassthroughWish | None:
    """The wish of an Ingress for TLS passthrough. `ingress_policy` reports the problems."""
    return passthrough_wish.read(_unreported(ingress, options), is_enabled=options.passes_tls)


def connecting_clients(ingress: Ingress, options: AnnotationOptions) -> Sources | str:
    """As `sources_of`, of an Ingress. `ingress_policy` reports the problems."""
    reader = _unreported(ingress, options)
    return passthrough_wish.sources_of(reader, options.closing_without(ingress.annotations))


def _unreported(ingress: Ingress, options: AnnotationOptions) -> AnnotationReader:
    kept = {name: text for name, text in ingress.annotations.items() if not options.ignores(name)}
    return AnnotationReader(kept, no_report, options.defaults, ingress.key)


def _paths_policy(
    ingress: Ingress,
    ours: Mapping[str, str],
    options: AnnotationOptions,
    objects: NamedObjects,
    reader: AnnotationReader,
) -> PathsPolicy:
    """The policy of the paths, but for the certificates of clients."""
    closing = tuple(annotation for annotation in without_effect(reader) if asks_protection(annotation, reader))
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
    copies = access.copies(ingress, names)
    allowed = access.read(reader, objects, ingress.key, copies, has_authz=options.has_authz)
    if (
        isinstance(named, Unavailable)
        or isinstance(headers, Unavailable)
        or isinstance(answer, Unavailable)
        or isinstance(tls, Unavailable)
        or isinstance(allowed, Unavailable)
    ):
        missing = next(each for each in (named, headers, answer, tls, allowed) if isinstance(each, Unavailable))
        return ClosedPaths((missing.annotation.full_name,), hosts=False, rewriting=asked, names=names)
    opened = open_paths(protocol, tls, asked, reader, has_tracer=options.has_tracer)
    shared = cors.read(reader, options.max_regex_size)
    policy = replace(opened.policy, response_headers=named | headers, access=allowed, cors=shared)
    if not answer and not opened.redirect:
        answer = timeouts.failing(reader)
    return replace(opened, answer=answer, policy=policy, names=names)


def _lent(requests: Canary, reader: AnnotationReader) -> LentPaths:
    canary.report_others(reader, (*load_balancing.ANNOTATIONS, *balancing.ANNOTATIONS, affinity.CANARY_BEHAVIOR))
    chosen, hash_keys = balancing_of(reader)
    known = [ANNOTATIONS[name] for name in reader.names() if name in ANNOTATIONS]
    known += [own_registry.ANNOTATIONS[name] for name in reader.names(OWN_PREFIX) if name in own_registry.ANNOTATIONS]
    protections = tuple(each.full_name for each in known if asks_protection(each, reader))
    return LentPaths(
        requests,
        chosen,
        load_balancing.uses_cluster_ip(reader),
        hash_keys,
        affinity.is_sticky(reader),
        protections,
    )
