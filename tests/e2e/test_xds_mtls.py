"""Mutual TLS between `xds serve`, a real Envoy and the command line, with files that change as Kubernetes changes them.

Covers: Envoy connects and serves; new certificates and a new authority on both sides; rejected peers, on either side;
the commands that ask a server; the flags of `xds serve`. Excludes: gRPC's own client, and the checks of the files
(tests/server/test_tls.py).
"""

import asyncio
import contextlib
import dataclasses
import json
import signal
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import yaml

from tests.support.authority import DAY, SERVER_NAME, Authority, Issued, SecretMount, serial
from tests.support.envoy import Envoy, free_port, needs_envoy, running_envoy
from tests.support.http import get
from tests.support.objects import certificate, ingress, manifest, path, rule, secret, service, tls
from tests.support.site import echoes
from tests.support.waiting import WAIT_LIMIT_SECONDS

UNFIT = (
    "the files of --tls-ca, --tls-cert and --tls-key are not all in PEM, or the key doesn't belong to the certificate"
)
FAILED = "tls_handshake_failed"
XDS = (sys.executable, "-m", "xds")
CA, NEXT, STRANGER = Authority(), Authority("next"), Authority("stranger")
BOTH, BOTH_NEXT = CA.pem + NEXT.pem, NEXT.pem + CA.pem


@dataclasses.dataclass
class Server:
    """`xds serve`, which follows the manifests in `folder`. `http` is the port of Envoy's listener."""

    folder: Path
    mount: SecretMount
    address: str
    http: int
    https: int

    @property
    def log(self) -> list[dict[str, Any]]:
        lines = (self.folder / "log").read_text().splitlines()
        return [json.loads(line) for line in lines if line.startswith("{")]

    def events(self, name: str) -> list[dict[str, Any]]:
        return [entry for entry in self.log if entry["event"] == name]

    async def logged(self, name: str, count: int = 1) -> dict[str, Any]:
        """The log entry of this number, as soon as it exists."""
        await until(lambda: len(self.events(name)) >= count)
        return self.events(name)[count - 1]

    @contextlib.asynccontextmanager
    async def running(self, *flags: str) -> AsyncIterator[asyncio.subprocess.Process]:
        ports = ("--http-port", str(self.http), "--https-port", str(self.https), "--listener-address", "127.0.0.1")
        seen = len(self.events("revision_committed")) if (self.folder / "log").exists() else 0
        with (self.folder / "log").open("ab") as log:
            process = await asyncio.create_subprocess_exec(
                *(*XDS, "serve", "--from", self.folder / "manifests", "--listen", self.address, "--admin"),
                *("127.0.0.1:0", "--ui", "off", "--log-format", "json", *ports, *self.mount.server_flags, *flags),
                stderr=log,
            )
        try:
            await self.logged("revision_committed", seen + 1)
            yield process
        finally:
            with contextlib.suppress(ProcessLookupError):
                process.send_signal(signal.SIGTERM)
            assert await process.wait() == 0

    async def proxies(self, mount: SecretMount) -> list[dict[str, Any]]:
        code, out, err = await xds("proxies", "-o", "json", "--server", self.address, *mount.client_flags)
        assert (code, err) == (0, "")
        found: list[dict[str, Any]] = json.loads(out)
        return found

    async def status(self) -> int:
        return (await get(self.http, "a.example")).status


async def xds(*arguments: str) -> tuple[int, str, str]:
    process = await asyncio.create_subprocess_exec(
        *XDS, *arguments, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    out, err = await process.communicate()
    return process.returncode or 0, out.decode(), err.decode()


async def until(condition: Callable[[], bool]) -> None:
    async def holds() -> bool:
        return condition()

    await until_so(holds)


async def until_so(condition: Callable[[], Awaitable[bool]]) -> None:
    async with asyncio.timeout(WAIT_LIMIT_SECONDS):
        while not await condition():
            await asyncio.sleep(0.02)


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[Server]:
    """A server, not started yet. Its manifests have a host with a Secret, and a backend."""
    web, manifests = service("web"), tmp_path / "manifests"
    manifests.mkdir()
    shop = ingress("a", rule("a.example", path("/", "web")), tls=[tls("a.example", secret="a")])
    async with echoes([web]) as slices:
        objects = [shop, web, secret("a", certificate("a.example")), *slices]
        (manifests / "all.yaml").write_text(yaml.safe_dump_all([jsonable(manifest(each)) for each in objects]))
        mount = SecretMount(tmp_path / "server-tls", CA.issue(SERVER_NAME))
        yield Server(tmp_path, mount, f"127.0.0.1:{free_port()}", free_port(), free_port())


def jsonable(value: Any) -> Any:
    return json.loads(json.dumps(value))


@needs_envoy
async def test_certificates_and_authorities_change_under_a_stream(server: Server, tmp_path: Path) -> None:
    """Files change as cert-manager and the kubelet change them; no request is lost that Envoy could answer."""
    mine = SecretMount(tmp_path / "envoy-tls", CA.issue("xds-ingress"))
    async with contextlib.AsyncExitStack() as life:
        await life.enter_async_context(server.running())
        envoy = await life.enter_async_context(running_envoy(server.address, tmp_path, tls=mine.client()))
        await envoy.until_ready()
        assert await server.status() == 200
        [before] = await server.proxies(mine)

        server.mount.put(dataclasses.replace(CA.issue(SERVER_NAME), authority=BOTH))
        await server.logged("tls_files_loaded", 2)
        await renew(mine, dataclasses.replace(NEXT.issue("xds-ingress"), authority=BOTH_NEXT), envoy)
        server.mount.put(NEXT.issue(SERVER_NAME))
        await server.logged("tls_files_loaded", 3)
        [after] = await server.proxies(mine)
        assert (after["connected_at"], after["peer"]) == (before["connected_at"], before["peer"])
        assert await server.status() == 200

    assert [entry["level"] for entry in server.events("proxy_disconnected")] == ["info"]


async def renew(mount: SecretMount, issued: Issued, envoy: Envoy) -> None:
    """Wait until Envoy has the new files. Envoy shows its certificate, and the first of its trusted authorities."""
    mount.put(issued)

    async def has_both() -> bool:
        shown = await envoy.get("/certs")
        return all(serial(pem) in shown for pem in (issued.certificate, issued.authority))

    await until_so(has_both)


@needs_envoy
@pytest.mark.parametrize("sotw", [False, True])
async def test_an_envoy_reconnects_with_its_new_certificate(server: Server, tmp_path: Path, sotw: bool) -> None:
    mine = SecretMount(tmp_path / "envoy-tls", dataclasses.replace(CA.issue("test"), authority=BOTH))
    async with running_envoy(server.address, tmp_path, tls=mine.client(), sotw=sotw) as envoy:
        async with server.running():
            await envoy.until_ready()
            await renew(mine, dataclasses.replace(NEXT.issue("test"), authority=BOTH_NEXT), envoy)
        server.mount.put(NEXT.issue(SERVER_NAME))
        assert await server.status() == 200
        async with server.running():
            await server.logged("proxy_connected", 2)
            [proxy] = await server.proxies(mine)
            assert proxy["node_id"] == "test"


@needs_envoy
async def test_an_envoy_with_a_foreign_certificate_gets_no_resources(server: Server, tmp_path: Path) -> None:
    mine = SecretMount(tmp_path / "envoy-tls", CA.issue("envoy-2"))
    async with server.running(), running_envoy(server.address, tmp_path, node="envoy-1", tls=mine.client()) as envoy:
        refused = await server.logged("stream_ended_with_error", 2)
        assert (refused["node"], refused["level"]) == ("envoy-1", "warning")
        assert "names 'envoy-2', and neither the node 'envoy-1' nor its cluster 'xds-ingress'" in refused["error"]
        assert server.events("proxy_connected") == []
        assert "neither the node" in envoy.log
        assert "default/a" not in await envoy.get("/config_dump")
        assert await server.proxies(mine) == []
        mine.put(CA.issue("envoy-1"))
        await envoy.until_ready()
        assert await server.status() == 200


@needs_envoy
async def test_an_envoy_of_another_authority_does_not_get_in(server: Server, tmp_path: Path) -> None:
    mine = SecretMount(tmp_path / "envoy-tls", dataclasses.replace(STRANGER.issue("test"), authority=CA.pem))
    async with server.running(), running_envoy(server.address, tmp_path, tls=mine.client()) as envoy:
        await counted(envoy, "cluster.xds.upstream_cx_destroy_remote|cluster.xds.upstream_cx_connect_fail")
        assert server.events("proxy_connected") == []
        friend = SecretMount(tmp_path / "friend", CA.issue("me"))
        assert await server.proxies(friend) == []


@needs_envoy
@pytest.mark.parametrize(
    ("issued", "stat"),
    [(CA.issue("another.example"), "fail_verify_san"), (STRANGER.issue(SERVER_NAME), "fail_verify_error")],
    ids=["name", "authority"],
)
async def test_an_envoy_rejects_a_server_of_a_foreign_authority(
    server: Server, tmp_path: Path, issued: Issued, stat: str
) -> None:
    server.mount.put(dataclasses.replace(issued, authority=CA.pem))
    mine = SecretMount(tmp_path / "envoy-tls", CA.issue("test"))
    async with server.running(), running_envoy(server.address, tmp_path, tls=mine.client()) as envoy:
        await counted(envoy, f"cluster.xds.ssl.{stat}")
        assert server.events("proxy_connected") == []


async def counted(envoy: Envoy, stats: str) -> None:
    """Wait until a counter with such a name is above 0."""

    async def has_counted() -> bool:
        with contextlib.suppress(OSError):
            return sum((await envoy.stats(f"({stats})$")).values()) > 0
        return False

    await until_so(has_counted)


# The command line.


async def test_commands_need_a_trusted_certificate(server: Server, tmp_path: Path) -> None:
    me = SecretMount(tmp_path / "me", CA.issue("nobody-in-particular")).client_flags
    stranger = SecretMount(tmp_path / "stranger", STRANGER.issue("me")).client_flags
    nameless = me[:6]
    other_ca, other_certificate = [*stranger[:2], *me[2:]], [*me[:2], *stranger[2:]]
    mixed = [*me[:4], *stranger[4:]]
    async with server.running():
        answers = await asyncio.gather(*map(asking(server), ([*me], nameless, [], other_ca, other_certificate, mixed)))
    assert [code for code, _, _ in answers] == [0, 3, 3, 3, 3, 3]
    said = [err.removesuffix("\n") for _, _, err in answers]
    at = f"the server at {server.address}"
    assert said == [
        "no problems",
        f"xds: the certificate of {at} is for another name; set the expected name with --tls-server-name",
        f"xds: {at} closed the connection; if it uses TLS, give --tls-ca, --tls-cert and --tls-key",
        f"xds: the certificate of {at} is not from the CA in --tls-ca",
        f"xds: {at} closed the connection; perhaps --tls-cert is not from the CA in its --tls-client-ca",
        f"xds: {UNFIT}",
    ]


OLD: dict[str, Any] = {"begins": -2 * DAY, "ends": -DAY}
EARLY: dict[str, Any] = {"begins": DAY, "ends": 2 * DAY}


async def test_only_operators_may_use_the_debug_api(server: Server, tmp_path: Path) -> None:
    operator = SecretMount(tmp_path / "operator", CA.issue("b.example")).client_flags
    proxy = SecretMount(tmp_path / "proxy", CA.issue("envoy-1")).client_flags
    async with server.running("--tls-operators", "a.example", "--tls-operators", "b.example"):
        assert (await asking(server)(operator))[0] == 0
        code, _, err = await asking(server)(proxy)
    text = f"the certificate names 'envoy-1', and no name that may use the debug API at {server.address}"
    assert (code, err) == (
        3,
        f"xds: {text}; use the certificate of an operator, or add a name to --tls-operators of the server\n",
    )


@pytest.mark.timeout(300)  # eleven commands, one after the other
async def test_failed_handshakes_are_counted_and_logged_once_a_peer_with_the_cause(
    server: Server, tmp_path: Path
) -> None:
    """Envoys would try again within seconds; the command line stands for them here."""
    mounts = {
        "expired": SecretMount(tmp_path / "old", CA.issue("me", **OLD)),
        "not_yet_valid": SecretMount(tmp_path / "early", CA.issue("me", **EARLY)),
        "foreign_ca": SecretMount(tmp_path / "foreign", dataclasses.replace(STRANGER.issue("me"), authority=CA.pem)),
        "wrong_purpose": SecretMount(tmp_path / "purpose", CA.issue("me", server_only=True)),
    }
    flags = {cause: mount.client_flags for cause, mount in mounts.items()} | {"plaintext": []}
    answers: dict[str, str] = {}
    async with server.running():
        for cause, given in flags.items():
            for _ in range(2):
                code, _, answers[cause] = await asking(server)(given)
                assert code == 3
            await until(lambda cause=cause: any(each["cause"] == cause for each in server.events(FAILED)))  # type: ignore[misc]
        mine = SecretMount(tmp_path / "mine", CA.issue("me"))
        assert (await asking(server)(mine.client_flags))[0] == 0
        admin = server.events("admin_listening")[-1]["address"]
        async with aiohttp.ClientSession() as session, session.get(f"http://{admin}/metrics") as answer:
            text = await answer.text()
    lines = (line for line in text.splitlines() if line.startswith("xds_ingress_tls_handshakes_failed_total"))
    counted = {line for line in lines if not line.endswith(" 0.0")}
    assert {line.partition('cause="')[2].partition('"')[0] for line in counted} == set(flags)
    assert "xds_ingress_tls_certificate_not_after_timestamp_seconds" in text
    failures = server.events(FAILED)
    pairs = [(each["peer"], each["cause"]) for each in failures]
    assert len(pairs) == len(set(pairs)), "once for each peer and cause"
    assert {peer for peer, _ in pairs} <= {"127.0.0.1", "unknown"}
    assert "127.0.0.1" in {peer for peer, _ in pairs}
    assert f"{mounts['expired'].server.certificate} expired at" in answers["expired"]
    assert "is valid from" in answers["not_yet_valid"]
    assert "is not for clients" in answers["wrong_purpose"]
    assert "from the CA in its --tls-client-ca" in answers["foreign_ca"]


@pytest.mark.parametrize(
    ("dates", "event"),
    [
        (OLD, "tls_certificate_expired"),
        (EARLY, "tls_certificate_not_yet_valid"),
        ({"ends": 6 * DAY}, "tls_certificate_expires_soon"),
    ],
)
async def test_dates_of_the_servers_certificate_are_logged_and_named_to_clients(
    server: Server, tmp_path: Path, dates: dict[str, Any], event: str
) -> None:
    server.mount.put(CA.issue(SERVER_NAME, **dates))
    mine = SecretMount(tmp_path / "mine", CA.issue("me"))
    async with server.running():
        logged = await server.logged(event)
        assert logged["file"] == str(server.mount.server.certificate)
        _, _, err = await asking(server)(mine.client_flags)
    texts = {"tls_certificate_expired": "has expired", "tls_certificate_not_yet_valid": "is not valid yet"}
    assert texts.get(event, "no problems") in err


def asking(server: Server) -> Callable[[list[str]], Awaitable[tuple[int, str, str]]]:
    return lambda flags: xds("problems", "--server", server.address, *flags)


@pytest.mark.parametrize(
    ("arguments", "code", "complaint"),
    [
        (["problems", "--tls-ca", "x"], 2, "--tls-cert and --tls-key missing"),
        (["problems", "--tls-ca", "/no", "--tls-cert", "/no", "--tls-key", "/no"], 3, "--tls-ca /no can't be read"),
        (["serve", "--from", ".", "--tls-cert", "x", "--tls-key", "x"], 2, "--tls-client-ca missing"),
        (["serve", "--from", ".", "--tls-operators", "a"], 2, "--tls-operators needs --tls-cert"),
        (["serve", "--from", ".", "--listen", "0.0.0.0:0"], 2, "or --allow-plaintext"),
        (["serve", "--from", ".", "--listen", "[::]:0"], 2, "add --tls-cert, --tls-key and --tls-client"),
        (
            ["serve", "--from", ".", "--tls-cert", "/no", "--tls-key", "/no", "--tls-client-ca", "/no"],
            3,
            "--tls-cert /no",
        ),
    ],
)
async def test_a_tls_failure_is_one_line(arguments: list[str], code: int, complaint: str) -> None:
    serving = ("--admin", "127.0.0.1:0", "--ui", "off", "--log-level", "error")
    ended, out, err = await xds(*arguments, *(serving if arguments[0] == "serve" else ()))
    assert (ended, out, err.count("\n")) == (code, "", 1)
    assert complaint in err


async def test_plaintext_beyond_loopback_is_logged(tmp_path: Path) -> None:
    arguments = (
        "--from",
        str(tmp_path),
        "--listen",
        "0.0.0.0:0",
        "--admin",
        "127.0.0.1:0",
        "--ui",
        "off",
        "--log-format",
        "json",
    )
    process = await asyncio.create_subprocess_exec(
        *XDS, "serve", *arguments, "--allow-plaintext", stderr=asyncio.subprocess.PIPE
    )
    assert process.stderr
    while (line := json.loads(await process.stderr.readline()))["event"] != "plaintext_listener":
        assert line["event"] != "serving", "it was to be said before"
    assert line["level"] == "warning"
    assert line["address"].startswith("0.0.0.0:")
    process.send_signal(signal.SIGTERM)
    await process.communicate()
    assert process.returncode == 0
