"""Summaries of Ingresses, and certificates, as messages of the debug API."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Final

from google.protobuf.timestamp_pb2 import Timestamp

from xds.api.v1 import debug_pb2 as pb
from xds.explain.ingress import Acceptance
from xds.explain.overview import IngressSummary, OverviewCounts
from xds.explain.overview_query import Order, Query
from xds.kube.ingress_class import class_name
from xds.problems.problem import Key, ObjectRef
from xds.server.debug import messages
from xds.server.debug.errors import InvalidRequestError
from xds.server.own_certificates import OwnCertificate
from xds.traffic.hosts import wildcard_of
from xds.traffic.tls import Termination, TlsTable
from xds.translate.certificates import Verdict

DEFAULT_PAGE_SIZE: Final = 100
MAX_PAGE_SIZE: Final = 1000
"""A response of about 300 KB, made in a few milliseconds."""

ACCEPTANCES: Final = {
    Acceptance.NOT_OURS: pb.ACCEPTANCE_NOT_OURS,
    Acceptance.ACCEPTED: pb.ACCEPTANCE_ACCEPTED,
    Acceptance.PARTLY: pb.ACCEPTANCE_PARTLY,
    Acceptance.NOT_SERVED: pb.ACCEPTANCE_NOT_SERVED,
}
_BY_MESSAGE: Final = {message: value for value, message in ACCEPTANCES.items()}

_ORDERS: Final = {
    pb.INGRESS_ORDER_UNSPECIFIED: Order.NAME,
    pb.INGRESS_ORDER_WORST: Order.WORST,
    pb.INGRESS_ORDER_NEWEST: Order.NEWEST,
}

_USES: Final = {"server": pb.CERTIFICATE_USE_CONTROL_PLANE, "client_ca": pb.CERTIFICATE_USE_CLIENT_CA}


def query(request: pb.ListIngressesRequest) -> Query:
    """Raises InvalidRequestError for an unknown state or order."""
    if unknown := [each for each in request.states if each not in _BY_MESSAGE]:
        raise InvalidRequestError(f"{unknown[0]} is no state of an Ingress")
    if request.order not in _ORDERS:
        raise InvalidRequestError(f"{request.order} is no order of Ingresses")
    return Query(
        request.namespace,
        request.host,
        frozenset(_BY_MESSAGE[each] for each in request.states),
        request.text,
        request.without_endpoints,
        request.with_problems,
        _ORDERS[request.order],
    )


def page(request: pb.ListIngressesRequest) -> tuple[int, int]:
    """The first Ingress of the page, and the most on the page.

    Raises:
        InvalidRequestError: a size or token that can't be.
    """
    if request.page_size > MAX_PAGE_SIZE:
        raise InvalidRequestError(f"page_size {request.page_size} is larger than {MAX_PAGE_SIZE}")
    token = request.page_token
    if token and not (token.isascii() and token.isdigit() and len(token) < 10):
        raise InvalidRequestError("the page_token is of no earlier response; begin with the first page again")
    return int(token or 0) + request.skip, request.page_size or DEFAULT_PAGE_SIZE


def counts(value: OverviewCounts) -> pb.IngressCounts:
    by_acceptance = value.by_acceptance
    return pb.IngressCounts(
        accepted=by_acceptance[Acceptance.ACCEPTED],
        partly_accepted=by_acceptance[Acceptance.PARTLY],
        not_served=by_acceptance[Acceptance.NOT_SERVED],
        not_ours=by_acceptance[Acceptance.NOT_OURS],
        without_endpoints=value.without_endpoints,
    )


class HttpsHosts:
    """The hosts for which proxies have a certificate, or a backend that TLS is passed through to."""

    def __init__(self, tls: TlsTable) -> None:
        self._served = {host for each in tls.terminations for host in each.hosts}
        self._served |= {host for each in tls.passed for host in each.hosts}
        self._closed = frozenset((*tls.without_certificate, *tls.closed))

    def __contains__(self, host: str) -> bool:
        return host in self._served or (host not in self._closed and wildcard_of(host) in self._served)


def summary(value: IngressSummary, claim: str, https: HttpsHosts, addresses: Sequence[str]) -> pb.IngressSummary:
    """The message of a summary.

    Args:
        value: The summary.
        claim: The reason why the Ingress is ours, or is not.
        https: The hosts with a certificate.
        addresses: The published addresses.
    """
    ingress, is_ours = value.ingress, value.acceptance is not Acceptance.NOT_OURS
    created = ingress.metadata.creation_timestamp
    return pb.IngressSummary(
        ingress=messages.reference(ingress.ref),
        acceptance=ACCEPTANCES[value.acceptance],
        class_name=class_name(ingress) or "",
        claim=claim,
        hosts=(pb.IngressHost(host=each, tls=is_ours and bool(each) and each in https) for each in value.hosts),
        addresses=addresses if is_ours else (),
        errors=value.errors,
        warnings=value.warnings,
        units=value.units,
        unserved_units=value.unserved,
        units_without_endpoints=value.without_endpoints,
        created_at=_timestamp(created) if created else None,
    )


def served_certificates(
    certificates: Iterable[Key], verdicts: Mapping[Key, Verdict], terminations: Iterable[Termination]
) -> Iterator[pb.Certificate]:
    """The certificates that proxies serve, by Secret, in the order given."""
    hosts: dict[Key, list[str]] = {}
    defaults: set[Key] = set()
    for each in terminations:
        for secret in each.secrets:
            hosts.setdefault(secret, []).extend(each.hosts)
            if each.is_default:
                defaults.add(secret)
    for key in certificates:
        verdict = verdicts.get(key)
        dates = verdict.validity if verdict else None
        yield pb.Certificate(
            use=pb.CERTIFICATE_USE_SERVED,
            secret=messages.reference(ObjectRef("Secret", *key)),
            names=sorted(verdict.names) if verdict else (),
            not_before=_timestamp(dates.begins) if dates else None,
            not_after=_timestamp(dates.expires) if dates else None,
            hosts=sorted(set(hosts.get(key, ()))),
            is_default=key in defaults,
        )


def own_certificate(value: OwnCertificate) -> pb.Certificate:
    return pb.Certificate(
        use=_USES[value.use],
        file=str(value.file),
        names=value.names,
        not_before=_timestamp(value.not_before),
        not_after=_timestamp(value.not_after),
    )


def _timestamp(value: datetime) -> Timestamp:
    found = Timestamp()
    found.FromDatetime(value)
    return found
