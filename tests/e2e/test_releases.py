"""An upgrade of the control plane and the way back, replica by replica, under load and with intruders all the time.

Covers: wheels of older commits beside today's program, real Envoys over both variants, filter chains of two versions at
once, replicas that are killed, bootstrap and `xds authz` of the other version. Excludes: versions of Envoy
(test_builds.py), and the Deployment's own order of Pods (tests/cluster).
"""

import asyncio
import contextlib
import signal
import ssl
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Final

import pytest

from tests.support.envoy import free_port, needs_envoy
from tests.support.intruders import Backend, Intruder, Intruders, until
from tests.support.objects import ingress, path, rule, service, slice_of, tls
from tests.support.protection import Protection
from tests.support.protections import ALLOW, BCRYPT, CA, CERTIFICATE, FOREIGN_CA, client_certificates, passwords
from tests.support.release import CHAIN_2, CHAIN_3, TODAY, Release, missing, of_commit, with_next_chain
from tests.support.rolling import Address, Rolling, is_ready
from tests.support.siege import client_context, table
from xds.resources.options import ProxyOptions

pytestmark = [needs_envoy, pytest.mark.timeout(400)]

PASSWORDS, CERTIFICATES = passwords("passwords", BCRYPT), client_certificates()
PROTECTIONS = (ALLOW, PASSWORDS, CERTIFICATES)


@contextlib.asynccontextmanager
async def rolling(folder: Path, fleet: Release) -> AsyncIterator[Rolling]:
    """Objects, backend and `xds authz` of the fleet's version; no replica and no Envoy yet."""
    (folder / "manifests").mkdir()
    ports = ProxyOptions(listener_address="127.0.0.1", http_port=free_port(), https_port=free_port())
    authz = f"unix:{folder / 's'}"
    async with Address().listening() as address:
        made = Rolling(folder, ports, address, {"XDS_UI": "off", "XDS_AUTHZ": authz})
        async with made.running(), Backend(made.tally).serving() as web, authorizer(fleet, authz, folder):
            made.put("backend", service("web"), slice_of("web", "127.0.0.1", ports=[web.port]), CERTIFICATE)
            open_host = ingress("open", rule("open.test", path("/", "web")), tls=[tls("open.test", secret="cert")])
            made.put("hosts", open_host, *(each.ingress() for each in PROTECTIONS))
            made.put("named", *(each.named for each in PROTECTIONS if each.named))
            yield made


@contextlib.asynccontextmanager
async def authorizer(release: Release, listen: str, folder: Path) -> AsyncIterator[None]:
    admin = f"127.0.0.1:{free_port()}"
    process = await release.start("authz", "--listen", listen, "--admin", admin, log=folder / "authz.log")
    try:
        await until("xds authz is ready", lambda: is_ready(admin))
        yield
    finally:
        process.kill()
        await process.wait()


@pytest.mark.parametrize(
    ("commit", "has_next_chain", "is_fleet_first"),
    [(CHAIN_3, False, True), (CHAIN_3, False, False), (CHAIN_3, True, True), (CHAIN_2, False, True)],
    ids=["fleet-first", "fleet-last", "another-chain", "before-access"],
)
async def test_an_upgrade_and_the_way_back_fail_no_request_and_open_nothing(
    tmp_path: Path, commit: str, has_next_chain: bool, is_fleet_first: bool
) -> None:
    if reason := missing(commit):
        pytest.skip(reason)
    older = await asyncio.to_thread(of_commit, commit)
    newer = with_next_chain(tmp_path / "next") if has_next_chain else TODAY
    async with contextlib.AsyncExitStack() as stack:
        it = await stack.enter_async_context(rolling(tmp_path, newer if is_fleet_first else older))
        first, second = await it.join(older), await it.join(older)
        for node in ("delta", "sotw"):
            await stack.enter_async_context(it.envoy(newer if is_fleet_first else older, node))
        await it.serves("open.test")
        await surrounded(stack, it)
        knows_access = commit != CHAIN_2
        await loaded(stack, it, PROTECTIONS if knows_access else ())
        await it.reach("older")

        third = await it.join(newer)
        await it.leave(first)
        await it.reach("older and newer")
        for number in range(2):
            it.address.cut()
            await it.reach(f"to and fro {number}")
        fourth = await it.join(newer)
        await it.leave(second)
        await it.reach("newer")
        await let_in(it, PROTECTIONS)
        it.write_host("killed")
        await it.leave(third, by=signal.SIGKILL)
        await it.reach("one newer killed")
        await it.leave(fourth, by=signal.SIGKILL)
        await asyncio.sleep(0.5)  # requests without a control plane
        fifth, sixth = await it.join(newer), await it.join(newer)
        await it.reach("newer again")

        seventh = await it.join(older)
        await it.leave(fifth)
        await it.reach("newer and older")
        it.address.cut()
        await it.reach("fro and to")
        await it.join(older)
        await it.leave(sixth)
        await it.reach("older again")
        await it.leave(seventh)
        await it.reach("one older")
        await let_in(it, PROTECTIONS if knows_access else ())
        print("\n" + table(it.tally))
        print(f"{it.steady.sent.total()} requests with right, {len(it.steady.failed)} failed")
        assert (it.steady.failed, dict(it.tally.passed), it.rejections) == ([], {}, [])


async def surrounded(stack: contextlib.AsyncExitStack, it: Rolling) -> None:
    """Send intruders to the protections from now on."""
    intruders = await stack.enter_async_context(Intruders(it.proxy, it.tally))
    foreign = client_context(it.folder / "foreign.pem", FOREIGN_CA.issue(common_name="alice"))
    for each in PROTECTIONS:
        it.tally.way[each.name] = it.steady.step
        it.tally.hosts.add(each.host)
        shown = foreign if each.takes_certificate else None
        intruders.send(Intruder(each.name, each.host, each.wrong, shown))


async def loaded(stack: contextlib.AsyncExitStack, it: Rolling, protections: tuple[Protection, ...]) -> None:
    """Requests with right from now on."""
    await let_in(it, protections)
    await stack.enter_async_context(it.load("open.test", {}))
    for each in protections:
        await stack.enter_async_context(it.load(each.host, each.right, certificate_of(each, it)))


async def let_in(it: Rolling, protections: tuple[Protection, ...]) -> None:
    for each in protections:
        await it.lets_in(each.host, each.right, certificate_of(each, it))


def certificate_of(protection: Protection, it: Rolling) -> ssl.SSLContext | None:
    """A client with the certificate that gives the right; None where none does."""
    if not protection.takes_certificate:
        return None
    return client_context(it.folder / "right.pem", CA.issue(common_name="alice"))


ASKED_BY_BOTH: Final = (
    ("problems", "-o", "json"),
    ("proxies", "-o", "json"),
    ("explain", "http://open.test/"),
    ("why", "ingress", "default/open"),
    ("snapshot", "show"),
)
YOUNGER: Final = (("status",), ("ingresses",))


async def test_commands_of_one_version_ask_a_server_of_another(tmp_path: Path) -> None:
    if reason := missing(CHAIN_3):
        pytest.skip(reason)
    older = await asyncio.to_thread(of_commit, CHAIN_3)
    async with rolling(tmp_path, TODAY) as it:
        served_by_older, served_by_newer = await it.join(older), await it.join(TODAY)
        for asking, server in ((older, served_by_newer.listen), (TODAY, served_by_older.listen)):
            answers = [await asking.xds(*command, "--server", server) for command in ASKED_BY_BOTH]
            assert [(code, err) for code, _, err in answers] == [(0, "")] * len(ASKED_BY_BOTH)
            assert [bool(out) for _, out, _ in answers] == [True] * len(ASKED_BY_BOTH)
        at = f"the server at {served_by_older.listen}"
        said = f"xds: {at} is older than this command and can't answer it; update the server\n"
        for command in YOUNGER:
            assert await TODAY.xds(*command, "--server", served_by_older.listen) == (3, "", said)
