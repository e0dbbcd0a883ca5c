"""The states of control plane and fleet that an operator should look at, for `xds status`."""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Final

from xds.api.v1 import debug_pb2 as pb
from xds.cli.output import object_name
from xds.cli.text import counted
from xds.server.debug.brief import short_type

CERTIFICATE_DAYS: Final = 14
"""Days before the end of a certificate from which it is listed."""

URGENT_DAYS: Final = 7
"""Days before the end of a certificate from which it needs attention. ACME renews before."""

SETTLED: Final = timedelta(seconds=10)
"""Age of revisions from which replicas are compared: a change reaches them at slightly different times."""


def attention(replicas: Sequence[pb.Replica], certificates: Sequence[pb.Certificate]) -> Iterator[str]:
    """A line for each state that needs attention, with the action to take."""
    answered = [each.status for each in replicas if each.HasField("status")]
    for replica in replicas:
        if not replica.HasField("status"):
            yield f"replica {replica.address} gives no answer: {replica.error}; {replica.remedy}"
    for status in answered:
        yield from _of_replica(status)
    for status in answered[1:]:
        if types := _differing(answered[0], status):
            yield f"replica {status.replica} serves other {types} than {answered[0].replica}: see the logs of both"
    if not any(status.proxies.connected for status in answered):
        yield "no proxy is connected: see the logs of the Envoys, and 'xds bootstrap --help'"
    for certificate in certificates:
        if days_left(certificate) <= URGENT_DAYS:
            yield f"the certificate of {owner(certificate)} {end_text(certificate)}: renew it"


def _of_replica(status: pb.GetStatusResponse) -> Iterator[str]:
    if not status.source.current:
        yield f"the source of {status.replica} is not current: {status.source.why}"
    if not status.HasField("snapshot"):
        yield f"replica {status.replica} has no revision yet: see its log"
    proxies = status.proxies
    for flag, count, does in (
        ("--behind", proxies.behind, "behind"),
        ("--stuck", proxies.stuck, "stuck"),
        ("--rejecting", proxies.rejecting, "rejecting a resource"),
    ):
        if count:
            subject = f"{counted(count, 'proxy', 'proxies')} of {status.replica}"
            yield f"{subject} {'is' if count == 1 else 'are'} {does}: 'xds proxies --all-replicas {flag}'"


def _differing(one: pb.GetStatusResponse, other: pb.GetStatusResponse) -> str:
    """The types of which two replicas have different versions, although neither has changed just now."""
    if not (_is_settled(one) and _is_settled(other)):
        return ""
    first, second = versions(one), versions(other)
    return ", ".join(short_type(type_) for type_ in first if first[type_] != second.get(type_))


def _is_settled(status: pb.GetStatusResponse) -> bool:
    committed_at = status.snapshot.revision.committed_at.ToDatetime(UTC)
    return status.HasField("snapshot") and not status.pending and datetime.now(UTC) - committed_at > SETTLED


def versions(status: pb.GetStatusResponse) -> dict[str, str]:
    """The versions of the newest revision, by type."""
    return {each.type_url: each.version for each in status.snapshot.types}


def days_left(certificate: pb.Certificate) -> float:
    return (certificate.not_after.ToDatetime(UTC) - datetime.now(UTC)) / timedelta(days=1)


def end_text(certificate: pb.Certificate) -> str:
    """`ends in 3 days`, `ended 1 day ago`."""
    days = days_left(certificate)
    return f"ended {counted(int(-days), 'day')} ago" if days < 0 else f"ends in {counted(int(days), 'day')}"


def owner(certificate: pb.Certificate) -> str:
    """The Secret, or the flag and the file."""
    if certificate.use == pb.CERTIFICATE_USE_SERVED:
        return object_name(certificate.secret)
    flag = "--tls-cert" if certificate.use == pb.CERTIFICATE_USE_CONTROL_PLANE else "--tls-client-ca"
    return f"{flag} {certificate.file}"
