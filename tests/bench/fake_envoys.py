"""A fleet of fake Envoys (go/fleet): they subscribe and acknowledge as Envoy does, each on a connection of its own."""

import asyncio
import contextlib
import json
import tempfile
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from tests.bench.programs import piped
from tests.bench.server import Running

PATIENCE: Final = 120.0
"""Seconds that anything may take."""


class FleetError(Exception):
    """The fleet isn't in the state that a figure is worth something in."""


@dataclass(frozen=True, slots=True)
class Seen:
    """When streams had acknowledged a change, in nanoseconds since 1970, and how many."""

    count: int
    first: int = 0
    p50: int = 0
    p99: int = 0
    last: int = 0


@dataclass(frozen=True, slots=True)
class Delays:
    """Of changes, from being made to being acknowledged, in milliseconds."""

    count: int
    p50: float
    p99: float
    worst: float


@dataclass(frozen=True, slots=True)
class FakeEnvoys(Running):
    """The running fleet, and how many they are."""

    size: int

    async def ask(self, *words: object, patience: float = PATIENCE) -> dict[str, Any]:
        """What it answers to a command.

        Raises:
            FleetError: it refuses, or is gone.
            TimeoutError: it takes longer than `patience` and a while.
        """
        assert self.process.stdin
        assert self.process.stdout
        self.process.stdin.write((" ".join(map(str, words)) + "\n").encode())
        async with asyncio.timeout(patience + 30):
            line = await self.process.stdout.readline()
        answer: dict[str, Any] = json.loads(line or '{"error": "it ended"}')
        if "error" in answer:
            raise FleetError(f"{words[0]}: {answer['error']}")
        return answer

    async def quiet(self, seconds: float = 1.0) -> int:
        """Wait until nothing came for so long; returns when the last came, in nanoseconds since 1970."""
        answer = await self.ask("quiet", seconds, PATIENCE)
        await self.all_there()
        if not answer["quiet"]:
            raise FleetError(f"something came all the time, for {PATIENCE:.0f} s")
        return int(answer["last"])

    async def stat(self) -> dict[str, Any]:
        return await self.ask("stat")

    async def all_there(self) -> None:
        """Raises FleetError if a stream has ended."""
        stat = await self.stat()
        if stat["ended"]:
            raise FleetError(f"{stat['ended']} streams ended: {stat['ends']}")

    async def mark(self, text: str, streams: int) -> None:
        """Look for a change that brings the text, on so many streams."""
        await self.ask("mark", text, streams)

    async def seen(self, streams: int, patience: float = PATIENCE) -> Seen:
        """Of the mark, when all of them have acknowledged it.

        Raises:
            FleetError: fewer have, at the end of the patience.
        """
        seen = Seen(**await self.ask("await", patience, patience=patience))
        if seen.count != streams:
            raise FleetError(f"{seen.count} of {streams} streams have the change after {patience:.0f} s")
        return seen

    async def reconnect(self, having: str) -> None:
        """All leave and come back at once, with the versions of `nothing`, of all that is `known`, or `stale` ones."""
        await self.ask("reconnect", having)

    async def delays(self, made_at: Sequence[int], clusters: int) -> Delays:
        """Of the storm whose changes were made at these times, in nanoseconds since 1970."""
        return Delays(**await self._ask_about("delays", clusters, content=made_at))

    async def holding(self, addresses: Mapping[str, str]) -> int:
        """How many have these first endpoints, an address for each cluster."""
        return int((await self._ask_about("holding", content=addresses))["count"])

    async def _ask_about(self, *words: object, content: object) -> dict[str, Any]:
        with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
            json.dump(content, file)
            file.flush()
            return await self.ask(*words, file.name)


@contextlib.asynccontextmanager
async def fake_envoys(
    address: str, size: int, *, sotw: bool = False, without: Sequence[str] = (), rate: int = 0, stopped: bool = False
) -> AsyncIterator[FakeEnvoys]:
    """A fleet that begins to connect now.

    Args:
        without: Clusters whose endpoints they don't subscribe to.
        rate: Bytes that each reads a second; 0: all there are.
        stopped: They never read.
    """
    flags = [f"-address={address}", f"-n={size}", f"-without={','.join(without)}", f"-rate={rate}"]
    flags += ["-sotw"] * sotw + ["-stopped"] * stopped
    async with piped("fleet", *flags) as process:
        yield FakeEnvoys(process, address, size)
