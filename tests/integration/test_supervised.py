"""Processes that are started again: how often, what is said, and when it is given up."""

import os
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from deployments.local_stack import processes
from deployments.local_stack.supervised import MAX_FAILED_STARTS, Process, Supervised
from tasks.errors import ServerProblem


class Recorded(Supervised):
    """Keeps what it says."""

    def __init__(self, name: str, log: Path, launch: Callable[[], Process], answers: Callable[[Process], bool]) -> None:
        self.said: list[str] = []
        super().__init__(name, log, launch, answers, self.said.append)


@pytest.fixture
def supervised(tmp_path):
    """Make a supervised process from Python code, that is up when it has written a file."""
    made: list[Recorded] = []

    def supervised(code):
        def launch():
            (tmp_path / "up").unlink(missing_ok=True)
            return processes.start([sys.executable, "-c", code], tmp_path / "log", os.environ, cwd=tmp_path)

        log = tmp_path / "log"
        one = Recorded("the server", log, launch, lambda _: (tmp_path / "up").exists())
        made.append(one)
        return one

    yield supervised
    for one in made:
        if one.process is not None:
            processes.stop(one.process, 5)


SERVES = "import pathlib, time\npathlib.Path('up').touch()\ntime.sleep(600)"


def wait_until_up(one):
    deadline = time.monotonic() + 120
    while not one.check():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_a_killed_process_is_started_again_after_growing_waits(supervised, tmp_path):
    one = supervised(SERVES)
    wait_until_up(one)
    for kill in range(3):
        killed = one.process
        killed.kill()
        killed.wait()
        assert not one.check()
        assert one.said[kill:] == [
            f"the server was killed by signal 9; starting it again in {2**kill} s; see {tmp_path / 'log'}"
        ]
        wait_until_up(one)
        assert one.process.pid != killed.pid


def test_a_process_that_does_not_come_up_is_given_up_with_its_log(supervised, tmp_path, monkeypatch):
    # Waits are left out, since they are shown above.
    monkeypatch.setattr("deployments.local_stack.supervised.MAX_WAIT_SECONDS", 0)
    one = supervised("import sys; sys.exit('no good')")
    with pytest.raises(ServerProblem) as given_up:
        wait_until_up(one)
    assert str(given_up.value) == (
        f"the server did not come up 5 times in a row, at last it ended with code 1; see {tmp_path / 'log'}"
    )
    assert (tmp_path / "log").read_text().count("no good") == MAX_FAILED_STARTS
    assert len(one.said) == MAX_FAILED_STARTS - 1


def test_a_process_that_comes_up_each_time_is_never_given_up(supervised, monkeypatch):
    monkeypatch.setattr("deployments.local_stack.supervised.MAX_WAIT_SECONDS", 0)
    one = supervised(SERVES)
    for _ in range(MAX_FAILED_STARTS + 2):
        wait_until_up(one)
        one.process.kill()
        one.process.wait()
        assert not one.check()


def test_waits_are_short_again_after_some_quiet_time(supervised, monkeypatch):
    one = supervised(SERVES)
    for kill in range(2):
        wait_until_up(one)
        if kill:
            monkeypatch.setattr("deployments.local_stack.supervised.QUIET_SECONDS", 0)
            time.sleep(0.01)
            one.check()
        one.process.kill()
        one.process.wait()
        one.check()
    assert [line.partition(" in ")[2].partition(";")[0] for line in one.said] == ["1 s", "1 s"]


def test_a_process_that_does_not_answer_is_ended(supervised, monkeypatch):
    monkeypatch.setattr("deployments.local_stack.supervised.ANSWER_SECONDS", 0)
    one = supervised("import time; time.sleep(600)")
    one.check()
    silent = one.process
    time.sleep(0.01)
    assert not one.check()
    assert silent.poll() is not None
    assert one.said[0].startswith("the server did not answer for 0 s; starting it again in 1 s")
