"""The route table of the Gateway API, through the pure matcher.

Covers: every case of tests/support/route_table_gateway.py, with the Location of redirects. Excludes: the same cases
through a real Envoy (tests/e2e), and the choice of a chain by server name (test_gateway_explain.py).
"""

import functools
from typing import Final

import pytest

from tests.support.objects import endpoint, pipeline, slice_of
from tests.support.route_table_gateway import ADDRESS, BACKENDS, CASES, EMPTY, ROUTES, GatewayCase, gateway
from xds.controlplane.pipeline import Pipeline
from xds.explain.narration import explain_now
from xds.explain.request import Request
from xds.translate.gateway.options import GatewayOptions
from xds.translate.options import TranslateOptions

PORT: Final = 8123


@functools.cache
def serving() -> Pipeline:
    options = TranslateOptions(gateway=GatewayOptions(addresses=(ADDRESS,)))
    slices = (slice_of(each.key.name, endpoint("10.0.0.1")) for each in BACKENDS)
    return pipeline(*gateway(PORT), *ROUTES, *BACKENDS, EMPTY, *slices, translate=options)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_the_matcher_answers_as_the_specification(case: GatewayCase) -> None:
    request = Request(case.authority, case.path, method=case.method, headers=case.headers, address=ADDRESS, port=PORT)
    given = explain_now(serving().state_reader, request)
    backend = given.backend.key.service if given.backend else ""
    assert (given.status, backend) == (case.status, case.service)
    assert given.location == case.location.format(port=PORT)


def test_names_in_the_table_are_unique() -> None:
    names = [case.name for case in CASES]
    assert len(set(names)) == len(names)
    assert {each.key.name for each in BACKENDS} >= {case.service for case in CASES} - {""}
