"""Images from real files: decoding, and the cache in memory and on disk."""

import errno
import hashlib
import io
import os
import resource
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType

import cv2
import numpy as np
import pytest
from PIL import Image
from torch.utils.data import DataLoader

from tasks.errors import BadSpec
from tasks.records import Box, LabelledImage
from tests.fakes.libraries import imported

SIZE = 64
BYTES = 3 * SIZE * SIZE
"""Of a square image of that size."""


@pytest.fixture(scope="module")
def worker(tmp_path_factory: pytest.TempPathFactory) -> ModuleType:
    """The module under test."""
    return imported("tasks.training.worker.data.images", tmp_path_factory.mktemp("libraries"))


def noise(width: int, height: int, seed: int = 0, grain: int = 1) -> np.ndarray:
    """Random RGB pixels, smooth over ``grain`` pixels."""
    shape = (-(-height // grain), -(-width // grain), 3)
    pixels = np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)
    return cv2.resize(pixels, (width, height), interpolation=cv2.INTER_CUBIC)


def save(folder: Path, pixels: np.ndarray, kind: str = "PNG", *, boxes: tuple[Box, ...] = (), **options: object):
    """Put an image into a dataset folder, and give its line of the snapshot."""
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, kind, **options)
    data = file.getvalue()
    sha256 = hashlib.sha256(data).hexdigest()
    (folder / "images").mkdir(exist_ok=True)
    (folder / "images" / sha256).write_bytes(data)
    height, width = pixels.shape[:2]
    return LabelledImage(
        file_name=f"{kind}.{kind.lower()}", split="train", sha256=sha256, size=len(data), width=width, height=height,
        boxes=boxes,
    )  # fmt: skip


# Decoding ------------------------------------------------------------------------------------------


def test_image_of_the_right_size_comes_as_it_is(worker: ModuleType, tmp_path: Path) -> None:
    pixels = noise(SIZE, SIZE // 2)
    folder = worker.ImageFolder(tmp_path, [save(tmp_path, pixels)], SIZE)
    assert np.array_equal(folder.pixels(0), pixels)
    image, targets, index = worker.PlainImages(folder)[0]
    assert np.array_equal(image[:, : SIZE // 2].numpy(), pixels.transpose(2, 0, 1))
    assert (image[:, SIZE // 2 :] == worker.PAD_VALUE).all()
    assert (targets.shape, index) == ((0, 5), 0)


@pytest.mark.parametrize(
    ("width", "height", "scaled"),
    [(200, 100, (32, 64)), (100, 200, (64, 32)), (16, 8, (32, 64)), (1, 500, (64, 1)), (500, 1, (1, 64))],
)
def test_longest_side_fills_the_network_input(
    worker: ModuleType, tmp_path: Path, width: int, height: int, scaled: tuple[int, int]
) -> None:
    image = save(tmp_path, noise(width, height), boxes=(Box(1, 0, 0, width, height),))
    sample = worker.ImageFolder(tmp_path, [image], SIZE).sample(0)
    assert sample.image.shape == (*scaled, 3)
    assert sample.labels.tolist() == [1]
    factor = SIZE / max(width, height)
    assert sample.bboxes_xyxy == pytest.approx(np.array([[0, 0, width * factor, height * factor]]))


def test_targets_are_centres_and_sides(worker: ModuleType, tmp_path: Path) -> None:
    boxes = (Box(3, 20, 40, 60, 140), Box(0, 10, 10, 11, 90))
    image = save(tmp_path, noise(2 * SIZE, 3 * SIZE), boxes=boxes)
    _, targets, _ = worker.PlainImages(worker.ImageFolder(tmp_path, [image], SIZE))[0]
    assert targets.tolist() == [pytest.approx([3, 40 / 3, 90 / 3, 40 / 3, 100 / 3])]  # the other is a third wide


@pytest.mark.parametrize("quality", [75, 95])
def test_large_jpegs_are_halved_without_loss(worker: ModuleType, tmp_path: Path, quality: int) -> None:
    """What comes is nearer to the image before it was a JPEG than what full decoding gives."""
    pixels = noise(8 * SIZE, 6 * SIZE, grain=3)
    image = save(tmp_path, pixels, "JPEG", quality=quality)
    ideal = cv2.resize(pixels.astype(np.float32), (SIZE, 48), interpolation=cv2.INTER_AREA)
    full = cv2.resize(cv2.imread(str(tmp_path / "images" / image.sha256)), (SIZE, 48), interpolation=cv2.INTER_AREA)
    assert worker.read_image(tmp_path / "images" / image.sha256, image, SIZE).shape == (3 * SIZE, 4 * SIZE, 3)
    ours = worker.ImageFolder(tmp_path, [image], SIZE).pixels(0)
    errors = [np.sqrt(np.mean((image - ideal) ** 2)) for image in (ours, full[..., ::-1])]
    assert errors[0] < errors[1]


@pytest.mark.parametrize(
    ("width", "height"), [(8 * SIZE, 6 * SIZE), (8 * SIZE + 1, 6 * SIZE), (8 * SIZE, 6 * SIZE + 1)]
)
def test_edges_stay_where_they_are(worker: ModuleType, tmp_path: Path, width: int, height: int) -> None:
    pixels = np.zeros((height, width, 3), np.uint8)
    pixels[height // 4 : height // 2, width // 4 : width // 2] = 255
    image = worker.ImageFolder(tmp_path, [save(tmp_path, pixels, "JPEG", quality=98)], SIZE).pixels(0)
    bright = image.mean(axis=2) / 255
    rows, columns = bright[:, 24], bright[18]
    scale = SIZE / width
    assert (rows.sum(), columns.sum()) == pytest.approx((height / 4 * scale, width / 4 * scale), abs=0.3)
    assert rows @ np.arange(len(rows)) / rows.sum() + 0.5 == pytest.approx(height * 3 / 8 * scale, abs=0.1)
    assert columns @ np.arange(SIZE) / columns.sum() + 0.5 == pytest.approx(width * 3 / 8 * scale, abs=0.1)


@pytest.mark.parametrize("side", [SIZE, 8 * SIZE])
def test_orientation_in_the_file_is_not_obeyed(worker: ModuleType, tmp_path: Path, side: int) -> None:
    pixels = np.zeros((side // 2, side, 3), np.uint8)
    pixels[:, : side // 2] = 255
    turned = Image.Exif()
    turned[0x0112] = 6
    image = worker.ImageFolder(tmp_path, [save(tmp_path, pixels, "JPEG", exif=turned)], SIZE).pixels(0)
    assert image.shape == (SIZE // 2, SIZE, 3)
    assert image[:, :30].min() > 200
    assert image[:, 34:].max() < 55


@pytest.mark.parametrize("kind", ["PNG", "JPEG"])
@pytest.mark.parametrize("side", [SIZE, 8 * SIZE])
@pytest.mark.parametrize("change", [1, -1, 2])
def test_image_of_another_size_is_refused(
    worker: ModuleType, tmp_path: Path, kind: str, side: int, change: int
) -> None:
    image = save(tmp_path, noise(side + change, side), kind).model_copy(update={"width": side})
    with pytest.raises(BadSpec, match=rf"{kind}.*{side + change} x {side} pixels, the snapshot says {side} x {side}"):
        worker.ImageFolder(tmp_path, [image], SIZE).pixels(0)


@pytest.mark.parametrize("side", [SIZE, 8 * SIZE])
@pytest.mark.parametrize("data", [b"", b"no image", b"\xff\xd8\xff\xe0\x00\x10JFIF", None])
def test_file_that_is_no_image_is_refused(worker: ModuleType, tmp_path: Path, side: int, data: bytes | None) -> None:
    image = save(tmp_path, noise(side, side), "JPEG")
    path = tmp_path / "images" / image.sha256
    path.unlink() if data is None else path.write_bytes(data)
    folder = worker.ImageFolder(tmp_path, [image], SIZE)
    with pytest.raises(BadSpec, match="no image, the snapshot says"):
        folder.pixels(0)
    with pytest.raises(BadSpec, match="empty the dataset folder"):
        folder.fill_cache(2, tmp_path)


# The cache -----------------------------------------------------------------------------------------


class Split:
    """Square images in a dataset folder, an empty folder to spool into, and what was cached."""

    def __init__(self, worker: ModuleType, folder: Path, count: int) -> None:
        self.pixels = [noise(SIZE, SIZE, seed) for seed in range(count)]
        images = [save(folder, pixels) for pixels in self.pixels]
        self.new = lambda: worker.ImageFolder(folder, images, SIZE)
        self.folder = self.new()
        self.spool = folder / "spool"
        self.spool.mkdir()
        self.told = 0

    def fill(self, spool: Path | None = None, **options: object) -> object:
        def count() -> None:
            self.told += 1

        return self.folder.fill_cache(2, spool or self.spool, count, **options)

    def assert_right(self) -> None:
        assert all(np.array_equal(self.folder.pixels(index), pixels) for index, pixels in enumerate(self.pixels))

    def without_files(self) -> None:
        """Take the files away, so that only the cache is left."""
        for path in (self.folder.folder / "images").iterdir():
            path.unlink()


@pytest.fixture
def make_split(worker: ModuleType, tmp_path: Path) -> Callable[[int], Split]:
    return lambda count: Split(worker, tmp_path, count)


def test_all_images_in_memory(make_split: Callable[[int], Split]) -> None:
    split = make_split(5)
    cached = split.fill()
    assert (cached.in_memory, cached.on_disk, cached.again, cached.bytes_in_memory) == (5, 0, 0, 5 * BYTES)
    assert (str(cached), split.told) == ("5 images decoded into memory", 5)
    split.without_files()
    split.assert_right()


def test_what_memory_does_not_hold_goes_to_a_file_without_a_name(make_split: Callable[[int], Split]) -> None:
    split = make_split(6)
    cached = split.fill(memory=2 * BYTES + BYTES // 2)
    assert (cached.in_memory, cached.on_disk, cached.again, cached.bytes_in_memory) == (2, 4, 0, 2 * BYTES)
    assert (str(cached), split.told) == ("2 images in memory, 4 on disk", 6)
    split.without_files()
    split.assert_right()
    assert not list(split.spool.iterdir())


def test_without_room_images_are_decoded_again(make_split: Callable[[int], Split]) -> None:
    split = make_split(3)
    cached = split.fill(memory=BYTES, disk_share=0)
    assert (cached.in_memory, cached.on_disk, cached.again) == (1, 0, 2)
    assert (str(cached), split.told) == ("1 image in memory, 2 decoded again each time", 1)
    split.assert_right()


def test_shapes_count_as_they_are(worker: ModuleType, tmp_path: Path) -> None:
    """Narrow images take less room than square ones."""
    images = [save(tmp_path, noise(SIZE, SIZE // 4, seed)) for seed in range(8)]
    cached = worker.ImageFolder(tmp_path, images, SIZE).fill_cache(1, tmp_path, memory=2 * BYTES)
    assert cached.in_memory == 8


def test_loader_workers_share_the_file(worker: ModuleType, make_split: Callable[[int], Split]) -> None:
    split = make_split(6)
    split.fill(memory=0)
    split.without_files()
    loader = DataLoader(worker.PlainImages(split.folder), batch_size=None, num_workers=2)
    for (image, _, index), pixels in zip(loader, split.pixels, strict=True):
        assert np.array_equal(image.numpy().transpose(1, 2, 0), pixels), index


@contextmanager
def longest_file(size: int) -> Iterator[None]:
    """No file of this process can grow beyond ``size`` bytes meanwhile."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_file_that_cannot_grow_any_more(make_split: Callable[[int], Split]) -> None:
    split = make_split(20)
    with longest_file(10 * BYTES + BYTES // 2):
        cached = split.fill(memory=3 * BYTES)
    # Half of what was written is given back.
    assert (cached.in_memory, cached.on_disk, cached.again) == (3, 5, 12)
    assert str(cached) == "3 images in memory, 5 on disk, 12 decoded again each time"
    split.assert_right()


def test_disk_that_runs_full(make_split: Callable[[int], Split], tmp_path: Path) -> None:
    split, disk = make_split(60), tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={40 * BYTES}", "tmpfs", disk]
    if subprocess.run(mount, check=False, capture_output=True).returncode != 0:
        pytest.skip("no right to mount a small disk")
    try:
        planned = split.fill(disk, memory=0)
        assert (planned.on_disk, planned.again) == (20, 40)
        split.assert_right()
        split.folder = split.new()
        cut = split.fill(disk, memory=0, disk_share=2)
        assert 15 <= cut.on_disk <= 20
        assert cut.again == 60 - cut.on_disk
        split.assert_right()
        (disk / "checkpoint").write_bytes(bytes(15 * BYTES))
    finally:
        subprocess.run(["umount", "-l", disk], check=True)


def test_error_that_is_not_about_room_is_raised(worker: ModuleType, make_split: Callable[[int], Split]) -> None:
    split = make_split(1)
    reading, writing = os.pipe()
    try:
        with pytest.raises(OSError, match=os.strerror(errno.ESPIPE)):
            worker.Spool(writing, {0: (SIZE, SIZE, 3)}).write(0, split.pixels[0])
    finally:
        os.close(reading)
        os.close(writing)
