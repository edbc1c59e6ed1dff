"""Jobs done in trainer processes: each in one of its own, or one after the other in the same."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from tasks.settings import WorkSettings, from_environment
from tasks.training.contract import files
from tasks.training.contract.events import Event
from tasks.training.contract.job import TrainerJob, write_job
from tasks.training.trainer_process import TrainerProcess


class KeptTrainer:
    """A place for a trainer that waits for the next job of this process."""

    def __init__(self) -> None:
        self.trainer: TrainerProcess | None = None

    def give(self, job_file: Path) -> TrainerProcess | None:
        """Give the kept trainer a job; None if there is none, or it has ended."""
        trainer, self.trainer = self.trainer, None
        if trainer is None:
            return None
        if trainer.waits and trainer.give(job_file):
            return trainer
        trainer.stop()
        return None

    def stop(self) -> None:
        """End the trainer that is kept, if one is."""
        if self.trainer:
            self.trainer.stop()
            self.trainer = None


_place: KeptTrainer | None = None
"""Where a trainer is kept; None outside ``one_trainer``."""


@contextmanager
def one_trainer() -> Iterator[None]:
    """Within the block a trainer that has done its job does the next one, too, so that torch is loaded once.

    A job that fails, or that takes several devices, ends its trainer; the next job gets a new one.
    """
    global _place
    _place = place = KeptTrainer()
    try:
        yield
    finally:
        _place = None
        place.stop()


@contextmanager
def trainer_process(job: TrainerJob, folder: Path) -> Iterator[TrainerProcess]:
    """Have a trainer process do a job.

    Args:
        job: What it does.
        folder: For the job file and the log.

    Yields:
        The process. It has ended behind the block, or waits for the next job within that of ``one_trainer``.
    """
    folder.mkdir(parents=True, exist_ok=True)
    job_file, place = folder / files.JOB, _place
    write_job(job_file, job)
    trainer = place.give(job_file) if place else None
    if trainer is None:
        module = from_environment(WorkSettings).trainer
        trainer = TrainerProcess(module, [f"--job={job_file}"], folder / files.LOG).__enter__()
    try:
        yield trainer
    except BaseException:
        trainer.stop()
        raise
    if place and trainer.waits:
        place.trainer = trainer
    else:
        trainer.stop()


def run_to_end(job: TrainerJob, folder: Path, on_event: Callable[[Event], None]) -> None:
    """Do a job in a trainer process.

    Args:
        job: What it does.
        folder: For the job file and the log.
        on_event: Called with every event; what it raises ends the process.

    Raises:
        NasflowError: as ``TrainerProcess.result``.
    """
    with trainer_process(job, folder) as process:
        for event in process.events():
            on_event(event)
        process.result()
