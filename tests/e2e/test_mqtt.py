"""A broker of MQTT and its own clients through a real Envoy: by a TCP port, and by TLS passthrough beside HTTPS."""

import asyncio
import contextlib
import ssl
from pathlib import Path
from typing import Final

import pytest

from tests.support.authority import Authority
from tests.support.debian import needs
from tests.support.echo import echo
from tests.support.envoy import free_port, needs_envoy
from tests.support.exposed import Exposed, Pods, exposed, running
from tests.support.http import Connection, get
from tests.support.objects import ingress, path, rule, secret_of, service, slice_of, tls
from tests.support.real_servers import mosquitto, run, start
from tests.support.route_table_annotations import annotated
from tests.support.waiting import WAIT_LIMIT_SECONDS
from xds.traffic.layer4 import Transport

pytestmark = [needs_envoy, needs("mosquitto", "mosquitto_pub", "mosquitto_sub"), pytest.mark.timeout(300)]

OLD: Final = "127.0.6.1"
NEW: Final = "127.0.6.2"

WEB: Final = "web.test"
PLAIN: Final = "plain.test"

AUTHORITIES: Final = {"proxy": Authority("proxy"), "backend": Authority("backend")}

AT_LEAST_ONCE: Final = ("-q", "1")


async def test_a_subscriber_stays_with_its_broker_until_that_ends(tmp_path: Path) -> None:
    port, public = free_port(), free_port()
    async with (
        mosquitto(tmp_path, "old", OLD, port) as old,
        mosquitto(tmp_path, "new", NEW, port),
        exposed(tmp_path, "--expose-ports", f"{public}=default") as world,
    ):
        pods = Pods(world, "broker", port)
        pods.write(OLD, expose=f"{public}=tcp:{port}")
        for transport in Transport:
            world.expose(transport, {})
        async with running(world):
            await world.is_listening(f"tcp/{public}")
            # A broker sends its retained message as soon as a client subscribes.
            for address, message in ((OLD, "from the old broker"), (NEW, "from the new broker")):
                await _publish(address, port, message, "--retain")
            subscriber = await start(
                "mosquitto_sub", "-h", "127.0.0.1", "-p", str(public), "-t", "news", *AT_LEAST_ONCE
            )
            try:
                assert await _line(subscriber) == "from the old broker"
                await _publish("127.0.0.1", public, "through Envoy")
                assert await _line(subscriber) == "through Envoy"
                await pods.join(NEW)
                await pods.drain(OLD)
                await pods.leave(OLD)
                await _publish("127.0.0.1", public, "to the new broker")
                await _publish(OLD, port, "to the old broker")
                assert await _line(subscriber) == "to the old broker"
                await old.end()
                assert await _line(subscriber) == "from the new broker"
                await _publish("127.0.0.1", public, "after the end of the old broker")
                assert await _line(subscriber) == "after the end of the old broker"
            finally:
                subscriber.kill()
                await subscriber.communicate()


async def test_a_broker_ends_tls_itself_beside_a_terminated_host(tmp_path: Path) -> None:
    port = free_port()
    for name, authority in AUTHORITIES.items():
        (tmp_path / f"{name}.pem").write_bytes(authority.pem)
    async with (
        mosquitto(tmp_path, "broker", OLD, port, AUTHORITIES["backend"].issue("localhost")),
        echo("web") as web,
        exposed(tmp_path, "--enable-ssl-passthrough") as world,
    ):
        Pods(world, "broker", port).write(OLD)
        passed = rule("localhost", path("/", f"broker:{port}"))
        world.put("broker-ingress", ingress("broker", passed, annotations=annotated(ssl_passthrough="true")))
        cert = AUTHORITIES["proxy"].issue(WEB)
        terminated = ingress("web", rule(WEB, path("/")), rule(PLAIN, path("/")), tls=[tls(WEB, secret="cert")])
        secret = secret_of("cert", cert.certificate, cert.private_key)
        world.put("web", terminated, service(), slice_of("web", "127.0.0.1", ports=[web]), secret)
        for transport in Transport:
            world.expose(transport, {})
        async with running(world):
            flags = ("-t", "news", *AT_LEAST_ONCE, "-h", "localhost", "-p", str(world.https_port))
            trusting, distrusting = (
                (*flags, "--cafile", str(tmp_path / f"{each}.pem")) for each in ("backend", "proxy")
            )
            first = await run("mosquitto_pub", *trusting, "-m", "first", "--retain")
            assert first.code == 0, first
            assert (await run("mosquitto_pub", *distrusting, "-m", "for another")).code != 0
            subscriber = await start("mosquitto_sub", *trusting)
            try:
                assert await _line(subscriber) == "first"
                await _web_answers(world)
                await world.kill()
                second = await run("mosquitto_pub", *trusting, "-m", "second")
                assert second.code == 0, second
                assert await _line(subscriber) == "second"
                await _web_answers(world)
            finally:
                subscriber.kill()
                await subscriber.communicate()


async def _web_answers(world: Exposed) -> None:
    """HTTP, and HTTPS with the proxy's certificate."""
    assert (await get(world.http_port, PLAIN)).backend == "web"
    context = ssl.create_default_context(cadata=AUTHORITIES["proxy"].pem.decode())
    connection = await Connection.open(world.https_port, tls=True, sni=WEB, context=context)
    with contextlib.closing(connection):
        assert (await connection.get(WEB)).backend == "web"


async def _publish(address: str, port: int, message: str, *flags: str) -> None:
    """Returns when the broker has acknowledged the message."""
    common = ("-h", address, "-p", str(port), "-t", "news", *AT_LEAST_ONCE)
    result = await run("mosquitto_pub", *common, *flags, "-m", message)
    assert result.code == 0, result


async def _line(subscriber: asyncio.subprocess.Process) -> str:
    assert subscriber.stdout
    async with asyncio.timeout(WAIT_LIMIT_SECONDS):
        return (await subscriber.stdout.readline()).decode().strip()
