"""Names of the files in a run's folder, and reading the small ones."""

from pathlib import Path

from pydantic import ValidationError

from tasks.errors import BadSpec
from tasks.records import EpochResult, Split, TrainingResult, TrainingSpec

SPEC = "spec.json"
HISTORY = "history.jsonl"
LAST = "last.ckpt"
PREVIOUS = "previous.ckpt"
BEST = "best.safetensors"
RESULT = "result.json"
FIT = "fit.json"
LOG = "trainer.log"
SPEED = "speed.json"
DATASET = "dataset"


def detections(split: Split) -> str:
    """What the detector found on a split."""
    return f"{split}.json"


def read_spec(path: Path) -> TrainingSpec:
    """Read spec.json.

    Raises:
        BadSpec: it is not there, or not a spec.
    """
    try:
        return TrainingSpec.model_validate_json(path.read_bytes())
    except FileNotFoundError:
        raise BadSpec(f"{path}: no such file; write the TrainingSpec there first") from None
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        raise BadSpec(f"{path}: {where or 'content'}: {first['msg']}; correct the spec") from None


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


def another_run(run_key: str, there: TrainingSpec | None, here: TrainingSpec) -> str:
    """That a folder is another run's, by all fields of the specs that differ, and what to do."""
    theirs, ours = there.model_dump(mode="json") if there else {}, here.model_dump(mode="json")
    differing = [f"{name} ({theirs[name]} there, {ours[name]} here)" for name in theirs if theirs[name] != ours[name]]
    parts = [f"belongs to run {run_key[:12]}, this spec is run {here.digest[:12]}"]
    parts += [f"they differ in {', '.join(differing)}"] if differing else []
    return "; ".join([*parts, "take another folder"])


def read_history(path: Path) -> list[EpochResult]:
    """The epochs of history.jsonl."""
    return [EpochResult.model_validate_json(line) for line in path.read_text().splitlines() if line]
