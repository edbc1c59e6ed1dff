"""Waiting while a service is away: what is waited for, for how long, and what the log says."""

import logging

import pytest

from tasks import outages
from tasks.errors import (
    BadSettings,
    DiskFull,
    LeaseHeld,
    NasflowError,
    RoboflowUnavailable,
    ServerUnavailable,
    StillUnavailable,
    StoreUnavailable,
    TransientError,
    WorkerLost,
)
from tasks.outages import Patience, wait_out

SHORT = Patience(limit=0.1, first_pause=0.01, longest_pause=0.02)


class Service:
    """Fails with each of these errors in turn, and then answers."""

    def __init__(self, *errors: NasflowError) -> None:
        self.errors = list(errors)
        self.calls = 0

    def __call__(self) -> str:
        self.calls += 1
        if self.errors:
            raise self.errors.pop(0)
        return "answer"


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        (StoreUnavailable, "the store is away"),
        (RoboflowUnavailable, "Roboflow is away"),
        (ServerUnavailable, "the Prefect server is away"),
        (DiskFull, "the disk of this machine is full"),
    ],
)
def test_an_outage_is_waited_out_and_the_log_says_what_for(caplog, kind, name):
    service = Service(kind("no answer"), kind("no answer"))
    assert wait_out(service, "training goes on", SHORT) == "answer"
    assert service.calls == 3
    assert len(caplog.messages) == 2
    for message in caplog.messages:
        assert message.startswith(f"{name} since ")
        assert message.endswith("; training goes on: no answer")


def test_pauses_grow_to_the_longest_and_the_log_says_what_is_left(caplog):
    pauses: list[float] = []
    with pytest.raises(StillUnavailable, match=r"^no answer; waited 60 min for it in all, start the run again"):
        wait_out(Service(*[StoreUnavailable("no answer")] * 100), sleep=pauses.append)
    assert sum(pauses) == pytest.approx(3600)
    assert max(pauses) <= 300
    assert 1.5 <= pauses[0] <= 2.5
    assert 1.5 * 4 <= pauses[2] <= 2.5 * 4
    assert "and for 60 min more" in caplog.messages[0]
    assert "and for 0 min more" in caplog.messages[-1]


def test_attempts_that_take_long_do_not_renew_the_time_to_wait(monkeypatch):
    monkeypatch.setattr(outages, "LONGEST_FAILURE", -1)
    with pytest.raises(StillUnavailable):
        wait_out(Service(*[StoreUnavailable("no answer")] * 1000), patience=SHORT)


@pytest.mark.parametrize("kind", [BadSettings, WorkerLost, LeaseHeld, StillUnavailable])
def test_what_waiting_does_not_help_is_raised_at_once(caplog, kind):
    caplog.set_level(logging.DEBUG)
    service = Service(kind("no"))
    with pytest.raises(kind, match=r"^no$"):
        wait_out(service, patience=SHORT)
    assert service.calls == 1
    assert caplog.messages == []


def test_after_the_wait_nothing_is_retried():
    assert not issubclass(StillUnavailable, TransientError)
