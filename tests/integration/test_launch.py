"""The trainer process and its parent: events, errors at its end, and that no process outlives it."""

import json
import os
import platform
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from tasks.errors import (
    BadSpec,
    BadWeights,
    DiskFull,
    NasflowError,
    NotLearning,
    OutOfMemory,
    TrainingStopped,
    WorkerLost,
)
from tasks.training.launch import environment
from tasks.training.trainer_process import TrainerProcess

ROOT = Path(__file__).parents[2]
CHILD = "tests.fakes.child"
SECRETS = ("NASFLOW_STORE_SECRET_ACCESS_KEY", "NASFLOW_ROBOFLOW_API_KEY", "ROBOFLOW_API_KEY", "AWS_SECRET_ACCESS_KEY",
           "AWS_PROFILE", "PREFECT_API_KEY", "PREFECT_API_URL")  # fmt: skip


@pytest.fixture(autouse=True)
def importable(monkeypatch):
    monkeypatch.setenv("PYTHONPATH", str(ROOT))


@pytest.fixture
def start(tmp_path):
    def start(*arguments, **options):
        return TrainerProcess(CHILD, list(arguments), tmp_path / "child.log", **options)

    return start


def of_kind(events, kind):
    return [event for event in events if event.event == kind]


def wait_for(trainer, word):
    """What the child says behind a word of its log lines."""
    lines = (event.message for event in trainer.events(0.1) if event.event == "log")
    return next(line.partition(" ")[2] for line in lines if line.startswith(word))


def group_of(pid):
    """Processes of a group that are alive."""
    alive = []
    for process in psutil.process_iter():
        try:
            if os.getpgid(process.pid) == pid and process.status() != psutil.STATUS_ZOMBIE:
                alive.append(process.pid)
        except (ProcessLookupError, psutil.NoSuchProcess):
            continue
    return alive


def assert_group_ended(pid):
    deadline = time.monotonic() + 60
    while group_of(pid):
        assert time.monotonic() < deadline, group_of(pid)
        time.sleep(0.02)


def test_a_busy_reader_loses_no_event_and_does_not_block_the_trainer(start):
    with start("--lines", "10000") as trainer:
        # More than a pipe holds: it can only end if somebody empties the pipe meanwhile.
        trainer._process.wait(20)
        batches = of_kind(trainer.events(), "batches")
        trainer.result()
    assert [event.done for event in batches] == list(range(10_000))


def test_ticks_come_while_the_trainer_is_silent(start):
    with start("--stay", "polite") as trainer:
        wait_for(trainer, "ready")
        events = trainer.events(0.05)
        assert [next(events).event for _ in range(3)] == ["tick"] * 3


@pytest.mark.parametrize(
    ("code", "name", "kind"),
    [
        (1, "NasflowError", NasflowError), (1, "DiskFull", DiskFull), (2, "BadSpec", BadSpec),
        (2, "BadWeights", BadWeights), (2, "BadRequest", BadSpec), (3, "OutOfMemory", OutOfMemory),
        (5, "NotLearning", NotLearning), (77, "SomethingNew", NasflowError),
    ],
)  # fmt: skip
def test_exit_codes_become_errors_with_the_trainers_message(start, code, name, kind):
    with start("--error", "what, where, remedy", "--code", str(code), "--kind", name) as trainer:
        assert of_kind(trainer.events(), "error")
        with pytest.raises(NasflowError, match=r"^what, where, remedy$") as raised:
            trainer.result()
    assert type(raised.value) is kind


def test_a_trainer_that_somebody_else_stopped_may_be_started_again(start):
    """As by ``kill``, or by a system that ends: SIGTERM reaches the trainer, and nobody wanted the run to end."""
    with start("--stay", "polite") as trainer:
        wait_for(trainer, "ready")
        os.kill(trainer.pid, signal.SIGTERM)
        assert [event.epochs_done for event in of_kind(trainer.events(), "checkpoint")] == [1]
        with pytest.raises(WorkerLost, match="stopped by another process; started again"):
            trainer.result()


def test_the_last_line_of_the_log_is_shown_when_there_was_no_error_event(tmp_path):
    for _ in range(2):  # the log is kept over restarts
        with TrainerProcess("no_such_module", [], tmp_path / "logs" / "x.log") as trainer:
            assert of_kind(trainer.events(), "error") == []
            with pytest.raises(
                NasflowError, match=r"its log .*x\.log ends: .*No module named no_such_module"
            ) as raised:
                trainer.result()
    assert "\n" not in str(raised.value)
    assert len((tmp_path / "logs" / "x.log").read_text().splitlines()) == 2


def test_success_raises_nothing(start):
    with start() as trainer:
        assert of_kind(trainer.events(), "error") == []
        trainer.result()


@pytest.mark.usefixtures("kernel_kills_alone")
@pytest.mark.parametrize(
    ("number", "words"),
    [
        (signal.SIGKILL, "killed by SIGKILL; started again, it goes on from its last checkpoint"),
        (signal.SIGTERM, "killed by SIGTERM; started again"),
        (signal.SIGSEGV, "crashed with SIGSEGV; started again, it goes on from its last checkpoint"),
        (signal.SIGRTMIN + 1, "killed by signal 35; started again"),
    ],
)
def test_a_killed_trainer_may_be_started_again(start, number, words):
    with start("--half-line", "--kill", str(int(number))) as trainer:
        assert {event.event for event in trainer.events()} <= {"tick"}
        with pytest.raises(WorkerLost, match=words):
            trainer.result()


def test_leaving_the_block_stops_the_trainer_after_a_last_checkpoint(start):
    with start("--stay", "polite") as trainer:
        wait_for(trainer, "ready")
    assert [event.epochs_done for event in of_kind(trainer.events(), "checkpoint")] == [1]
    with pytest.raises(TrainingStopped):
        trainer.result()
    assert_group_ended(trainer.pid)


def test_an_error_in_the_block_ends_the_trainer_too(start):
    trainer = start("--stay", "polite")

    def work():
        with trainer:
            wait_for(trainer, "ready")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        work()
    assert_group_ended(trainer.pid)


def test_a_trainer_that_does_not_stop_is_killed_with_its_child_processes(start):
    with start("--stay", "stubborn", "--grandchild", stop_seconds=0.3) as trainer:
        grandchild = int(wait_for(trainer, "grandchild"))
        wait_for(trainer, "ready")
        assert set(group_of(trainer.pid)) == {trainer.pid, grandchild}
    assert_group_ended(trainer.pid)
    with pytest.raises(TrainingStopped, match="before it could write a checkpoint; run the same again to go on"):
        trainer.result()


@pytest.mark.parametrize("end", [["--code", "0"], ["--kill", "9"]])
def test_child_processes_that_outlive_the_trainer_are_killed(start, end):
    with start("--grandchild", *end) as trainer:
        began = time.monotonic()
        assert of_kind(trainer.events(0.2), "log")
        assert time.monotonic() - began < 60
    assert_group_ended(trainer.pid)


def test_the_trainer_gets_no_secrets(start, monkeypatch):
    for name in SECRETS:
        monkeypatch.setenv(name, "s3cret")
    monkeypatch.setenv("NASFLOW_WORK_DIR", "/somewhere")
    monkeypatch.setenv("NASFLOW_COCO_WEIGHTS_URL", "https://ada:s3cret@mirror/models")
    with start("--environment") as trainer:
        names = set(json.loads(wait_for(trainer, "environment")))
    assert {"PATH", "NASFLOW_WORK_DIR"} <= names
    assert not [name for name in names if name.startswith(("NASFLOW_STORE_", "AWS_", "PREFECT_", "ROBOFLOW_"))]
    assert not names & {*SECRETS, "NASFLOW_COCO_WEIGHTS_URL"}


def test_the_trainer_ends_when_its_parent_is_killed(tmp_path):
    code = f"""
import pathlib
from tasks.training.trainer_process import TrainerProcess
with TrainerProcess({CHILD!r}, ["--stay", "polite"], pathlib.Path({str(tmp_path / "log")!r})) as trainer:
    for event in trainer.events():
        if event.event == "log":
            print(trainer.pid, flush=True)
"""
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True, cwd=ROOT) as parent:
        pid = int(parent.stdout.readline())
        assert group_of(pid) == [pid]
        parent.kill()
    assert_group_ended(pid)


def test_modules_in_the_working_folder_are_not_imported(start, tmp_path, monkeypatch):
    for name in ("tasks.py", "json.py"):
        (tmp_path / name).write_text("raise SystemExit('the wrong one')")
    monkeypatch.chdir(tmp_path)
    with start("--lines", "1") as trainer:
        assert len(of_kind(trainer.events(), "batches")) == 1
        trainer.result()


STEPS = """
import resource
def take_and_free():
    blocks = [bytearray(b"1") * (24 << 20) for _ in range(2)]
take_and_free()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(16):
    take_and_free()
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""
"""16 times 48 MB are 196,608 pages of 4 KiB."""


@pytest.mark.skipif(platform.libc_ver() < ("glibc", "2.35"), reason="the C library has no such settings")
@pytest.mark.parametrize("measures", [True, False])
def test_a_trainer_keeps_freed_memory_unless_speed_measures_are_off(
    *, measures: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("GLIBC_TUNABLES", raising=False)
    monkeypatch.setenv("NASFLOW_SPEED_MEASURES", str(measures))
    done = subprocess.run([sys.executable, "-c", STEPS], env=environment(), capture_output=True, text=True, check=True)
    assert (int(done.stdout) < 20_000) == measures, done.stdout
