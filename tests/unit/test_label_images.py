"""Image files: which are unreadable, and difference hashes that survive another encoding."""

import io
import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from tasks.images.difference_hash import MAX_BITS
from tasks.labeling.checks.images import DecodedImage, UnreadableImage, read_image

pytestmark = pytest.mark.filterwarnings("ignore:Corrupt EXIF data", "ignore:Possibly corrupt EXIF data")


def drawn(seed: int, width: int = 200, height: int = 150) -> Image.Image:
    """An image with soft shapes and some noise, as photographs have."""
    dice = np.random.default_rng(seed)
    soft = Image.fromarray(dice.integers(0, 256, (7, 8, 3), np.uint8)).resize((width, height), Image.Resampling.BICUBIC)
    noisy = np.asarray(soft, np.int16) + dice.integers(-9, 10, (height, width, 3))
    return Image.fromarray(noisy.clip(0, 255).astype(np.uint8))


def encoded(image: Image.Image, kind: str = "JPEG", **options: object) -> bytes:
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def damaged(data: bytes, dice: random.Random) -> bytes:
    """Cut off, with other bytes, or with some missing."""
    at, kind = dice.randrange(100, len(data)), dice.randrange(3)
    if kind == 0:
        return data[:at]
    if kind == 1:
        return data[:at] + dice.randbytes(dice.choice((1, 5, 50))) + data[at + 1 :]
    return data[:at] + data[at + dice.choice((1, 100, 2000)) :]


def decodes(data: bytes) -> bool:
    """Whether Pillow decodes it whole."""
    try:
        with Image.open(io.BytesIO(data)) as image:
            image.load()
    except Exception:  # noqa: BLE001 - decoders raise all kinds
        return False
    return True


@pytest.mark.parametrize(
    ("mode", "options"),
    [("RGB", {}), ("RGB", {"progressive": True}), ("L", {}), ("CMYK", {}), ("RGB", {"restart_marker_blocks": 4})],
)
def test_cases_a14_a_damaged_jpeg_is_unreadable_exactly_if_it_does_not_decode_whole(
    tmp_path: Path, mode: str, options: dict[str, Any]
) -> None:
    dice, whole = random.Random(7), encoded(drawn(1).convert(mode), **options)
    path, unreadable = tmp_path / "a.jpg", 0
    for _ in range(120):
        path.write_bytes(data := damaged(whole, dice))
        file = read_image(path)
        assert isinstance(file, DecodedImage) == decodes(data)
        unreadable += isinstance(file, UnreadableImage)
    assert 20 < unreadable < 120


@pytest.mark.parametrize("size", [(200, 150), (2000, 1500), (30, 20), (1, 1), (5, 700)])
def test_a_jpeg_keeps_its_size_and_mode_although_it_is_decoded_smaller(tmp_path: Path, size: tuple[int, int]) -> None:
    path = tmp_path / "a.jpg"
    path.write_bytes(encoded(drawn(1, *size)))
    file = read_image(path)
    assert isinstance(file, DecodedImage)
    assert ((file.width, file.height), file.mode) == (size, "RGB")


@pytest.mark.parametrize("seed", range(8))
def test_the_difference_hash_survives_another_size_and_encoding(tmp_path: Path, seed: int) -> None:
    image = drawn(seed, 800, 600)
    half = image.resize((400, 300), Image.Resampling.BICUBIC)
    hashes = []
    for data in (
        encoded(image, quality=95),
        encoded(image, quality=40),
        encoded(image, "PNG"),
        encoded(half, quality=80),
        encoded(half, "WEBP"),
    ):
        (tmp_path / "a").write_bytes(data)
        file = read_image(tmp_path / "a")
        assert isinstance(file, DecodedImage)
        hashes.append(file.difference_hash)
    assert max((image_hash ^ hashes[0]).bit_count() for image_hash in hashes) <= MAX_BITS
