"""The cache: lives, limits, and keys."""

import pytest

from xds.authz import answers as module
from xds.authz.answers import RIGHT_SECONDS, WRONG_SECONDS, Answers


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def answers(clock: Clock) -> Answers:
    return Answers(clock)


def test_an_unknown_key_has_no_answer(answers: Answers) -> None:
    assert answers.get(answers.key(b"hash", b"password")) is None


def test_a_right_answer_lives_on_while_it_is_used(answers: Answers, clock: Clock) -> None:
    answers.put(b"key", right=True)
    for _ in range(5):
        clock.now += RIGHT_SECONDS - 1
        assert answers.get(b"key") is True
    clock.now += RIGHT_SECONDS
    assert answers.get(b"key") is None


def test_a_wrong_answer_ends_however_often_it_is_used(answers: Answers, clock: Clock) -> None:
    answers.put(b"key", right=False)
    clock.now += WRONG_SECONDS - 1
    assert answers.get(b"key") is False
    clock.now += 1
    assert answers.get(b"key") is None


def test_wrong_answers_never_evict_right_ones(answers: Answers, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_WRONG", 3)
    answers.put(b"right", right=True)
    for number in range(10):
        answers.put(b"%d" % number, right=False)
    assert answers.get(b"right") is True
    assert [answers.get(b"%d" % number) for number in (6, 7, 9)] == [None, False, False]
    assert len(answers) == 4


def test_the_right_answer_that_was_not_used_for_longest_goes_first(
    answers: Answers, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MAX_RIGHT", 2)
    answers.put(b"a", right=True)
    answers.put(b"b", right=True)
    answers.get(b"a")
    answers.put(b"c", right=True)
    assert [answers.get(key) for key in (b"a", b"b", b"c")] == [True, None, True]


def test_ended_answers_leave_the_memory(answers: Answers, clock: Clock) -> None:
    for number in range(10):
        answers.put(b"%d" % number, right=True)
    clock.now += RIGHT_SECONDS
    answers.put(b"new", right=True)
    assert len(answers) == 1


def test_keys_differ_by_part_and_by_process(answers: Answers, clock: Clock) -> None:
    keys = {answers.key(b"a", b"bc"), answers.key(b"ab", b"c"), Answers(clock).key(b"a", b"bc")}
    assert len(keys) == 3
    assert all(len(key) == 32 for key in keys)
