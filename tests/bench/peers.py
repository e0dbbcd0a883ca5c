"""go-control-plane (go/peer) with the same resources, as something to compare with."""

import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Final

from tests.bench.objects import cluster_name
from tests.bench.programs import piped
from tests.bench.server import Running
from tests.support.envoy import free_port

CACHES: Final = {"go-control-plane, snapshot": (), "go-control-plane, linear": ("-linear",)}
"""go-control-plane's two caches: column titles, and flags."""


@dataclass(frozen=True, slots=True)
class Peer(Running):
    """A running peer."""

    async def move(self, number: int, first: str) -> None:
        """The first endpoint of a cluster gets another address."""
        assert self.process.stdin
        self.process.stdin.write(f"change {cluster_name(number)} {first}\n".encode())
        await self.process.stdin.drain()


@contextlib.asynccontextmanager
async def peer(kind: str, original: str) -> AsyncIterator[Peer]:
    """A peer with the current resources of the server at `original`. Raises RuntimeError if the peer ends."""
    address = f"127.0.0.1:{free_port()}"
    async with piped("peer", f"-address={address}", f"-from={original}", *CACHES[kind]) as process:
        assert process.stdout
        if await process.stdout.readline() != b"ready\n":
            raise RuntimeError(f"{kind} didn't start")
        yield Peer(process, address)
