"""Odd images as the trainer reads them: three channels, and one rule for each kind."""

from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from PIL import Image

from tasks.labeling.checks.images import DecodedImage, read_image
from tasks.records import LabelledImage
from tests.fakes.libraries import imported


@pytest.fixture(scope="module")
def worker(tmp_path_factory: pytest.TempPathFactory) -> ModuleType:
    """The module under test."""
    return imported("tasks.training.worker.data.images", tmp_path_factory.mktemp("libraries"))


@pytest.mark.parametrize(
    ("mode", "colour", "kind", "rgb"),
    [
        ("L", 90, "JPEG", (90, 90, 90)),
        ("RGBA", (200, 30, 10, 0), "PNG", (200, 30, 10)),  # without alpha, hidden colours show
        ("CMYK", (0, 255, 255, 0), "JPEG", (255, 0, 0)),
        ("RGB", (200, 30, 10), "WEBP", (200, 30, 10)),
        ("RGB", (200, 30, 10), "PNG", (200, 30, 10)),
        ("I;16", 4000, "PNG", (15, 15, 15)),  # the high byte
        ("1", 1, "PNG", (255, 255, 255)),
    ],
)
def test_cases_a14_odd_images_have_three_channels(
    worker: ModuleType, tmp_path: Path, mode: str, colour: object, kind: str, rgb: tuple[int, int, int]
) -> None:
    path = tmp_path / "odd.jpg"
    Image.new(mode, (40, 30), colour).save(path, kind)
    image = read_image(path)
    assert isinstance(image, DecodedImage)
    assert (image.width, image.height) == (40, 30)
    image = LabelledImage(
        file_name=path.name, split="train", sha256=image.sha256, size=image.size, width=40, height=30, boxes=()
    )
    pixels = worker.read_image(path, image, 64)
    assert pixels.shape == (30, 40, 3)
    assert pixels.reshape(-1, 3).mean(axis=0) == pytest.approx(np.array(rgb[::-1]), abs=6)
