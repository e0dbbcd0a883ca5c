"""The defaults of ingress-nginx through a real Envoy.

Covers: headers of requests and answers, statuses of failed backends, /healthz; and one group of keys of the ConfigMap
for each part of the listeners. Excludes: defaults of annotations, which their families test.
"""

import asyncio
from pathlib import Path

import pytest

from tests.support.envoy import needs_envoy
from tests.support.objects import certificate, config_map, ingress, path, rule, secret, service, slice_of, tls
from tests.support.site import echoes, site
from xds.problems.problem import Key
from xds.translate.translator import TranslateOptions

pytestmark = needs_envoy

HOST = "shop.example.com"
NGINX = Key("ingress-nginx", "ingress-nginx-controller")
LOOPBACK = "127.0.0.1"
SHOP = (
    ingress("shop", rule(HOST, path("/web", "web"), path("/dead", "dead"))),
    service("web"),
    service("dead"),
    slice_of("dead", LOOPBACK, ports=[{"name": "", "port": 1}]),
)
COMPATIBLE = TranslateOptions(is_compatible=True)


async def test_backends_are_told_what_ingress_nginx_tells(tmp_path: Path) -> None:
    claims = {"X-Forwarded-For": "6.6.6.6", "X-Forwarded-Host": "evil.test", "X-Original-URL": "/evil"}
    async with echoes([service("web")]) as slices, site(tmp_path, *SHOP, *slices, translate=COMPATIBLE) as running:
        reply = await running.get(HOST, "/web", **claims)
        print(reply)
