"""From annotations to the policy of open paths."""

from dataclasses import replace

from xds.traffic.affinity import Affinity
from xds.traffic.backend_tls import BackendTls
from xds.traffic.hashing import HashKey
from xds.traffic.policy import Policy
from xds.traffic.retries import NO_RETRIES, Retries
from xds.traffic.timeouts import Timeouts
from xds.traffic.upstream import BackendProtocol, Balancing, UpstreamPolicy
from xds.translate.nginx import (
    affinity,
    asked_backends,
    backend_names,
    bodies,
    client_tls,
    connections,
    https_redirects,
    limits,
    load_balancing,
    logs_and_traces,
    no_effect,
    passwords,
    redirects,
    retries,
    timeouts,
    upstream_vhost,
)
from xds.translate.nginx.backend_protocol import SpokenProtocol
from xds.translate.nginx.paths_policy import OpenPaths
from xds.translate.nginx.reader import AnnotationReader
from xds.translate.nginx.rewriting import Rewriting
from xds.translate.own import balancing, bounds
from xds.translate.own import headers as own_headers
from xds.translate.own import limits as own_limits
from xds.translate.own import redirects as own_redirects


def open_paths(
    protocol: SpokenProtocol, tls: BackendTls | None, asked: Rewriting, reader: AnnotationReader, *, has_tracer: bool
) -> OpenPaths:
    no_effect.check(reader)
    sessions = affinity.read(reader)
    chosen, hash_keys = balancing_of(reader)
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
        unauthenticated_paths=passwords.unauthenticated_paths(reader),
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


def balancing_of(reader: AnnotationReader) -> tuple[Balancing, tuple[HashKey, ...]]:
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
