"""The route table through a real Envoy, whose answers equal those of the pure matcher.

Covers: every case of tests/support/route_table.py, over HTTP and HTTPS, with virtual hosts by VHDS and inside of
RouteConfigurations. Excludes: the matcher itself (tests/explain) and the delivery of resources to Envoy
(tests/features).
"""

from pathlib import Path

import pytest

from tests.support.envoy import needs_envoy
from tests.support.http import Reply
from tests.support.route_table import TABLES, Case, Table
from tests.support.site import Site, echoes, site
from xds.resources.options import ProxyOptions
from xds.translate.options import TranslateOptions

pytestmark = needs_envoy


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.name)
@pytest.mark.parametrize("vhds", [True, False], ids=["vhds", "no-vhds"])
async def test_envoy_answers_as_the_table_says(table: Table, tmp_path: Path, vhds: bool) -> None:
    options = TranslateOptions(
        default_tls_secret=table.default_tls_secret, is_compatible=table.is_compatible, passes_tls=table.passes_tls
    )
    proxy = ProxyOptions(redirect_https=table.redirect_https, merge_slashes=table.merge_slashes, vhds=vhds)
    async with (
        echoes(table.services) as slices,
        site(tmp_path, *table.objects, *slices, translate=options, proxy=proxy) as running,
    ):
        replies = [(case, await _ask(running, case)) for case in table.cases]
        wrong = [f"{case.name}: {_told(reply)}, not {case.expected}" for case, reply in replies if not _is(case, reply)]
        assert wrong == []
        assert running.rejections == []


async def _ask(running: Site, case: Case) -> Reply:
    sent = dict(case.headers)
    return await running.get(case.authority, case.path, tls=case.https, sni=case.sni, method=case.method, **sent)


def _is(case: Case, reply: Reply) -> bool:
    return reply.status == case.status and reply.backend == (case.service or "")


def _told(reply: Reply) -> str:
    return reply.backend or str(reply.status)
