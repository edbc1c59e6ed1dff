"""Pictures a second of our trainer against super-gradients' ``Trainer``: same pictures, augmentation and batches.

Run it with ``python -m tests.benchmarks.bench_training``. Each trains YOLO-NAS-S from scratch in a process of its own,
one after the other, as each does by itself: ours in the precision it chooses, the other in fp32. Only training epochs
count, with loading and without validation; making kernels for the first batches counts, too.
"""

import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tasks import dataset_folder
from tasks.training import files
from tasks.training.worker.process import quiet_libraries
from tests.fakes.datasets import make_spec, write_dataset, write_spec

PICTURES, SIZE, BATCH, EPOCHS = 48, 160, 8, 2


def train_peer(folder: Path) -> None:
    """super-gradients' Trainer, in this process; prints pictures a second."""
    quiet_libraries(folder)
    from torch.utils.data import DataLoader, Dataset

    from tasks.training.worker.network import build_network
    from tasks.training.worker.pictures import PictureFolder, PlainPictures, TrainingPictures, collate
    from tests.fakes import sg_trainer

    spec, snapshot = files.read_spec(folder / "spec.json"), dataset_folder.load(folder / "data")
    train, valid = (PictureFolder(folder / "data", snapshot.of_split(split), SIZE) for split in ("train", "valid"))
    train.fill_cache(threads=2)

    class Numbered(Dataset):
        def __len__(self):
            return PICTURES

        def __getitem__(self, index):
            return TrainingPictures(train, spec.seed)[1, index]

    def pair(samples):
        batch = collate(samples)
        return batch.pictures, batch.targets

    network = build_network(spec.variant, len(spec.classes))
    _, _, seconds = sg_trainer.train(
        network, DataLoader(Numbered(), BATCH, shuffle=True, collate_fn=pair),
        DataLoader(PlainPictures(valid), BATCH, collate_fn=pair), folder / "peer", classes=len(spec.classes),
        epochs=EPOCHS, learning_rate=spec.learning_rate, weight_decay=spec.weight_decay,
    )  # fmt: skip
    (folder / "peer.json").write_text(json.dumps(PICTURES * EPOCHS / seconds))


def started(*command: object) -> float:
    """Run a command; gives its wall time."""
    began = time.monotonic()
    done = subprocess.run([sys.executable, "-m", *map(str, command)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    return time.monotonic() - began


def main() -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        snapshot = write_dataset(folder / "data", PICTURES, BATCH, size=SIZE)
        spec = make_spec(snapshot, epochs=EPOCHS, image_size=SIZE, batch_size=BATCH)
        path = write_spec(folder / "spec.json", spec)
        theirs_wall = started("tests.benchmarks.bench_training", folder)
        theirs = json.loads((folder / "peer.json").read_text())
        ours_wall = started("tasks.training.worker", "--spec", path, "--data", folder / "data", "--out", folder / "out")
        result = files.read_result(folder / "out", spec.digest)
        assert result is not None
        ours = result.images_per_second
    print(f"{PICTURES} pictures of {SIZE} px, batch {BATCH}, {EPOCHS} epochs, YOLO-NAS-S from scratch")
    print(f"super-gradients Trainer   {theirs:6.2f} pictures/s, {theirs_wall:5.1f} s in all, fp32")
    print(f"nasflow trainer           {ours:6.2f} pictures/s, {ours_wall:5.1f} s in all, {result.device}")
    print(f"ratio                     {ours / theirs:6.2f}")


if __name__ == "__main__":
    train_peer(Path(sys.argv[1])) if len(sys.argv) > 1 else main()
