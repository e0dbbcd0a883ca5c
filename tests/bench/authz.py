"""`xds authz` behind a real Envoy: the time and memory that it takes, hashes, and users while somebody guesses.

The loads are processes of their own, and share the machine's processors with Envoy and `xds authz`: on few processors,
or beside other work, the tails are the machine's. Rounds take turns, and each figure is the median of the rounds.
"""

import asyncio
import base64
import contextlib
import json
import os
import statistics
import sys
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TypeAlias

import bcrypt

from tests.bench.figures import Figure
from tests.bench.objects import temporary_folder
from tests.bench.server import Running
from tests.support.guarded_envoy import Guard, guarded_envoy, running_authz

USERS: Final = 100
RATE: Final = 1000
"""Requests a second of all users."""

GUESSES: Final = 200
"""Requests a second of a guesser."""

COST: Final = 10
SECONDS: Final = 8
ROUNDS: Final = 5

LOGINS: Final = 4
"""Requests a second, at first, so that every user's answer is kept."""

ATTEMPTS: Final = 3

OPEN: Final = "open.example.com"
GUARDED: Final = "guarded.example.com"
OTHER: Final = "other.example.com"

NOBODY: Final = "nobody guesses"

GUESSERS: Final[Mapping[str, tuple[str, str]]] = {
    "guesses at another Ingress": (OTHER, "user-7"),
    "guesses for a known name": (GUARDED, "user-7"),
    "guesses for unknown names": (GUARDED, "nobody-{0}"),
}
"""The host and the user name of each guess."""

Rounds: TypeAlias = dict[str, list["Round"]]


@dataclass(frozen=True, slots=True)
class Seen:
    """The answers of a load, and quantiles of the milliseconds after each was due."""

    statuses: Mapping[str, int]
    unanswered: int
    milliseconds: Sequence[float]

    def quantile(self, share: float) -> float:
        return self.milliseconds[int(len(self.milliseconds) * share)]

    @property
    def failed(self) -> int:
        return self.unanswered + sum(count for status, count in self.statuses.items() if status != "200")


@dataclass(frozen=True, slots=True)
class Round:
    """The users' answers, and microseconds of processor time for each check."""

    seen: Seen
    cpu: float


async def measure() -> AsyncIterator[Figure]:
    """See the module."""
    with temporary_folder() as temporary:
        folder = Path(temporary)
        socket = folder / "authz.sock"
        users = await asyncio.to_thread(_users)
        hosts = {OPEN: None, GUARDED: Guard("shop/a", users, "Site"), OTHER: Guard("shop/b", users)}
        async with (
            running_authz(f"unix:{socket}", folder / "log") as authz,
            guarded_envoy(folder, str(socket), hosts) as (_, port),
        ):
            process = Running(authz.process, "")
            logins = await _log_in(port)
            rounds = await _rounds(port, process)
            memory, hashes = process.memory, await authz.metrics()
    yield Figure(f"{USERS} first logins, {LOGINS} a second: failed", logins)
    for figure in _figures(rounds):
        yield figure
    prefix, kind = "xds_ingress_authz_hash_seconds", '{kind="bcrypt"}'
    count, seconds = hashes[f"{prefix}_count{kind}"], hashes[f"{prefix}_sum{kind}"]
    yield Figure(f"hashes of cost {COST} a second, with one slot, beside the loads", count / seconds)
    yield Figure("memory, without workers", memory, "MB")


async def _log_in(port: int) -> int:
    """Have every user's answer kept. Returns the number of failed requests.

    Raises:
        RuntimeError: the machine is too busy to compute the hashes.
    """
    failed = 0
    for _ in range(ATTEMPTS):
        seen = await _send(port, _of_users(GUARDED), LOGINS, USERS / LOGINS)
        if not seen.failed:
            return failed
        failed += seen.failed
    raise RuntimeError(f"{failed} first logins failed: the machine is too busy to measure")


async def _rounds(port: int, process: Running) -> Rounds:
    rounds: Rounds = {}
    for _ in range(ROUNDS):
        rounds.setdefault(OPEN, []).append(await _round(port, process, OPEN, None))
        rounds.setdefault(NOBODY, []).append(await _round(port, process, GUARDED, None))
        for name, guesses in GUESSERS.items():
            rounds.setdefault(name, []).append(await _round(port, process, GUARDED, guesses))
    return rounds


async def _round(port: int, process: Running, host: str, guesses: tuple[str, str] | None) -> Round:
    before = process.cpu_exact
    loads = [_send(port, _of_users(host), RATE, SECONDS)]
    if guesses is not None:
        loads.append(_send(port, _guesses(*guesses), GUESSES, SECONDS))
    seen, *_ = await asyncio.gather(*loads)
    checks = RATE * SECONDS + (GUESSES * SECONDS if guesses else 0)
    return Round(seen, (process.cpu_exact - before) / checks * 1e6)


def _figures(rounds: Rounds) -> Iterable[Figure]:
    alone, quiet = rounds[OPEN], rounds[NOBODY]
    yield Figure("without passwords: p50", _median(alone, 0.5), "ms")
    yield Figure("without passwords: p99", _median(alone, 0.99), "ms")
    yield Figure(f"{NOBODY}: added at p50", _median(quiet, 0.5) - _median(alone, 0.5), "ms")
    yield Figure(f"{NOBODY}: added at p99", _median(quiet, 0.99) - _median(alone, 0.99), "ms")
    yield Figure(f"{NOBODY}: CPU for a check", statistics.median(each.cpu for each in quiet), "µs")
    for name in (NOBODY, *GUESSERS):
        failed = sum(each.seen.failed for each in rounds[name])
        yield Figure(f"{name}: of {RATE * SECONDS * ROUNDS:,} requests of users, failed", failed, limit=0)
    for name in GUESSERS:
        grown = _median(rounds[name], 0.99) - _median(quiet, 0.99)
        yield Figure(f"{name}: p99 of users grows by", grown, "ms", limit=10)


def _median(rounds: Iterable[Round], share: float) -> float:
    return statistics.median(each.seen.quantile(share) for each in rounds)


def _users() -> str:
    hashes = (bcrypt.hashpw(f"password-{each}".encode(), bcrypt.gensalt(COST)).decode() for each in range(USERS))
    return "\n".join(f"user-{number}:{hash_}" for number, hash_ in enumerate(hashes))


def _of_users(host: str) -> list[str]:
    return [_request(host, f"user-{each}", f"password-{each}", "192.0.2.1") for each in range(USERS)]


def _guesses(host: str, name: str) -> list[str]:
    return [_request(host, name.format(each), f"guess-{each}-{os.getpid()}", "198.51.100.1") for each in range(20_000)]


def _request(host: str, name: str, password: str, client: str) -> str:
    token = base64.b64encode(f"{name}:{password}".encode()).decode()
    return f"GET / HTTP/1.1\r\nhost: {host}\r\nx-forwarded-for: {client}\r\nauthorization: Basic {token}\r\n\r\n"


async def _send(port: int, requests: Iterable[str], rate: float, seconds: float) -> Seen:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.bench.steady", str(port), str(rate), str(seconds)),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    try:
        output, _ = await process.communicate(json.dumps(list(requests)).encode())
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
    found: dict[str, Any] = json.loads(output)
    return Seen(**found)
