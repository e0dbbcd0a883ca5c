"""Certificates whose dates pass while no object changes: problems, log lines and metrics.

Covers: the pipeline with a clock of the test, and the control plane with a certificate that begins and expires during
the test. Excludes: which problem stands at which time (tests/translate/test_tls_table.py).
"""

import itertools
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

from tests.controlplane.test_app import get
from tests.controlplane.test_app_in_process import InProcess, in_process
from tests.support.objects import NOW, certificate, feed, ingress, path, rule, secret, service, tls
from tests.support.waiting import until
from xds.controlplane.pipeline import Pipeline
from xds.kube.change import Applied, Batch, Change, Listed
from xds.kube.kinds import KINDS
from xds.kube.state import KubeState
from xds.resources.options import ProxyOptions
from xds.translate.options import TranslateOptions

__all__ = ["in_process"]

A = "a.example.com"
DAY = timedelta(days=1)


def shop(begins: datetime, expires: datetime) -> list[Change]:
    pair = certificate(A, begins=begins, until=expires)
    objects = (ingress("shop", rule(A, path("/")), tls=[tls(A, secret="cert")]), service(), secret("cert", pair))
    return [Applied(each) for each in objects]


class Clock:
    """The system's clock, set by the test."""

    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> datetime:
        return self.now


def reasons(of: Pipeline) -> list[str]:
    return [each.reason for each in of.problems]


def at(of: Pipeline, clock: Clock, now: datetime) -> list[str]:
    """The problems when the clock shows a time."""
    clock.now = now
    of.note_dates()
    if of.busy:
        assert of.work(lambda: 0.0).revision is None
    return reasons(of)


def test_each_date_of_a_certificate_changes_the_problems() -> None:
    clock = Clock()
    of = Pipeline(KubeState(), TranslateOptions(), ProxyOptions(), clock)
    of.note_dates()
    assert not of.busy
    feed(of, *map(Listed, KINDS), *shop(NOW + DAY, NOW + 90 * DAY))
    of.take_problem_delta()
    assert reasons(of) == ["CertificateNotYetValid"]
    for days, *expected in ((1,), (90 - 14, "CertificateExpiresSoon"), (90, "CertificateExpired")):
        date = NOW + days * DAY
        assert of.next_date_seconds == (date - clock.now).total_seconds()
        at(of, clock, date - timedelta(seconds=1))
        assert not any(of.take_problem_delta().appeared)
        assert at(of, clock, date) == expected
        assert [each.reason for each in of.take_problem_delta().appeared] == expected
        assert not of.busy
    assert of.next_date_seconds == float("inf")


def test_a_clock_that_is_put_back_takes_problems_back() -> None:
    clock = Clock()
    clock.now = NOW + 100 * DAY
    of = Pipeline(KubeState(), TranslateOptions(), ProxyOptions(), clock)
    feed(of, *map(Listed, KINDS), *shop(NOW - DAY, NOW + 90 * DAY))
    assert reasons(of) == ["CertificateExpired"]
    assert at(of, clock, NOW) == []


def test_a_change_that_joins_a_date_is_not_dated_back() -> None:
    """The time from reading to the last ACK, a metric, counts from the date's job, not from the last change before."""
    clock, ticks = Clock(), map(float, itertools.count(1000))
    of = Pipeline(KubeState(), TranslateOptions(), ProxyOptions(), clock)
    feed(of, *map(Listed, KINDS), *shop(NOW - DAY, NOW + 90 * DAY))
    clock.now += 90 * DAY
    of.note_dates()
    of.put(Batch((Applied(ingress("other", rule("b.example.com", path("/")))),), next(ticks)))
    revisions = []
    while of.busy:
        revisions.append(of.work(lambda: next(ticks), routing_seconds=0).revision)
    assert [each.read_at for each in revisions if each] == [1000.0]
    clock.now = NOW
    of.note_dates()
    of.work(lambda: next(ticks), routing_seconds=0)
    of.put(Batch((Applied(ingress("next", rule("c.example.com", path("/")))),), next(ticks)))
    while of.busy:
        revisions.append(of.work(lambda: next(ticks), routing_seconds=0).revision)
    assert revisions[-1] is not None
    assert revisions[-1].read_at > 1000
    assert reasons(of).count("CertificateExpired") == 0


async def test_a_certificate_begins_and_expires_while_nothing_changes(in_process: InProcess) -> None:
    now = datetime.now(UTC).replace(microsecond=0)
    begins, expires = now + timedelta(seconds=3), now + timedelta(seconds=6)
    async with in_process.running():
        in_process.source.read.set()
        await in_process.until_ready()
        in_process.source.later.put_nowait(tuple(shop(begins, expires)))
        for reason in ("CertificateNotYetValid", "CertificateExpiresSoon", "CertificateExpired"):
            await until(partial(in_process.has_logged_problem, reason))
        _, text = await get(in_process.address("admin_listening"), "/metrics")
    samples: dict[str, Any] = dict(line.rsplit(" ", 1) for line in text.splitlines() if not line.startswith("#"))
    gauge = 'xds_ingress_certificate_not_after_timestamp_seconds{secret="cert",secret_namespace="default"}'
    assert float(samples[gauge]) == expires.timestamp()
    assert float(samples['xds_ingress_problems{level="warning",reason="CertificateExpired"}']) == 1
    assert float(samples['xds_ingress_problems{level="warning",reason="CertificateNotYetValid"}']) == 0
    assert datetime.now(UTC) >= expires
