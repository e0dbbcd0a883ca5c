"""The state of a replica in figures."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Final

from xds.api.v1 import debug_pb2 as pb
from xds.problems.problem import Key
from xds.problems.reasons import Level, Reason
from xds.server.debug.messages import ProxyFigures
from xds.server.debug.overview_messages import own_certificate, served_certificates
from xds.server.debug.process_facts import ProcessFacts
from xds.server.debug.slices import in_slices
from xds.server.own_certificates import OwnCertificate
from xds.translate.certificates import Verdict
from xds.translate.translator import Translator

_LEVELS: Final[Mapping[str, Level]] = {reason: reason.level for reason in Reason}


def source(facts: ProcessFacts) -> pb.Source:
    waiting = facts.waiting_for()
    behind = {kind: since for kind, since in facts.behind_since().items() if since}
    if waiting:
        why = f"not read yet: {waiting}"
    elif behind:
        why = f"changes don't arrive of {', '.join(behind)}"
    else:
        why = "" if facts.is_current() else "it can't be read, or has lost all objects: see the problems"
    found = pb.Source(name=facts.source, current=not why, why=why)
    if behind:
        found.behind_since.FromMilliseconds(round(min(behind.values()) * 1000))
    return found


def leadership(facts: ProcessFacts) -> pb.Leadership:
    leader = facts.leader()
    return pb.Leadership(elects=leader.elects, leads=leader.leads, holder=leader.holder)


def problem_counts(by_reason: Mapping[str, int]) -> pb.ProblemCounts:
    found = dict.fromkeys(Level, 0)
    for reason, count in by_reason.items():
        found[_LEVELS[reason]] += count
    return pb.ProblemCounts(errors=found[Level.ERROR], warnings=found[Level.WARNING])


async def proxy_counts(figures: Iterable[ProxyFigures]) -> pb.ProxyCounts:
    """The proxies by state, read in slices."""
    counts = pb.ProxyCounts()
    async for each in in_slices(figures):
        counts.connected += 1
        counts.in_sync += each.is_in_sync
        counts.behind += each.is_behind
        counts.stuck += each.is_stuck
        counts.rejecting += each.is_rejecting
    return counts


class CertificateDates:
    """The served certificate that expires first, looked for again only after a change of the certificates."""

    def __init__(self, traffic: Translator) -> None:
        self._traffic = traffic
        self._of: object = None
        self._first: Key | None = None

    async def first(self, own: Iterable[OwnCertificate]) -> pb.Certificate | None:
        """The first to expire, of the served ones and of the control plane's own; None: there is none."""
        found = [own_certificate(each) for each in own]
        if (served := await self._first_served()) is not None:
            verdict = self._traffic.served_verdict(served)
            terminations = (each for each in self._traffic.tls.terminations if served in each.secrets)
            found += served_certificates([served], {served: verdict} if verdict else {}, terminations)
        return min(found, key=lambda each: each.not_after.ToNanoseconds(), default=None)

    async def _first_served(self) -> Key | None:
        certificates = self._traffic.certificates
        if self._of is not certificates:
            dates: list[tuple[datetime, Key]] = []
            async for key in in_slices(list(certificates)):
                verdict = self._traffic.served_verdict(key)
                if verdict and verdict.expires:
                    dates.append((verdict.expires, key))
            self._of, self._first = certificates, min(dates)[1] if dates else None
        return self._first


async def certificates(traffic: Translator, own: Iterable[OwnCertificate]) -> pb.ListCertificatesResponse:
    """All certificates, the first to expire first."""
    verdicts: dict[Key, Verdict] = {}
    async for key in in_slices(list(traffic.certificates)):
        verdict = traffic.served_verdict(key)
        if verdict:
            verdicts[key] = verdict
    found = [own_certificate(each) for each in own]
    async for message in in_slices(served_certificates(list(verdicts), verdicts, traffic.tls.terminations)):
        found.append(message)  # noqa: PERF401 - with pauses
    found.sort(key=lambda each: (each.not_after.ToNanoseconds(), each.use, each.secret.namespace, each.secret.name))
    return pb.ListCertificatesResponse(certificates=found)
