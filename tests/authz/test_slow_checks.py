"""Checks that wait for a slow hash: sharing, caching, giving up, and verdicts. Workers are played."""

import asyncio
import base64
from collections.abc import AsyncIterator

import pytest
from structlog.testing import capture_logs

from xds.authz import slow_checks
from xds.authz.answers import Answers
from xds.authz.authorizer import Authorizer, Verdict
from xds.authz.metrics import Figures
from xds.authz.overload_log import OverloadLog
from xds.authz.slow_checks import SlowChecks
from xds.authz.waiting import MAX_OF_CLIENT
from xds.authz.workers import WorkerError, Workers

ALICE = b"$2y$10$alice"
BOB = b"$6$bob"
USERS = b"alice:" + ALICE + b"\nbob:" + BOB + b"\nsha:{PLAIN}fast\ndes:abNANd1rDfiNc"


class PlayedWorkers(Workers):
    """A hash of `$…NAME` matches the password NAME. `gate` holds the computation back."""

    def __init__(self) -> None:
        super().__init__()
        self.gate = asyncio.Event()
        self.gate.set()
        self.asked: list[tuple[bytes, bytes]] = []
        self.error: Exception | None = None

    async def matches(self, hash_: bytes, password: bytes, seconds: float) -> bool:
        self.asked.append((hash_, password))
        async with asyncio.timeout(seconds):
            await self.gate.wait()
        if self.error:
            raise self.error
        return hash_.endswith(b"$" + password)


class Door:
    """An Authorizer with one route."""

    def __init__(self, slots: int = 2) -> None:
        self.workers = PlayedWorkers()
        self.figures = Figures()
        answers = Answers(lambda: 1000.0)
        self.slow = SlowChecks(slots, self.workers, answers, self.figures, OverloadLog())
        self._authorizer = Authorizer(answers, self.slow, self.figures)

    async def ask(
        self, name: str, password: str, ingress: str = "a", client: str = "c", users: bytes = USERS
    ) -> Verdict:
        header = b"Basic " + base64.b64encode(f"{name}:{password}".encode())
        route = {"users": users, "ingress": ingress.encode()}
        return await self._verdict(route, header, client.encode())

    async def verdict(self, route: dict[str, bytes], authorization: bytes | None) -> Verdict:
        return await self._verdict(route, authorization, b"c")

    async def _verdict(self, route: dict[str, bytes], authorization: bytes | None, client: bytes) -> Verdict:
        verdict: asyncio.Future[Verdict] = asyncio.get_running_loop().create_future()

        def decided(found: Verdict) -> None:
            if not verdict.done():
                verdict.set_result(found)

        self._authorizer.decide(route, authorization, client, decided)
        return await verdict


@pytest.fixture
async def door() -> AsyncIterator[Door]:
    door = Door()
    yield door
    await door.slow.stop()


async def test_the_right_password_is_allowed_and_hashed_once(door: Door) -> None:
    assert [await door.ask("alice", "alice") for _ in range(3)] == [Verdict.ALLOWED] * 3
    assert door.workers.asked == [(ALICE, b"alice")]
    assert door.figures.cached == 2


async def test_a_wrong_password_is_denied_and_hashed_once(door: Door) -> None:
    assert [await door.ask("alice", "bob") for _ in range(3)] == [Verdict.DENIED] * 3
    assert door.workers.asked == [(ALICE, b"bob")]


async def test_a_changed_hash_is_asked_anew(door: Door) -> None:
    await door.ask("alice", "alice")
    assert await door.ask("alice", "alice", users=b"alice:$2y$10$other") is Verdict.DENIED
    assert await door.ask("alice", "alice", users=b"bob:" + ALICE) is Verdict.DENIED


async def test_an_unknown_name_costs_the_hash_of_another_and_is_never_right(door: Door) -> None:
    users = b"alice:" + ALICE
    assert await door.ask("nobody", "alice", users=users) is Verdict.DENIED
    assert door.workers.asked == [(ALICE, b"alice")]
    assert await door.ask("alice", "alice", users=users) is Verdict.ALLOWED
    assert await door.ask("nobody", "alice", users=users) is Verdict.DENIED
    assert len(door.workers.asked) == 2


async def test_fast_hashes_and_refused_ones_need_no_worker(door: Door) -> None:
    assert await door.ask("sha", "fast") is Verdict.ALLOWED
    assert await door.ask("sha", "slow") is Verdict.DENIED
    assert await door.ask("des", "secret") is Verdict.DENIED
    assert await door.ask("nobody", "fast", users=b"sha:{PLAIN}fast") is Verdict.DENIED
    assert not door.workers.asked


async def test_routes_without_users_are_closed(door: Door) -> None:
    assert await door.verdict({}, b"Basic YTpi") is Verdict.UNCONFIGURED
    assert await door.verdict({"realm": b"x"}, None) is Verdict.UNCONFIGURED
    assert await door.verdict({"users": b""}, b"Basic YTpi") is Verdict.DENIED
    assert await door.verdict({"users": USERS}, None) is Verdict.DENIED


async def test_equal_questions_share_one_hash(door: Door) -> None:
    door.workers.gate.clear()
    asked = [asyncio.create_task(door.ask("alice", "alice", client=f"{number}")) for number in range(50)]
    await asyncio.sleep(0)
    asked[0].cancel()
    door.workers.gate.set()
    assert await asyncio.gather(*asked[1:]) == [Verdict.ALLOWED] * 49
    assert len(door.workers.asked) == 1


async def test_many_guesses_are_overloaded_at_once_and_logged_once(door: Door) -> None:
    door.workers.gate.clear()
    with capture_logs() as logs:
        guesses = [asyncio.create_task(door.ask("alice", f"guess-{number}")) for number in range(50)]
        await asyncio.sleep(0.01)
        done = [task.result() for task in guesses if task.done()]
        assert done == [Verdict.OVERLOADED] * (50 - 1 - MAX_OF_CLIENT)
        door.workers.gate.set()
        verdicts = await asyncio.gather(*guesses)
    assert set(verdicts[: 1 + MAX_OF_CLIENT]) == {Verdict.DENIED}
    [line] = logs
    assert (line["event"], line["ingress"], line["count"]) == ("checks_unanswered", "a", 1)
    assert "guess" not in str({key: value for key, value in line.items() if key != "remedy"})
    assert "alice" not in str(line)


async def test_cached_users_never_wait_for_guesses(door: Door) -> None:
    assert await door.ask("alice", "alice") is Verdict.ALLOWED
    door.workers.gate.clear()
    guesses = [asyncio.create_task(door.ask(name, f"{number}")) for number in range(20) for name in ("alice", "x")]
    await asyncio.sleep(0.01)
    assert await asyncio.wait_for(door.ask("alice", "alice"), 1) is Verdict.ALLOWED
    door.workers.gate.set()
    await asyncio.gather(*guesses)


async def test_a_check_that_waits_too_long_is_overloaded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(slow_checks, "MAX_WAIT_SECONDS", 0.05)
    door = Door()
    door.workers.gate.clear()
    first = asyncio.create_task(door.ask("alice", "alice"))
    await asyncio.sleep(0)
    with capture_logs() as logs:
        assert await asyncio.wait_for(door.ask("alice", "other"), 1) is Verdict.OVERLOADED
    assert "waited" in logs[0]["reason"]
    door.workers.gate.set()
    assert await first is Verdict.ALLOWED
    assert await door.ask("alice", "other") is Verdict.DENIED
    await door.slow.stop()


@pytest.mark.parametrize("error", [WorkerError("a worker process failed: EOFError"), TimeoutError()])
async def test_a_hash_that_fails_is_no_answer_and_is_tried_again(door: Door, error: Exception) -> None:
    door.workers.error = error
    with capture_logs() as logs:
        assert await door.ask("alice", "alice") is Verdict.FAILED
    assert len(logs) == 1
    door.workers.error = None
    assert await door.ask("alice", "alice") is Verdict.ALLOWED


async def test_figures_count_results(door: Door) -> None:
    await door.ask("alice", "alice")
    await door.ask("bob", "alice")
    await door.verdict({}, None)
    samples = {
        (sample.name, *sample.labels.values()): sample.value
        for family in door.figures.registry.collect()
        for sample in family.samples
    }
    prefix = "xds_ingress_authz"
    assert samples[f"{prefix}_checks_total", "allowed"] == 1
    assert samples[f"{prefix}_checks_total", "denied"] == 1
    assert samples[f"{prefix}_checks_total", "unconfigured"] == 1
    assert samples[f"{prefix}_checks_total", "overloaded"] == 0
    assert samples[f"{prefix}_hash_seconds_count", "bcrypt"] == 1
    assert samples[f"{prefix}_hash_seconds_count", "sha512"] == 1
    assert samples[f"{prefix}_max_hashes",] == 2
    assert samples[f"{prefix}_cache_answers",] == 2
