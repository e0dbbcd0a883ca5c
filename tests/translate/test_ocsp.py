"""OCSP responses in Secrets: which are sent, when, and which are problems.

Covers: form, content and time of responses, and certificates that demand one. Excludes: the bytes that a client gets
(tests/e2e/test_tls_handshakes.py).
"""

import base64
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.ocsp import OCSPCertStatus, OCSPResponseBuilder, OCSPResponseStatus

from tests.support.envoy import bootstrap_error, needs_envoy
from tests.support.objects import NOW, Pair, World, certificate, ingress, key, path, rule, secret_of, service, tls
from tests.support.ocsp import ocsp_response
from tests.support.static_tls import bootstrap
from xds.kube.objects import Secret
from xds.kube.stale import Stale
from xds.steps import finish

HOST = "a.example.com"
DAY = timedelta(days=1)
PAIR = certificate(HOST)
GOOD = ocsp_response(PAIR, NOW - DAY, NOW + DAY)
LATER = OCSPResponseBuilder.build_unsuccessful(OCSPResponseStatus.TRY_LATER).public_bytes(Encoding.DER)

REFUSED = {
    "garbage": (b"garbage", "not an OCSP response in DER"),
    "PEM": (base64.b64encode(GOOD), "not an OCSP response in DER"),
    "cut": (GOOD[:-9], "not an OCSP response in DER"),
    "more behind": (GOOD + b"x", "not an OCSP response in DER"),
    "a refusal": (LATER, "TRY_LATER"),
    "another certificate's": (ocsp_response(certificate(HOST, serial=2), NOW - DAY, NOW + DAY), "another certificate"),
}
"""Envoy rejects the Secret."""

BAD_NEWS = {
    "revoked": (ocsp_response(PAIR, NOW - DAY, NOW + DAY, OCSPCertStatus.REVOKED), "REVOKED"),
    "unknown": (ocsp_response(PAIR, NOW - DAY, NOW + DAY, OCSPCertStatus.UNKNOWN), "UNKNOWN"),
    "without an end": (ocsp_response(PAIR, NOW - DAY, None), "no nextUpdate"),
}
"""Envoy accepts the Secret, and would send the response or never send it."""


def stapled(staple: bytes | None, pair: Pair = PAIR) -> Secret:
    return secret_of("cert", pair.chain, pair.key, staple=staple)


def world_of(secret: Secret, now: datetime = NOW) -> World:
    return World(
        service("web"), ingress("shop", rule(HOST, path("/")), tls=[tls(HOST, secret="cert")]), secret, now=now
    )


def staple_of(world: World) -> bytes:
    (found,) = world.traffic.certificates.values()
    return found.staple


def test_a_current_response_is_sent() -> None:
    world = world_of(stapled(GOOD))
    assert staple_of(world) == GOOD
    assert world.problems == []
    world.add(stapled(None))
    assert staple_of(world) == b""
    assert world.problems == []


@pytest.mark.parametrize(("staple", "words"), (REFUSED | BAD_NEWS).values(), ids=REFUSED | BAD_NEWS)
def test_an_unusable_response_costs_the_certificate_nothing(staple: bytes, words: str) -> None:
    world = world_of(stapled(staple))
    assert staple_of(world) == b""
    problem = world.problem("OCSPStapleInvalid")
    assert words in problem.message
    assert str(problem.field) == "spec.tls[0].secretName"
    world.add(stapled(GOOD))
    assert staple_of(world) == GOOD
    assert world.problems == []


@pytest.mark.parametrize(
    ("now", "is_sent"),
    [
        (NOW - DAY - timedelta(seconds=1), False),
        (NOW - DAY, True),
        (NOW + DAY - timedelta(seconds=1), True),
        (NOW + DAY, False),
    ],
)
def test_a_response_is_sent_from_this_update_to_next_update(now: datetime, is_sent: bool) -> None:
    world = world_of(stapled(GOOD), now)
    assert (staple_of(world) == GOOD) is is_sent
    assert world.reasons() == ([] if is_sent else [("shop", "OCSPStapleOutdated")])


def test_dates_of_a_response_are_dates_of_the_table() -> None:
    period = world_of(stapled(GOOD)).traffic.date_period
    assert (period.since, period.until) == (NOW - DAY, NOW + DAY)


def test_a_response_that_runs_out_changes_its_secret_alone() -> None:
    world = world_of(stapled(GOOD))
    before = world.traffic.tls
    world.now = NOW + DAY
    finish(world.traffic.update(Stale(tls=True), world.now))
    assert staple_of(world) == b""
    assert world.traffic.tls == before


MUST_STAPLE = Path(__file__).parents[1] / "support" / "rejected"


def must_staple(begins: datetime, expires: datetime, status: OCSPCertStatus = OCSPCertStatus.GOOD) -> Secret:
    pair = Pair((MUST_STAPLE / "must-staple.crt").read_bytes(), (MUST_STAPLE / "must-staple.key").read_bytes())
    return stapled(ocsp_response(pair, begins, expires, status), pair)


def test_a_certificate_that_demands_a_response_is_served_with_one() -> None:
    world = world_of(must_staple(NOW - DAY, NOW + DAY))
    assert staple_of(world)
    assert ("shop", "SecretInvalid") not in world.reasons()


def test_a_certificate_that_demands_a_response_keeps_an_outdated_one() -> None:
    world = world_of(must_staple(NOW - 3 * DAY, NOW - DAY))
    assert staple_of(world)
    assert "handshakes fail" in world.problem("OCSPStapleOutdated").message


def test_a_certificate_that_demands_a_response_is_unusable_with_a_bad_one() -> None:
    world = world_of(must_staple(NOW - DAY, NOW + DAY, OCSPCertStatus.REVOKED))
    assert world.traffic.tls.without_certificate == (HOST,)
    assert "REVOKED" in world.problem("SecretInvalid").message


def test_a_bad_response_does_not_bring_the_last_good_certificate_back() -> None:
    world = world_of(stapled(GOOD))
    renewed = certificate(HOST, serial=3)
    world.add(stapled(b"garbage", renewed))
    (found,) = world.traffic.certificates.values()
    assert found.chain == renewed.chain
    assert key("cert") in world.traffic.certificates


@needs_envoy
@pytest.mark.parametrize("staple", [each for each, _ in REFUSED.values()], ids=REFUSED)
def test_a_response_that_is_left_out_is_rejected_by_envoy(staple: bytes, tmp_path: Path) -> None:
    assert bootstrap_error(bootstrap(PAIR.chain, PAIR.key, staple), tmp_path) != ""


@needs_envoy
def test_responses_that_are_sent_are_accepted_by_envoy(tmp_path: Path) -> None:
    now = datetime.now(UTC)
    assert bootstrap_error(bootstrap(PAIR.chain, PAIR.key, GOOD), tmp_path) == ""
    for secret in (must_staple(now - DAY, now + DAY), must_staple(now - 3 * DAY, now - DAY)):
        (found,) = world_of(secret, now).traffic.certificates.values()
        assert bootstrap_error(bootstrap(found.chain, found.private_key, found.staple), tmp_path) == ""
