"""Images from real files: decoding, and the cache in memory and on disk."""

import errno
import os
import resource
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
import pytest
from PIL import Image
from torch.utils.data import DataLoader

from tasks.errors import BadSpec
from tasks.images.network_input import PAD_VALUE
from tasks.records import Box, LabelledImage
from tasks.training.worker.data.decoding import read_image
from tasks.training.worker.data.spool import Spool
from tests.fakes.labelled_images import add_image
from tests.fakes.libraries import imported

if TYPE_CHECKING:
    from tasks.training.worker.data.images import CacheCounts, ImageFolder

SIZE = 64
BYTES = 3 * SIZE * SIZE
"""Bytes of a square image of that size."""


@pytest.fixture(scope="module")
def datasets(tmp_path_factory: pytest.TempPathFactory) -> ModuleType:
    """The module of the torch data sets, with ``ImageFolder``."""
    return imported("tasks.training.worker.data.datasets", tmp_path_factory.mktemp("libraries"))


def noise(width: int, height: int, seed: int = 0, grain: int = 1) -> np.ndarray:
    """Random RGB pixels, smooth over ``grain`` pixels."""
    shape = (-(-height // grain), -(-width // grain), 3)
    pixels = np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)
    return cv2.resize(pixels, (width, height), interpolation=cv2.INTER_CUBIC)


def save(
    folder: Path, pixels: np.ndarray, kind: str = "PNG", *, boxes: tuple[Box, ...] = (), **options: object
) -> LabelledImage:
    """Add an image to a dataset folder."""
    return add_image(folder, Image.fromarray(pixels), kind, boxes=boxes, **options)


# Decoding ------------------------------------------------------------------------------------------


def test_an_image_of_the_right_size_is_not_scaled(datasets: ModuleType, tmp_path: Path) -> None:
    pixels = noise(SIZE, SIZE // 2)
    folder = datasets.ImageFolder(tmp_path, [save(tmp_path, pixels)], SIZE)
    assert np.array_equal(folder.pixels(0), pixels)
    image, targets, index = datasets.PlainImages(folder)[0]
    assert np.array_equal(image[:, : SIZE // 2].numpy(), pixels.transpose(2, 0, 1))
    assert (image[:, SIZE // 2 :] == PAD_VALUE).all()
    assert (targets.shape, index) == ((0, 5), 0)


@pytest.mark.parametrize(
    ("width", "height", "scaled"),
    [(200, 100, (32, 64)), (100, 200, (64, 32)), (16, 8, (32, 64)), (1, 500, (64, 1)), (500, 1, (1, 64))],
)
def test_the_longest_side_fills_the_network_input(
    datasets: ModuleType, tmp_path: Path, width: int, height: int, scaled: tuple[int, int]
) -> None:
    image = save(tmp_path, noise(width, height), boxes=(Box(1, 0, 0, width, height),))
    sample = datasets.ImageFolder(tmp_path, [image], SIZE).sample(0)
    assert sample.image.shape == (*scaled, 3)
    assert sample.labels.tolist() == [1]
    factor = SIZE / max(width, height)
    assert sample.bboxes_xyxy == pytest.approx(np.array([[0, 0, width * factor, height * factor]]))


def test_targets_are_centres_and_sides(datasets: ModuleType, tmp_path: Path) -> None:
    boxes = (Box(3, 20, 40, 60, 140), Box(0, 10, 10, 11, 90))
    image = save(tmp_path, noise(2 * SIZE, 3 * SIZE), boxes=boxes)
    _, targets, _ = datasets.PlainImages(datasets.ImageFolder(tmp_path, [image], SIZE))[0]
    assert targets.tolist() == [
        pytest.approx([3, 40 / 3, 90 / 3, 40 / 3, 100 / 3])
    ]  # the other box is a third of a pixel wide


@pytest.mark.parametrize("quality", [75, 95])
def test_large_jpegs_are_halved_without_loss(datasets: ModuleType, tmp_path: Path, quality: int) -> None:
    """The result is nearer to the image before it was a JPEG than the result of full decoding."""
    pixels = noise(8 * SIZE, 6 * SIZE, grain=3)
    image = save(tmp_path, pixels, "JPEG", quality=quality)
    original = cv2.resize(pixels.astype(np.float32), (SIZE, 48), interpolation=cv2.INTER_AREA)
    full = cv2.resize(cv2.imread(str(tmp_path / "images" / image.sha256)), (SIZE, 48), interpolation=cv2.INTER_AREA)
    assert read_image(tmp_path / "images" / image.sha256, image, SIZE).shape == (3 * SIZE, 4 * SIZE, 3)
    halved = datasets.ImageFolder(tmp_path, [image], SIZE).pixels(0)
    errors = [np.sqrt(np.mean((decoded - original) ** 2)) for decoded in (halved, full[..., ::-1])]
    assert errors[0] < errors[1]


@pytest.mark.parametrize(
    ("width", "height"), [(8 * SIZE, 6 * SIZE), (8 * SIZE + 1, 6 * SIZE), (8 * SIZE, 6 * SIZE + 1)]
)
def test_scaling_does_not_move_edges(datasets: ModuleType, tmp_path: Path, width: int, height: int) -> None:
    pixels = np.zeros((height, width, 3), np.uint8)
    pixels[height // 4 : height // 2, width // 4 : width // 2] = 255
    image = datasets.ImageFolder(tmp_path, [save(tmp_path, pixels, "JPEG", quality=98)], SIZE).pixels(0)
    bright = image.mean(axis=2) / 255
    rows, columns = bright[:, 24], bright[18]
    scale = SIZE / width
    assert (rows.sum(), columns.sum()) == pytest.approx((height / 4 * scale, width / 4 * scale), abs=0.3)
    assert rows @ np.arange(len(rows)) / rows.sum() + 0.5 == pytest.approx(height * 3 / 8 * scale, abs=0.1)
    assert columns @ np.arange(SIZE) / columns.sum() + 0.5 == pytest.approx(width * 3 / 8 * scale, abs=0.1)


@pytest.mark.parametrize("side", [SIZE, 8 * SIZE])
def test_an_image_is_turned_as_its_exif_data_ask(datasets: ModuleType, tmp_path: Path, side: int) -> None:
    pixels = np.zeros((side // 2, side, 3), np.uint8)
    pixels[:, : side // 2] = 255
    rotated = Image.Exif()
    rotated[0x0112] = 6
    stored = save(tmp_path, pixels, "JPEG", exif=rotated)
    upright = stored.model_copy(update={"width": side // 2, "height": side})
    image = datasets.ImageFolder(tmp_path, [upright], SIZE).pixels(0)
    assert image.shape == (SIZE, SIZE // 2, 3)
    assert image[:30].min() > 200
    assert image[34:].max() < 55


@pytest.mark.parametrize("kind", ["PNG", "JPEG"])
@pytest.mark.parametrize("side", [SIZE, 8 * SIZE])
@pytest.mark.parametrize("change", [1, -1, 2])
def test_an_image_of_another_size_than_the_snapshot_says_is_refused(
    datasets: ModuleType, tmp_path: Path, kind: str, side: int, change: int
) -> None:
    image = save(tmp_path, noise(side + change, side), kind).model_copy(update={"width": side})
    with pytest.raises(BadSpec, match=rf"{kind}.*{side + change} x {side} pixels, the snapshot says {side} x {side}"):
        datasets.ImageFolder(tmp_path, [image], SIZE).pixels(0)


@pytest.mark.parametrize("side", [SIZE, 8 * SIZE])
@pytest.mark.parametrize("data", [b"", b"no image", b"\xff\xd8\xff\xe0\x00\x10JFIF", None])
def test_an_unreadable_image_is_refused(datasets: ModuleType, tmp_path: Path, side: int, data: bytes | None) -> None:
    image = save(tmp_path, noise(side, side), "JPEG")
    path = tmp_path / "images" / image.sha256
    path.unlink() if data is None else path.write_bytes(data)
    folder = datasets.ImageFolder(tmp_path, [image], SIZE)
    with pytest.raises(BadSpec, match=r"no image \(.+\), the snapshot says"):
        folder.pixels(0)
    with pytest.raises(BadSpec, match="empty the dataset folder"):
        folder.fill_cache(2, tmp_path)


# The cache -----------------------------------------------------------------------------------------


class Split:
    """Square images in a dataset folder, and an empty folder for the spool."""

    def __init__(self, datasets: ModuleType, folder: Path, count: int) -> None:
        self.pixels = [noise(SIZE, SIZE, seed) for seed in range(count)]
        images = [save(folder, pixels) for pixels in self.pixels]
        self.open_again = lambda: datasets.ImageFolder(folder, images, SIZE)
        self.folder: ImageFolder = self.open_again()
        self.spool = folder / "spool"
        self.spool.mkdir()
        self.images_reported = 0

    def fill(self, spool: Path | None = None, **options: Any) -> "CacheCounts":
        def count_image() -> None:
            self.images_reported += 1

        return self.folder.fill_cache(2, spool or self.spool, count_image, **options)

    def assert_pixels_are_right(self) -> None:
        assert all(np.array_equal(self.folder.pixels(index), pixels) for index, pixels in enumerate(self.pixels))

    def delete_files(self) -> None:
        """Leave only the cache."""
        for path in (self.folder.folder / "images").iterdir():
            path.unlink()


@pytest.fixture
def make_split(datasets: ModuleType, tmp_path: Path) -> Callable[[int], Split]:
    return lambda count: Split(datasets, tmp_path, count)


def test_all_images_are_cached_in_memory_if_it_has_room(make_split: Callable[[int], Split]) -> None:
    split = make_split(5)
    cached = split.fill()
    assert (cached.in_memory, cached.on_disk, cached.not_cached, cached.bytes_in_memory) == (5, 0, 0, 5 * BYTES)
    assert (str(cached), split.images_reported) == ("5 images decoded into memory", 5)
    split.delete_files()
    split.assert_pixels_are_right()


def test_images_without_room_in_memory_go_to_a_file_without_a_name(make_split: Callable[[int], Split]) -> None:
    split = make_split(6)
    cached = split.fill(memory=2 * BYTES + BYTES // 2)
    assert (cached.in_memory, cached.on_disk, cached.not_cached, cached.bytes_in_memory) == (2, 4, 0, 2 * BYTES)
    assert (str(cached), split.images_reported) == ("2 images in memory, 4 on disk", 6)
    split.delete_files()
    split.assert_pixels_are_right()
    assert not list(split.spool.iterdir())


def test_images_without_any_room_are_decoded_each_time(make_split: Callable[[int], Split]) -> None:
    split = make_split(3)
    cached = split.fill(memory=BYTES, disk_share=0)
    assert (cached.in_memory, cached.on_disk, cached.not_cached) == (1, 0, 2)
    assert (str(cached), split.images_reported) == ("1 image in memory, 2 decoded again each time", 1)
    split.assert_pixels_are_right()


def test_room_is_counted_by_the_shapes_of_images(datasets: ModuleType, tmp_path: Path) -> None:
    """Narrow images take less room than square ones."""
    images = [save(tmp_path, noise(SIZE, SIZE // 4, seed)) for seed in range(8)]
    cached = datasets.ImageFolder(tmp_path, images, SIZE).fill_cache(1, tmp_path, memory=2 * BYTES)
    assert cached.in_memory == 8


def test_loader_workers_share_the_spool(datasets: ModuleType, make_split: Callable[[int], Split]) -> None:
    split = make_split(6)
    split.fill(memory=0)
    split.delete_files()
    loader = DataLoader(datasets.PlainImages(split.folder), batch_size=None, num_workers=2)
    for (image, _, index), pixels in zip(loader, split.pixels, strict=True):
        assert np.array_equal(image.numpy().transpose(1, 2, 0), pixels), index


@contextmanager
def max_file_size(size: int) -> Iterator[None]:
    """Limit the files of this process to ``size`` bytes meanwhile."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_of_a_spool_that_cannot_grow_half_is_kept(make_split: Callable[[int], Split]) -> None:
    split = make_split(20)
    with max_file_size(10 * BYTES + BYTES // 2):
        cached = split.fill(memory=3 * BYTES)
    # Half of what was written is given back.
    assert (cached.in_memory, cached.on_disk, cached.not_cached) == (3, 5, 12)
    assert str(cached) == "3 images in memory, 5 on disk, 12 decoded again each time"
    split.assert_pixels_are_right()


def test_of_a_disk_that_runs_full_half_is_given_back(make_split: Callable[[int], Split], tmp_path: Path) -> None:
    split, disk = make_split(60), tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={40 * BYTES}", "tmpfs", str(disk)]
    if subprocess.run(mount, check=False, capture_output=True).returncode != 0:
        pytest.skip("no right to mount a small disk")
    try:
        planned = split.fill(disk, memory=0)
        assert (planned.on_disk, planned.not_cached) == (20, 40)
        split.assert_pixels_are_right()
        split.folder = split.open_again()
        cut = split.fill(disk, memory=0, disk_share=2)
        assert 15 <= cut.on_disk <= 20
        assert cut.not_cached == 60 - cut.on_disk
        split.assert_pixels_are_right()
        (disk / "checkpoint").write_bytes(bytes(15 * BYTES))
    finally:
        subprocess.run(["umount", "-l", disk], check=True)


def test_a_write_error_other_than_a_full_disk_is_raised(make_split: Callable[[int], Split]) -> None:
    split = make_split(1)
    reading, writing = os.pipe()
    try:
        with pytest.raises(OSError, match=os.strerror(errno.ESPIPE)):
            Spool(writing, {0: (SIZE, SIZE, 3)}).write(0, split.pixels[0])
    finally:
        os.close(reading)
        os.close(writing)
