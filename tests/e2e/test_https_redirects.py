"""The Locations of redirects to HTTPS and to paths that annotations ask for, from a real Envoy and from `xds explain`.

Covers: slashes, ports, wildcards, rules without host; a TLS entry that comes and goes. Excludes: which requests are
redirected (tests/support/route_table_https.py), and the Locations by --redirect-https alone (test_tls).
"""

from pathlib import Path

import pytest

from tests.support.envoy import needs_envoy
from tests.support.objects import certificate, ingress, path, rule, secret, service, tls
from tests.support.route_table_annotations import annotated
from tests.support.site import Site, site
from xds.explain.narration import explain_now
from xds.explain.request import Request
from xds.kube.objects import Ingress
from xds.resources.options import ProxyOptions

pytestmark = needs_envoy


def forced(name: str, host: str | None, **others: str) -> Ingress:
    return ingress(name, rule(host, path("/", "web")), annotations=annotated(force_ssl_redirect="true", **others))


OBJECTS = (
    forced("a", "a.test"),
    ingress("open", rule("a.test", path("/open", "web")), annotations=annotated(ssl_redirect="false")),
    forced("mixed", "mixed.test"),
    ingress("kept", rule("mixed.test", path("/kept", "web")), annotations=annotated(
        force_ssl_redirect="true", preserve_trailing_slash="true", use_port_in_redirects="true")),
    forced("wild", "*.w.test"),
    forced("wild-port", "*.p.test", use_port_in_redirects="true"),
    forced("unnamed", None),
    ingress("moved", rule("m.test", path("/", "web")), annotations=annotated(permanent_redirect="/new?b=1")),
    ingress("relative", rule("r.test", path("/", "web")), annotations=annotated(
        permanent_redirect="/new", relative_redirects="true")),
    ingress("moved-wild", rule("*.m.test", path("/", "web")), annotations=annotated(permanent_redirect="/new")),
    ingress("root", rule("root.test", path("/x", "web")), annotations=annotated(app_root="/app")),
    ingress("certificates", tls=[tls("m.test", "root.test", "r.test", secret="cert")]),
    secret("cert", certificate("m.test")),
    service("web"),
)  # fmt: skip

LOCATIONS = {
    ("a.test", "/x?y=1"): "https://a.test/x?y=1",
    ("A.test:8080", "/x"): "https://a.test/x",
    ("a.test.", "/x"): "https://a.test/x",
    ("a.test", "/x/"): "https://a.test/x",
    ("a.test", "/x//"): "https://a.test/x",
    ("a.test", "/x/?y"): "https://a.test/x/?y",
    ("a.test", "/x?y=/"): "https://a.test/x?y=/",
    ("a.test", "/"): "https://a.test",
    ("a.test:8080", "/."): "https://a.test",
    ("a.test", "/?"): "https://a.test/?",
    ("a.test", "//"): "https://a.test/",
    ("x.w.test", "/"): "https://x.w.test/",
    ("mixed.test", "/"): "https://mixed.test",
    ("a.test", "/opening/"): "https://a.test/opening",
    ("a.test", "/%7Ex/%2F"): "https://a.test/~x/%2F",
    ("mixed.test", "/x/"): "https://mixed.test/x",
    ("mixed.test:8080", "/kept/"): "https://mixed.test:443/kept/",
    ("mixed.test", "/kept/x"): "https://mixed.test:443/kept/x",
    ("x.w.test", "/x/"): "https://x.w.test/x",
    ("x.w.test:80", "/x/"): "https://x.w.test/x",
    ("x.w.test:8080", "/x/"): "https://x.w.test:443/x",
    ("x.p.test:8080", "/"): "https://x.p.test:443/",
    ("127.0.0.1:8080", "/x/"): "https://127.0.0.1:443/x",
    ("other.test", "/x"): "https://other.test/x",
    ("m.test", "/x?a=1"): "http://m.test/new?b=1",
    ("m.test:8080", "/x?a=1"): "http://m.test/new?b=1",
    ("r.test:8080", "/x"): "/new",
    ("x.m.test:8080", "/x"): "http://x.m.test:8080/new",
    ("root.test:80", "/"): "http://root.test:80/app",
    ("x.m.test:80", "/x"): "http://x.m.test:80/new",
    ("[::1:-1", "/x"): "https://[::1:-1:443/x",
    ("x:]", "/x"): "https://x:]/x",
    (":", "/x"): "https://:443/x",
    ("root.test:8080", "/?a=1"): "http://root.test:8080/app",
}

PUBLIC_PORTS = {
    ("a.test", "/"): "https://a.test:30443",
    ("a.test", "/x/"): "https://a.test:30443/x",
    ("a.test:30080", "/x"): "https://a.test:30443/x",
    ("mixed.test", "/kept/"): "https://mixed.test:30443/kept/",
    ("x.w.test:30080", "/x"): "https://x.w.test:30443/x",
    ("m.test:30080", "/x"): "http://m.test:30080/new?b=1",
}


@pytest.mark.parametrize(
    ("proxy", "locations"),
    [
        (ProxyOptions(), LOCATIONS),
        (ProxyOptions(public_http_port=30080, public_https_port=30443), PUBLIC_PORTS),
    ],
    ids=["usual ports", "other ports"],
)
async def test_locations(proxy: ProxyOptions, locations: dict[tuple[str, str], str], tmp_path: Path) -> None:
    async with site(tmp_path, *OBJECTS, proxy=proxy) as running:
        assert {request: await _seen(running, *request) for request in locations} == locations
        assert {request: _told(running, Request(*request)) for request in locations} == locations
        assert running.rejections == []


async def test_locations_over_tls(tmp_path: Path) -> None:
    async with site(tmp_path, *OBJECTS, proxy=ProxyOptions(public_https_port=30443)) as running:
        for authority, wanted in {
            "m.test": "https://m.test:30443/new?b=1",
            "root.test:8443": "https://root.test:8443/app",
        }.items():
            sni = authority.partition(":")[0]
            reply = await running.get(authority, "/", tls=True, sni=sni)
            assert reply.headers["location"] == wanted
            assert _told(running, Request(authority, "/", https=True, sni=sni)) == wanted


async def test_a_tls_entry_begins_and_ends_a_redirect(tmp_path: Path) -> None:
    shop = ingress("shop", rule("s.test", path("/", "web")), annotations=annotated(ssl_redirect="true"))
    entry = ingress("entry", tls=[tls("s.test", secret="missing")])
    async with site(tmp_path, shop, service("web")) as running:
        for _ in range(2):
            assert (await running.get("s.test")).status == 503
            await running.apply(entry)
            assert (await running.get("s.test")).status == 308
            await running.delete(entry)


async def _seen(running: Site, authority: str, asked: str) -> str:
    return (await running.get(authority, asked)).headers["location"]


def _told(running: Site, request: Request) -> str:
    return explain_now(running.pipeline.state_reader, request).location
