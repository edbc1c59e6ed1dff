"""Of several runs of a project that schedules made, exactly one runs, and none is missed."""

import random
from datetime import UTC, datetime, timedelta
from itertools import combinations, permutations
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deployments.remote.schedule_times import next_times, schedule_from
from tasks.orchestration.overlapping_runs import DECIDED, SILENT, RetrainRun, give_way
from tests.fakes.month_of_runs import Month, looks_alive_until

MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
NIGHT = datetime(2026, 11, 28, 3, tzinfo=UTC)
MONTHS = {
    "clocks set back": datetime(2026, 10, 10, tzinfo=UTC),
    "clocks set forward": datetime(2026, 3, 15, tzinfo=UTC),
}


def run(number, expected=NIGHT, state="scheduled", since=None, **changes):
    since = since or expected
    values = {
        "id": UUID(int=number), "name": f"run-{number}", "project": "pets", "by_schedule": True, "expected": expected,
        "created": NIGHT - 30 * DAY, "state": state, "since": since, "last_sign": since,
    }  # fmt: skip
    return RetrainRun(**values | changes)


def running(number, expected, since, **changes):
    return run(number, expected, "running", since, **changes)


# Single decisions --------------------------------------------------------------------------------


def test_a_run_alone_runs():
    me = running(1, NIGHT, NIGHT)
    assert give_way(me, [me], NIGHT + MINUTE) is None


def test_a_run_gives_way_to_one_that_was_under_way_before_it_was_due():
    yesterday = running(1, NIGHT - DAY, NIGHT - DAY, last_sign=NIGHT)
    answer = give_way(running(2, NIGHT, NIGHT), [yesterday], NIGHT + MINUTE)
    assert answer.final
    assert answer.reason == "another run of this project is under way: run-1, since 2026-11-27 03:00 UTC"


@pytest.mark.parametrize("state", ["pending", "running"])
def test_a_scheduled_run_gives_way_to_a_run_that_a_person_asked_for_and_not_the_other_way(state):
    by_person = run(1, NIGHT - MINUTE, state, by_schedule=False)
    scheduled = running(2, NIGHT, NIGHT)
    assert give_way(scheduled, [by_person], NIGHT + MINUTE).to == by_person
    assert give_way(by_person, [scheduled], NIGHT + MINUTE) is None


def test_runs_that_people_asked_for_may_overlap():
    first, second = (running(number, NIGHT, NIGHT, by_schedule=False) for number in (1, 2))
    assert give_way(first, [second], NIGHT + MINUTE) is None


def test_a_run_of_another_project_is_no_reason():
    other = running(1, NIGHT - DAY, NIGHT - DAY, project="cars", last_sign=NIGHT)
    assert give_way(running(2, NIGHT, NIGHT), [other], NIGHT + MINUTE) is None


def test_a_run_that_a_person_asked_for_and_no_worker_has_taken_is_no_reason():
    waiting = run(1, NIGHT - MINUTE, by_schedule=False)
    assert give_way(running(2, NIGHT, NIGHT), [waiting], NIGHT + MINUTE) is None


def test_a_late_run_gives_way_to_the_newest_that_is_late_too():
    back = NIGHT + 3 * DAY + HOUR
    late = [run(number, NIGHT + number * DAY) for number in range(4)]
    first = running(0, NIGHT, back)
    answer = give_way(first, [first, *late[1:]], back + MINUTE)
    assert answer.to == late[3]
    assert answer.reason == "the run of 2026-12-01 03:00 UTC, run-3, is late too, and takes its place"


@pytest.mark.parametrize("state", ["pending", "running"])
@pytest.mark.parametrize(("silence", "gives_way"), [(SILENT - MINUTE, True), (SILENT + MINUTE, False)])
def test_a_run_without_a_sign_of_life_is_dead(state, silence, gives_way):
    now = NIGHT + MINUTE
    lost = run(1, NIGHT - DAY, state, NIGHT - DAY, last_sign=now - silence, by_schedule=False)
    assert (give_way(running(2, NIGHT, NIGHT), [lost], now) is not None) == gives_way


def test_a_run_waits_until_one_that_began_just_now_has_decided():
    began = NIGHT - MINUTE
    older, me = running(1, began, began), running(2, NIGHT, NIGHT)
    assert not give_way(me, [older], NIGHT).final
    assert give_way(me, [older], began + DECIDED).final


# Both sides --------------------------------------------------------------------------------------

moments = st.integers(0, 6).map(lambda minutes: NIGHT + minutes * MINUTE)


@st.composite
def started_runs(draw, number):
    expected, created = draw(moments), draw(moments)
    began = max(expected, created) + draw(st.integers(0, 6)) * MINUTE
    return running(number, expected, began, created=created)


@given(started_runs(1), started_runs(2))
def test_of_two_running_runs_exactly_one_gives_way(one, two):
    now = max(one.since, two.since) + DECIDED
    answers = [give_way(one, [one, two], now), give_way(two, [two, one], now)]
    assert [answer is None for answer in answers].count(True) == 1


@pytest.mark.parametrize("count", [2, 3, 4])
def test_runs_that_start_at_one_instant_leave_the_newest_in_whatever_order_they_look(count):
    for expected in ([NIGHT] * count, [NIGHT + number * DAY for number in range(count)]):
        start = max(expected)
        for order in permutations(range(count)):
            left = {number: running(number, expected[number], start) for number in range(count)}
            for number in order:
                if give_way(left[number], list(left.values()), start + MINUTE) is not None:
                    del left[number]
            assert list(left) == [count - 1]


# A month -----------------------------------------------------------------------------------------


def a_month(seed, start):
    """A random history of two projects: schedules of all kinds, a worker that is away for days, and people."""
    chance = random.Random(seed)
    away = []
    time = start
    for _ in range(chance.randint(0, 6)):
        time += chance.random() * 6 * DAY
        away.append((time, time + chance.choice([MINUTE, HOUR, 3 * DAY]) * (chance.random() + 0.1)))
        time = away[-1][1] + HOUR
    month = Month(chance, capacity=chance.choice([1, 2, 20]), away=away)
    kinds = [("30 2 * * *", None), ("0 3 * * *", None), (None, "6h"), (None, "1h")]
    for project in ("pets", "cars"):
        for cron, every in chance.sample(kinds, chance.randint(1, 2)):
            schedule = schedule_from(cron, every, "Europe/Berlin")
            for time in next_times(schedule, count=24 * 30, after=start):
                due = time.astimezone(UTC)
                if due < start + 30 * DAY:
                    # The server makes most runs in advance, and some just after they were due.
                    created = due + chance.choice([-DAY, -DAY, MINUTE * chance.random()])
                    month.add(project, due, created, by_schedule=True)
        for _ in range(chance.randint(0, 5)):
            asked = start + chance.random() * 30 * DAY
            month.add(project, asked, asked, by_schedule=False)
    return month.play()


@pytest.mark.parametrize("start", MONTHS.values(), ids=MONTHS)
@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 2**32))
def test_in_a_month_no_run_is_double_and_none_is_missed(start, seed):
    fates = a_month(seed, start)
    by_id = {fate.run.id: fate for fate in fates}
    for project in ("pets", "cars"):
        worked = [
            fate
            for fate in fates
            if fate.run.project == project and fate.run.by_schedule and fate.worked_from is not None
        ]
        assert worked
        for one, other in combinations(worked, 2):
            assert one.ended <= other.worked_from or other.ended <= one.worked_from, "two at once"
    assert all(fate.ended is not None for fate in fates), "never taken"
    assert all(fate.gave_way_to is not None or fate.worked_from is not None or fate.killed for fate in fates)
    for fate in (fate for fate in fates if fate.gave_way_to is not None):
        assert fate.run.by_schedule, "a run that a person asked for gave way"
        assert fate.gave_way_to.project == fate.run.project
        # Whoever takes its place looks at the labels after it, or is at work.
        last = by_id[fate.gave_way_to.id]
        while last.gave_way_to is not None:
            assert last.ended >= fate.gave_way_at - DECIDED, "gave way to a run that had ended"
            last = by_id[last.gave_way_to.id]
        assert last.worked_from is not None or last.killed
        assert looks_alive_until(last) >= fate.gave_way_at - DECIDED
