"""Several jobs for one trainer process: what it keeps, what ends it, and that the next job is done all the same."""

import os
import signal
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from tasks.errors import BadSpec, WorkerLost
from tasks.records import Split
from tasks.training.contract import files
from tasks.training.contract.job import DetectionWork
from tasks.training.trainer_jobs import one_trainer, run_to_end, trainer_process
from tests.fakes.exported import Exported
from tests.fakes.waiting import wait_for

Detect = Callable[..., int]


@pytest.fixture
def detect(exported: Exported, tmp_path: Path) -> Detect:
    """Detects with the exported network, in a folder of its own for each name; the process id of who did it."""

    def detect(name: str, split: Split = "valid") -> int:
        folder = tmp_path / name
        work = DetectionWork(data=exported.data, out=folder / "out", weights=exported.weights, splits=(split,))
        with trainer_process(work, folder) as trainer:
            for _ in trainer.events():
                pass
            trainer.result()
            return trainer.pid

    return detect


def test_one_trainer_does_all_jobs_each_with_its_own_log_and_ends_with_the_block(
    detect: Detect, tmp_path: Path
) -> None:
    with one_trainer():
        first = detect("first")
        assert psutil.pid_exists(first)
        assert detect("second") == first
    wait_for(lambda: not psutil.pid_exists(first))
    alone = detect("alone")
    assert alone != first
    assert not psutil.pid_exists(alone)
    results = {name: (tmp_path / name / "out" / files.detections("valid")).read_bytes() for name in ("first", "alone")}
    assert results["first"] == results["alone"]
    assert (tmp_path / "second" / "out" / files.detections("valid")).read_bytes() == results["alone"]
    assert "Traceback" not in (tmp_path / "second" / files.LOG).read_text()


def test_a_job_that_fails_ends_its_trainer_and_the_next_one_gets_another(detect: Detect, tmp_path: Path) -> None:
    with one_trainer():
        first = detect("first")
        with pytest.raises(BadSpec, match="test"):
            detect("wrong", "test")  # a split without images
        assert not psutil.pid_exists(first)
        assert "BadSpec" in (tmp_path / "wrong" / files.LOG).read_text()
        assert detect("after") != first


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_a_trainer_that_ended_while_it_waited_is_replaced(detect: Detect, number: signal.Signals) -> None:
    with one_trainer():
        first = detect("first")
        os.kill(first, number)
        os.waitid(os.P_PID, first, os.WEXITED | os.WNOWAIT)  # it has ended, and its parent does not know yet
        assert detect("after") != first


@pytest.mark.usefixtures("kernel_kills_alone")
def test_a_trainer_that_is_killed_in_its_second_job_is_lost_as_one_in_its_first(
    exported: Exported, tmp_path: Path, detect: Detect
) -> None:
    work = DetectionWork(data=exported.data, out=tmp_path / "out", weights=exported.weights, splits=("valid", "train"))
    with one_trainer():
        first = detect("first")
        with pytest.raises(WorkerLost, match="killed by SIGKILL"):
            run_to_end(work, tmp_path / "killed", lambda _: psutil.Process(first).kill())
        assert not (tmp_path / "out" / files.SPEED).exists()
        assert detect("after") != first


def test_no_process_is_left_when_the_block_ends_by_an_error(detect: Detect) -> None:
    trainers = []

    def fail_with_a_trainer_that_waits() -> None:
        with one_trainer():
            trainers.append(detect("first"))
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail_with_a_trainer_that_waits()
    assert not psutil.pid_exists(trainers[0])
