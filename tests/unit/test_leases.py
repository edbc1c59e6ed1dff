"""Leases in simulated time: who may write, who is taken for dead, and what outages, sleep and lost answers do."""

import json
import random

import pytest

from tasks.errors import AttemptReplaced, CorruptObject, LeaseHeld, StoreUnavailable, WorkerLost
from tasks.local.clock import Clock, OncePerMinute
from tasks.records import RunState
from tasks.storage import keys
from tasks.storage.documents import read_record
from tasks.storage.lease_watch import RunObservation
from tasks.storage.leases import hold_lease
from tests.fakes.simulated_leases import RUN, SECONDS, TICK, Machine, World


def run(world, machines, seconds):
    """Let time pass; machines act in an order of their own at each moment."""
    dice = random.Random(world.time)
    for _ in range(int(seconds / TICK)):
        for machine in dice.sample(machines, len(machines)):
            machine.act()
        world.pass_time(TICK)


def holders(world):
    """Those that wrote to the run, each once, in the order of their first write."""
    return list(dict.fromkeys(world.writers))


def assert_one_after_the_other(world):
    """Nobody wrote after the next one's first write."""
    changes = [who for who, before in zip(world.writers, [None, *world.writers], strict=False) if who != before]
    assert changes == holders(world)


@pytest.fixture
def world():
    return World()


@pytest.fixture
def first(world):
    """A machine that holds the lease."""
    machine = Machine(world, "first")
    run(world, [machine], 1)
    assert machine.lease
    return machine


def test_the_run_of_a_dead_holder_is_taken_after_its_silence_whatever_the_clocks_say(world, first):
    second = Machine(world, "second")
    assert abs(first.clock.now() - second.clock.now()) > SECONDS
    renewed = world.time
    run(world, [second], SECONDS - 1)
    assert second.lease is None
    run(world, [second], SECONDS / 2)
    assert second.lease
    assert renewed + SECONDS <= world.time
    run(world, [first, second], 1)
    assert first.stepped_down
    assert holders(world) == ["first.1", "second.1"]


def test_a_living_holder_keeps_its_lease(world, first):
    second = Machine(world, "second")
    run(world, [first, second], 20 * SECONDS)
    assert holders(world) == ["first.1"]
    assert second.observation.silent < SECONDS / 2


@pytest.mark.parametrize("fault", ["is_down", "refuses_writes"])
@pytest.mark.parametrize("minutes", [0.1, 0.2, 1, 10])
def test_after_an_outage_of_the_store_the_holder_goes_on(world, first, fault, minutes):
    second = Machine(world, "second")
    run(world, [first, second], SECONDS * 0.9)
    setattr(world, fault, True)
    run(world, [first, second], 60 * minutes)
    written = len(world.writers)
    setattr(world, fault, False)
    run(world, [first, second], 3 * SECONDS)
    assert not first.error
    assert second.lease is None
    assert len(world.writers) > written


def test_an_observation_counts_from_zero_after_a_change_a_failed_look_and_a_gap(world, first):
    second = Machine(world, "second")
    every = second.observation.look_every(SECONDS)

    def look_after(seconds):
        world.pass_time(seconds)
        return second.observation.look(second.link)

    assert [look_after(every) for _ in range(4)] == [0, every, 2 * every, 3 * every]
    first.lease.renew()
    assert [look_after(every) for _ in range(3)] == [0, every, 2 * every]
    world.is_down = True
    with pytest.raises(StoreUnavailable):
        look_after(0.1)
    assert second.observation.silent == 0
    world.is_down = False
    assert [look_after(every) for _ in range(2)] == [0, every]
    assert [look_after(SECONDS), look_after(every)] == [0, every]
    assert not second.observation.holder_is_dead


def test_an_observer_that_slept_looks_for_the_whole_duration_again(world, first):
    second = Machine(world, "second")
    run(world, [second], SECONDS * 0.9)
    second.sleeps_until = world.time + 600
    run(world, [second], 600 + SECONDS * 0.9)
    assert second.lease is None
    run(world, [second], SECONDS / 2)
    assert second.lease


def test_a_holder_that_slept_asks_before_it_writes(world, first):
    first.sleeps_until = world.time + 10 * SECONDS
    second = Machine(world, "second")
    run(world, [first, second], 11 * SECONDS)
    assert first.stepped_down
    assert_one_after_the_other(world)
    with pytest.raises(WorkerLost, match="no longer this one's"):
        first.lease.confirm()


def test_a_holder_that_slept_while_nobody_waited_goes_on(world, first):
    first.sleeps_until = world.time + 10 * SECONDS
    run(world, [first], 11 * SECONDS)
    assert not first.error
    assert holders(world) == ["first.1"]


def test_a_holder_without_the_store_writes_nothing_and_goes_on_training(world, first):
    world.is_down = True
    run(world, [first], 10 * SECONDS)
    first.lease.check()
    with pytest.raises(StoreUnavailable):
        first.lease.confirm()
    assert not first.lease.lost.is_set()


def test_a_holder_that_alone_was_cut_off_steps_down_at_the_first_answer(world, first):
    first.link.is_cut = True
    second = Machine(world, "second")
    run(world, [first, second], 3 * SECONDS)
    assert second.lease
    assert not first.error
    first.link.is_cut = False
    run(world, [first, second], SECONDS)
    assert first.stepped_down
    assert_one_after_the_other(world)


def test_a_later_attempt_takes_the_lease_at_once_and_the_earlier_one_steps_down(world, first):
    later = Machine(world, "first", attempt=2)
    run(world, [later, first], 1)
    assert later.lease
    run(world, [later, first], SECONDS)
    assert first.stepped_down
    assert holders(world) == ["first.1", "first.2"]
    assert_one_after_the_other(world)


def test_an_earlier_attempt_never_takes_the_lease_back(world, first):
    later = Machine(world, "first", attempt=2)
    run(world, [later], SECONDS)
    again = Machine(world, "first", attempt=1)
    run(world, [again], 10 * SECONDS)
    assert isinstance(again.error, AttemptReplaced)
    assert "attempt 1 was replaced by flow run first, attempt 2" in str(again.error)
    with later.lease:
        pass
    released = Machine(world, "first", attempt=1)
    run(world, [released], 1)
    assert isinstance(released.error, AttemptReplaced)


def test_the_same_attempt_in_another_process_has_to_wait(world, first):
    twin = Machine(world, "first")
    twin.holder = twin.holder.model_copy(update={"process": "another"})
    run(world, [first, twin], 3 * SECONDS)
    assert twin.lease is None


def test_a_retry_in_the_same_process_takes_its_own_lease_at_once(world, first):
    retry = Machine(world, "first")
    run(world, [retry], 1)
    assert retry.lease
    run(world, [first], SECONDS)
    assert first.stepped_down


def test_a_lease_cannot_be_taken_without_looks(world, first):
    second = Machine(world, "second")
    with pytest.raises(LeaseHeld):
        hold_lease(second.link, RunObservation(RUN, second.clock), second.holder, SECONDS)
    second.observation.look(second.link)
    with pytest.raises(LeaseHeld, match=r"flow run first, attempt 1, here works on this; unchanged for 0 s, free when"):
        hold_lease(second.link, second.observation, second.holder, SECONDS)


def test_a_released_lease_is_free_at_once(world, first):
    with first.lease:
        pass
    second = Machine(world, "second")
    run(world, [second], 1)
    assert holders(world) == ["first.1", "second.1"]


@pytest.mark.parametrize("fault", ["drop_answers", "delay_writes"])
def test_renewals_whose_answers_are_lost_do_not_lose_the_lease(world, first, fault):
    setattr(first.link, fault, 2)
    run(world, [first], 3 * SECONDS)
    assert not first.error
    assert world.state().renewals > 5


@pytest.mark.parametrize("fault", ["drop_answers", "delay_writes"])
def test_a_take_whose_answer_is_lost_is_found_to_be_the_own(world, first, fault):
    second = Machine(world, "second")
    setattr(second.link, fault, 1)
    run(world, [second], 3 * SECONDS)
    assert second.lease
    assert world.state().holder == second.holder


def test_a_removed_or_unreadable_state_ends_the_holder(world, first):
    world.objects[keys.run_state(RUN)] = b"{}"
    run(world, [first], SECONDS)
    assert first.stepped_down


def disturb(world, machines, dice):
    """One of the things that happen to stores, networks and laptops."""
    machine = dice.choice(machines)
    length = dice.expovariate(1 / SECONDS)
    match dice.randrange(7):
        case 0:
            world.is_down = not world.is_down
        case 1:
            world.refuses_writes = not world.refuses_writes
        case 2:
            machine.link.is_cut = not machine.link.is_cut
        case 3:
            machine.sleeps_until = world.time + length
        case 4:
            machine.link.drop_answers = dice.randrange(3)
        case 5:
            machine.link.delay_writes = dice.randrange(3)
        case 6:
            flow_run, attempt = machine.holder.flow_run, machine.holder.attempt
            machines.append(Machine(world, flow_run, attempt + 1))


@pytest.mark.parametrize("seed", range(20))
def test_no_two_ever_write_in_turns_whatever_happens(world, seed):
    dice = random.Random(seed)
    machines = [Machine(world, name) for name in ("first", "second", "third")]
    for _ in range(40):
        disturb(world, machines, dice)
        run(world, machines, dice.uniform(0, 1.5 * SECONDS))
    world.is_down = world.refuses_writes = False
    for machine in machines:
        machine.link.is_cut = False
    before = len(world.writers)
    run(world, machines, 10 * SECONDS)
    assert_one_after_the_other(world)
    assert len(world.writers) > before, "in the end somebody works"
    alive = [machine for machine in machines if machine.lease and not machine.error]
    assert [machine.lease._state.lease for machine in alive] == [world.state().lease]


@pytest.mark.parametrize("seed", range(10))
def test_a_holder_that_runs_is_never_taken_for_dead_by_outages_for_all(world, first, seed):
    """Outages of any length, of all requests or of writes, while others wait and sleep as they like."""
    dice = random.Random(seed)
    waiting = [Machine(world, "second"), Machine(world, "third")]
    for _ in range(40):
        world.is_down, world.refuses_writes = dice.random() < 0.4, dice.random() < 0.4
        waiting[0].sleeps_until = world.time + dice.choice([0, dice.expovariate(1 / SECONDS)])
        first.link.drop_answers = dice.randrange(2)
        run(world, [first, *waiting], dice.expovariate(1 / SECONDS))
    assert not first.error
    assert holders(world) == ["first.1"]


def test_a_state_of_an_older_version_is_refused_in_a_sentence(world, first):
    old = {"schema_version": 1, "run_key": RUN, "status": "released", "owner": "x", "lease_until": "2026-01-01T00:00Z"}
    world.objects[keys.run_state(RUN)] = json.dumps(old).encode()
    with pytest.raises(CorruptObject, match="layout version 1, this version of nasflow reads 2"):
        read_record(first.link, keys.run_state(RUN), RunState)


def test_a_line_is_due_once_a_minute():
    now = 0.0
    reminder = OncePerMinute(Clock(lambda: now))
    due = []
    for now in range(150):
        if reminder.is_due():
            due.append(now)
    assert due == [0, 60, 120]
