"""The defaults of ingress-nginx, and keys of its ConfigMap, through a real Envoy.

Covers: headers of requests and answers, statuses of failed backends, /healthz, believed headers, blocked requests,
compression, TLS, the access log, and a change of the ConfigMap. Excludes: defaults of annotations, which their families
test; which keys are valid (tests/translate/nginx/test_configmap.py).
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.envoy import needs_envoy
from tests.support.http import Reply
from tests.support.objects import certificate, config_map, ingress, path, rule, secret, service, slice_of, tls
from tests.support.site import Site, echoes, site
from xds.problems.problem import Key
from xds.translate.options import TranslateOptions

pytestmark = needs_envoy

HOST = "shop.example.com"
LOOPBACK = "127.0.0.1"
CLAIMS: dict[str, Any] = {
    "X-Forwarded-For": "6.6.6.6",
    "X-Forwarded-Host": "front.test, second.test",
    "X-Forwarded-Port": "1",
    "X-Forwarded-Proto": "https",
    "X-Forwarded-Prefix": "/own",
    "X-Real-IP": "6.6.6.6",
    "X-Original-URL": "/evil",
    "X-Request-ID": "mine",
    "Proxy": "evil",
}
OPEN = {"nginx.ingress.kubernetes.io/ssl-redirect": "false"}
SHOP = (
    ingress(
        "shop",
        rule(HOST, path("/web", "web"), path("/dead", "dead"), path("/none", "empty")),
        tls=[tls(HOST, secret="cert")],
        annotations=OPEN,
    ),
    *map(service, ("web", "dead", "empty")),
    slice_of("dead", LOOPBACK, ports=[{"name": "", "port": 1}]),
    secret("cert", certificate(HOST)),
)


@contextlib.asynccontextmanager
async def shop(folder: Path, *, is_compatible: bool = True, **data: str) -> AsyncIterator[Site]:
    translate = TranslateOptions(is_compatible=is_compatible, nginx_configmap=Key("default", "nginx") if data else None)
    configured = [config_map("nginx", **data)] if data else []
    async with (
        echoes([service("web")]) as slices,
        site(folder, *SHOP, *slices, *configured, translate=translate) as running,
    ):
        assert running.rejections == []
        yield running


def told(reply: Reply, *names: str) -> dict[str, Any]:
    """The named headers as the backend received them."""
    return {name: reply.json["headers"].get(name) for name in names}


async def test_backends_are_told_what_ingress_nginx_tells(tmp_path: Path) -> None:
    names = ("x-forwarded-for", "x-forwarded-host", "x-forwarded-port", "x-forwarded-proto", "x-real-ip", "x-scheme")
    passed = ("x-forwarded-prefix", "x-original-forwarded-for", "x-original-forwarded-host", "x-request-id")
    async with shop(tmp_path) as running:
        reply = await running.get(HOST, "/web", **CLAIMS)
        plain = await running.get(HOST, "/web")
    assert told(reply, *names) == dict(zip(names, (LOOPBACK, HOST, "80", "http", LOOPBACK, "http"), strict=True))
    assert told(reply, *passed) == dict(
        zip(passed, ("/own", "6.6.6.6", "front.test, second.test", "mine"), strict=True)
    )
    assert told(reply, "proxy", "x-original-url") == {"proxy": None, "x-original-url": None}
    assert told(plain, *passed[:3]) == dict.fromkeys(passed[:3])


async def test_answers_have_the_statuses_and_headers_of_ingress_nginx(tmp_path: Path) -> None:
    async with shop(tmp_path) as running:
        statuses = [(await running.get(HOST, path)).status for path in ("/web", "/dead", "/none", "/other")]
        health = [(await running.get(host, "/healthz")).status for host in ("unknown.example.com", HOST)]
        answered = [await running.get(HOST, path, tls=True, sni=HOST) for path in ("/web", "/other", "/dead")]
        plain = await running.get(HOST, "/web")
    assert statuses == [200, 502, 503, 404]
    assert health == [200, 404]
    security = "max-age=31536000; includeSubDomains"
    assert [each.headers.get("strict-transport-security") for each in answered] == [security] * 3
    assert "strict-transport-security" not in plain.headers
    assert not any("server" in each.headers for each in (*answered, plain))


async def test_without_the_switch_own_answers_hold(tmp_path: Path) -> None:
    async with shop(tmp_path, is_compatible=False) as running:
        dead = await running.get(HOST, "/dead")
        health = await running.get("unknown.example.com", "/healthz")
        secure = await running.get(HOST, "/web", tls=True, sni=HOST)
    assert (dead.status, health.status) == (503, 404)
    assert "strict-transport-security" not in secure.headers


@pytest.mark.parametrize(
    ("networks", "expected"),
    [
        ("127.0.0.0/8", ("6.6.6.6", "https", "front.test", "1")),
        ("192.0.2.0/24", (LOOPBACK, "https", "front.test", "1")),
    ],
)
async def test_forwarded_headers_are_believed_as_in_ingress_nginx(
    tmp_path: Path, networks: str, expected: tuple[str, ...]
) -> None:
    """An address counts from trusted networks alone, the other headers from everybody."""
    names = ("x-real-ip", "x-forwarded-proto", "x-forwarded-host", "x-forwarded-port")
    async with shop(tmp_path, use_forwarded_headers="true", proxy_real_ip_cidr=networks) as running:
        reply = await running.get(HOST, "/web", **CLAIMS)
    assert told(reply, *names) == dict(zip(names, expected, strict=True))
    assert told(reply, "x-forwarded-for", "host") == {"x-forwarded-for": expected[0], "host": "front.test"}


async def test_an_address_of_a_trusted_peer_can_be_believed_alone(tmp_path: Path) -> None:
    data: dict[str, Any] = {
        "enable_real_ip": "true",
        "proxy_real_ip_cidr": "127.0.0.1",
        "compute_full_forwarded_for": "true",
    }
    names = ("x-real-ip", "x-forwarded-proto", "x-forwarded-host", "x-forwarded-for")
    async with shop(tmp_path, **data) as running:
        reply = await running.get(HOST, "/web", **CLAIMS)
    assert told(reply, *names) == dict(zip(names, ("6.6.6.6", "http", HOST, f"6.6.6.6,{LOOPBACK}"), strict=True))


async def test_requests_are_blocked_by_address_agent_and_referer(tmp_path: Path) -> None:
    data: dict[str, Any] = {
        "block_user_agents": "~*badbot,Exact",
        "block_referers": r"~spam\.",
        "block_cidrs": "6.6.6.6",
    }
    trusted: dict[str, Any] = {"use_forwarded_headers": "true", "proxy_real_ip_cidr": "127.0.0.1"}
    requests: list[dict[str, Any]] = [
        {"User-Agent": "a BadBot/1"},
        {"User-Agent": "exact"},
        {"User-Agent": "exactly"},
        {"Referer": "http://spam.test/"},
        {"Referer": "http://spam/"},
        {"X-Forwarded-For": "6.6.6.6"},
        {"X-Forwarded-For": "6.6.6.7"},
    ]
    async with shop(tmp_path, **data, **trusted) as running:
        statuses = [(await running.get(HOST, "/web", **headers)).status for headers in requests]
    assert statuses == [403, 403, 200, 403, 200, 403, 200]


async def test_answers_are_compressed(tmp_path: Path) -> None:
    data: dict[str, Any] = {
        "use_gzip": "true",
        "enable_brotli": "true",
        "gzip_types": "*",
        "brotli_types": "*",
        "gzip_min_length": "1",
    }
    async with shop(tmp_path, **data) as running:
        encodings = [
            (await running.get(HOST, "/web", Accept_Encoding=taken)).headers.get("content-encoding")
            for taken in ("gzip", "br", "identity")
        ]
    assert encodings == ["gzip", "br", None]


async def test_headers_are_hidden_and_added(tmp_path: Path) -> None:
    async with shop(tmp_path, hide_headers="Content-Type", proxy_add_original_uri_header="true") as running:
        reply = await running.get(HOST, "/web?a=b")
    assert "content-type" not in reply.headers
    assert told(reply, "x-original-uri") == {"x-original-uri": "/web?a=b"}


async def test_tls_and_connections_are_as_the_keys_say(tmp_path: Path) -> None:
    data: dict[str, Any] = {
        "ssl_protocols": "TLSv1.3",
        "ssl_ciphers": "ECDHE-RSA-AES128-GCM-SHA256",
        "ssl_ecdh_curve": "X25519:secp384r1",
        "ssl_session_tickets": "false",
        "use_http2": "false",
        "keep_alive": "0",
        "upstream_keepalive_connections": "0",
        "large_client_header_buffers": "8 16k",
        "enable_underscores_in_headers": "true",
        "hsts": "false",
    }
    async with shop(tmp_path, **data) as running:
        reply = await running.get(f"{HOST}\r\nx_under: 1", "/web", tls=True, sni=HOST)
    assert reply.status == 200
    assert "strict-transport-security" not in reply.headers
    assert told(reply, "x_under") == {"x_under": "1"}


@pytest.mark.parametrize(
    ("form", "as_json", "line"),
    [
        ("$remote_addr $geoip [$time_iso8601] 5% $request", "false", "127.0.0.1 - [20"),
        (
            '{"path": "$request_uri", "status": $status, "x": "a\\"b"}',
            "true",
            '{"path":"/web/{}","status":200,"x":"a\\"b"}',
        ),
    ],
)
async def test_the_access_log_is_as_the_keys_say(tmp_path: Path, form: str, as_json: str, line: str) -> None:
    data: dict[str, Any] = {"log_format_upstream": form, "log_format_escape_json": as_json}
    skipped: dict[str, Any] = {"skip_access_log_urls": "/web/quiet,~hush"}
    async with shop(tmp_path, **data, **skipped) as running:
        for name in ("quiet", "hush", "loud"):
            assert (await running.get(HOST, f"/web/{name}")).status == 200
        while "loud" not in running.envoy.log:
            await asyncio.sleep(0.01)
        assert line.replace("{}", "loud") in running.envoy.log
        assert "quiet" not in running.envoy.log
        assert "hush" not in running.envoy.log


async def test_a_change_of_the_configmap_changes_listeners_and_routes(tmp_path: Path) -> None:
    async with shop(tmp_path, is_compatible=False, hide_headers="x-none") as running:
        assert (await running.get(HOST, "/dead")).status == 503
        changed = config_map("nginx", block_user_agents="~bad", hide_headers="content-type")
        running.plane.apply(changed)
        await running.settled()
        blocked = await running.get(HOST, "/web", User_Agent="bad")
        served = await running.get(HOST, "/web")
        assert running.rejections == []
    assert blocked.status == 403
    assert "content-type" not in served.headers
