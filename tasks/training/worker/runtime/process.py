"""What all jobs of the trainer share: a quiet environment, heavy imports, stopping on request, errors as exit codes."""

import gc
import multiprocessing
import os
import sys
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Literal, NoReturn

from tasks.errors import BadSpec, NasflowError, OutOfMemory
from tasks.local.files import disk_full
from tasks.records import MachineOptions, PrecisionName, TrainingResult
from tasks.training.contract.events import Failed, Finished
from tasks.training.contract.exits import exit_code
from tasks.training.contract.fit import Shortage
from tasks.training.worker.runtime.events import Events
from tasks.training.worker.runtime.requests import Requests

SHORTAGES: dict[Shortage, tuple[str, ...]] = {
    "shared memory": ("out of shared memory", "bus error", "unable to mmap", "unable to write to file </torch_"),
    "loader memory": ("is killed by signal: killed",),
    "memory": (
        "out of memory", "not enough memory", "insufficient memory", "can't allocate memory", "cannot allocate memory",
        "alloc_failed", "could not create a primitive",
    ),
}  # fmt: skip
"""Messages of torch, CUDA's libraries and OpenCV when memory runs out."""


Precision = Literal["32-true", "bf16-mixed", "16-mixed"]
PRECISIONS: dict[PrecisionName, Precision] = {"fp32": "32-true", "bf16": "bf16-mixed", "fp16": "16-mixed"}
"""Number formats: nasflow's names, and lightning-fabric's."""


def number_format(machine: MachineOptions) -> Precision | None:
    """The number format that a machine is told to compute in; None for what its device computes fastest."""
    return PRECISIONS[machine.precision] if machine.precision else None


def is_main_process() -> bool:
    """Whether a person or a parent started this process, and not a trainer for one more device."""
    return os.environ.get("LOCAL_RANK", "0") == "0"


def quiet_libraries(log_folder: Path) -> None:
    """Keep the libraries from the network, the home folder and the except hook.

    Call it before torch and super-gradients are imported.
    """
    caches = log_folder / "sg_logs" / "caches"
    caches.mkdir(parents=True, exist_ok=True)
    os.environ.update(
        CRASH_HANDLER="FALSE",
        UPLOAD_LOGS="FALSE",
        NO_ALBUMENTATIONS_UPDATE="1",
        ORT_DISABLE_TELEMETRY="1",
        SUPER_GRADIENTS_LOG_DIR=str(log_folder / "sg_logs"),
        HYDRA_FULL_ERROR="1",
        MPLCONFIGDIR=str(caches),
        XDG_CACHE_HOME=str(caches),
        XDG_CONFIG_HOME=str(caches),
    )


@contextmanager
def heavy_imports() -> Iterator[None]:
    """Pause garbage collection while torch and super-gradients are imported.

    Thousands of modules are no garbage, but the collector would search them again and again.
    """
    gc.disable()
    try:
        yield
    finally:
        gc.enable()
        gc.freeze()


Work = Callable[[Path, Events], TrainingResult | None]
"""Does what a job file says; gives the result of a training."""


def run(job: Path, work: Work, events_path: Path | None, requests: Requests) -> int:
    """Do a job and those that the parent asks for afterwards, report how each ended, and give the exit code.

    Args:
        job: Path of the first job file.
        work: Does what a job file says.
        events_path: File or descriptor for events; None for no events.
        requests: Further jobs.

    Returns:
        0, or the code of the first job that failed, which is the last one.
    """
    try:
        events = Events(events_path)
    except OSError as error:
        message = f"events {events_path}: {error.strerror}; give a file, or a descriptor that is open for writing"
        return _end(Events(None), BadSpec(message))
    next_job: Path | None = job
    while next_job is not None:
        if code := _do(partial(work, next_job, events), events, requests):
            return code
        gc.collect()  # networks and optimizer refer to each other
        next_job = requests.next_job()
    return 0


def _do(work: Callable[[], TrainingResult | None], events: Events, requests: Requests) -> int:
    """Do one job, and report how it ended; its exit code."""
    try:
        events.report(Finished(result=work(), waits=requests.are_taken))
    except NasflowError as error:
        return _end(events, error)
    except Exception as error:  # noqa: BLE001, the parent needs one line, and the log has the traceback
        traceback.print_exc()
        if isinstance(error, OSError) and (full := disk_full(error)):
            return _end(events, full)
        if shortage_of(error):
            return _end(events, OutOfMemory(_memory_message(error)))
        return _end(events, NasflowError(f"{type(error).__name__}: {first_line(error)}"))
    return 0


def leave(code: int) -> NoReturn:
    """End this process without tearing down torch and super-gradients, which takes more than a second."""
    for child in multiprocessing.active_children():
        child.terminate()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


def shortage_of(error: BaseException) -> Shortage | None:
    """What ran out, if the error means that memory did."""
    if isinstance(error, NasflowError):
        return None
    message = str(error).lower()
    named = (shortage for shortage, phrases in SHORTAGES.items() if any(phrase in message for phrase in phrases))
    return next(named, "memory" if isinstance(error, MemoryError) else None)


def _end(events: Events, error: NasflowError) -> int:
    code = exit_code(error)
    events.report(Failed(kind=type(error).__name__, message=str(error), exit_code=code))
    print(f"{type(error).__name__}: {error}", file=sys.stderr, flush=True)  # noqa: T201
    return code


def _memory_message(error: BaseException) -> str:
    return f"out of memory ({first_line(error)}); lower the image size, take a smaller variant, or free some"


def first_line(error: BaseException) -> str:
    """The first line of an error's message, of at most 300 characters."""
    return (str(error).splitlines() or [""])[0][:300]
