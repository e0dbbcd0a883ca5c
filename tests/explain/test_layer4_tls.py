"""The explanation of a TLS connection by its SNI, and of a request whose connection is passed through.

Excludes: whether the explanation is right (tests/e2e/test_passthrough.py).
"""

import pytest
from msgspec import structs

from tests.support.objects import (
    certificate,
    exact,
    feed,
    ingress,
    key,
    path,
    pipeline,
    rule,
    secret,
    service,
    slice_of,
    tls,
)
from xds.explain.annotations import AnnotationStatus
from xds.explain.connection import Connection, ConnectionExplanation
from xds.explain.explanation import RequestExplanation
from xds.explain.ingress import Acceptance, IngressExplanation, UnitStatus, explain_ingress
from xds.explain.ingress_facts import ingress_facts
from xds.explain.layer4 import connection_facts, explain_connection
from xds.explain.layer4_question import layer4_question
from xds.explain.narration import explain_now
from xds.explain.overview import Overview
from xds.explain.url import QuestionError, question
from xds.kube.change import Applied
from xds.kube.objects import KubeObject
from xds.problems.problem import Key
from xds.steps import finish
from xds.traffic.layer4 import Transport
from xds.translate.layer4.options import Layer4Options
from xds.translate.nginx.annotation import PREFIX
from xds.translate.options import TranslateOptions

PASSED = {f"{PREFIX}ssl-passthrough": "true"}
GUARDED = {**PASSED, f"{PREFIX}whitelist-source-range": "10.0.0.0/8", f"{PREFIX}limit-rps": "5"}
OPTIONS = TranslateOptions(passes_tls=True, layer4=Layer4Options({Transport.TCP: Key("edge", "tcp")}))
OBJECTS = (
    service("web", "tls:443"),
    service("idle", 443),
    slice_of("web", "10.0.0.1", ports=["tls:8443"]),
    secret("cert", certificate("ended.test")),
    ingress("mail", rule("mail.test", path("/", "web:443")), annotations=GUARDED),
    ingress("wild", rule("*.wild.test", path("/", "web:443")), annotations=PASSED),
    ingress("idle", rule("idle.test", path("/", "idle:443")), annotations=PASSED),
    ingress("exact", rule("exact.test", exact("/", "web:443")), annotations=PASSED),
    ingress("ended", rule("ended.test", path("/", "web:443")), tls=[tls("ended.test", secret="cert")]),
    ingress("bare", rule("bare.test", path("/", "web:443")), tls=[tls("bare.test", secret="gone")]),
)


def explained(url: str, client: str = "") -> ConnectionExplanation:
    asked = layer4_question(url, client)
    assert asked
    reader = pipeline(*OBJECTS, translate=OPTIONS, claim_classless=True).state_reader
    return explain_connection(connection_facts(reader, asked))


def requested(url: str, client: str = "") -> RequestExplanation:
    reader = pipeline(*OBJECTS, translate=OPTIONS, claim_classless=True).state_reader
    return explain_now(reader, question(url, "GET", (), client))


def texts(explanation: ConnectionExplanation | RequestExplanation) -> dict[str, str]:
    return {step.title: step.text for step in explanation.steps}


@pytest.mark.parametrize(
    ("url", "connection", "outcome"),
    [
        ("tls://mail.test", Connection.FORWARDED, "TLS is passed through undecrypted to the only endpoint of Service"),
        ("TLS://A.Wild.Test.:443", Connection.FORWARDED, "TLS is passed through undecrypted"),
        ("tls://a.b.wild.test", Connection.CLOSED, "closed after the ClientHello"),
        ("tls://idle.test", Connection.CLOSED, "closed: Service default/idle has no ready endpoint"),
        ("tls://exact.test", Connection.CLOSED, "closed after the ClientHello"),
        (
            "tls://ended.test",
            Connection.TERMINATED,
            "TLS ends at the proxy, which answers requests; see https://ended.test/",
        ),
        ("tls://bare.test", Connection.CLOSED, "closed after the ClientHello"),
        ("tls://10.0.0.7", Connection.CLOSED, "closed after the ClientHello"),
        ("tls://mail.test:9000", Connection.REFUSED, "refused: nothing listens on tcp/9000"),
    ],
)
def test_a_tls_connection_has_its_end(url: str, connection: Connection, outcome: str) -> None:
    explanation = explained(url)
    assert explanation.connection is connection
    assert explanation.outcome.startswith(outcome)


def test_a_passed_host_names_ingress_service_and_what_holds_for_plain_http_alone() -> None:
    explanation = explained("tls://mail.test")
    found = texts(explanation)
    assert found["passthrough"].startswith(
        "SNI 'mail.test': by name, TLS is passed through undecrypted to default/web/443"
    )
    assert found["access"] == "only clients of 10.0.0.0/8 may connect"
    assert found["annotations"] == "on this port, nothing of HTTP holds: limit-rps only for plain HTTP"
    assert [each.reason for each in explanation.problems] == ["ProtectionNotEnforced"]
    assert [each.name for each in explanation.resources][-1] == "https"
    assert "by wildcard '*.wild.test'" in texts(explained("tls://a.wild.test"))["passthrough"]


def test_an_address_list_closes_the_connection() -> None:
    assert explained("tls://mail.test", "10.1.1.1").connection is Connection.FORWARDED
    denied = explained("tls://mail.test", "11.1.1.1")
    assert (denied.connection, denied.cluster) == (Connection.CLOSED, None)
    assert denied.outcome == "closed after the ClientHello: the address lists keep 11.1.1.1 out"


def test_a_closed_host_says_whether_passthrough_or_a_certificate_is_missing() -> None:
    passed, bare = explained("tls://exact.test"), explained("tls://bare.test")
    assert "and never decrypted" in texts(passed)["passthrough"]
    assert [each.reason for each in passed.problems] == ["PassthroughClosed"]
    assert "has no usable certificate" in texts(bare)["certificate"]
    assert [each.reason for each in bare.problems] == ["SecretNotFound"]


def test_without_the_flag_the_problem_stands_beside_the_closed_connection() -> None:
    reader = pipeline(*OBJECTS, claim_classless=True).state_reader
    asked = layer4_question("tls://mail.test")
    assert asked
    explanation = explain_connection(connection_facts(reader, asked))
    assert explanation.connection is Connection.CLOSED
    assert "PassthroughOff" in [each.reason for each in explanation.problems]


def test_without_a_tls_host_nothing_listens() -> None:
    reader = pipeline(service("web")).state_reader
    asked = layer4_question("tls://mail.test")
    assert asked
    explanation = explain_connection(connection_facts(reader, asked))
    assert explanation.connection is Connection.REFUSED
    assert "nothing listens" in explanation.outcome


def test_tls_needs_a_host() -> None:
    with pytest.raises(QuestionError, match="write tls://HOST"):
        layer4_question("tls://:443")


def test_a_request_to_a_passed_host_is_answered_by_its_backend() -> None:
    explanation = requested("https://mail.test/")
    assert explanation.status == 200
    assert explanation.outcome.endswith("answers by TLS, which is passed through undecrypted; see tls://mail.test")
    assert [step.title for step in explanation.steps] == ["listener", "passthrough", "cluster", "endpoints"]


@pytest.mark.parametrize(
    ("url", "client", "outcome"),
    [
        ("https://mail.test/", "11.1.1.1", "the connection is closed: the address lists keep 11.1.1.1 out"),
        ("https://idle.test/", "", "the connection is closed: Service default/idle has no ready endpoint"),
        ("https://exact.test/", "", "the connection is closed"),
    ],
)
def test_a_request_to_a_closed_host_has_no_answer(url: str, client: str, outcome: str) -> None:
    explanation = requested(url, client)
    assert (explanation.status, explanation.outcome) == (0, outcome)


def why(name: str, *more: KubeObject) -> IngressExplanation:
    reader = pipeline(*OBJECTS, *more, translate=OPTIONS, claim_classless=True).state_reader
    facts = ingress_facts(reader, key(name))
    assert facts
    return explain_ingress(facts)


def test_why_ingress_has_a_part_for_each_host_that_is_passed_through_or_closed() -> None:
    states = {name: [(each.text, each.status) for each in why(name).units[1:]] for name in ("mail", "idle", "exact")}
    assert states == {
        "mail": [("TLS passthrough of mail.test", UnitStatus.SERVED)],
        "idle": [("TLS passthrough of idle.test", UnitStatus.NO_ENDPOINTS)],
        "exact": [("TLS passthrough of exact.test", UnitStatus.CLOSED)],
    }
    names = [each.name for each in why("mail").resources]
    assert any(name.startswith("default/web/443@") for name in names)
    assert "https" in names


def test_a_tls_entry_beside_passthrough_is_served_by_the_passthrough() -> None:
    both = ingress("both", rule("both.test", path("/", "web:443")), tls=[tls("both.test", secret="cert")])
    asking = structs.replace(both, metadata=structs.replace(both.metadata, annotations=PASSED))
    explanation = why("both", asking)
    assert explanation.acceptance is Acceptance.ACCEPTED
    assert [each.why for each in explanation.units if str(each.field) == "spec.tls[0]"] == [
        "TLS of host 'both.test' is passed through, so Secret 'cert' is not served"
    ]
    younger = ingress("younger", rule("mail.test", path("/x", "web:443")), tls=[tls("mail.test", secret="cert")])
    [unit] = [each for each in why("younger", younger).units if str(each.field) == "spec.tls[0]"]
    assert (unit.status, unit.senior) == (UnitStatus.SHADOWED, key("mail"))


def test_annotations_of_passthrough_are_in_effect_or_close() -> None:
    header = {**PASSED, "xds-ingress.dev/tls-passthrough-proxy-protocol": "v2"}
    sent = ingress("sent", rule("sent.test", path("/", "web:443")), annotations=header)
    odd = ingress("odd", rule("odd.test", path("/", "web:443")), annotations={f"{PREFIX}ssl-passthrough": "yes"})
    asked, proxied = why("sent", sent).annotations
    assert (asked.status, proxied.status) == (AnnotationStatus.IN_EFFECT, AnnotationStatus.IN_EFFECT)
    assert asked.text.startswith("TLS connections of its hosts go undecrypted to the Service of their path /")
    assert proxied.text == "the backend of TLS connections is sent a PROXY protocol header v2"
    assert [each.status for each in why("odd", odd).annotations] == [AnnotationStatus.CLOSES]


def test_the_overview_follows_passthrough() -> None:
    built = pipeline(*OBJECTS, translate=OPTIONS, claim_classless=True)
    overview = Overview(built.state_reader)
    finish(overview.sweep())
    before = {each.key.name: each for each in overview.summaries}
    assert (before["idle"].units, before["idle"].without_endpoints) == (2, 2)
    assert before["exact"].unserved == 1
    feed(built, Applied(slice_of("idle", "10.0.0.2", ports=[443])))
    feed(built, Applied(ingress("exact", rule("exact.test", path("/", "web:443")), annotations=PASSED)))
    finish(overview.sweep())
    after = {each.key.name: each for each in overview.summaries}
    assert after["idle"].without_endpoints == 0
    assert after["exact"].unserved == 0


def test_a_senior_that_takes_the_host_is_seen_in_the_overview_of_the_junior() -> None:
    built = pipeline(*OBJECTS, translate=OPTIONS, claim_classless=True)
    overview = Overview(built.state_reader)
    finish(overview.sweep())
    senior = ingress(
        "senior", rule("mail.test", path("/x", "web:443")), tls=[tls("mail.test", secret="cert")], created=1
    )
    feed(built, Applied(senior))
    finish(overview.sweep())
    [mail] = [each for each in overview.summaries if each.key.name == "mail"]
    assert mail.units == 1
