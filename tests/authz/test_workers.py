"""Real worker processes."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator

import pytest

from xds.authz.workers import WorkerError, Workers

HASH = b"$6$ab$2lDVylRMp48hlYZZFOCx/xnhJEsGPynJ17rt2um9Gb8wX6ygI4uDxg3Bg43pp/Hv397hwWfT8mciHws9eE4sR/"

ENDLESS = b"$2y$31$abcdefghijklmnopqrstuuOQiyCxlgf/oeuTqixKmWdcYUh4Hjl0a"


@pytest.fixture
async def workers() -> AsyncIterator[Workers]:
    workers = Workers()
    yield workers
    await workers.stop()


async def test_a_worker_answers_and_is_kept(workers: Workers) -> None:
    await workers.try_out(60)
    [process] = workers._all
    assert await workers.matches(HASH, b"secret", 60)
    assert not await workers.matches(HASH, b"other", 60)
    assert workers._all == {process}
    assert os.getpriority(os.PRIO_PROCESS, process.pid) > os.getpriority(os.PRIO_PROCESS, 0)


async def test_two_questions_at_once_have_two_workers(workers: Workers) -> None:
    answers = await asyncio.gather(*(workers.matches(HASH, password, 60) for password in (b"secret", b"other")))
    assert answers == [True, False]
    assert len(workers._all) == 2


async def test_an_endless_hash_is_abandoned_with_its_worker(workers: Workers) -> None:
    await workers.try_out(60)
    [process] = workers._all
    with pytest.raises(TimeoutError):
        await workers.matches(ENDLESS, b"secret", 0.2)
    assert await asyncio.wait_for(process.wait(), 10) == -signal.SIGKILL
    assert await workers.matches(HASH, b"secret", 60)


async def test_a_worker_that_died_is_replaced(workers: Workers) -> None:
    await workers.try_out(60)
    [process] = workers._all
    process.kill()
    await process.wait()
    assert await workers.matches(HASH, b"secret", 60)


async def test_a_worker_that_dies_over_a_question_is_an_error(workers: Workers) -> None:
    await workers.try_out(60)
    [process] = workers._all
    asked = asyncio.create_task(workers.matches(ENDLESS, b"secret", 60))
    await asyncio.sleep(0.1)
    process.kill()
    with pytest.raises(WorkerError):
        await asked


async def test_a_worker_ignores_ctrl_c_and_ends_with_its_parent(workers: Workers) -> None:
    await workers.try_out(60)
    [process] = workers._all
    process.send_signal(signal.SIGINT)
    assert await workers.matches(HASH, b"secret", 60)
    assert process.stdin is not None
    process.stdin.close()
    assert await asyncio.wait_for(process.wait(), 10) == 0
