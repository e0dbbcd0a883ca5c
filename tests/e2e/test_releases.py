"""An upgrade of the control plane and the way back, replica by replica, under load and with intruders all the time.

Covers: wheels of older commits beside today's program, real Envoys over both variants, filter chains of two versions at
once, replicas that are killed, bootstrap and `xds authz` of the other version. Excludes: versions of Envoy
(test_older_envoys.py), and the Deployment's own order of Pods (tests/cluster).
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
from tests.support.rolling import START_LIMIT_SECONDS, Address, Replica, Rolling, is_ready
from tests.support.siege import client_context, table
from xds.resources.options import ProxyOptions

pytestmark = [needs_envoy, pytest.mark.timeout(480)]

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
        await until("xds authz is ready", lambda: is_ready(admin), START_LIMIT_SECONDS)
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
    fleet = newer if is_fleet_first else older
    served_by_older = () if commit == CHAIN_2 else PROTECTIONS
    async with contextlib.AsyncExitStack() as stack:
        run = await stack.enter_async_context(rolling(tmp_path, fleet))
        old = [await run.join(older), await run.join(older)]
        for node in ("delta", "sotw"):
            await stack.enter_async_context(run.envoy(fleet, node))
        await run.serves("open.test")
        await surrounded(stack, run)
        await loaded(stack, run, served_by_older)
        await run.reach("older")
        new = await upgraded(run, old, newer)
        await rolled_back(run, new, older)
        await let_in(run, served_by_older)
        print("\n" + table(run.tally))
        print(f"{run.steady.sent.total()} requests with right, {len(run.steady.failed)} failed")
        assert (run.steady.failed, dict(run.tally.passed), run.rejections) == ([], {}, [])


async def upgraded(run: Rolling, old: list[Replica], newer: Release) -> list[Replica]:
    """Replace the replicas one by one, and kill the new ones; returns the last new replicas."""
    first = await run.join(newer)
    await run.leave(old[0])
    await run.reach("older and newer")
    for number in range(2):
        run.address.cut()
        await run.reach(f"to and fro {number}")
    second = await run.join(newer)
    await run.leave(old[1])
    await run.reach("newer")
    await let_in(run, PROTECTIONS)
    run.write_host("killed")
    await run.leave(first, by=signal.SIGKILL)
    await run.reach("one newer killed")
    await run.leave(second, by=signal.SIGKILL)
    await asyncio.sleep(0.5)  # requests without a control plane
    new = [await run.join(newer), await run.join(newer)]
    await run.reach("newer again")
    return new


async def rolled_back(run: Rolling, new: list[Replica], older: Release) -> None:
    first = await run.join(older)
    await run.leave(new[0])
    await run.reach("newer and older")
    run.address.cut()
    await run.reach("fro and to")
    await run.join(older)
    await run.leave(new[1])
    await run.reach("older again")
    await run.leave(first)
    await run.reach("one older")


async def surrounded(stack: contextlib.AsyncExitStack, run: Rolling) -> None:
    """Send intruders to the protections from now on."""
    intruders = await stack.enter_async_context(Intruders(run.proxy, run.tally))
    foreign = client_context(run.folder / "foreign.pem", FOREIGN_CA.issue(common_name="alice"))
    for each in PROTECTIONS:
        run.tally.way[each.name] = run.steady.step
        run.tally.hosts.add(each.host)
        shown = foreign if each.takes_certificate else None
        intruders.send(Intruder(each.name, each.host, each.wrong, shown))


async def loaded(stack: contextlib.AsyncExitStack, run: Rolling, protections: tuple[Protection, ...]) -> None:
    """Requests with right from now on."""
    await let_in(run, protections)
    await stack.enter_async_context(run.load("open.test", {}))
    for each in protections:
        await stack.enter_async_context(run.load(each.host, each.right, certificate_of(each, run)))


async def let_in(run: Rolling, protections: tuple[Protection, ...]) -> None:
    for each in protections:
        await run.lets_in(each.host, each.right, certificate_of(each, run))


def certificate_of(protection: Protection, run: Rolling) -> ssl.SSLContext | None:
    """A client with the certificate that gives the right; None where none does."""
    if not protection.takes_certificate:
        return None
    return client_context(run.folder / "right.pem", CA.issue(common_name="alice"))


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
    async with rolling(tmp_path, TODAY) as run:
        served_by_older, served_by_newer = await run.join(older), await run.join(TODAY)
        for asking, server in ((older, served_by_newer.listen), (TODAY, served_by_older.listen)):
            answers = [await asking.xds(*command, "--server", server) for command in ASKED_BY_BOTH]
            assert [(code, err) for code, _, err in answers] == [(0, "")] * len(ASKED_BY_BOTH)
            assert [bool(out) for _, out, _ in answers] == [True] * len(ASKED_BY_BOTH)
        at = f"the server at {served_by_older.listen}"
        said = f"xds: {at} is older than this command and can't answer it; update the server\n"
        for command in YOUNGER:
            assert await TODAY.xds(*command, "--server", served_by_older.listen) == (3, "", said)
