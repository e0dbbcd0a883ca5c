"""The fleet, asked at each Envoy's admin port: both share the ports of their listeners."""

import time
from asyncio import gather
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from aiohttp import ClientSession, ClientTimeout

import ports
from waiting import until

PATIENCE = 10.0
"""Seconds that a change may take. It is some milliseconds; a machine may be busy."""

PAUSE = 0.001
"""Seconds between two looks at an Envoy, while a change is timed."""


@dataclass(frozen=True, slots=True)
class Envoy:
    """One of the fleet."""

    name: str
    admin_port: int
    session: ClientSession

    @property
    def admin(self) -> str:
        return f"http://{ports.LOOPBACK}:{self.admin_port}"

    async def endpoints(self, cluster: str) -> set[str]:
        """The addresses that the cluster has."""
        async with self.session.get(f"{self.admin}/clusters", params={"format": "json"}) as response:
            statuses = (await response.json(content_type=None)).get("cluster_statuses", ())
        hosts = (host for status in statuses if status["name"] == cluster for host in status.get("host_statuses", ()))
        return {host["address"]["socket_address"]["address"] for host in hosts}

    async def routes(self) -> str:
        """The route configurations, as JSON text."""
        async with self.session.get(
            f"{self.admin}/config_dump", params={"resource": "dynamic_route_configs"}
        ) as response:
            return await response.text()

    async def listeners(self) -> str:
        """A line for each listener that is bound."""
        async with self.session.get(f"{self.admin}/listeners") as response:
            return await response.text()

    async def requests(self) -> int:
        """How many requests it was sent since it started."""
        pattern = r"^http\.https?\.downstream_rq_total$"
        async with self.session.get(f"{self.admin}/stats", params={"filter": pattern}) as response:
            lines = (await response.text()).splitlines()
        return sum(int(line.rpartition(":")[2]) for line in lines if line)


def admin_session() -> ClientSession:
    return ClientSession(timeout=ClientTimeout(total=5), trust_env=False)


Question = Callable[[Envoy], Awaitable[bool]]


class Fleet:
    """All Envoys."""

    def __init__(self, envoys: list[Envoy]) -> None:
        self.envoys = envoys

    async def requests(self) -> dict[str, int]:
        return {envoy.name: await envoy.requests() for envoy in self.envoys}

    async def time(self, change: Callable[[], None], question: Question) -> dict[str, float]:
        """Makes a change and waits until each Envoy has it.

        Returns:
            Milliseconds from just before the change, by Envoy.

        Raises:
            TimeoutError: an Envoy did not get it within PATIENCE.
        """
        start = time.perf_counter()
        change()
        return {name: 1000 * (at - start) for name, at in (await self.all(question)).items()}

    async def all(self, question: Question) -> dict[str, float]:
        """Waits until the answer is yes at each Envoy; the moments when it was.

        Raises:
            TimeoutError: one of them says no for PATIENCE.
        """
        moments = await gather(*(_until(envoy, question) for envoy in self.envoys))
        return {envoy.name: moment for envoy, moment in zip(self.envoys, moments, strict=True)}


async def _until(envoy: Envoy, question: Question) -> float:
    try:
        return await until(lambda: question(envoy), PATIENCE, PAUSE)
    except TimeoutError:
        raise TimeoutError(f"{envoy.name} did not have it after {PATIENCE:.0f} s") from None


def listens(*addresses: str) -> Question:
    async def question(envoy: Envoy) -> bool:
        listeners = await envoy.listeners()
        return all(address in listeners for address in addresses)

    return question


def has_endpoint(cluster: str, address: str) -> Question:
    async def question(envoy: Envoy) -> bool:
        return address in await envoy.endpoints(cluster)

    return question


def lacks_endpoint(cluster: str, address: str) -> Question:
    async def question(envoy: Envoy) -> bool:
        return address not in await envoy.endpoints(cluster)

    return question


def has_route(text: str) -> Question:
    async def question(envoy: Envoy) -> bool:
        return text in await envoy.routes()

    return question


def lacks_route(text: str) -> Question:
    async def question(envoy: Envoy) -> bool:
        return text not in await envoy.routes()

    return question
