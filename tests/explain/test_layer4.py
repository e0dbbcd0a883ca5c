"""The explanation of a port of TCP or UDP, and of the objects that ask for ports.

Excludes: whether the explanation is right (tests/e2e), and the entries themselves (tests/translate/layer4).
"""

import pytest
from msgspec import structs

from tests.support.objects import config_map, endpoint, ingress, path, pipeline, rule, service, slice_of
from xds.controlplane.pipeline import Pipeline
from xds.explain.connection import Connection, ConnectionExplanation, ListenerRejection
from xds.explain.ingress import Acceptance, UnitStatus
from xds.explain.layer4 import connection_facts, explain_connection
from xds.explain.layer4_list import ListedPort, listed_ports, read_claims
from xds.explain.layer4_object_facts import ClaimFacts, object_facts
from xds.explain.layer4_objects import ObjectExplanation, claim_use, explain_object
from xds.explain.layer4_question import layer4_question
from xds.explain.url import QuestionError
from xds.kube.objects import KubeObject, Service
from xds.problems.problem import Key, ObjectRef
from xds.steps import finish
from xds.traffic.layer4 import Transport
from xds.translate.layer4.options import Layer4Options, PortRange
from xds.translate.options import TranslateOptions

OPTIONS = TranslateOptions(
    layer4=Layer4Options(
        {Transport.TCP: Key("edge", "tcp"), Transport.UDP: Key("edge", "udp")}, (PortRange(9000, 9199, "default"),)
    )
)
TCP = config_map(
    "tcp", ns="edge", **{"9000": "default/pg:5432", "9001": "default/gone:1", "9002": "default/idle:80", "abc": "x"}
)
UDP = config_map("udp", ns="edge", **{"5353": "default/dns:53"})
PG = service("pg", {"port": 5432, "name": "sql"})
DNS = service("dns", {"port": 53, "name": "dns", "protocol": "UDP"})


def exposing(name: str, expose: str, *ports: int | str) -> Service:
    plain = service(name, *ports or (5432,))
    annotations = {"xds-ingress.dev/expose": expose}
    return structs.replace(plain, metadata=structs.replace(plain.metadata, annotations=annotations))


def built(*objects: KubeObject) -> Pipeline:
    ready = slice_of("pg", endpoint("10.0.0.1", zone="a"), endpoint("10.0.0.2", zone="b"), ports=["sql:5432"])
    dns = slice_of("dns", endpoint("10.0.0.3"), ports=[{"name": "dns", "port": 53, "protocol": "UDP"}])
    everything = (TCP, UDP, PG, DNS, service("idle", 80), ready, dns, *objects)
    return pipeline(*everything, translate=OPTIONS, claim_classless=True)


def explained(url: str, *objects: KubeObject, rejections: tuple[ListenerRejection, ...] = ()) -> ConnectionExplanation:
    question = layer4_question(url)
    assert question
    return explain_connection(connection_facts(built(*objects).state_reader, question), rejections, 5)


def texts(explanation: ConnectionExplanation) -> dict[str, str]:
    return {step.title: step.text for step in explanation.steps}


def why(about: ObjectRef, *objects: KubeObject) -> ObjectExplanation:
    facts = object_facts(built(*objects).state_reader, about)
    assert facts
    return explain_object(facts)


def listed(*objects: KubeObject) -> dict[str, ListedPort]:
    claims: list[ClaimFacts] = []
    finish(read_claims(built(*objects).state_reader, claims))
    return {str(each.port or each.facts.claim.text): each for each in listed_ports(claims)}


@pytest.mark.parametrize(
    ("url", "connection", "outcome"),
    [
        ("tcp://db.test:9000", Connection.FORWARDED, "connections go to one of 2 endpoints of Service default/pg"),
        ("udp://:5353", Connection.FORWARDED, "datagrams go to the only endpoint of Service default/dns"),
        ("tcp://h:9001", Connection.REFUSED, "refused: nothing listens on tcp/9001"),
        (
            "tcp://h:9002",
            Connection.CLOSED,
            "connections are closed at once: Service default/idle has no ready endpoint",
        ),
        (
            "tcp://h:443",
            Connection.TERMINATED,
            "the listener https has the port; ask about tls://HOST or https://HOST/",
        ),
        ("tcp://h:8080", Connection.TERMINATED, "the listener http has the port; ask about http://HOST/"),
        ("udp://h:9000", Connection.REFUSED, "datagrams are lost: nothing listens on udp/9000"),
    ],
)
def test_a_connection_has_its_end(url: str, connection: Connection, outcome: str) -> None:
    explanation = explained(url)
    assert (explanation.connection, explanation.outcome) == (connection, outcome)


def test_a_served_port_names_entry_treatment_and_endpoints() -> None:
    proxied = config_map("tcp", ns="edge", **{"9000": "default/pg:sql:PROXY:PROXY"})
    explanation = explained("tcp://h:9000", proxied)
    found = texts(explanation)
    assert found["source"] == "data[9000]: 'default/pg:sql:PROXY:PROXY' counts"
    assert "may claim any address" in found["PROXY protocol in"]
    assert found["idle timeout"] == "a connection is closed 1 h after its last byte"
    assert "by TCP, with a PROXY protocol header v1, sent at connect, port 5432 'sql'" in found["cluster"]
    assert found["endpoints"] == "2 healthy, 0 draining; a has 1 healthy, b has 1 healthy"
    assert [each.name for each in explanation.resources][-1] == "tcp/9000"
    assert len(explanation.resources) == 3


def test_endpoints_that_no_proxy_gets_are_counted() -> None:
    waiting = slice_of("pg", endpoint("10.0.0.9", ready=False), ports=["sql:5432"], name="pg-2")
    assert "1 left out as not ready" in texts(explained("tcp://h:9000", waiting))["endpoints"]


def test_a_closed_port_names_the_reason_and_shows_the_problem_of_its_entry_alone() -> None:
    explanation = explained("tcp://h:9001")
    assert "is left out: Service 'default/gone' doesn't exist" in texts(explanation)["source"]
    assert [str(each.field) for each in explanation.problems] == ["data[9001]"]


def test_a_port_that_nobody_asks_for_names_the_flags() -> None:
    assert texts(explained("tcp://h:9555"))["listener"] == (
        "none of the name tcp/9555: no key of ConfigMap edge/tcp names the port, and no --expose-ports lets Services "
        "claim it"
    )
    assert "no Service of namespace default has xds-ingress.dev/expose" in texts(explained("tcp://h:9100"))["listener"]
    bare = pipeline(PG).state_reader
    question = layer4_question("tcp://h:9000")
    assert question
    without_flags = explain_connection(connection_facts(bare, question))
    assert "the server has no --tcp-services-configmap" in texts(without_flags)["listener"]


def test_a_missing_config_map_is_said_at_the_port() -> None:
    reader = pipeline(PG, translate=OPTIONS).state_reader
    question = layer4_question("tcp://h:9000")
    assert question
    explanation = explain_connection(connection_facts(reader, question))
    assert "ConfigMap edge/tcp of --tcp-services-configmap doesn't exist" in texts(explanation)["listener"]
    assert [each.object.name for each in explanation.problems] == ["tcp"]


BUSY = "Error adding/updating listener(s) tcp/8: no\ntcp/9000: cannot bind '0.0.0.0:9000': Address already in use"


def test_proxies_that_cannot_bind_are_named_in_the_outcome() -> None:
    two = tuple(ListenerRejection(each, BUSY) for each in ("a", "b"))
    explanation = explained("tcp://h:9000", rejections=two)
    assert explanation.connection is Connection.FORWARDED
    assert explanation.outcome.endswith("; 2 of 5 proxies (a, b) cannot bind '0.0.0.0:9000': Address already in use")
    every = tuple(ListenerRejection(each, BUSY) for each in "abcde")
    assert explained("tcp://h:9000", rejections=every).connection is Connection.REFUSED


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("tcp://h", "write tcp://HOST:PORT"),
        ("tcp://h:0", "write tcp://HOST:PORT"),
        ("udp://h:70000", "no valid port"),
        ("tcp://h:9000/x", "a connection has none"),
    ],
)
def test_questions_that_no_connection_answers(url: str, words: str) -> None:
    with pytest.raises(QuestionError, match=words):
        layer4_question(url)


def test_a_method_or_a_header_is_of_http_alone() -> None:
    with pytest.raises(QuestionError, match="of HTTP"):
        layer4_question("tcp://h:9000", is_plain=False)
    assert layer4_question("http://h:9000/", is_plain=False) is None


def test_why_config_map_has_each_entry_with_its_state() -> None:
    explanation = why(ObjectRef("ConfigMap", "edge", "tcp"))
    assert explanation.acceptance is Acceptance.PARTLY
    assert explanation.role == "the ports of --tcp-services-configmap"
    assert {each.unit.text: each.unit.status for each in explanation.uses} == {
        "9000: default/pg:5432": UnitStatus.SERVED,
        "9001: default/gone:1": UnitStatus.LEFT_OUT,
        "9002: default/idle:80": UnitStatus.NO_ENDPOINTS,
        "abc: x": UnitStatus.LEFT_OUT,
    }
    assert [each.name for each in explanation.resources if "tcp/" in each.name] == ["tcp/9000", "tcp/9002"]


def test_why_config_map_tells_a_missing_one_from_an_unknown_one() -> None:
    reader = pipeline(PG, translate=OPTIONS).state_reader
    facts = object_facts(reader, ObjectRef("ConfigMap", "edge", "tcp"))
    assert facts
    explanation = explain_object(facts)
    assert explanation.acceptance is Acceptance.NOT_SERVED
    assert explanation.role == "the ports of --tcp-services-configmap; it doesn't exist"
    assert object_facts(reader, ObjectRef("ConfigMap", "edge", "other")) is None


def test_why_service_has_all_uses() -> None:
    web = ingress("web", rule("a.test", path("/", "pg:5432"), path("/x", "other")))
    pg = exposing("pg", "9100=tcp:sql, 9000=tcp:sql", "sql:5432")
    explanation = why(ObjectRef("Service", "default", "pg"), web, pg)
    assert [(str(each.object), each.unit.status) for each in explanation.uses] == [
        ("Service default/pg", UnitStatus.SERVED),
        ("Service default/pg", UnitStatus.SHADOWED),
        ("ConfigMap edge/tcp", UnitStatus.SERVED),
        ("Ingress default/web", UnitStatus.SERVED),
    ]
    assert explanation.uses[1].winner == ObjectRef("ConfigMap", "edge", "tcp")
    assert "by an entry of a ConfigMap" in explanation.problems[0][0].message


def test_why_service_of_an_unused_one_is_not_ours() -> None:
    explanation = why(ObjectRef("Service", "default", "spare"), service("spare"))
    assert (explanation.acceptance, explanation.role) == (Acceptance.NOT_OURS, "nothing of ours uses it")
    missing = why(ObjectRef("Service", "default", "gone"))
    assert missing.role == "it doesn't exist"
    assert [each.unit.status for each in missing.uses] == [UnitStatus.LEFT_OUT]


def test_the_list_has_each_port_once_with_those_that_lose_it() -> None:
    ports = listed(exposing("a", "9100=tcp:5432"), exposing("b", "9100=tcp:5432, 9101=tcp:5432"))
    assert list(ports) == ["tcp/9000", "tcp/9001", "tcp/9002", "tcp/9100", "tcp/9101", "udp/5353", "x"]
    assert ports["tcp/9100"].losers == (ObjectRef("Service", "default", "b"),)
    assert ports["tcp/9100"].facts.claim.source == ObjectRef("Service", "default", "a")
    assert claim_use(ports["tcp/9101"].facts).unit.status is UnitStatus.NO_ENDPOINTS
