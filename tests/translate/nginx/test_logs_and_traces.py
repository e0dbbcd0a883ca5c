"""enable-access-log and the annotations of OpenTelemetry.

Excludes: lines of logs, and spans (tests/e2e/test_logs_and_traces.py).
"""

import pytest

from tests.support.objects import World, ingress, path, rule, service
from tests.support.route_table_annotations import annotated
from xds.traffic.policy import NO_POLICY, Policy
from xds.traffic.tracing import Tracing

HOST = "a.example.com"


def read(values: dict[str, str], *, has_tracer: bool = True) -> tuple[Policy, list[str]]:
    """The policy, and the annotations with a problem."""
    asking = ingress("shop", rule(HOST, path("/")), annotations=annotated(**values))
    given = World(service("web"), asking, has_tracer=has_tracer)
    (route,) = given.traffic.hosts[HOST].routes
    return route.policy, [each.message.partition(" ")[0] for each in given.problems]


def test_the_access_log_leaves_out_paths_that_say_so() -> None:
    assert read({"enable_access_log": "false"}) == (Policy(is_logged=False), [])
    assert read({"enable_access_log": "true"}) == (NO_POLICY, [])
    assert read({"enable_access_log": "off"}) == (NO_POLICY, ["enable-access-log"])


@pytest.mark.parametrize(
    ("values", "tracing"),
    [
        ({"enable_opentelemetry": "false"}, Tracing(is_on=False)),
        ({"enable_opentelemetry": "true"}, Tracing()),
        ({"opentelemetry_operation_name": "check-out_1"}, Tracing(operation="check-out_1")),
        ({"enable_opentelemetry": "0", "opentelemetry_operation_name": "x"}, Tracing(is_on=False)),
        ({"opentelemetry_trust_incoming_span": "true"}, Tracing()),
    ],
)
def test_the_spans_of_paths(values: dict[str, str], tracing: Tracing) -> None:
    assert read(values) == (Policy(tracing=tracing), [])


@pytest.mark.parametrize("name", ["a b", "a:b", "${x}", "%REQ(X)%"])
def test_the_name_of_spans_is_a_word(name: str) -> None:
    assert read({"opentelemetry_operation_name": name}) == (NO_POLICY, ["opentelemetry-operation-name"])


def test_distrust_of_incoming_spans_is_a_problem_where_there_are_spans() -> None:
    assert read({"opentelemetry_trust_incoming_span": "false"}) == (NO_POLICY, ["opentelemetry-trust-incoming-span"])
    without = {"enable_opentelemetry": "false", "opentelemetry_trust_incoming_span": "false"}
    assert read(without) == (Policy(tracing=Tracing(is_on=False)), [])


def test_traces_without_a_collector_are_a_problem() -> None:
    asked = read({"enable_opentelemetry": "true", "opentelemetry_operation_name": "x"}, has_tracer=False)
    assert asked == (NO_POLICY, ["enable-opentelemetry", "opentelemetry-operation-name"])
    assert read({"enable_opentelemetry": "false"}, has_tracer=False) == (NO_POLICY, [])
    given = World(
        service("web"), ingress("shop", rule(HOST, path("/")), annotations=annotated(enable_opentelemetry="1"))
    )
    assert given.reasons() == [("shop", "AnnotationUnsupported")]
