"""Images of unusual modes as the trainer reads them: three channels, and one rule for each mode."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tasks.labeling.checks.images import DecodedImage, read_image
from tasks.records import LabelledImage
from tasks.training.worker.data import decoding


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
def test_cases_a14_images_of_all_modes_have_three_channels(
    tmp_path: Path, mode: str, colour: int | tuple[int, ...], kind: str, rgb: tuple[int, int, int]
) -> None:
    path = tmp_path / "odd.jpg"
    Image.new(mode, (40, 30), colour).save(path, kind)
    checked = read_image(path)
    assert isinstance(checked, DecodedImage)
    assert (checked.width, checked.height) == (40, 30)
    image = LabelledImage(
        file_name=path.name, split="train", sha256=checked.sha256, size=checked.size, width=40, height=30, boxes=()
    )
    pixels = decoding.read_image(path, image, 64)
    assert pixels.shape == (30, 40, 3)
    assert pixels.reshape(-1, 3).mean(axis=0) == pytest.approx(np.array(rgb[::-1]), abs=6)
