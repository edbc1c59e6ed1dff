"""What training says of its best epoch is what the evaluation stage measures on the same pictures, to the digit."""

import json
from pathlib import Path

from tasks import metrics
from tasks.records import DatasetSnapshot
from tasks.training import files
from tests.fakes import trainer
from tests.fakes.datasets import make_spec, write_dataset, write_spec

BATCH = 4


def train(snapshot: DatasetSnapshot, data: Path, folder: Path) -> Path:
    """Ninety-six steps, after which about half of the drawn discs and squares are found."""
    spec = make_spec(snapshot, epochs=8, image_size=64, batch_size=BATCH, learning_rate=2e-3, augmentation="none")
    path, out = write_spec(folder / "spec.json", spec), folder / "out"
    done = trainer.run(folder, "--spec", path, "--data", data, "--out", out)
    assert done.process.returncode == 0, done.stderr[-2000:]
    return out


def detect(weights: Path, data: Path, folder: Path) -> list[dict]:
    """What is found on the valid split, after another one."""
    done, out = trainer.detect(folder, weights, data, "train", "valid")
    assert done.process.returncode == 0, done.stderr[-2000:]
    return json.loads((out / files.detections("valid")).read_bytes())


def test_the_best_epoch_is_measured_as_it_was_validated(tmp_path: Path) -> None:
    """The valid split is no larger than a batch of either process, so both compute the same one."""
    data = tmp_path / "data"
    snapshot = write_dataset(data, 12 * BATCH, BATCH - 1, size=80)
    out = train(snapshot, data, tmp_path)
    found = detect(out / files.BEST, data, tmp_path)
    # As tasks.evaluation.in_store scores them.
    scores = metrics.score(metrics.coco_truth(snapshot.of_split("valid"), snapshot.classes), found, intervals=True)
    best = max(files.read_history(out / files.HISTORY), key=lambda line: line.map)
    assert best.map > 0.05, "so little found says nothing"
    for name in ("map", "map50", "precision", "recall"):
        assert getattr(best, name) == round(getattr(scores, name), 6), name
