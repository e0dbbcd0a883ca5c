"""Filters that mirror requests.

Source: https://gateway-api.sigs.k8s.io/geps/gep-3171/
"""

from dataclasses import replace

from xds.kube.gateway_objects import HTTPRequestMirrorFilter
from xds.problems.field_path import FieldPath
from xds.traffic.backends import Backend
from xds.traffic.mirror import EVERY_REQUEST, Mirror
from xds.traffic.upstream import BackendProtocol
from xds.translate.annotated_backends import LONGEST_COPY
from xds.translate.gateway.rules.backend_refs import resolve_backend
from xds.translate.gateway.rules.findings import RouteFindings, invalid_value


def mirror(
    findings: RouteFindings, written: HTTPRequestMirrorFilter, at: FieldPath, spoken: BackendProtocol | None = None
) -> Mirror | None:
    """The mirror of a filter; None if no request is copied: for a share of zero, or for a backend that can't be used.

    Args:
        findings: Takes the backend, or the reference if it can't be followed.
        written: The filter.
        at: Of the filter.
        spoken: The protocol of a port without appProtocol; None: HTTP/1.1.

    Raises:
        InvalidRuleError: the share isn't valid.
    """
    share = _millionths(written, at)
    found = resolve_backend(findings, written.backend_ref, at.child("backendRef"), spoken=spoken)
    if found is None or not share:
        return None
    backend = _for_copies(found)
    findings.backends[backend.key] = backend
    return Mirror(backend.key, backend.host, share)


def _for_copies(backend: Backend) -> Backend:
    """The use of a backend for copies, each of which ends in time."""
    upstream = replace(backend.upstream, longest_request=LONGEST_COPY)
    return replace(backend, key=backend.key._replace(variant=upstream.variant), upstream=upstream)


def _millionths(written: HTTPRequestMirrorFilter, at: FieldPath) -> int:
    fraction = written.fraction
    if written.percent is not None and fraction is not None:
        raise invalid_value("percent and fraction are both set", at)
    if fraction is not None:
        if fraction.denominator < 1 or not 0 <= fraction.numerator <= fraction.denominator:
            raise invalid_value(
                f"{fraction.numerator}/{fraction.denominator} is no share from 0 to 1", at.child("fraction")
            )
        return round(EVERY_REQUEST * fraction.numerator / fraction.denominator)
    if written.percent is None:
        return EVERY_REQUEST
    if not 0 <= written.percent <= 100:
        raise invalid_value(f"{written.percent} is no percentage from 0 to 100", at.child("percent"))
    return written.percent * EVERY_REQUEST // 100
