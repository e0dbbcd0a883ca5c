"""The access log and traces of a real Envoy: forms, and paths that are left out.

Excludes: the values of annotations (tests/translate/nginx/test_logs_and_traces.py).
"""

import asyncio
import re
from pathlib import Path
from typing import Final

import pytest

from tests.support.envoy import free_port, needs_envoy
from tests.support.objects import ingress, path, rule, service
from tests.support.otlp import Collector, Span, collector
from tests.support.route_table_annotations import annotated
from tests.support.site import echoes, site
from xds.address import HostPort
from xds.kube.objects import KubeObject
from xds.resources.options import AccessLogFormat, ProxyOptions, TracingOptions
from xds.translate.translator import TranslateOptions

pytestmark = needs_envoy

HOST: Final = "shop.example.com"
WEB: Final = service("web")


def paths(**annotations: str) -> tuple[KubeObject, ...]:
    """`/` without annotations, and `/quiet` with."""
    quiet = ingress("quiet", rule(HOST, path("/quiet")), annotations=annotated(**annotations))
    return (ingress("shop", rule(HOST, path("/"))), quiet, WEB)


@pytest.mark.parametrize(("form", "line"), [(AccessLogFormat.JSON, '"path":"{}"'), (AccessLogFormat.TEXT, '"GET {} HTTP/1.1" 200 ')])
async def test_a_path_is_left_out_of_the_access_log(tmp_path: Path, form: AccessLogFormat, line: str) -> None:
    async with echoes([WEB]) as slices:
        objects = (*paths(enable_access_log="false"), *slices)
        async with site(tmp_path, *objects, proxy=ProxyOptions(access_log=form)) as running:
            assert running.rejections == []
            for under in ("/quiet", "/first", "/quiet/below", "/last"):
                assert (await running.get(HOST, under)).status == 200
            while line.format("/last") not in running.envoy.log:
                await asyncio.sleep(0.01)
            assert line.format("/first") in running.envoy.log
            assert "/quiet" not in running.envoy.log.split("/first")[1]
            assert re.search(r'"(GET )?/quiet', running.envoy.log) is None
