"""A broker of MQTT and its own clients through a TCP port of a real Envoy: a connection lives as long as its broker."""

import asyncio
from pathlib import Path
from typing import Final

from tests.support.debian import needs
from tests.support.envoy import free_port, needs_envoy
from tests.support.exposed import Pods, exposed, running
from tests.support.real_servers import mosquitto, run, start
from tests.support.waiting import WAIT_LIMIT_SECONDS
from xds.traffic.layer4 import Transport

pytestmark = [needs_envoy, needs("mosquitto", "mosquitto_pub", "mosquitto_sub")]

OLD: Final = "127.0.6.1"
NEW: Final = "127.0.6.2"

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


async def _publish(address: str, port: int, message: str, *flags: str) -> None:
    """Returns when the broker has acknowledged the message."""
    common = ("-h", address, "-p", str(port), "-t", "news", *AT_LEAST_ONCE)
    result = await run("mosquitto_pub", *common, *flags, "-m", message)
    assert result.code == 0, result


async def _line(subscriber: asyncio.subprocess.Process) -> str:
    assert subscriber.stdout
    async with asyncio.timeout(WAIT_LIMIT_SECONDS):
        return (await subscriber.stdout.readline()).decode().strip()
