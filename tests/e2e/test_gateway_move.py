"""A team's move from Ingresses to the Gateway API on the same host names, address and ports, under load.

The Ingresses have annotations of ingress-nginx, the routes are printed by `xds migrate --to gateway-api`, both are
served, and the Ingresses are deleted one by one: no request fails, or gets another answer.
"""

import asyncio
import contextlib
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any, Final, NamedTuple

import aiohttp

from tests.support.envoy import needs_envoy
from tests.support.objects import certificate, ingress, path, rule, secret, service, specific, tls
from tests.support.route_table_annotations import annotated, canary
from tests.support.scripted import Received, Scripted
from tests.support.site import Site, site
from xds.cli.migration.input import Input
from xds.cli.migration.judging import Wish, converted
from xds.kube.decode import decode
from xds.kube.objects import Ingress, KubeObject
from xds.problems.problem import Key
from xds.resources.options import ProxyOptions
from xds.translate.gateway.options import GatewayOptions
from xds.translate.options import TranslateOptions

pytestmark = needs_envoy

CLIENTS: Final = 4
REST_SECONDS: Final = 0.15
"""Load between two changes."""

CORS: Final = annotated(enable_cors="true", cors_allow_origin="https://app.test")


class Probe(NamedTuple):
    """A request, and the names of the backends that may answer."""

    host: str
    path: str = "/"
    headers: tuple[tuple[str, str], ...] = ()
    tls: bool = False
    method: str = "GET"


class Seen(NamedTuple):
    """The parts of an answer that must stay; `path` and `host` as the backend saw them."""

    status: int
    backends: frozenset[str]
    path: str
    host: str
    location: str
    allowed: str


def ingresses() -> Iterator[Ingress]:
    """Twenty Ingresses of a team."""

    def at(name: str, *paths: Any, host: str = "", entries: Any = None, **values: str) -> Ingress:
        given = rule(host or f"{name}.test", *(paths or (path("/"),)))
        return ingress(name, given, tls=entries, annotations=annotated(**values), created=1)

    secure = [tls("secure.test", secret="cert")]
    yield at("plain", path("/"), path("/api", "api"), enable_access_log="false", proxy_read_timeout="30")
    yield at("rewritten", specific("/app(/|$)(.*)", "api"), rewrite_target="/$2")
    yield at("based", specific("/app(/|$)(.*)", "api"), rewrite_target="/base/$2", x_forwarded_prefix="/app")
    yield at("full", specific("/old", "api"), rewrite_target="/new")
    yield ingress("cors", rule("cors.test", path("/")), annotations=CORS, created=1)
    yield at("gone", permanent_redirect="https://new.test/place")
    yield at("away", temporal_redirect="https://new.test/soon")
    yield at("inner", upstream_vhost="inner.local")
    yield at("secure", entries=secure)
    yield at("both", host="both.test", entries=[tls("both.test", secret="cert")], ssl_redirect="false")
    yield at("forced", host="forced.test", entries=[tls("forced.test", secret="cert")], force_ssl_redirect="true")
    yield at("split", proxy_body_size="8m")
    yield ingress("split-next", rule("split.test", path("/", "api")), annotations=canary(canary_weight="50"), created=2)
    yield at("early")
    asked = canary(canary_by_header="x-early", canary_by_header_value="yes")
    yield ingress("early-next", rule("early.test", path("/", "api")), annotations=asked, created=2)
    yield at("named", server_alias="alias.test")
    yield at("mirrored", mirror_target="http://copy.default.svc.cluster.local")
    yield at("sticky", affinity="cookie", session_cookie_name="sid")
    yield at("wild", host="*.wild.test")
    yield ingress("rest", default="api", created=1)


PROBES: Final = (
    *(Probe(f"{name}.test", "/x?y=1") for name in ("plain", "inner", "both", "split", "early", "named", "mirrored")),
    *(Probe(host, "/x") for host in ("alias.test", "a.wild.test", "sticky.test", "unknown.test", "secure.test")),
    Probe("plain.test", "/api/v1"),
    *(Probe(f"{name}.test", "/app/v1?y=1") for name in ("rewritten", "based")),
    Probe("rewritten.test", "/app"),
    Probe("full.test", "/old"),
    Probe("cors.test", headers=(("origin", "https://app.test"),)),
    Probe("cors.test", headers=(("origin", "https://evil.test"),)),
    Probe(
        "cors.test",
        headers=(("origin", "https://app.test"), ("access-control-request-method", "PUT")),
        method="OPTIONS",
    ),
    *(Probe(f"{name}.test", "/x") for name in ("gone", "away", "forced")),
    Probe("early.test", headers=(("x-early", "yes"),)),
    *(Probe(f"{name}.test", "/x", tls=True) for name in ("secure", "both", "forced")),
)


def said(request: Received) -> tuple[int, list[tuple[str, str]]]:
    return 200, [("x-path", request.path), ("x-host", request.headers["host"])]


def options(proxy: ProxyOptions) -> TranslateOptions:
    address = proxy.listener_address
    doors = GatewayOptions(
        listener_address=address,
        http_ports=(proxy.http_port, 80),
        https_ports=(proxy.https_port, 443),
        shared_addresses=frozenset({address}),
    )
    return TranslateOptions(is_compatible=True, gateway=doors)


def routes_for(objects: list[KubeObject], address: str) -> list[KubeObject]:
    """The printed objects, as of today, with the Gateway at the address of Ingress."""
    conversion = converted(Input(tuple(objects)), Wish(classes=("envoy",)), Key("edge", "team"), "ours")
    assert not conversion.stays, conversion.notes
    found: list[KubeObject] = []
    for document in conversion.objects:
        metadata = {"creationTimestamp": "2027-01-01T00:00:00Z", "generation": 1, **document["metadata"]}
        spec = dict(document["spec"])
        if document["kind"] == "Gateway":
            spec["addresses"] = [{"value": address}]
        decoded = decode({**document, "metadata": metadata, "spec": spec})
        assert isinstance(decoded, KubeObject), decoded
        found.append(decoded)
    return found


class Load:
    """Clients that send all probes again and again, and note each answer that isn't as before."""

    def __init__(self, running: Site, session: aiohttp.ClientSession) -> None:
        self._running = running
        self._session = session
        self.expected: dict[Probe, Seen] = {}
        self.failures: Counter[str] = Counter()
        self.count = 0

    async def learn(self) -> None:
        """Take the answers of now for right."""
        for probe in PROBES:
            seen = [await self._ask(probe) for _ in range(16)]
            self.expected[probe] = seen[0]._replace(backends=frozenset().union(*(each.backends for each in seen)))

    @contextlib.asynccontextmanager
    async def on(self) -> AsyncIterator[None]:
        stop = asyncio.Event()
        async with asyncio.TaskGroup() as clients:
            for _ in range(CLIENTS):
                clients.create_task(self._client(stop))
            try:
                yield
            finally:
                stop.set()

    async def _client(self, stop: asyncio.Event) -> None:
        while not stop.is_set():
            for probe in PROBES:
                self.count += 1
                expected = self.expected[probe]
                try:
                    seen = await self._ask(probe)
                except (aiohttp.ClientError, TimeoutError) as error:
                    self.failures[f"{probe}: {error!r}"] += 1
                    continue
                if seen._replace(backends=expected.backends) != expected or not seen.backends <= expected.backends:
                    self.failures[f"{probe}: {seen} in place of {expected}"] += 1

    async def _ask(self, probe: Probe) -> Seen:
        proxy = self._running.proxy
        port = proxy.https_port if probe.tls else proxy.http_port
        url = f"http{'s' if probe.tls else ''}://127.0.0.1:{port}{probe.path}"
        async with self._session.request(
            probe.method,
            url,
            headers={"Host": probe.host, **dict(probe.headers)},
            allow_redirects=False,
            ssl=False,
            server_hostname=probe.host if probe.tls else None,
        ) as response:
            await response.read()
            headers = response.headers
            return Seen(
                response.status,
                frozenset({headers["x-backend"]} if "x-backend" in headers else ()),
                headers.get("x-path", ""),
                headers.get("x-host", ""),
                headers.get("location", ""),
                headers.get("access-control-allow-origin", ""),
            )


async def test_no_request_fails_while_a_team_moves(tmp_path: Path) -> None:
    team = list(ingresses())
    assert len(team) == 20
    async with contextlib.AsyncExitStack() as stack:
        backends = [await stack.enter_async_context(Scripted(each, said).serving()) for each in ("web", "api", "copy")]
        services: list[KubeObject] = [service(each.name) for each in backends]
        pair = certificate("secure.test", "both.test", "forced.test")
        others: list[KubeObject] = [*services, *(each.slices for each in backends), secret("cert", pair)]
        running = await stack.enter_async_context(site(tmp_path, *team, *others, translate=options))
        session = await stack.enter_async_context(aiohttp.ClientSession())
        load = Load(running, session)
        await load.learn()
        assert {each.status for each in load.expected.values()} == {200, 204, 301, 302, 308}
        async with load.on():
            await asyncio.sleep(REST_SECONDS)
            for each in routes_for([*team, *services, secret("cert", pair)], running.proxy.listener_address):
                await running.apply(each)
            await asyncio.sleep(REST_SECONDS)
            for each in team:
                await running.delete(each)
                await asyncio.sleep(REST_SECONDS)
        assert running.rejections == []
        assert (load.failures, load.count > 500) == (Counter(), True)
