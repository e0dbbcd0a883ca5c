"""Probes of containers: https://kubernetes.io/docs/concepts/configuration/liveness-readiness-startup-probes/"""

import asyncio

import aiohttp

from tests.support.node.api import Object
from tests.support.node.containers import Container


class Probe:
    """A probe of a container, from the node.

    Attributes:
        period: Seconds between two attempts.
    """

    def __init__(self, spec: Object, container: Container, address: str) -> None:
        self._spec, self._container, self._address = spec, container, address
        self.period: float = spec.get("periodSeconds", 10)
        self._failure_threshold: int = spec.get("failureThreshold", 3)
        self._success_threshold: int = spec.get("successThreshold", 1)
        self._timeout = aiohttp.ClientTimeout(total=spec.get("timeoutSeconds", 1))
        self._result: bool | None = None
        self._times = 0

    async def attempt(self) -> bool | None:
        """The state after another attempt: None as long as neither threshold is reached."""
        result = await self._succeeds()
        self._times = self._times + 1 if result == self._result else 1
        self._result = result
        reached = self._times >= (self._success_threshold if result else self._failure_threshold)
        return result if reached else None

    async def _succeeds(self) -> bool:
        if get := self._spec.get("httpGet"):
            url = f"{get.get('scheme', 'HTTP').lower()}://{self._address}:{self._port(get)}{get.get('path', '/')}"
            return await self._answers(url)
        if tcp := self._spec.get("tcpSocket"):
            return await self._accepts(self._port(tcp))
        if execute := self._spec.get("exec"):
            return await self._container.execute(execute["command"]) == 0
        raise NotImplementedError(f"a probe of {sorted(self._spec)}")

    def _port(self, of: Object) -> int:
        ports = {each.get("name"): int(each["containerPort"]) for each in self._container.spec.get("ports", ())}
        return ports.get(of["port"]) or int(of["port"])

    async def _answers(self, url: str) -> bool:
        try:
            session = aiohttp.ClientSession(timeout=self._timeout)
            async with session, session.get(url, ssl=False, allow_redirects=False) as answer:
                return 200 <= answer.status < 400
        except (aiohttp.ClientError, OSError, TimeoutError):
            return False

    async def _accepts(self, port: int) -> bool:
        try:
            async with asyncio.timeout(self._timeout.total):
                _, writer = await asyncio.open_connection(self._address, port)
                writer.close()
        except (OSError, TimeoutError):
            return False
        return True
