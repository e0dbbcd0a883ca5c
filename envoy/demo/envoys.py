"""The fleet, observed on each Envoy's admin port."""

import time
from asyncio import gather
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from aiohttp import ClientSession, ClientTimeout

import ports
from waiting import until

CHANGE_TIMEOUT_SECONDS = 10.0
"""Time for a change to arrive. Milliseconds are normal; the machine may be busy."""

CHANGE_POLL_SECONDS = 0.001
"""Time between two requests to an Envoy while a change is timed."""


@dataclass(frozen=True, slots=True)
class Envoy:
    """An Envoy of the fleet.

    Attributes:
        http: The port of a listener, like `https`.
    """

    name: str
    admin_port: int
    http: int
    https: int
    session: ClientSession

    @property
    def admin(self) -> str:
        return f"http://{ports.LOOPBACK}:{self.admin_port}"

    async def endpoints(self, cluster: str) -> set[str]:
        """The addresses of the cluster's endpoints, with ports."""
        async with self.session.get(f"{self.admin}/clusters", params={"format": "json"}) as response:
            statuses = (await response.json(content_type=None)).get("cluster_statuses", ())
        hosts = (host for status in statuses if status["name"] == cluster for host in status.get("host_statuses", ()))
        addresses = (host["address"]["socket_address"] for host in hosts)
        return {f"{address['address']}:{address['port_value']}" for address in addresses}

    async def routes(self) -> str:
        """The route configurations, as JSON text."""
        async with self.session.get(
            f"{self.admin}/config_dump", params={"resource": "dynamic_route_configs"}
        ) as response:
            return await response.text()

    async def listeners(self) -> str:
        """A line for each bound listener."""
        async with self.session.get(f"{self.admin}/listeners") as response:
            return await response.text()

    async def requests(self) -> int:
        """The number of requests since the start."""
        pattern = r"^http\.https?\.downstream_rq_total$"
        async with self.session.get(f"{self.admin}/stats", params={"filter": pattern}) as response:
            lines = (await response.text()).splitlines()
        return sum(int(line.rpartition(":")[2]) for line in lines if line)


def admin_session() -> ClientSession:
    return ClientSession(timeout=ClientTimeout(total=5), trust_env=False)


Question = Callable[[Envoy], Awaitable[bool]]


class Fleet:
    """The Envoys of the demo."""

    def __init__(self, envoys: list[Envoy]) -> None:
        self.envoys = envoys

    async def requests(self) -> dict[str, int]:
        return {envoy.name: await envoy.requests() for envoy in self.envoys}

    async def time(self, change: Callable[[], None], question: Question) -> dict[str, float]:
        """Make a change and wait until each Envoy has received the change.

        Returns:
            Milliseconds from just before the change, by Envoy.

        Raises:
            TimeoutError: an Envoy did not receive the change in time.
        """
        start = time.perf_counter()
        change()
        return {name: 1000 * (at - start) for name, at in (await self.all(question)).items()}

    async def all(self, question: Question) -> dict[str, float]:
        """Wait until the answer is yes at each Envoy. Returns the moment for each Envoy, of `time.perf_counter`.

        Raises:
            TimeoutError: the answer of an Envoy stayed no.
        """
        moments = await gather(*(_until(envoy, question) for envoy in self.envoys))
        return {envoy.name: moment for envoy, moment in zip(self.envoys, moments, strict=True)}


async def _until(envoy: Envoy, question: Question) -> float:
    try:
        return await until(lambda: question(envoy), CHANGE_TIMEOUT_SECONDS, CHANGE_POLL_SECONDS)
    except TimeoutError:
        raise TimeoutError(f"{envoy.name} did not have the change after {CHANGE_TIMEOUT_SECONDS:.0f} s") from None


async def listens(envoy: Envoy) -> bool:
    listeners = await envoy.listeners()
    return all(f"{ports.LOOPBACK}:{port}" in listeners for port in (envoy.http, envoy.https))


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
