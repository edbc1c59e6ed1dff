"""``python -m tasks.training.worker --job job.json``: train, detect or export, as the job file says.

The same command again resumes from last.ckpt. After the end it changes nothing and reports the same result. A parent
that has the process's stdin may give further job files there, a line each, so that torch is loaded once.
"""

import argparse
from pathlib import Path

from tasks.errors import NotLearning, TrainingStopped
from tasks.records import TrainingResult
from tasks.training.contract.exits import exit_code
from tasks.training.contract.job import DetectionWork, TrainingWork, read_job
from tasks.training.worker.detect import detect
from tasks.training.worker.export import export
from tasks.training.worker.runtime.events import Events
from tasks.training.worker.runtime.process import is_main_process, leave, run
from tasks.training.worker.runtime.requests import Requests
from tasks.training.worker.train import train


def main(arguments: list[str] | None = None) -> int:
    """Parse the command line, and do the job."""
    parser = argparse.ArgumentParser(prog="python -m tasks.training.worker", description=__doc__)
    parser.add_argument("--job", type=Path, required=True, help="job.json")
    parser.add_argument("--events", type=Path, help="file or /dev/fd/N for JSON lines about progress")
    parser.add_argument("--stop-with-parent", action="store_true", help="take job files from stdin, stop when it ends")
    options = parser.parse_args(arguments)
    requests = Requests(from_stdin=options.stop_with_parent)
    return run(
        options.job,
        lambda path, events: work(path, events, requests),
        options.events if is_main_process() else None,
        requests,
    )


def work(path: Path, events: Events, requests: Requests) -> TrainingResult | None:
    """Do what a job file says.

    Args:
        path: The job file.
        events: Where progress is reported.
        requests: Says when a stop is requested.

    Returns:
        The result of a training.
    """
    job = read_job(path)
    if isinstance(job, TrainingWork):
        return train(job, events, requests)
    stop = requests.stop
    detect(job, events, stop) if isinstance(job, DetectionWork) else export(job, events, stop)
    return None


def process_exit_code(code: int) -> int:
    """The exit code of this process. Of a process for one more device it is 0 where all processes end together.

    For any other code lightning-fabric kills the main process, which may be writing the checkpoint.
    """
    together = code in (exit_code(TrainingStopped()), exit_code(NotLearning()))
    return 0 if together and not is_main_process() else code


if __name__ == "__main__":
    leave(process_exit_code(main()))
