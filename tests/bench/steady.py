"""Steady requests from a process of its own: `python -m tests.bench.steady PORT RATE SECONDS`.

Reads requests, a JSON list of texts, from standard input, and sends them in turn. Prints a JSON object: the number of
answers by status, and milliseconds from the moment at which a request was due to its answer, as QUANTILES values.
"""

import asyncio
import json
import sys
import time
from collections import Counter, deque
from typing import Any, cast

import uvloop

QUANTILES = 1001

TAIL_SECONDS = 6.0
"""Time for the last answers."""


class _Connection(asyncio.Protocol):
    """A connection with one request at a time; `due` is the moment at which it should have been sent."""

    def __init__(self, load: "_Load") -> None:
        self._load = load
        self._transport: asyncio.Transport | None = None
        self._due = 0.0
        self._received = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def send(self, request: bytes, due: float) -> None:
        self._due, self._received = due, b""
        assert self._transport is not None
        self._transport.write(request)

    def data_received(self, data: bytes) -> None:
        self._received += data
        head, separator, body = self._received.partition(b"\r\n\r\n")
        if not separator:
            return
        _, found, length = head.lower().partition(b"content-length:")
        if found and len(body) < int(length.split(b"\r\n", 1)[0]):
            return
        self._load.answered(self, int(head.split(b" ", 2)[1]), time.perf_counter() - self._due)

    def connection_lost(self, _: Exception | None) -> None:
        self._load.lost(self)


class _Load:
    def __init__(self, port: int) -> None:
        self._port = port
        self._idle: deque[_Connection] = deque()
        self.statuses: Counter[int] = Counter()
        self.milliseconds: list[float] = []
        self.open = 0

    def answered(self, connection: _Connection, status: int, seconds: float) -> None:
        self.open -= 1
        self.statuses[status] += 1
        self.milliseconds.append(seconds * 1000)
        self._idle.append(connection)

    def lost(self, connection: _Connection) -> None:
        if connection in self._idle:
            self._idle.remove(connection)

    async def connect(self, count: int) -> None:
        loop = asyncio.get_running_loop()
        for _ in range(count):
            _, connection = await loop.create_connection(lambda: _Connection(self), "127.0.0.1", self._port)
            self._idle.append(connection)

    async def run(self, requests: list[bytes], rate: float, seconds: float) -> None:
        began, sent = time.perf_counter(), 0
        count = int(rate * seconds)
        while sent < count:
            now = time.perf_counter()
            while sent < count and (due := began + sent / rate) <= now:
                if not self._idle:
                    await self.connect(8)
                self.open += 1
                self._idle.pop().send(requests[sent % len(requests)], due)
                sent += 1
            await asyncio.sleep(max(0.0005, began + sent / rate - time.perf_counter()))
        deadline = time.perf_counter() + TAIL_SECONDS
        while self.open and time.perf_counter() < deadline:
            await asyncio.sleep(0.01)


async def _main(port: int, rate: float, seconds: float) -> dict[str, Any]:
    requests = [each.encode() for each in json.load(sys.stdin)]
    load = _Load(port)
    await load.connect(32)
    await load.run(requests, rate, seconds)
    times = sorted(load.milliseconds)
    quantiles = [times[len(times) * each // QUANTILES] for each in range(QUANTILES)]
    return {"statuses": load.statuses, "unanswered": load.open, "milliseconds": quantiles}


if __name__ == "__main__":
    arguments = [float(each) for each in sys.argv[1:]]
    print(json.dumps(uvloop.run(_main(int(arguments[0]), *arguments[1:]))))
