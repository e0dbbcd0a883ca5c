"""proxy-body-size, buffering, proxy-http-version and annotations without effect: grammars and defaults.

Excludes: answers to bodies (tests/e2e/test_bodies.py).
"""

import pytest

from tests.support.annotated_shop import compatible_policy, policy, reasons
from xds.problems.reasons import Reason
from xds.resources.retry_policy import retried_body_bytes
from xds.traffic.bodies import ANY_BODIES, Bodies

MIB = 1024 * 1024


def test_bodies_have_a_bound_by_the_defaults_of_ingress_nginx_alone() -> None:
    assert policy().bodies == ANY_BODIES
    assert compatible_policy().bodies == Bodies(MIB)


@pytest.mark.parametrize(
    ("value", "max_bytes"), [("8m", 8 * MIB), ("8M", 8 * MIB), ("2k", 2048), ("100", 100), (" 1g ", 1024 * MIB)]
)
def test_a_body_size(value: str, max_bytes: int) -> None:
    assert policy(proxy_body_size=value).bodies == Bodies(max_bytes)


def test_a_body_size_of_0_is_no_bound() -> None:
    assert compatible_policy(proxy_body_size="0").bodies == ANY_BODIES


@pytest.mark.parametrize("value", ["8mb", "8Mi", "1.5m", "8b", "8 m", "-1", "9999999999g", "9" * 5000])
def test_a_bad_body_size_counts_as_absent(value: str) -> None:
    assert compatible_policy(proxy_body_size=value).bodies == Bodies(MIB)
    assert reasons(proxy_body_size=value) == [Reason.ANNOTATION_INVALID]


def test_bodies_are_read_whole_only_where_the_annotation_says_on() -> None:
    assert compatible_policy(proxy_request_buffering="on").bodies == Bodies(MIB, buffered=True)
    assert compatible_policy(proxy_request_buffering="off").bodies == Bodies(MIB)
    assert compatible_policy(proxy_request_buffering="on", backend_protocol="GRPC").bodies == Bodies(MIB)


@pytest.mark.parametrize("size", ["0", "9m"])
def test_large_bodies_are_not_read_whole(size: str) -> None:
    given = {"proxy_request_buffering": "on", "proxy_body_size": size}
    assert not policy(**given).bodies.buffered
    assert reasons(**given) == [Reason.ANNOTATION_UNSUPPORTED]


def test_a_body_is_kept_for_retries_as_far_as_its_bound() -> None:
    assert retried_body_bytes(compatible_policy(proxy_body_size="2k")) == 2048
    assert retried_body_bytes(compatible_policy(proxy_body_size="8m")) == MIB
    assert retried_body_bytes(compatible_policy(proxy_body_size="0")) == MIB
    assert retried_body_bytes(compatible_policy(proxy_next_upstream="off")) is None
    assert retried_body_bytes(policy(proxy_body_size="8m")) is None


@pytest.mark.parametrize(
    ("name", "bad", "good"),
    [
        ("client_body_buffer_size", "1gb", "1g"),
        ("proxy_buffer_size", "8Ki", "8k"),
        ("proxy_buffers_number", "four", "4"),
        ("proxy_busy_buffers_size", "16kb", "16k"),
        ("proxy_max_temp_file_size", "1.5m", "0"),
        ("enable_rewrite_log", "on", "true"),
        ("proxy_buffering", "true", "on"),
        ("proxy_http_version", "2", "1.1"),
    ],
)
def test_a_bad_value_of_an_annotation_without_effect_is_a_problem(name: str, bad: str, good: str) -> None:
    assert reasons(**{name: good}) == []
    assert reasons(**{name: bad}) == [Reason.ANNOTATION_INVALID]


def test_http_1_0_to_backends_is_refused() -> None:
    assert reasons(proxy_http_version="1.0") == [Reason.ANNOTATION_UNSUPPORTED]
