"""Names of the files in a run's folder, and reading the small ones."""

from pathlib import Path

from pydantic import ValidationError

from tasks.errors import BadSpec
from tasks.records import EpochResult, Split, TrainingResult, TrainingSpec

JOB = "job.json"
SPEC = "spec.json"
"""The spec of a run that ``nasflow train`` does in a folder of the user's."""
HISTORY = "history.jsonl"
LAST = "last.ckpt"
PREVIOUS = "previous.ckpt"
BEST = "best.safetensors"
RESULT = "result.json"
FIT = "fit.json"
LOG = "trainer.log"
SPEED = "speed.json"
EXPORT = "formats.json"
DATASET = "dataset"
DETECTED = "detected"
"""Folder with the detections of a finished run, and its speed."""
CHECKPOINT = (LAST, HISTORY)
"""Files that a run goes on from, in the order in which they are put in place; its best weights are in the first."""


def detections(split: Split) -> str:
    """The file with the detections on a split."""
    return f"{split}.json"


def read_spec(path: Path) -> TrainingSpec:
    """Read spec.json.

    Raises:
        BadSpec: there is no such file, or it is not a spec.
    """
    try:
        return TrainingSpec.model_validate_json(path.read_bytes())
    except FileNotFoundError:
        raise BadSpec(f"{path}: no such file; write the TrainingSpec there first") from None
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(map(str, first["loc"]))
        raise BadSpec(f"{path}: {field or 'content'}: {first['msg']}; correct the spec") from None


def read_result(folder: Path, spec: TrainingSpec) -> TrainingResult | None:
    """The result of a finished run in ``folder``, or None if there is none.

    Raises:
        BadSpec: result.json holds something else, or the folder is that of another run.
    """
    path = folder / RESULT
    if not path.exists():
        return None
    try:
        result = TrainingResult.model_validate_json(path.read_bytes())
    except ValidationError as error:
        message = error.errors()[0]["msg"]
        raise BadSpec(f"{path}: not a result of training ({message}); remove it to go on from {LAST}") from None
    if result.run_key != spec.digest:
        raise BadSpec(f"{path}: {another_run(result.run_key, result.spec, spec)}")
    return result


def another_run(folder_run_key: str, folder_spec: TrainingSpec | None, spec: TrainingSpec) -> str:
    """The words that say that a folder belongs to another run.

    Args:
        folder_run_key: Run key of the folder's run.
        folder_spec: Its spec; None in old folders, which do not hold it.
        spec: The spec that was to be trained in the folder.

    Returns:
        Part of a message: both runs, all fields of the specs that differ, and the remedy.
    """
    theirs, ours = folder_spec.model_dump(mode="json") if folder_spec else {}, spec.model_dump(mode="json")
    differing = [f"{name} ({theirs[name]} there, {ours[name]} here)" for name in theirs if theirs[name] != ours[name]]
    parts = [f"belongs to run {folder_run_key[:12]}, this spec is run {spec.digest[:12]}"]
    parts += [f"they differ in {', '.join(differing)}"] if differing else []
    return "; ".join([*parts, "take another folder"])


def read_history(path: Path) -> list[EpochResult]:
    """The epochs of history.jsonl."""
    return [EpochResult.model_validate_json(line) for line in path.read_text().splitlines() if line]
