"""A fleet of fake Envoys (go/fleet), which subscribe and acknowledge as Envoy does, each on its own connection."""

import asyncio
import contextlib
import json
import tempfile
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from tests.bench.programs import piped
from tests.bench.server import Running

PATIENCE: Final = 120.0
"""Limit in seconds of any command."""


class FleetError(Exception):
    """The state of the fleet makes a figure worthless."""


@dataclass(frozen=True, slots=True)
class Seen:
    """When streams had acknowledged a change, in nanoseconds since 1970, and how many.

    Attributes:
        line: When the API server's line had come to the watch of `follow`; 0 without one.
        first_byte: When the first bytes of the change had come to the first stream.
        p50_byte: The same of the middle stream.
        last_byte: The same of the last stream.
    """

    count: int
    first: int = 0
    p50: int = 0
    p99: int = 0
    last: int = 0
    line: int = 0
    first_byte: int = 0
    p50_byte: int = 0
    last_byte: int = 0


@dataclass(frozen=True, slots=True)
class Delays:
    """Of changes, from being made to being acknowledged, in milliseconds."""

    count: int
    p50: float
    p99: float
    worst: float


@dataclass(frozen=True, slots=True)
class FakeEnvoys(Running):
    """The running fleet of `size` streams."""

    size: int

    async def ask(self, *words: object, patience: float = PATIENCE) -> dict[str, Any]:
        """The answer to a command.

        Raises:
            FleetError: The fleet rejects the command, or is gone.
            TimeoutError: No answer within `patience` and some seconds.
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
        """Watch for a change with the text on so many streams."""
        await self.ask("mark", text, streams)

    async def seen(self, streams: int, patience: float = PATIENCE) -> Seen:
        """The times of the marked change, after the ACKs of all streams.

        Raises:
            FleetError: ACKs are missing at the end of the patience.
        """
        seen = Seen(**await self.ask("await", patience, patience=patience))
        if seen.count != streams:
            raise FleetError(f"{seen.count} of {streams} streams have the change after {patience:.0f} s")
        return seen

    async def follow(self, url: str, ca: Path, token: str) -> None:
        """Watch a collection of the API server beside the streams."""
        await self.ask("follow", url, ca, token)

    async def reconnect(self, having: str) -> None:
        """Disconnect and reconnect every stream at once, with the versions of `nothing`, of everything `known`, or with
        `stale` versions.
        """
        await self.ask("reconnect", having)

    async def delays(self, made_at: Sequence[int], clusters: int) -> Delays:
        """The delays of a storm whose changes were made at these times, in nanoseconds since 1970."""
        return Delays(**await self._ask_about("delays", clusters, content=made_at))

    async def holding(self, addresses: Mapping[str, str]) -> int:
        """The number of streams with these first endpoints, an address for each cluster."""
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
        without: Clusters without a subscription to their endpoints.
        rate: Bytes that a stream reads a second; 0: without a limit.
        stopped: Whether the streams never read.
    """
    flags = [f"-address={address}", f"-n={size}", f"-without={','.join(without)}", f"-rate={rate}"]
    flags += ["-sotw"] * sotw + ["-stopped"] * stopped
    async with piped("fleet", *flags) as process:
        yield FakeEnvoys(process, address, size)
