"""The route table of the Ingress specification, through the pure matcher.

Covers: every case of tests/support/route_table.py. Excludes: the same cases through a real Envoy (tests/e2e).
"""

import functools

import pytest

from tests.support.objects import World, manifest
from tests.support.route_table import TABLES, Case, Table
from xds.explain.edge import EdgeOptions
from xds.explain.matcher import answer
from xds.explain.request import Request
from xds.kube.decode import decode
from xds.traffic.actions import Forward
from xds.translate.translator import Translator

CASES = [pytest.param(table, case, id=f"{table.name}-{case.name}") for table in TABLES for case in table.cases]


@functools.cache
def traffic(table_name: str) -> Translator:
    table = next(table for table in TABLES if table.name == table_name)
    default = table.default_tls_secret.name if table.default_tls_secret else None
    return World(
        *table.objects,
        default_tls_secret=default,
        is_compatible=table.is_compatible,
        passes_tls=table.passes_tls,
    ).traffic


@pytest.mark.parametrize(("table", "case"), CASES)
def test_the_matcher_answers_as_the_specification(table: Table, case: Case) -> None:
    request = Request(
        case.authority, case.path, https=case.https, sni=case.sni, method=case.method, headers=case.headers
    )
    given = answer(
        traffic(table.name),
        request,
        EdgeOptions(redirect_https=table.redirect_https, merge_slashes=table.merge_slashes),
    )
    assert given.status == case.status
    if case.service is not None:
        assert given.route is not None
        assert isinstance(given.route.action, Forward)
        assert [each.key and each.key.service for each in given.route.action.shares] == [case.service]


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.name)
def test_names_in_a_table_are_unique(table: Table) -> None:
    names = [case.name for case in table.cases]
    assert len(set(names)) == len(names)
    services = [service.metadata.name for service in table.services]
    assert len(set(services)) == len(services)
    assert {case.service for case in table.cases} - {None} <= set(services)


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.name)
def test_objects_of_a_table_survive_a_manifest(table: Table) -> None:
    for each in table.objects:
        assert decode(manifest(each)) == each
