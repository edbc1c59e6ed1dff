"""A network that was trained for a few steps and exported in all formats, by the real trainer and exporter."""

from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image

from tasks.local import dataset_folder
from tasks.local.dataset_folder import image_path
from tasks.records import DatasetSnapshot
from tasks.training.contract import files
from tasks.training.contract.job import ExportWork
from tests.fakes import trainer
from tests.fakes.datasets import make_spec, write_dataset

SIZE, THRESHOLD = 64, 0.1


class Exported(NamedTuple):
    """A trained run, and its files."""

    snapshot: DatasetSnapshot
    data: Path
    weights: Path
    out: Path

    def images(self) -> np.ndarray:
        """The images of the valid split, as ``[n, 3, S, S]`` in [0, 1]; they have the size of the input."""
        paths = [image_path(self.data, image) for image in self.snapshot.of_split("valid")]
        return np.stack([np.asarray(Image.open(path), np.float32).transpose(2, 0, 1) / 255 for path in paths])


def export_network(folder: Path) -> Exported:
    """Train for 48 steps, after which some of the drawn discs and squares are detected, and export.

    Args:
        folder: For all files. What is there already is not made again.

    Returns:
        The run, and its files.
    """
    data, weights, out = folder / "data", folder / "run" / files.BEST, folder / "out"
    if (out / files.EXPORT).exists():  # written last
        return Exported(dataset_folder.load(data), data, weights, out)
    snapshot = write_dataset(data, 48, 5, size=SIZE)
    spec = make_spec(snapshot, epochs=4, image_size=SIZE, batch_size=4, learning_rate=2e-3, augmentation="none")
    done = trainer.run(folder, trainer.training(spec, data, folder / "run"))
    assert done.process.returncode == 0, done.stderr[-2000:]
    work = ExportWork(data=data, out=out, weights=weights, split="valid", threshold=THRESHOLD)
    done = trainer.run(folder / "export", work)
    assert done.process.returncode == 0, done.stderr[-2000:]
    return Exported(snapshot, data, weights, out)
