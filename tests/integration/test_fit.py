"""Runs that do not fit their machine: fewer images at a time, the same effective batch, and a message."""

import os
import resource
import signal
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tasks.errors import OutOfMemory
from tasks.records import TrainingSpec
from tasks.training.contract import files
from tasks.training.contract.events import Plan, Started
from tasks.training.contract.fit import Fit, read_fit, until_it_fits
from tasks.training.contract.job import TrainingWork
from tasks.training.trainer_exit import kernel_kills
from tasks.training.trainer_jobs import trainer_process
from tasks.training.trainer_process import TrainerProcess
from tests.fakes.datasets import make_spec, write_dataset
from tests.fakes.libraries import imported
from tests.fakes.trainer import Trainer, run, training
from tests.fakes.training_steps import make_training_step

HARD = {"image_size": 512, "batch_size": 4, "epochs": 1}
"""A step takes 300 MB more than a trainer holds when it starts, and is done in seconds."""
LESS = 300_000_000


@dataclass(frozen=True)
class Job:
    data: Path
    out: Path
    spec: TrainingSpec

    @property
    def work(self) -> TrainingWork:
        return training(self.spec, self.data, self.out)


@pytest.fixture
def job(tmp_path: Path) -> Job:
    snapshot = write_dataset(tmp_path / "data", 4, 1)
    spec = make_spec(snapshot, **HARD)
    (tmp_path / "out").mkdir()
    return Job(tmp_path / "data", tmp_path / "out", spec)


def give_less(trainer: Trainer, room: int = LESS) -> None:
    """Leave a trainer so many bytes more than it has mapped."""
    pages = int(Path(f"/proc/{trainer.process.pid}/statm").read_text().split()[0])
    limit = pages * resource.getpagesize() + room
    resource.prlimit(trainer.process.pid, resource.RLIMIT_AS, (limit, limit))


def result_of(job: Job):
    result = files.read_result(job.out, job.spec)
    assert result is not None
    return result


def test_out_of_memory_halves_the_micro_batch(job: Job, tmp_path: Path) -> None:
    with Trainer(tmp_path, job.work) as trainer:
        trainer.until(lambda: trainer.events_of("started"))
        give_less(trainer)
        assert trainer.ended() == 3, trainer.stderr[-2000:]
    error = trainer.events[-1]
    assert (error["event"], error["kind"], error["exit_code"]) == ("error", "OutOfMemory", 3)
    line = "out of memory with 4 images at a time; 2 at a time since then"
    assert error["message"] == f"{line}; started again, it goes on from its last checkpoint"

    again = run(tmp_path, job.work)
    assert again.process.returncode == 0, again.stderr[-2000:]
    assert result_of(job).micro_batch == 2
    assert result_of(job).shortages == (line,)
    plan = again.events_of("plan")[0]
    assert (plan["batch_size"], plan["micro_batch"], plan["shortages"]) == (4, 2, [line])
    assert [event["steps"] for event in again.events_of("step")] == [1]  # one step of the optimiser, with all four


def test_out_of_memory_with_a_micro_batch_of_one_fails(job: Job, tmp_path: Path) -> None:
    job.out.joinpath(files.FIT).write_text(Fit(micro_batch=1).model_dump_json())
    with Trainer(tmp_path, job.work) as trainer:
        trainer.until(lambda: trainer.events_of("started"))
        give_less(trainer, LESS // 3)  # which the network alone takes
        assert trainer.ended() == 3, trainer.stderr[-2000:]
    assert "with one image at a time; lower the image size" in trainer.events[-1]["message"]
    assert read_fit(job.out) == Fit(micro_batch=1)


# The kernel's killer --------------------------------------------------------------------------------

MEMORY_GROUPS = Path("/sys/fs/cgroup/memory")


@pytest.fixture
def small_group(kernel_kills_alone: None) -> Iterator[Path]:
    """A control group whose processes may take 300 MB from now on."""
    group = MEMORY_GROUPS / f"nasflow-test-{os.getpid()}"
    try:
        group.mkdir()
        (group / "memory.limit_in_bytes").write_text(str(LESS))
    except OSError as error:
        pytest.skip(f"no control group of memory can be made here: {error}")
    yield group
    group.rmdir()


def test_a_trainer_that_the_kernel_killed_goes_on_with_half_the_micro_batch(job: Job, small_group: Path) -> None:
    messages: list[str] = []
    groups = [small_group]
    micro_batches = []

    def train() -> None:
        with trainer_process(job.work, job.out) as trainer:
            for event in trainer.events():
                if isinstance(event, Plan):
                    micro_batches.append(event.micro_batch)
                if isinstance(event, Started) and groups:
                    (groups.pop() / "cgroup.procs").write_text(str(trainer.pid))
            trainer.result()

    until_it_fits(job.out, train, messages.append)
    line = "out of memory with 4 images at a time; 2 at a time since then"
    assert messages == [f"{line}; started again, it goes on from its last checkpoint"]
    assert micro_batches == [4, 2]
    assert result_of(job).shortages == (line,)


def test_kernel_kills_are_read_from_vmstat(tmp_path: Path) -> None:
    assert kernel_kills() >= 0
    (tmp_path / "vmstat").write_text("nr_free_pages 12\noom_kill 7\n")
    assert kernel_kills(tmp_path / "vmstat") == 7
    assert kernel_kills(tmp_path / "none") == 0


@pytest.mark.parametrize(
    ("number", "before", "after"),
    [
        (signal.SIGBUS, Fit(micro_batch=4, loader_workers=2), (4, 0)),
        (signal.SIGBUS, Fit(micro_batch=4, loader_workers=0), (2, 0)),
    ],
)
def test_a_bus_error_means_a_shortage_of_shared_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, before: Fit, after: tuple[int, int]
) -> None:
    """Loader processes pass batches through /dev/shm; without them there is only the batch to be smaller."""
    (tmp_path / files.FIT).write_text(before.model_dump_json())
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[2]))
    with TrainerProcess("tests.fakes.child", ["--kill", str(int(number))], tmp_path / "log") as child:
        for _ in child.events():
            pass
        with pytest.raises(OutOfMemory, match=r"out of shared memory, /dev/shm"):
            child.result()
    fit = read_fit(tmp_path)
    assert fit is not None
    assert (fit.micro_batch, fit.loader_workers) == after


# A look beforehand ------------------------------------------------------------------------------------


def test_a_micro_batch_that_would_not_fit_is_not_tried(tmp_path: Path, small_group: Path) -> None:
    """A container with 2.3 GB: eight images at a time would not fit, and are never tried."""
    (small_group / "memory.limit_in_bytes").write_text("2300000000")
    snapshot = write_dataset(tmp_path / "data", 8, 1)
    spec = make_spec(snapshot, **{**HARD, "batch_size": 8})
    with Trainer(tmp_path, training(spec, tmp_path / "data", tmp_path / "out")) as trainer:
        (small_group / "cgroup.procs").write_text(str(trainer.process.pid))
        assert trainer.ended() == 0, trainer.stderr[-2000:]
    (plan,) = trainer.events_of("plan")
    assert (plan["batch_size"], plan["micro_batch"]) == (8, 4)
    assert "MB of memory needed" in plan["shortages"][0]
    assert plan["shortages"][0].endswith("with 8 images at a time; 4 at a time since then")


def test_trying_a_step_changes_no_parameter(tmp_path: Path) -> None:
    """What a GPU's memory is tried with, here on the processor."""
    fitting = imported("tasks.training.worker.loop.batch_fit", tmp_path)
    spec = make_spec(write_dataset(tmp_path / "data", 1, 1))
    learning = make_training_step(spec, tmp_path)
    before = {name: value.clone() for name, value in learning.network.state_dict().items()}
    assert fitting.fits_gpu(spec, learning, 2, max_boxes=3)
    after = learning.network.state_dict()
    assert all(after[name].equal(value) for name, value in before.items())
    assert all(parameter.grad is None for parameter in learning.network.parameters())


@pytest.mark.parametrize(("free", "workers"), [(245_000, 0), (246_000, 1), (492_000, 2), (10**9, None)])
def test_loader_processes_have_shared_memory_for_validation_batches(
    tmp_path: Path, free: int, workers: int | None
) -> None:
    """Each holds two batches of four times two images of 64 x 64 bytes in 3 colours; a fifth stays free."""
    device, fitting = (
        imported(f"tasks.training.worker.{name}", tmp_path) for name in ("runtime.device", "loop.batch_fit")
    )
    spec = make_spec(write_dataset(tmp_path / "data", 1, 1), image_size=64)
    one = device.Device("cpu", "32-true", channels_last=False)
    fit = fitting.fit_to_shared_memory(spec, one, Fit(micro_batch=2), 3, free)
    assert fit.loader_workers == workers
    shows_limit = [line.endswith(f"{workers} of 3 loader processes are used") for line in fit.shortages]
    assert shows_limit == [True] * (workers is not None)


@pytest.mark.parametrize(("train", "batch"), [(1, 8), (3, 8)])
def test_a_train_split_smaller_than_the_batch_trains(tmp_path: Path, train: int, batch: int) -> None:
    """And a warm-up that is longer than the run."""
    snapshot = write_dataset(tmp_path / "data", train, 1)
    spec = make_spec(snapshot, epochs=2, batch_size=batch, warmup_steps=500)
    done = run(tmp_path, training(spec, tmp_path / "data", tmp_path / "out"))
    assert done.process.returncode == 0, done.stderr[-2000:]
    assert [event["epoch"] for event in done.events_of("epoch")] == [1, 2]
