"""No request without right passes, in whatever way a protection's input is bad, missing, slow or late.

Real Envoys under requests without right on new and kept connections, over HTTP/1.1, HTTP/2 and TLS. The backends tell
which requests reach them. In each way requests with right pass, or nobody does.
"""

import asyncio
import contextlib
import functools
import itertools
import signal
import ssl
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.support.envoy import free_port, needs_envoy
from tests.support.guarded_envoy import running_authz
from tests.support.intruders import Backend, Intruders
from tests.support.objects import authorities, password_file, service, slice_of
from tests.support.odd_authorizer import DECIDES, MUTE, RIGHT, OddAuthorizer
from tests.support.protection import Protection, Way, common_ways
from tests.support.protections import (
    ALLOW,
    BCRYPT,
    CA,
    CERTIFICATE,
    INSIDE,
    OTHER_CERTIFICATE,
    OUTSIDE,
    SHA,
    UNREADABLE_CONFIG,
    authorized,
    client_certificates,
    config,
    config_ways,
    either,
    lists,
    passwords,
    snippets,
    verified_backend,
)
from tests.support.siege import Siege, table
from xds.address import UnixPath
from xds.kube.objects import KubeObject
from xds.problems.problem import Key
from xds.resources import names as resource_names
from xds.resources.options import ProxyOptions
from xds.translate.options import TranslateOptions

CONFIG_MAP = Key("default", "nginx")

pytestmark = [needs_envoy, pytest.mark.timeout(300)]


def ports(*, authz: UnixPath | None = None, vhds: bool = True) -> ProxyOptions:
    return ProxyOptions(
        listener_address="127.0.0.1",
        http_port=free_port(),
        https_port=free_port(),
        trusted_hops=1,
        authz=authz,
        vhds=vhds,
    )


@contextlib.asynccontextmanager
async def backends(siege: Siege) -> AsyncIterator[tuple[KubeObject, ...]]:
    """The Services `web`, `web2`, and `secure`, which speaks TLS as secure.test."""
    issued = CA.issue("secure.test")
    file = siege.folder / "secure.pem"
    file.write_bytes(issued.certificate + issued.private_key)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(file)
    async with Backend(siege.tally).serving() as web, Backend(siege.tally).serving(context) as secure:
        names = (
            ("web", "default", web),
            ("web2", "default", web),
            ("web", "other", web),
            ("secure", "default", secure),
        )
        yield tuple(
            each
            for name, ns, to in names
            for each in (service(name, ns=ns), slice_of(name, "127.0.0.1", ns=ns, ports=[to.port]))
        )


async def test_no_request_without_right_passes(tmp_path: Path) -> None:
    socket = tmp_path / "s"
    async with contextlib.AsyncExitStack() as stack:
        siege = Siege(tmp_path, TranslateOptions(has_authz=True), ports(authz=UnixPath(str(socket))))
        auth, other = await authorizers(stack, siege)
        protections = [
            *lists(),
            passwords("passwords", BCRYPT),
            authorized(auth),
            either("any-password", passwords("any-password", BCRYPT)),
            either("any-authorizer", authorized(other)),
            client_certificates(),
            *snippets(),
            verified_backend(),
        ]
        await stack.enter_async_context(running_authz(f"unix:{socket}", tmp_path / "authz.log"))
        named = await surrounded(stack, siege, protections)
        siege.watch(protections, "start, named objects late")
        await stack.enter_async_context(siege.plane(listed=False))
        for node in ("delta", "sotw"):
            await stack.enter_async_context(siege.envoy(node))
        await asyncio.sleep(0.3)
        siege.list_all(without=named)
        await siege.settled()
        siege.change(named)
        await tried(siege, protections)


async def test_no_request_without_right_passes_while_processes_come_and_go(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    socket = tmp_path / "s"
    authz = functools.partial(running_authz, f"unix:{socket}", tmp_path / "authz.log")
    async with contextlib.AsyncExitStack() as stack:
        siege = Siege(tmp_path, TranslateOptions(has_authz=True), ports(authz=UnixPath(str(socket))))
        auth, _ = await authorizers(stack, siege)
        asking = passwords("passwords", BCRYPT), either("any-password", passwords("any-password", BCRYPT))
        protections = [ALLOW, *asking, authorized(auth), client_certificates()]
        names = {each.name for each in protections}
        without_authz = names - {each.name for each in asking}
        named = await surrounded(stack, siege, protections)

        async def step(name: str, let_in: set[str] = names) -> None:
            await siege.try_ways([(each, Way(name, lets_in=each.name in let_in)) for each in protections])

        siege.watch(protections, "start")
        plane = await stack.enter_async_context(contextlib.AsyncExitStack())
        await plane.enter_async_context(siege.plane())
        await stack.enter_async_context(siege.envoy("delta"))
        await stack.enter_async_context(siege.envoy("sotw"))
        await step("xds authz is absent", without_authz)
        async with authz() as running:
            await step("xds authz comes")
            running.process.send_signal(signal.SIGSTOP)
            await step("xds authz hangs", without_authz)
            running.process.send_signal(signal.SIGCONT)
            await step("xds authz goes on")
            slow = asyncio.create_task(slowed(running.process))
            await step("xds authz is slow")
            slow.cancel()
            running.process.send_signal(signal.SIGCONT)
            running.process.kill()
            await step("xds authz is killed", without_authz)
        await stack.enter_async_context(authz())
        await step("xds authz comes again")
        siege.watch(protections, "the authorizer hangs")
        auth.become(MUTE)
        await asyncio.sleep(0.5)
        auth.become(DECIDES)
        await step("the authorizer decides again")

        for name, routes in (("", names_of_routes()), ("another chain of filters, ", ("http@99", "https@99/"))):
            await plane.aclose()
            siege.watch(protections, f"{name}control plane away")
            await asyncio.sleep(0.3)
            monkeypatch.setattr(resource_names, "HTTP_ROUTES", routes[0])
            monkeypatch.setattr(resource_names, "_TLS_ROUTES", routes[1])
            await plane.enter_async_context(siege.plane(listed=False))
            siege.watch(protections, f"{name}control plane starts")
            joining = siege.envoy(f"new-{routes[0]}")
            begun = asyncio.create_task(stack.enter_async_context(joining))
            await asyncio.sleep(0.3)
            siege.list_all(without=named)
            await begun
            await step(f"{name}named objects are late", {ALLOW.name})
            siege.change(named)
            await step(f"{name}named objects come")
        siege.change([ALLOW.with_annotations({})])
        siege.tally.way.pop(ALLOW.name)
        await siege.settled()
        await siege.lets_in(ALLOW, Way("open"), ALLOW.wrong)
        await plane.aclose()
        siege.know(ALLOW.ingress())
        monkeypatch.setattr(resource_names, "HTTP_ROUTES", "http@100")
        await plane.enter_async_context(siege.plane())
        await step("put on while the control plane was away, another chain of filters")
        print("\n" + table(siege.tally))
        siege.assert_closed()


async def test_no_request_without_right_passes_the_configmap(tmp_path: Path) -> None:
    """And none the passwords that a proxy checks by itself, without `xds authz` and VHDS."""
    async with contextlib.AsyncExitStack() as stack:
        siege = Siege(tmp_path, TranslateOptions(nginx_configmap=CONFIG_MAP), ports(vhds=False))
        auth, _ = await authorizers(stack, siege)
        asked = Protection("global-auth", {}, RIGHT | INSIDE, INSIDE)
        listed = Protection("global-list", {}, RIGHT | INSIDE, RIGHT | OUTSIDE)
        hashed = passwords("sha", SHA, RIGHT | INSIDE)
        hash_of_authz = Way("a hash that takes xds authz", (password_file(f"alice:{BCRYPT}", "sha-users"),))
        named = await surrounded(stack, siege, [asked, listed, hashed])
        siege.know(config())
        siege.watch([asked, listed, hashed], "start")
        plane = await stack.enter_async_context(contextlib.AsyncExitStack())
        await plane.enter_async_context(siege.plane())
        await stack.enter_async_context(siege.envoy("sotw"))
        for way in (*hashed.ways, hash_of_authz, Way("the file again", tuple(named), lets_in=True)):
            await siege.try_ways([(hashed, way)])
        for way in config_ways(service(auth.name)):
            await siege.try_ways([(asked, way), (listed, Way(way.name, lets_in=way.lets_in))])
        await plane.aclose()
        siege.know(UNREADABLE_CONFIG)
        await plane.enter_async_context(siege.plane())
        unread = Way("start, the ConfigMap can't be read")
        await siege.try_ways([(each, unread) for each in (asked, listed, hashed)])
        good = Way("the ConfigMap can be read", (config(),), lets_in=True)
        await siege.try_ways([(each, good) for each in (asked, listed, hashed)])
        print("\n" + table(siege.tally))
        siege.assert_closed()


def names_of_routes() -> tuple[str, str]:
    return resource_names.HTTP_ROUTES, resource_names._TLS_ROUTES


async def slowed(process: asyncio.subprocess.Process) -> None:
    """Stop the process most of the time."""
    while True:
        process.send_signal(signal.SIGSTOP)
        await asyncio.sleep(0.2)
        process.send_signal(signal.SIGCONT)
        await asyncio.sleep(0.05)


async def authorizers(stack: contextlib.AsyncExitStack, siege: Siege) -> list[OddAuthorizer]:
    """Two authorizers, with their Services."""
    found = [await stack.enter_async_context(OddAuthorizer(name).serving()) for name in ("auth", "auth2")]
    siege.know(*(each for by in found for each in (service(by.name), by.slices)))
    return found


async def surrounded(stack: contextlib.AsyncExitStack, siege: Siege, protections: list[Protection]) -> list[KubeObject]:
    """Backends, Ingresses and intruders of the protections; returns the objects that annotations name."""
    named = [each.named for each in protections if each.named]
    siege.know(*await stack.enter_async_context(backends(siege)), *named)
    siege.know(CERTIFICATE, OTHER_CERTIFICATE, authorities("common-ca", CA.pem))
    siege.know(*(each.ingress() for each in protections))
    intruders = await stack.enter_async_context(Intruders(siege.proxy, siege.tally))
    for each in protections:
        siege.surround(intruders, each)
    return named


async def tried(siege: Siege, protections: list[Protection]) -> None:
    """Try the ways of all protections side by side."""
    rounds = [[*each.ways, *(common_ways(each) if each.has_common_ways else ())] for each in protections]
    try:
        for ways in itertools.zip_longest(*rounds):
            await siege.try_ways([(of, way) for of, way in zip(protections, ways, strict=True) if way])
            for of, way in zip(protections, ways, strict=True):
                if way is None:
                    siege.tally.hosts.discard(of.host)
    finally:
        print("\n" + table(siege.tally))
    siege.assert_closed()
