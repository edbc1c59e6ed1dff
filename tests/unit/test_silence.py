"""Silence is time in which somebody looked and saw nothing new, and nothing else."""

import pytest

from tasks.orchestration.silence import Silence


class Clock:
    """A clock that goes on when it is told."""

    def __init__(self):
        self.now = 1000.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def silence(clock):
    return Silence(longest_step=10, clock=clock)


def look(silence, clock, seconds, sign="same"):
    clock.now += seconds
    return silence.look(sign)


def test_the_same_sign_adds_up(silence, clock):
    assert [look(silence, clock, 5) for _ in range(4)] == [0, 5, 10, 15]


def test_a_new_sign_begins_anew(silence, clock):
    look(silence, clock, 0)
    assert look(silence, clock, 9) == 9
    assert look(silence, clock, 9, "new") == 0
    assert look(silence, clock, 9, "new") == 9


def test_a_machine_that_slept_counts_no_more_than_a_step(silence, clock):
    look(silence, clock, 0)
    assert look(silence, clock, 600) == 10


def test_time_without_an_answer_does_not_count(silence, clock):
    look(silence, clock, 0)
    assert look(silence, clock, 8) == 8
    clock.now += 8
    silence.fail()
    clock.now += 8
    silence.fail()
    assert look(silence, clock, 8) == 8
    assert look(silence, clock, 8) == 16


def test_a_failed_first_look_is_no_look(silence, clock):
    silence.fail()
    assert look(silence, clock, 8) == 0
