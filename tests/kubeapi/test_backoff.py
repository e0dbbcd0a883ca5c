"""How long the pauses between tries are."""

from xds.kubeapi.backoff import FIRST_DELAY_SECONDS, MAX_DELAY_SECONDS, Backoff


def test_pauses_double_up_to_the_cap() -> None:
    backoff = Backoff(lambda: 1.0)
    pauses = [backoff.delay() for _ in range(10)]
    assert pauses[:3] == [FIRST_DELAY_SECONDS, FIRST_DELAY_SECONDS * 2, FIRST_DELAY_SECONDS * 4]
    assert pauses[-1] == MAX_DELAY_SECONDS


def test_delays_are_short_again_after_a_success() -> None:
    backoff = Backoff(lambda: 1.0)
    backoff.delay()
    backoff.reset()
    assert backoff.delay() == FIRST_DELAY_SECONDS


def test_half_of_a_pause_is_random() -> None:
    assert Backoff(lambda: 0.0).delay() == FIRST_DELAY_SECONDS / 2
