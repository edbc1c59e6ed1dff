"""Random changes of images: as super-gradients makes them, the same wherever they are made, and of any image."""

import hashlib
import io
import random
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import torch
from PIL import Image, ImageDraw

from tasks.records import Box, LabelledImage, TrainingSpec
from tests.fakes.libraries import imported

SIZE = 96
EPOCHS, SETTLING = 12, 4
PRESETS = ("none", "light", "standard", "strong")


@pytest.fixture(scope="module")
def worker(tmp_path_factory: pytest.TempPathFactory) -> ModuleType:
    """The module under test."""
    return imported("tasks.training.worker.data.augmentation", tmp_path_factory.mktemp("libraries"))


def save(folder: Path, width: int, height: int, boxes: Sequence[Box] = (), colour: int = 40) -> LabelledImage:
    """Put an image of one colour with white boxes into a dataset folder."""
    image = Image.new("RGB", (width, height), (colour, colour // 2, 2 * colour))
    for box in boxes:
        corner = max(box.x1, box.x2 - 1), max(box.y1, box.y2 - 1)
        ImageDraw.Draw(image).rectangle((box.x1, box.y1, *corner), fill="white")
    file = io.BytesIO()
    image.save(file, "PNG")
    sha256 = hashlib.sha256(file.getvalue()).hexdigest()
    (folder / "images").mkdir(exist_ok=True)
    (folder / "images" / sha256).write_bytes(file.getvalue())
    return LabelledImage(
        file_name="drawn.png", split="train", sha256=sha256, size=len(file.getvalue()), width=width, height=height,
        boxes=tuple(boxes),
    )  # fmt: skip


def drawn(folder: Path, count: int = 6) -> list[LabelledImage]:
    """Images with one box each, of a class of its own."""
    sizes = [(SIZE, SIZE), (2 * SIZE, SIZE), (SIZE, 2 * SIZE)]
    images = []
    for number in range(count):
        width, height = sizes[number % len(sizes)]
        box = Box(number, width * 0.3, height * 0.2, width * 0.8, height * 0.6)
        images.append(save(folder, width, height, [box], colour=20 + number))
    return images


def training(worker: ModuleType, folder: Path, images: list[LabelledImage], preset: str, **changes: object):
    """Training images without a cache."""
    values = {
        "snapshot_digest": "0" * 64, "classes": tuple("abcdef"), "variant": "s", "epochs": EPOCHS, "image_size": SIZE,
        "batch_size": 4, "learning_rate": 1e-3, "patience": 5, "seed": 3, "augmentation": preset,
        "settling_epochs": SETTLING,
    }  # fmt: skip
    spec = TrainingSpec(**{**values, **changes})
    return worker.TrainingImages(worker.ImageFolder(folder, images, SIZE), spec)


def assert_same(one: tuple, other: tuple) -> None:
    assert torch.equal(one[0], other[0])
    assert torch.equal(one[1], other[1])
    assert one[2] == other[2]


# As super-gradients makes them ---------------------------------------------------------------------


def composed(sample: object, seed: tuple[int, ...], *, moved: bool) -> tuple[np.ndarray, np.ndarray]:
    """Image ``[3, S, S]`` and targets ``[n, 5]`` by super-gradients' own transforms from the first to the last."""
    from super_gradients.training.transforms import transforms as sg
    from super_gradients.training.transforms.detection import DetectionPadIfNeeded

    affine = sg.DetectionRandomAffine(
        degrees=0.0, translate=0.1, scales=(0.5, 1.5), shear=0.0, target_size=(SIZE, SIZE),
        filter_box_candidates=True, wh_thr=2, area_thr=0.1, ar_thr=20, border_value=114,
    )  # fmt: skip
    hsv = sg.DetectionHSV(prob=0.5, hgain=18, sgain=30, vgain=30, bgr_channels=(2, 1, 0))
    state = np.random.SeedSequence(list(seed)).generate_state(2)
    random.seed(int(state[0]))
    np.random.seed(int(state[1]))
    for transform in [
        *([affine] if moved else []), hsv, sg.DetectionHorizontalFlip(prob=0.5),
        DetectionPadIfNeeded(SIZE, SIZE, 114, "bottom_right"),
    ]:  # fmt: skip
        sample = transform.apply_to_sample(sample)
    labelled = np.concatenate([sample.bboxes_xyxy, sample.labels[:, None]], axis=1)
    targets = sg.DetectionTargetsFormatTransform(input_dim=(SIZE, SIZE)).apply_on_targets(labelled)
    return sample.image.transpose(2, 0, 1), targets


@pytest.mark.parametrize(("preset", "moved"), [("light", False), ("standard", True)])
def test_preset_is_super_gradients_transforms(worker: ModuleType, tmp_path: Path, preset: str, moved: bool) -> None:
    dataset = training(worker, tmp_path, drawn(tmp_path), preset)
    for epoch in range(1, EPOCHS + 1):
        for index in range(6):
            image, targets, number = dataset[epoch, index]
            expected = composed(dataset.folder.sample(index), (3, epoch, index), moved=moved)
            assert number == index
            assert np.array_equal(image.numpy(), expected[0])
            assert np.array_equal(targets.numpy(), expected[1])


def test_colours_are_changed_as_super_gradients_does(worker: ModuleType) -> None:
    """Bit for bit, in noise of all colours, and after as many draws."""
    from super_gradients.training.transforms.transforms import DetectionHSV

    image = np.random.default_rng(1).integers(0, 256, (128, 128, 3), np.uint8)
    gains = {"hgain": 18, "sgain": 30, "vgain": 30, "bgr_channels": (2, 1, 0)}
    ours, theirs = worker.Colours(prob=1, **gains), DetectionHSV(prob=1, **gains)
    changed = 0
    for seed in range(60):
        np.random.seed(seed)
        expected, following = theirs.apply_to_image(image), np.random.rand()
        np.random.seed(seed)
        assert np.array_equal(ours.apply_to_image(image), expected)
        assert np.random.rand() == following
        changed += not np.array_equal(expected, image)
    assert changed > 40


def test_none_changes_nothing(worker: ModuleType, tmp_path: Path) -> None:
    dataset = training(worker, tmp_path, drawn(tmp_path), "none")
    plain = imported("tasks.training.worker.data.images", tmp_path).PlainImages(dataset.folder)
    for index in range(6):
        assert_same(dataset[1, index], plain[index])
        assert_same(dataset[EPOCHS, index], plain[index])


# Strong --------------------------------------------------------------------------------------------


def test_strong_puts_images_together(worker: ModuleType, tmp_path: Path) -> None:
    """Classes tell which image a box came from."""
    dataset = training(worker, tmp_path, drawn(tmp_path), "strong")
    seen = [set(dataset[epoch, index][1][:, 0].tolist()) for epoch in range(1, 9) for index in range(6)]
    assert set.union(*seen) == {0, 1, 2, 3, 4, 5}
    assert sum(len(classes) > 1 for classes in seen) > len(seen) / 2
    assert len({frozenset(classes) for classes in seen}) > 10


def test_boxes_of_strong_lie_on_what_they_label(worker: ModuleType, tmp_path: Path) -> None:
    """White on black, a half of it where images are mixed; what is too small to look into is left out."""
    images = [save(tmp_path, SIZE, SIZE, [Box(0, 10, 10 + n, 50, 60 + n)], colour=0) for n in range(5)]
    dataset = training(worker, tmp_path, images, "strong", settling_epochs=0)
    brightness = []
    for epoch in range(1, EPOCHS + 1):
        for index in range(5):
            image, targets, _ = dataset[epoch, index]
            for _, x, y, width, height in targets.tolist():
                if min(width, height) > 10:
                    part = image[:, int(y - height / 4) : int(y + height / 4), int(x - width / 4) : int(x + width / 4)]
                    brightness.append(part.float().mean().item())
    assert len(brightness) > 100
    # A mixture halves it, and then HSV may take 30.
    assert min(brightness) > 255 / 2 - 30 - 2
    assert sum(value > 255 - 32 for value in brightness) > len(brightness) / 4


@pytest.mark.parametrize("settling", [0, SETTLING, EPOCHS, EPOCHS + 5])
def test_last_epochs_are_those_of_standard(worker: ModuleType, tmp_path: Path, settling: int) -> None:
    images = drawn(tmp_path)
    strong = training(worker, tmp_path, images, "strong", settling_epochs=settling)
    standard = training(worker, tmp_path, images, "standard", settling_epochs=settling)
    for epoch in range(1, EPOCHS + 1):
        pairs = [(strong[epoch, index], standard[epoch, index]) for index in range(6)]
        same = [torch.equal(one[0], other[0]) and torch.equal(one[1], other[1]) for one, other in pairs]
        assert set(same) == {epoch > EPOCHS - settling}, epoch


# Of seed, epoch and index alone --------------------------------------------------------------------


@pytest.mark.parametrize("preset", PRESETS)
def test_change_depends_on_nothing_else(worker: ModuleType, tmp_path: Path, preset: str) -> None:
    """Not on what was asked for before, by whom, or on what else drew random numbers."""
    images = drawn(tmp_path)
    first, second = (training(worker, tmp_path, images, preset) for _ in range(2))
    second.folder.fill_cache(1, tmp_path, memory=3 * 3 * SIZE * SIZE)
    keys = [(epoch, index) for epoch in (1, 2, EPOCHS) for index in range(6)]
    expected = {key: first[key] for key in keys}
    shuffled = random.Random(1).sample(keys, len(keys))
    for key in shuffled:
        random.random()
        np.random.rand(3)
        assert_same(second[key], expected[key])


@pytest.mark.parametrize("preset", ["light", "standard", "strong"])
def test_seed_epoch_and_index_all_matter(worker: ModuleType, tmp_path: Path, preset: str) -> None:
    images = [save(tmp_path, SIZE, SIZE, [Box(0, 10, 10, 50, 60)])] * 2
    one, other = (training(worker, tmp_path, images, preset, seed=seed) for seed in (3, 4))

    def several(dataset: object, *keys: tuple[int, int]) -> list[bytes]:
        return [dataset[key][0].numpy().tobytes() for key in keys]

    keys = [(epoch, 0) for epoch in range(1, 9)]
    assert several(one, *keys) != several(other, *keys)
    assert several(one, *keys) != several(one, *((epoch, 1) for epoch, _ in keys))
    assert len(set(several(one, *keys))) > 4


def test_loader_workers_give_the_same(worker: ModuleType, tmp_path: Path) -> None:
    batches = imported("tasks.training.worker.data.loaders", tmp_path)
    dataset = training(worker, tmp_path, drawn(tmp_path), "strong")
    loaders = [
        batches.training_loader(dataset, batches.EpochBatches(6, 2, seed=3, epoch=2), workers) for workers in (0, 2)
    ]
    for here, there in zip(*loaders, strict=True):
        assert_same((here.images, here.targets, here.indices), (there.images, there.targets, there.indices))


def test_cached_images_stay_as_they_are(worker: ModuleType, tmp_path: Path) -> None:
    dataset = training(worker, tmp_path, drawn(tmp_path), "strong")
    fresh = [dataset.folder.pixels(index).copy() for index in range(6)]
    dataset.folder.fill_cache(1, tmp_path, memory=3 * 3 * SIZE * SIZE)
    for key in [(epoch, index) for epoch in range(1, EPOCHS + 1) for index in range(6)]:
        dataset[key]
    assert all(np.array_equal(dataset.folder.pixels(index), image) for index, image in enumerate(fresh))


# Any image ---------------------------------------------------------------------------------------

SPLITS = {
    "one image": [(SIZE, SIZE, [Box(0, 10, 10, 50, 60)])],
    "one image without boxes": [(SIZE, SIZE, [])],
    "some without boxes": [(SIZE, SIZE, [Box(0, 10, 10, 50, 60)]), (SIZE, SIZE // 2, []), (SIZE // 2, SIZE, [])],
    "boxes at corners": [(SIZE, SIZE, [Box(0, 0, 0, 4, 4)]), (SIZE, SIZE, [Box(1, SIZE - 4, SIZE - 4, SIZE, SIZE)])],
    "boxes of no size": [(SIZE, SIZE, [Box(0, 5, 5, 5, 5), Box(0, 9, 9, 9.5, 60)])],
    "narrow": [(1, 500, [Box(0, 0, 100, 1, 400)])],
    "flat": [(500, 1, [Box(0, 100, 0, 400, 1)])],
    "narrow, flat and tiny": [(1, 500, [Box(0, 0, 0, 1, 500)]), (500, 2, []), (1, 1, [Box(1, 0, 0, 1, 1)])],
    "whole image": [(3 * SIZE, SIZE, [Box(0, 0, 0, 3 * SIZE, SIZE)])],
}


@pytest.mark.parametrize("preset", PRESETS)
@pytest.mark.parametrize("split", SPLITS)
def test_any_image(worker: ModuleType, tmp_path: Path, preset: str, split: str) -> None:
    images = [save(tmp_path, width, height, boxes) for width, height, boxes in SPLITS[split]]
    dataset = training(worker, tmp_path, images, preset, epochs=40)
    for epoch in range(1, 41):
        for index in range(len(images)):
            image, targets, _ = dataset[epoch, index]
            assert (image.shape, image.dtype) == ((3, SIZE, SIZE), torch.uint8)
            assert image.is_contiguous()
            assert (targets.dim(), targets.shape[1], targets.dtype) == (2, 5, torch.float32)
            assert (targets[:, 3:] > 1).all()
            corners = torch.cat([targets[:, 1:3] - targets[:, 3:] / 2, targets[:, 1:3] + targets[:, 3:] / 2])
            assert ((corners > -1e-3) & (corners < SIZE + 1e-3)).all()


@pytest.mark.parametrize("preset", ["standard", "strong"])
def test_boxes_may_all_be_moved_out(worker: ModuleType, tmp_path: Path, preset: str) -> None:
    dataset = training(worker, tmp_path, [save(tmp_path, SIZE, SIZE, [Box(0, 0, 0, 6, 6)])], preset, epochs=40)
    counts = [len(dataset[epoch, 0][1]) for epoch in range(1, 41)]
    assert 0 in counts
    assert max(counts) > 0
